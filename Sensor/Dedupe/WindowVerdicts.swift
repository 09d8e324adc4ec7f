internal import FlowModel

/// What was decided over one window: gathered while the columns are only read, carried out afterwards.
struct WindowVerdicts {
    private var rows: [UInt32] = []
    /// Canonical rows and the memory's numbers of who else saw them.
    private var notes: [(row: UInt32, observer: UInt32)] = []
    var disputed: UInt64 = 0
    var unexamined: UInt64 = 0

    mutating func reset() {
        rows.removeAll(keepingCapacity: true)
        notes.removeAll(keepingCapacity: true)
        (disputed, unexamined) = (0, 0)
    }
    /// Once a row: what is settled is out of the game.
    @inline(__always)
    mutating func isElsewhere(_ row: UInt32) {
        rows.append(row)
    }
    @inline(__always)
    mutating func note(_ observer: UInt32, on row: UInt32) { notes.append((row, observer)) }

    func report(_ columns: FlowColumns) -> DedupeReport {
        var report = DedupeReport(), tallies = [Tally](repeating: Tally(), count: columns.exporters.count)
        for row in rows {
            let row = Int(row)
            tallies[Int(columns.exporter[row])] += Tally(
                flows: UInt64(columns.deltaFlowCount[row]), octets: columns.octetDeltaCount[row],
                packets: columns.packetDeltaCount[row])
        }
        for (key, tally) in zip(columns.exporters, tallies) where tally != Tally() {
            report.elsewhere[key] = tally
            report.savings += tally
        }
        report.rows = UInt64(rows.count)
        report.disputed = disputed
        report.unexamined = unexamined
        return report
    }

    func mark(_ columns: inout FlowColumns) {
        for row in rows { columns.flags[Int(row)] |= RecordFlags.observedElsewhere.rawValue }
    }
    func merge(_ columns: inout FlowColumns, observers: [ExporterKey]) {
        remember(&columns, observers)
        guard !rows.isEmpty else { return }
        var marks = RowMarks()
        marks.reset(rowCount: columns.count)
        for row in rows { marks.insert(Int(row)) }
        columns.removeRows(marks)
    }
    /// Writes the notes into the rows' sets of observers.
    private func remember(_ columns: inout FlowColumns, _ observers: [ExporterKey]) {
        guard !notes.isEmpty else { return }
        // By the memory's number of an observer: its number in these columns, and the place of the set of it alone.
        var numbers = [UInt32](repeating: .max, count: observers.count)
        var places = [UInt32](repeating: 0, count: observers.count)
        for (row, observer) in notes {
            let observer = Int(observer)
            if numbers[observer] == .max {
                guard let number = columns.intern(observers[observer]) else { continue }
                numbers[observer] = number
            }
            let number = numbers[observer]
            let row = Int(row), present = columns.observers[row]
            guard number != columns.exporter[row] else { continue }
            if present != 0 {
                let set = columns.observerSets.set(at: present)
                if !set.contains(number) { columns.observers[row] = columns.observerSets.place(of: set + [number]) }
            } else {
                if places[observer] == 0 { places[observer] = columns.observerSets.place(of: [number]) }
                columns.observers[row] = places[observer]
            }
        }
    }
}
