internal import FlowModel

/// Sums by period of rows of few groups at a time: an array of all periods for each, for rows that come in runs of a
/// group, or of some groups in turn, as they do where they are sorted by it.
struct SeriesLanes {
    private let span: SeriesSpan
    private let buckets: Int
    /// Words of a key.
    private let words: Int
    /// Whether times count as 32-bit numbers from the first period on: division takes a fraction of the time then.
    private let isShort: Bool
    /// Of the lanes in use, one after another.
    private var keys: [UInt64] = []
    /// Flows, octets and packets of each period of each lane, and how many parts of rows were added.
    private var periods: [SIMD4<UInt64>] = []
    /// Periods of a lane that have something lie within; of how many rows a part counts.
    private var states: [State] = []
    /// Of the rows of a chunk.
    private var lanes = [UInt8](repeating: 0, count: EntryWriter.chunkRows)
    /// Rows that are in more than two periods, or not wholly in the time.
    private var others: [Int] = []
    private var victim = 0
    /// Groups that a chunk may bring before the rest of it goes another way.
    private var patience = patienceMax

    private struct State {
        var low = Int.max, high = -1, rows: UInt64 = 0

        /// Notes a row that is in these periods and all between.
        @inline(__always)
        mutating func note(_ first: Int, _ last: Int) {
            low = min(low, first)
            high = max(high, last)
            rows &+= 1
        }
    }

    /// More periods than these take longer to look through than entries to sort into a table.
    static let bucketsMax = 16_384
    private static let lanesMax = 8, patienceMax = 16

    init(_ span: SeriesSpan, words: Int) {
        self.span = span
        self.words = words
        buckets = span.bucketCount
        let (length, overflows) = span.to.subtractingReportingOverflow(span.from)
        isShort = !overflows && length <= Int64(UInt32.max) && span.period <= Int64(UInt32.max)
    }

    /// Adds rows in their order, from `first` on, up to one whose group has no lane: `take` gives it one.
    /// - Parameters:
    ///   - rowKeys: the words of each row's key.
    /// - Returns: that row, or how many there are.
    mutating func add(_ columns: FlowColumns, _ rows: [Int32], from first: Int, _ rowKeys: [UInt64]) -> Int {
        let end = findLanes(first..<rows.count, rowKeys)
        sum(columns, rows, first..<end)
        return end
    }

    /// Notes the lane of each row from the first on, up to one that has none.
    private mutating func findLanes(_ rows: Range<Int>, _ rowKeys: [UInt64]) -> Int {
        let words = words, used = states.count, keyArray = keys
        var laneArray = lanes
        lanes = []
        defer { lanes = laneArray }
        var lanes = laneArray.mutableSpan, last = -1
        let rowKeys = rowKeys.span, keys = keyArray.span
        @inline(__always) func isOf(_ row: Int, _ lane: Int) -> Bool {
            if words == 1 { return rowKeys[row] == keys[lane] }
            var difference: UInt64 = 0
            for word in 0..<words { difference |= rowKeys[row &* words &+ word] ^ keys[lane &* words &+ word] }
            return difference == 0
        }
        for row in rows {
            if last < 0 || !isOf(row, last) {
                last = -1
                for lane in 0..<used where isOf(row, lane) {
                    last = lane
                    break
                }
                if last < 0 { return row }
            }
            lanes[row] = UInt8(truncatingIfNeeded: last)
        }
        return rows.upperBound
    }

    /// The lane that the next group gets, if it must be emptied before: that of the group that has had one longest.
    var nextVictim: Int? { states.count < Self.lanesMax ? nil : victim }
    /// Gives a group a lane.
    mutating func take(_ key: ArraySlice<UInt64>) {
        guard states.count == Self.lanesMax else {
            keys += key
            states.append(State())
            return periods.append(contentsOf: repeatElement(.zero, count: buckets))
        }
        for (word, value) in key.enumerated() { keys[victim * words + word] = value }
        victim = (victim + 1) % Self.lanesMax
    }
    /// Where chunks bring more groups than there are lanes, emptying lanes takes longer than a table would.
    /// - Returns: whether a chunk that has brought so many new groups goes on with lanes.
    mutating func goesOn(after misses: Int) -> Bool {
        if misses <= patience { return true }
        patience = max(patience / 2, 1)
        return false
    }
    mutating func noteEnd() { patience = Self.patienceMax }

