package import BatchFormat
internal import FlowModel

/// Sums of rows by period of time and group: what is stacked in a chart, and what percentiles are taken of.
///
/// Octets and packets of a row are spread evenly over [start, end]: by time t, ⌊value × (t − start) ÷ (end − start)⌋ of
/// them are counted, so that the parts add up to the whole. Flows count where the row ends. A row without a duration,
/// or with one over `durationMax`, counts where it ends. Rollups do the same.
package struct SeriesSums {
    /// 1 hour: routers' active timeouts are at most half of it, and what a row can cost stays bounded.
    package static let durationMax: Int64 = 3_600_000
    /// Periods of one question.
    package static let bucketsMax = 100_000

    private let keys: [FlowKey]
    package let from: Int64
    package let to: Int64
    package let period: Int64
    private var narrow: SeriesSide
    private var wide: SeriesSide?
    private var names = KeyNames()

    /// - Parameters:
    ///   - keys: what to group by; none gives one series, the total.
    ///   - from: where the first period begins, ms since 1970 UTC; cut to a multiple of `period`.
    ///   - to: periods that begin then or later are left out. The last one is whole, even if it ends later.
    ///   - period: ms; 1 s at least.
    /// Of more than `bucketsMax` periods the first are kept: who asks checks that before.
    package init(
        by keys: [FlowKey], from: Int64, to: Int64, period: Int64, seed: UInt64, memory: QueryMemory = QueryMemory()
    ) {
        let period = max(period, 1_000)
        self.period = period
        self.keys = FlowKey.ordered(keys)
        let whole = Self.whole(from: from, to: to, period: period)
        self.from = whole.lowerBound
        self.to = whole.upperBound
        let span = SeriesSpan(from: self.from, to: self.to, period: period)
        narrow = SeriesSide(self.keys, span, isNarrow: true, seed: seed, memory: memory)
        if KeyLayout.hasAddresses(self.keys) {
            wide = SeriesSide(self.keys, span, isNarrow: false, seed: seed, memory: memory)
        }
    }
    /// The whole periods that [from, to) touches, at most `bucketsMax`.
    package static func whole(from: Int64, to: Int64, period: Int64) -> Range<Int64> {
        let period = max(period, 1_000)
        let first = floor(max(from, Int64.min / 2), period)
        guard to > first else { return first..<first }
        let (span, overflows) = (to - 1).subtractingReportingOverflow(first)
        let count = overflows ? Int64(bucketsMax) : min(span / period + 1, Int64(bucketsMax))
        let (end, isOver) = first.addingReportingOverflow(count * period)
        return first..<(isOver ? .max : end)
    }
    private static func floor(_ time: Int64, _ period: Int64) -> Int64 {
        let rest = time % period
        return rest >= 0 ? time - rest : time - rest - period
    }

    /// What must be decoded before `add`.
    package var fields: FieldSet {
        let times: FieldSet = [.flowStartMilliseconds, .flowEndMilliseconds]
        return keys.reduce(into: FieldSet.counters.union(times)) { $0.formUnion($1.fields) }
    }
    package var scratchBytes: Int { narrow.scratchBytes + (wide?.scratchBytes ?? 0) }
    package var bucketCount: Int { SeriesSpan(from: from, to: to, period: period).bucketCount }

    /// Adds rows of a block.
    package mutating func add(_ block: RowBlock, rows: [Int32]) throws(EngineError) {
        let numbers = BlockNumbers(block, keys, &names)
        var chunks = RowChunks(keys, rows)
        while let chunk = chunks.next(block) {
            if chunk.isNarrow || wide == nil {
                try narrow.add(block, chunk.rows, numbers)
            } else {
                try wide?.add(block, chunk.rows, numbers)
            }
        }
    }

    /// The series of the groups with the most in the whole time, largest first, and of all others together; nothing is
    /// left afterwards.
    package mutating func stacked(
        _ limit: Int, by measure: FlowMeasure, check: () throws(EngineError) -> Void = {}
    ) throws(EngineError) -> StackedSeries {
        var narrowTop = try narrow.top(limit, measure, names, check)
        let wideTop = try wide?.top(limit, measure, names, check)
        narrowTop.groups += wideTop?.groups ?? []
        let top = narrowTop.groups.sorted { measure.puts($0.group, before: $1.group) }.prefix(limit)
        var answer = StackedSeries(
            from: from, period: period, bucketCount: bucketCount,
            groupCount: narrowTop.count + (wideTop?.count ?? 0))
        for item in top { answer.series.append(answer.empty(item.group)) }
        try narrow.drain(top.map { ($0.isNarrow, $0.key) }, into: &answer, check)
        try wide?.drain(top.map { ($0.isNarrow, $0.key) }, into: &answer, check)
        return answer
    }
}

