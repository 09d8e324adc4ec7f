package import FlowModel

/// Sums records of the same key into one row, in memory that is bounded by `entriesMax`.
///
/// Octets, packets and flow counts over all rows that were taken are exactly those that come out, at each fidelity;
/// start is the earliest, end and export the latest, receive the first; TCP flags are joined; of AS numbers, prefix
/// lengths and next hop the first seen stay. A sum that would overflow opens a second row of the same key.
/// Open addressing with linear probing, at most half full; a slot holds 32 bits of hash and an entry's number, entries
/// are dense and in order of first sight, so emptying is one pass.
/// Not here: when a table is emptied, and what becomes of rows it has no room for (`SensorPipeline`).
package struct FlowTable: ~Copyable {
    package let entriesMax: Int
    /// What rows are coarsened to from now on; may change while there are entries.
    package var fidelity: Fidelity
    private let seed: UInt64
    private let slotMask: Int
    private var slots: [UInt64]
    private var keys: [FlowKey] = []
    private var sums: [FlowSums] = []
    private var firsts: [FirstSeen] = []
    private var exporters: [ExporterKey] = []
    private var exporterNumbers: [ExporterKey: UInt32] = [:]

    /// - Parameters:
    ///   - entriesMax: rows that the table holds, 1...2^24; about 200 octets each once they are used. Up to 64 Ki stay
    ///     in the processor's cache.
    ///   - seed: unknown to whoever sends flows, so that nobody can make keys collide.
    package init(entriesMax: Int, fidelity: Fidelity, seed: UInt64) {
        precondition((1...1 << 24).contains(entriesMax), "a table of \(entriesMax) entries")
        self.entriesMax = entriesMax
        self.fidelity = fidelity
        self.seed = seed
        var slotCount = 16
        while slotCount < 2 * entriesMax { slotCount *= 2 }
        slotMask = slotCount - 1
        slots = [UInt64](repeating: 0, count: slotCount)
    }

    /// Entries in use: the rows that `drain` would give.
    package var count: Int { keys.count }
    package var isEmpty: Bool { keys.isEmpty }

    /// Takes rows in order until one needs an entry and there is none.
    /// - Returns: how many were taken, from the start of `rows`; at least one if the table was empty.
    package mutating func add(_ columns: FlowColumns, rows: Range<Int>) -> Int {
        var known: UInt32?, number: UInt32 = 0
        for row in rows {
            if columns.exporter[row] != known {
                guard let found = self.number(of: columns.exporterKey(ofRow: row)) else { return row - rows.lowerBound }
                (known, number) = (columns.exporter[row], found)
            }
            let key = FlowKey(columns, row, exporter: number, fidelity: fidelity)
            guard add(key, columns, row) else { return row - rows.lowerBound }
        }
        return rows.count
    }

    /// The table's own number of an exporter; nil when it has as many as columns can hold.
    private mutating func number(of exporter: ExporterKey) -> UInt32? {
        if let known = exporterNumbers[exporter] { return known }
        guard exporters.count < FlowColumns.exportersMax else { return nil }
        let number = UInt32(exporters.count)
        exporters.append(exporter)
        exporterNumbers[exporter] = number
        return number
    }

    /// False when the row needs an entry and there is none.
    @inline(__always)
    private mutating func add(_ key: FlowKey, _ columns: FlowColumns, _ row: Int) -> Bool {
        let hash = key.hash(seed), tag = hash >> 32
        var slot = Int(truncatingIfNeeded: hash) & slotMask
        while slots[slot] != 0 {  // ends: at most half of the slots are in use
            let held = slots[slot]
            if held >> 32 == tag {
                let entry = Int(held & 0xFFFF_FFFF) - 1
                if keys[entry] == key {
                    if sums[entry].add(columns, row) { return true }
                    break  // the sum is full: a new entry takes the slot, the old one stays to be drained
                }
            }
            slot = (slot &+ 1) & slotMask
        }
        guard keys.count < entriesMax else { return false }
        keys.append(key)
        sums.append(FlowSums(columns, row))
        firsts.append(FirstSeen(columns, row))
        slots[slot] = tag << 32 | UInt64(keys.count)
        return true
    }

    /// Appends all entries to `columns` in order of first sight and empties the table, keeping its memory.
    /// - Parameter columns: must have room for the table's exporters; empty columns always do.
    package mutating func drain(into columns: inout FlowColumns) {
        let numbers = exporters.map { exporter in
            guard let number = columns.intern(exporter) else { preconditionFailure("no room for the exporters") }
            return number
        }
        let rows = columns.extend(by: keys.count)
        write(keys, into: &columns, at: rows.lowerBound, numbers)
        write(sums, into: &columns, at: rows.lowerBound)
        write(firsts, into: &columns, at: rows.lowerBound)
        removeAll()
    }

    /// Forgets all entries and exporters, keeping the memory.
    private mutating func removeAll() {
        keys.removeAll(keepingCapacity: true)
        sums.removeAll(keepingCapacity: true)
        firsts.removeAll(keepingCapacity: true)
        exporters.removeAll(keepingCapacity: true)
        exporterNumbers.removeAll(keepingCapacity: true)
        var slots = self.slots.mutableSpan
        for slot in slots.indices { slots[slot] = 0 }
    }
}
