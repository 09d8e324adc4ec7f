internal import FlowModel

/// What was decided over one window: gathered while the columns are only read, carried out afterwards.
struct WindowVerdicts {
    private(set) var elsewhere = RowMarks()
    private var rows: [UInt32] = []
    /// Canonical rows and the memory's numbers of who else saw them.
    private var notes: [(row: UInt32, observer: UInt32)] = []
    var disputed: UInt64 = 0
    var unexamined: UInt64 = 0

    mutating func reset(_ columns: FlowColumns) {
        elsewhere.reset(rowCount: columns.count)
        rows.removeAll(keepingCapacity: true)
        notes.removeAll(keepingCapacity: true)
        (disputed, unexamined) = (0, 0)
    }
    mutating func isElsewhere(_ row: UInt32) {
        if elsewhere.insert(Int(row)) { rows.append(row) }
    }
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
        columns.removeRows(elsewhere)
    }
    /// Writes the notes into the rows' sets of observers.
    private func remember(_ columns: inout FlowColumns, _ observers: [ExporterKey]) {
        var numbers: [UInt32: UInt32] = [:], places: [UInt32: UInt32] = [:]
        for (row, observer) in notes {
            guard let number = numbers[observer] ?? columns.intern(observers[Int(observer)]) else { continue }
            numbers[observer] = number
            let row = Int(row), present = columns.observers[row]
            guard number != columns.exporter[row] else { continue }
            if present != 0 {
                let set = columns.observerSets.set(at: present)
                if !set.contains(number) { columns.observers[row] = columns.observerSets.place(of: set + [number]) }
            } else if let place = places[number] {
                columns.observers[row] = place
            } else {
                let place = columns.observerSets.place(of: [number])
                places[number] = place
                columns.observers[row] = place
            }
        }
    }
}