/// Which periods there are.
struct SeriesSpan: Sendable {
    let from: Int64, to: Int64, period: Int64
    /// `to` − `from` fits: see `SeriesSums.whole`.
    var bucketCount: Int { max(0, Int((to - from + period - 1) / period)) }

    /// Calls `body` with the number of each period that has a part of a row, rising, and that part.
    @inline(__always)
    func forEachBucket(start: Int64, end: Int64, tally: Tally, _ body: (Int, Tally) -> Void) {
        // Where the row ends: before the first period nothing of it can be in one.
        guard end >= from else { return }
        let start = self.start(start, end)
        guard start < to else { return }
        if start >= from, end < to {
            let first = UInt64(start - from) / UInt64(period)
            if UInt64(end - from) < (first + 1) * UInt64(period) { return body(Int(first), tally) }
        }
        spread(start, end, tally, body)
    }
    private func spread(_ start: Int64, _ end: Int64, _ tally: Tally, _ body: (Int, Tally) -> Void) {
        // `start` is at most `durationMax` before `end`, so these differences fit.
        var bucket = start >= from ? Int((start - from) / period) : 0
        var octets = counted(tally.octets, start, end, by: time(bucket))
        var packets = counted(tally.packets, start, end, by: time(bucket))
        while time(bucket) <= end, time(bucket) < to {  // ends: at most `durationMax` ÷ a second turns
            let next = time(bucket + 1)
            // What counts at the very end of the row belongs to the period that the end lies in.
            let isLast = end < next
            let octetsBy = isLast ? tally.octets : counted(tally.octets, start, end, by: next)
            let packetsBy = isLast ? tally.packets : counted(tally.packets, start, end, by: next)
            body(
                bucket,
                Tally(
                    flows: isLast ? tally.flows : 0, octets: octetsBy &- octets, packets: packetsBy &- packets))
            (octets, packets) = (octetsBy, packetsBy)
            bucket += 1
        }
    }
    private func time(_ bucket: Int) -> Int64 { from + Int64(bucket) * period }

    /// Of a number that can be multiplied by a duration within 64 bits.
    static let smallBits: UInt64 = 42

    private func counted(_ value: UInt64, _ start: Int64, _ end: Int64, by time: Int64) -> UInt64 {
        guard time > start else { return 0 }
        guard time < end else { return value }
        // Both differences are at most `durationMax`, below 2²², and the quotient is below `value`.
        if value >> Self.smallBits == 0 { return value &* UInt64(time - start) / UInt64(end - start) }
        return UInt64(end - start).dividingFullWidth(value.multipliedFullWidth(by: UInt64(time - start))).quotient
    }
}

/// The entries of one layout: by group and period, and by group.
struct SeriesSide {
    let layout: KeyLayout
    /// key | number of the period || flows | octets | packets
    private let shape: EntryShape
    /// key || flows | octets | packets | rows
    private let groupShape: EntryShape
    private let span: SeriesSpan
    private var writer: EntryWriter
    /// Of keys alone.
    private var keyWriter: EntryWriter
    private var spread: [UInt64] = []
    private var lanes: SeriesLanes
    private let isNarrow: Bool
    private let seed: UInt64
    private let memory: QueryMemory
    private var sums: EntrySums
    private var groups: EntrySums

    init(_ keys: [FlowKey], _ span: SeriesSpan, isNarrow: Bool, seed: UInt64, memory: QueryMemory) {
        layout = KeyLayout(keys, isNarrow: isNarrow)
        self.span = span
        self.isNarrow = isNarrow
        self.seed = seed
        self.memory = memory
        shape = EntryShape(keys: layout.words + 1, sums: 3)
        groupShape = EntryShape(keys: layout.words, sums: 4)
        writer = EntryWriter(layout, shape: groupShape)
        keyWriter = EntryWriter(layout, shape: EntryShape(keys: layout.words, sums: 0))
        lanes = SeriesLanes(span, words: layout.words)
        sums = EntrySums(shape: shape, seed: seed, memory: memory)
        groups = EntrySums(shape: groupShape, seed: seed, memory: memory)
    }
    var scratchBytes: Int { sums.scratchBytes + groups.scratchBytes }

    mutating func add(
        _ block: RowBlock, _ rows: [Int32], _ numbers: BlockNumbers
    ) throws(EngineError) {
        let added = try addToLanes(block, rows, numbers)
        if added < rows.count { try addEntries(block, Array(rows[added...]), numbers) }
    }

