internal import FlowModel

/// Sums by period of rows of one group: an array of all periods, for rows that come in long runs of a group, as they do
/// where they are sorted by it.
struct SeriesRun {
    private let span: SeriesSpan
    /// Whether times count as 32-bit numbers from the first period on: division takes a fraction of the time then.
    private let isShort: Bool
    /// Words of the group's key; empty before the first run.
    private(set) var key: [UInt64] = []
    /// Flows, octets and packets of each period, and how many parts of rows were added.
    private var periods: [SIMD4<UInt64>] = []
    /// Periods that have something lie within.
    private var low = Int.max, high = -1
    /// Rows of which a part counts.
    private(set) var rows: UInt64 = 0

    /// More periods than these take longer to look through than entries to sort into a table.
    static let bucketsMax = 16_384

    init(_ span: SeriesSpan) {
        self.span = span
        let (length, overflows) = span.to.subtractingReportingOverflow(span.from)
        isShort = !overflows && length <= Int64(UInt32.max) && span.period <= Int64(UInt32.max)
    }
    var isEmpty: Bool { high < 0 }

    mutating func start(_ key: [UInt64], buckets: Int) {
        self.key = key
        rows = 0
        if periods.isEmpty { periods = [SIMD4<UInt64>](repeating: .zero, count: buckets) }
    }

    mutating func add(_ columns: FlowColumns, _ rows: [Int32]) {
        let flowArray = columns.deltaFlowCount, octetArray = columns.octetDeltaCount
        let packetArray = columns.packetDeltaCount
        let startArray = columns.flowStartMilliseconds, endArray = columns.flowEndMilliseconds
        let flows = flowArray.span, octets = octetArray.span, packets = packetArray.span
        let starts = startArray.span, ends = endArray.span, span = span
        for row in rows {
            let row = Int(row), end = ends[row]
            let start = span.start(starts[row], end)
            if isShort, start >= span.from, end < span.to {
                let first = UInt32(truncatingIfNeeded: start &- span.from) / UInt32(truncatingIfNeeded: span.period)
                let rest = end &- span.from &- Int64(first) &* span.period
                if rest < span.period {
                    add(SIMD4(UInt64(flows[row]), octets[row], packets[row], 1), at: Int(first))
                    self.rows &+= 1
                    continue
                }
            }
            let tally = Tally(flows: UInt64(flows[row]), octets: octets[row], packets: packets[row])
            var isCounted = false
            span.forEachBucket(start: starts[row], end: end, tally: tally) { bucket, part in
                add(SIMD4(part.flows, part.octets, part.packets, 1), at: bucket)
                isCounted = true
            }
            if isCounted { self.rows &+= 1 }
        }
    }
    @inline(__always)
    private mutating func add(_ tally: SIMD4<UInt64>, at bucket: Int) {
        periods[bucket] &+= tally
        low = min(low, bucket)
        high = max(high, bucket)
    }

    /// Hands over the sums and forgets them: of each period, and of all.
    mutating func drain(_ body: (_ bucket: Int, SIMD4<UInt64>) -> Void) -> SIMD4<UInt64> {
        var sum = SIMD4<UInt64>.zero
        guard !isEmpty else { return sum }
        for bucket in low...high where periods[bucket].w > 0 {
            body(bucket, periods[bucket])
            sum &+= periods[bucket]
            periods[bucket] = .zero
        }
        sum.w = rows
        (low, high, rows) = (.max, -1, 0)
        return sum
    }
}

extension SeriesSpan {
    /// From when on a row is spread: where it ends, if it can't be spread.
    @inline(__always)
    func start(_ start: Int64, _ end: Int64) -> Int64 {
        let (duration, overflows) = end.subtractingReportingOverflow(start)
        return !overflows && duration > 0 && duration <= SeriesSums.durationMax ? start : end
    }
}

extension EntryWriter {
    /// The key of the first `count` entries; nil when it is not the same in all.
    func oneKey(count: Int) -> [UInt64]? {
        let entries = entries.span
        for word in 0..<shape.keys {
            var at = word, difference: UInt64 = 0
            for _ in 0..<count {
                difference |= entries[at] ^ entries[word]
                at &+= shape.stride
            }
            if difference != 0 { return nil }
        }
        return (0..<shape.keys).map { entries[$0] }
    }
}