    /// Adds rows to their lanes.
    private mutating func sum(_ columns: FlowColumns, _ rowArray: [Int32], _ range: Range<Int>) {
        let flowArray = columns.deltaFlowCount, octetArray = columns.octetDeltaCount
        let packetArray = columns.packetDeltaCount
        let startArray = columns.flowStartMilliseconds, endArray = columns.flowEndMilliseconds
        let flows = flowArray.span, octets = octetArray.span, packets = packetArray.span, rows = rowArray.span
        let starts = startArray.span, ends = endArray.span, span = span, buckets = buckets, isShort = isShort
        let period = UInt32(truncatingIfNeeded: span.period), laneArray = self.lanes, lanes = laneArray.span
        var (periodArray, stateArray) = (self.periods, self.states)
        (self.periods, self.states) = ([], [])
        others.removeAll(keepingCapacity: true)
        var periods = periodArray.mutableSpan, states = stateArray.mutableSpan
        for index in range {
            let row = Int(rows[index]), end = ends[row], start = span.start(starts[row], end)
            guard isShort, start >= span.from, end < span.to else {
                others.append(index)
                continue
            }
            let bucket = UInt32(truncatingIfNeeded: start &- span.from) / period
            let lane = Int(lanes[index]), number = Int(bucket), place = lane &* buckets &+ number
            let next = span.from &+ Int64(bucket &+ 1) &* span.period
            let tally = SIMD4(UInt64(flows[row]), octets[row], packets[row], 1)
            if end < next {  // most are in one period
                periods[place] &+= tally
                states[lane].note(number, number)
            } else if end &- next < span.period, (tally.y | tally.z) >> SeriesSpan.smallBits == 0 {  // or in two
                let before = UInt64(bitPattern: next &- start), duration = UInt64(bitPattern: end &- start)
                let first = SIMD4(0, tally.y &* before / duration, tally.z &* before / duration, 1)
                periods[place] &+= first
                periods[place &+ 1] &+= SIMD4(tally.x, tally.y &- first.y, tally.z &- first.z, 1)
                states[lane].note(number, number &+ 1)
            } else {
                others.append(index)
            }
        }
        // Before they are given back: who has them, too, would make each change a copy.
        let spreading = others
        for index in spreading {
            let lane = Int(laneArray[index])
            Self.spread(columns, Int(rowArray[index]), span, at: lane * buckets, &periodArray, &stateArray[lane])
        }
        (self.periods, self.states) = (periodArray, stateArray)
    }
    private static func spread(
        _ columns: FlowColumns, _ row: Int, _ span: SeriesSpan, at first: Int, _ periods: inout [SIMD4<UInt64>],
        _ state: inout State
    ) {
        let tally = Tally(
            flows: UInt64(columns.deltaFlowCount[row]), octets: columns.octetDeltaCount[row],
            packets: columns.packetDeltaCount[row])
        var low = Int.max, high = -1
        let (start, end) = (columns.flowStartMilliseconds[row], columns.flowEndMilliseconds[row])
        span.forEachBucket(start: start, end: end, tally: tally) { bucket, part in
            periods[first + bucket] &+= SIMD4(part.flows, part.octets, part.packets, 1)
            low = min(low, bucket)
            high = max(high, bucket)
        }
        if high >= 0 { state.note(low, high) }
    }

    // MARK: Giving

    var count: Int { states.count }
    func key(ofLane lane: Int) -> ArraySlice<UInt64> { keys[(lane * words)..<((lane + 1) * words)] }

    /// Hands over a lane's sums and forgets them: of each period, and of all with the number of its rows last; nil when
    /// there are none.
    mutating func drain(_ lane: Int, _ body: (_ bucket: Int, SIMD4<UInt64>) -> Void) -> SIMD4<UInt64>? {
        let state = states[lane]
        guard state.high >= 0 else { return nil }
        var sum = SIMD4<UInt64>.zero
        for bucket in state.low...state.high {
            let place = lane * buckets + bucket, tally = periods[place]
            guard tally.w > 0 else { continue }
            body(bucket, tally)
            sum &+= tally
            periods[place] = .zero
        }
        sum.w = state.rows
        states[lane] = State()
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