    /// - Returns: how many of the rows were added, from the first on.
    private mutating func addToLanes(
        _ block: RowBlock, _ rows: [Int32], _ numbers: BlockNumbers
    ) throws(EngineError) -> Int {
        guard span.bucketCount <= SeriesLanes.bucketsMax else { return 0 }
        keyWriter.writeKeys(block, rows.span, numbers)
        var added = 0, misses = 0
        while true {  // ends: each turn adds a row, and the last ones all
            added = lanes.add(block.columns, rows, from: added, keyWriter.entries)
            guard added < rows.count else {
                lanes.noteEnd()
                return added
            }
            misses += 1
            guard lanes.goesOn(after: misses) else { return added }
            if let lane = lanes.nextVictim { try empty(lane) }
            let words = layout.words
            lanes.take(keyWriter.entries[(added * words)..<((added + 1) * words)])
        }
    }
    private mutating func empty(_ lane: Int) throws(EngineError) {
        var entries: [UInt64] = []
        let key = lanes.key(ofLane: lane)
        let sum = lanes.drain(lane) { bucket, tally in entries += key + [UInt64(bucket), tally.x, tally.y, tally.z] }
        guard let sum else { return }
        try sums.add(entries.span, number: entries.count / shape.stride)
        let group = key + [sum.x, sum.y, sum.z, sum.w]
        try groups.add(group.span, number: 1)
    }

    private mutating func addEntries(
        _ block: RowBlock, _ rows: [Int32], _ numbers: BlockNumbers
    ) throws(EngineError) {
        writer.writeKeys(block, rows.span, numbers)
        spread.removeAll(keepingCapacity: true)
        spreadRows(block, rows)
        let parts = spread
        try sums.add(parts.span, number: parts.count / shape.stride)
        // Only groups that have something within the time count.
        let left = writer.mergeNeighbours(count: rows.count)
        let kept = writer.dropEmpty(count: left)
        let entries = writer.entries
        try groups.add(entries.span, number: kept)
    }

    /// The largest groups, in no order, with the words of their keys; and how many there are.
    mutating func top(
        _ limit: Int, _ measure: FlowMeasure, _ names: KeyNames, _ check: () throws(EngineError) -> Void
    ) throws(EngineError) -> (groups: [(group: FlowGroup, key: [UInt64], isNarrow: Bool)], count: Int) {
        for lane in 0..<lanes.count { try empty(lane) }
        var list = TopList(limit: limit, measure: measure, layout, groupShape, names), count = 0
        try groups.drain { (entries, number) throws(EngineError) in
            try check()
            list.add(entries, number: number)
            count += number
        }
        return (list.groups(hasTimes: false).map { ($0.group, $0.key, isNarrow) }, count)
    }
    /// Adds all entries to the lines of `answer`.
    mutating func drain(
        _ lines: [(isNarrow: Bool, key: [UInt64])], into answer: inout StackedSeries,
        _ check: () throws(EngineError) -> Void
    ) throws(EngineError) {
        var lookup = SeriesLookup(keys: layout.words, seed: seed, limit: lines.count)
        for (line, item) in lines.enumerated() where item.isNarrow == isNarrow { lookup.insert(item.key, line: line) }
        let shape = shape
        try sums.drain { (entries, number) throws(EngineError) in
            try check()
            for entry in 0..<number {
                let at = entry * shape.stride, sums = at + shape.keys
                let tally = Tally(flows: entries[sums], octets: entries[sums + 1], packets: entries[sums + 2])
                answer.add(tally, bucket: Int(entries[sums - 1]), series: lookup.line(entries, at))
            }
        }
    }

    private mutating func spreadRows(_ block: RowBlock, _ rows: [Int32]) {
        let flows = block.columns.deltaFlowCount, octets = block.columns.octetDeltaCount
        let packets = block.columns.packetDeltaCount
        let starts = block.columns.flowStartMilliseconds, ends = block.columns.flowEndMilliseconds
        let keys = layout.words, stride = groupShape.stride, span = span
        for (number, row) in rows.enumerated() {
            let at = number * stride, row = Int(row)
            let tally = Tally(flows: UInt64(flows[row]), octets: octets[row], packets: packets[row])
            var sum = Tally(), parts: UInt64 = 0
            span.forEachBucket(start: starts[row], end: ends[row], tally: tally) { bucket, part in
                for word in 0..<keys { spread.append(writer.entries[at + word]) }
                spread.append(UInt64(bucket))
                spread.append(part.flows)
                spread.append(part.octets)
                spread.append(part.packets)
                sum += part
                parts = 1
            }
            writer.entries[at + keys] = sum.flows
            writer.entries[at + keys + 1] = sum.octets
            writer.entries[at + keys + 2] = sum.packets
            writer.entries[at + keys + 3] = parts
        }
    }
}

extension EntryWriter {
    /// Drops entries whose last sum is 0.
    fileprivate mutating func dropEmpty(count: Int) -> Int {
        let stride = shape.stride, last = shape.keys + shape.sums - 1
        var kept = 0
        for number in 0..<count where entries[number * stride + last] != 0 {
            if kept != number {
                for word in 0..<stride { entries[kept * stride + word] = entries[number * stride + word] }
            }
            kept += 1
        }
        return kept
    }
}
