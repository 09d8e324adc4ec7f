package import BatchFormat
package import FlowModel

/// Sums of rows by group, for any number of groups.
package struct GroupSums {
    /// In the order in which groups of equal sums are sorted; each kind of key once.
    package let keys: [FlowKey]
    /// Whether groups have the time of their first and last record: `FlowGroup.period`.
    let hasTimes: Bool
    private let seed: UInt64
    private let memory: QueryMemory
    var narrow: GroupSide
    var wide: GroupSide?
    var names = KeyNames()
    package internal(set) var total = Tally()
    /// Of sums that were drained.
    private var drainedScratchBytes = 0

    /// - Parameters:
    ///   - keys: what to group by; of several lengths of one address's network the first counts.
    ///   - seed: secret, so that nobody makes groups collide.
    package init(by keys: [FlowKey], hasTimes: Bool = false, seed: UInt64, memory: QueryMemory = QueryMemory()) {
        self.keys = FlowKey.ordered(keys)
        self.hasTimes = hasTimes
        self.seed = seed
        self.memory = memory
        narrow = GroupSide(self.keys, isNarrow: true, hasTimes: hasTimes, seed: seed, memory: memory)
        if KeyLayout.hasAddresses(self.keys) {
            wide = GroupSide(self.keys, isNarrow: false, hasTimes: hasTimes, seed: seed, memory: memory)
        }
    }

    /// What must be decoded before `add`.
    package var fields: FieldSet {
        let times: FieldSet = hasTimes ? [.flowStartMilliseconds, .flowEndMilliseconds] : []
        return keys.reduce(into: FieldSet.counters.union(times)) { $0.formUnion($1.fields) }
    }
    /// Octets that went to scratch files.
    package var scratchBytes: Int {
        drainedScratchBytes + narrow.sums.scratchBytes + (wide?.sums.scratchBytes ?? 0)
    }

    /// Adds rows of a block.
    package mutating func add(_ block: RowBlock, rows: [Int32]) throws(EngineError) {
        let numbers = BlockNumbers(block, keys, &names)
        var chunks = RowChunks(keys, rows)
        while let chunk = chunks.next(block) {
            if chunk.isNarrow || wide == nil {
                try narrow.add(block, chunk.rows, numbers, &total)
            } else {
                try wide?.add(block, chunk.rows, numbers, &total)
            }
        }
    }

    /// The groups with the most, largest first; nothing is left afterwards.
    /// - Parameter check: called now and then; what it throws ends the work.
    package mutating func top(
        _ limit: Int, by measure: FlowMeasure, check: () throws(EngineError) -> Void = {}
    ) throws(EngineError) -> TopGroups {
        var found: [FlowGroup] = [], count = 0
        for isNarrow in [true, false] {
            guard let layout = isNarrow ? narrow.layout : wide?.layout else { continue }
            let emptied = GroupSide(keys, isNarrow: isNarrow, hasTimes: hasTimes, seed: seed, memory: memory)
            var sums = isNarrow ? narrow.sums : wide?.sums
            if isNarrow { narrow = emptied } else { wide = emptied }
            var list = TopList(limit: limit, measure: measure, layout, emptied.writer.shape, names)
            try sums?.drain { (entries, number) throws(EngineError) in
                try check()
                list.add(entries, number: number)
                count += number
            }
            drainedScratchBytes += sums?.scratchBytes ?? 0
            found += list.groups(hasTimes: hasTimes).map(\.group)
        }
        found.sort { measure.puts($0, before: $1) }
        return TopGroups(groups: Array(found.prefix(limit)), total: total, groupCount: count)
    }
}

/// The entries of one layout.
struct GroupSide {
    let layout: KeyLayout
    var writer: EntryWriter
    var sums: EntrySums
    private let hasTimes: Bool

    init(_ keys: [FlowKey], isNarrow: Bool, hasTimes: Bool, seed: UInt64, memory: QueryMemory) {
        layout = KeyLayout(keys, isNarrow: isNarrow)
        self.hasTimes = hasTimes
        let times = hasTimes ? 1 : 0
        let shape = EntryShape(keys: layout.words, sums: 4, minimums: times, maximums: times)
        writer = EntryWriter(layout, shape: shape)
        sums = EntrySums(shape: shape, seed: seed, memory: memory)
    }

    mutating func add(
        _ block: RowBlock, _ rows: [Int32], _ numbers: BlockNumbers, _ total: inout Tally
    ) throws(EngineError) {
        writer.writeKeys(block, rows.span, numbers)
        writer.writeCounters(block, rows, &total)
        if hasTimes { writer.writeTimes(block, rows) }
        let left = writer.mergeNeighbours(count: rows.count)
        let entries = writer.entries
        try sums.add(entries.span, number: left)
    }
}

extension EntryWriter {
    /// Flows, octets, packets, rows.
    fileprivate mutating func writeCounters(_ block: RowBlock, _ rows: [Int32], _ total: inout Tally) {
        let flowArray = block.columns.deltaFlowCount, octetArray = block.columns.octetDeltaCount
        let packetArray = block.columns.packetDeltaCount
        let flows = flowArray.span, octets = octetArray.span, packets = packetArray.span, rows = rows.span
        let stride = shape.stride
        var at = shape.keys, sum = SIMD4<UInt64>.zero, entries = self.entries.mutableSpan
        for index in rows.indices {
            let row = Int(rows[index])
            let tally = SIMD4(UInt64(flows[row]), octets[row], packets[row], 1)
            sum &+= tally
            for word in 0..<4 { entries[at &+ word] = tally[word] }
            at &+= stride
        }
        total += Tally(flows: sum.x, octets: sum.y, packets: sum.z)
    }
    fileprivate mutating func writeTimes(_ block: RowBlock, _ rows: [Int32]) {
        let startArray = block.columns.flowStartMilliseconds, endArray = block.columns.flowEndMilliseconds
        let starts = startArray.span, ends = endArray.span
        let stride = shape.stride
        var at = shape.keys + shape.sums, entries = self.entries.mutableSpan
        for row in rows {
            entries[at] = starts[Int(row)].rising
            entries[at &+ 1] = ends[Int(row)].rising
            at &+= stride
        }
    }
}

/// What `GroupSums.top` found.
package struct TopGroups: Equatable, Sendable {
    package var groups: [FlowGroup]
    package var total: Tally
    /// Groups there are.
    package var groupCount: Int
}

/// One line of a top list.
package struct FlowGroup: Equatable, Sendable {
    package let key: FlowGroupKey
    /// Flows, octets and packets as exported, not scaled by the sampling interval.
    package let tally: Tally
    /// Rows that were summed.
    package let rows: UInt64
    /// First start and last end of its rows, ms since 1970 UTC; nil when the question did not need them.
    package var period: ClosedRange<Int64>?

    package init(key: FlowGroupKey, tally: Tally, rows: UInt64, period: ClosedRange<Int64>? = nil) {
        (self.key, self.tally, self.rows, self.period) = (key, tally, rows, period)
    }
}

extension FlowKey {
    /// In the order of their ranks, each rank once.
    package static func ordered(_ keys: [FlowKey]) -> [FlowKey] {
        var seen: Set<Int> = []
        return keys.filter { seen.insert($0.rank).inserted }.sorted { $0.rank < $1.rank }
    }
}
