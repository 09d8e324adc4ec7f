/// The four times of each row, which count from one another: reads those that are asked for and those that they need.
struct TimeReader {
    private var times: [[Int64]] = [[], [], [], []], isLoaded = [false, false, false, false]
    private var words: [UInt64] = []

    mutating func start() { isLoaded = [false, false, false, false] }

    /// The times of `id`, which must be one of the four.
    mutating func times(
        _ id: ColumnID, _ head: BatchHead, _ body: RawSpan, _ reader: inout WordReader
    ) throws(BatchError) -> [Int64] {
        let index = Int(id.rawValue) - 1
        if isLoaded[index] { return times[index] }
        let entry = head.column(id), rows = head.summary.rows
        var origin: [Int64] = []
        switch entry?.encoding {
        case .sinceStart: origin = try times(.flowStartMilliseconds, head, body, &reader)
        case .beforeReceive: origin = try times(.receiveMilliseconds, head, body, &reader)
        case .beforeEnd: origin = try times(.flowEndMilliseconds, head, body, &reader)
        default: break
        }
        try reader.list(entry, body, count: rows, into: &words)
        var result = times[index]
        times[index] = []
        result.grow(to: rows)
        result.removeLast(result.count - rows)
        let first = entry?.encoding == .steps ? head.summary.receiveMin : 0
        Self.join(words.span, entry?.encoding ?? .values, origin.span, first, into: &result)
        times[index] = result
        isLoaded[index] = true
        return result
    }

    private static func join(
        _ words: Span<UInt64>, _ encoding: ColumnEncoding, _ origin: Span<Int64>, _ first: Int64,
        into times: inout [Int64]
    ) {
        var times = times.mutableSpan
        precondition(words.count <= times.count, "\(words.count) words for \(times.count) times")  // once
        switch encoding {
        case .values, .perConversation: for row in words.indices { times[row] = Int64(bitPattern: words[row]) }
        case .deltas, .steps:
            var previous = first
            for row in words.indices {
                previous &+= unzigzag(words[row])
                times[row] = previous
            }
        case .sinceStart:
            let origin = origin.extracting(0..<words.count)
            for row in words.indices { times[row] = origin[row] &+ unzigzag(words[row]) }
        case .beforeReceive, .beforeEnd:
            let origin = origin.extracting(0..<words.count)
            for row in words.indices { times[row] = origin[row] &- unzigzag(words[row]) }
        }
    }
}
