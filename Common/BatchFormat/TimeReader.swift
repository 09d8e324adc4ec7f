/// The four times of each row, which count from one another: reads those that are asked for and those that they need.
struct TimeReader {
    private var times: [[Int64]] = [[], [], [], []], isLoaded = [false, false, false, false]
    private var words: [UInt64] = []

    mutating func start() { isLoaded = [false, false, false, false] }

    /// Writes the times of `id`, which must be one of the four, to `rows` of its column.
    mutating func read(
        _ id: ColumnID, _ head: BatchHead, _ body: RawSpan, _ reader: inout WordReader, into column: inout [Int64],
        _ rows: Range<Int>
    ) throws(BatchError) {
        let entry = head.column(id), encoding = entry?.encoding ?? .values
        var column = column.mutableSpan
        if head.columns.contains(where: { Self.origin($0.encoding) == id }) {
            let found = try times(id, head, body, &reader), times = found.span
            precondition(rows.lowerBound >= 0 && rows.lowerBound + times.count <= column.count, "rows \(rows)")  // once
            for row in times.indices { column[rows.lowerBound &+ row] = times[row] }
        } else {
            // Nothing counts from these: they are needed in their column only.
            let origin = try originTimes(encoding, head, body, &reader)
            try reader.list(entry, body, count: rows.count, into: &words)
            Self.join(words.span, encoding, origin.span, Self.first(encoding, head), into: &column, at: rows.lowerBound)
        }
    }

    /// The times of `id`, which must be one of the four.
    private mutating func times(
        _ id: ColumnID, _ head: BatchHead, _ body: RawSpan, _ reader: inout WordReader
    ) throws(BatchError) -> [Int64] {
        let index = Int(id.rawValue) - 1
        if isLoaded[index] { return times[index] }
        let entry = head.column(id), encoding = entry?.encoding ?? .values, rows = head.summary.rows
        let origin = try originTimes(encoding, head, body, &reader)
        try reader.list(entry, body, count: rows, into: &words)
        var result = times[index]
        times[index] = []
        result.grow(to: rows)
        result.removeLast(result.count - rows)
        var target = result.mutableSpan
        Self.join(words.span, encoding, origin.span, Self.first(encoding, head), into: &target, at: 0)
        times[index] = result
        isLoaded[index] = true
        return result
    }

    /// The column that times in `encoding` count from.
    private static func origin(_ encoding: ColumnEncoding) -> ColumnID? {
        switch encoding {
        case .sinceStart: .flowStartMilliseconds
        case .beforeReceive: .receiveMilliseconds
        case .beforeEnd: .flowEndMilliseconds
        case .values, .deltas, .steps, .perConversation: nil
        }
    }
    private mutating func originTimes(
        _ encoding: ColumnEncoding, _ head: BatchHead, _ body: RawSpan, _ reader: inout WordReader
    ) throws(BatchError) -> [Int64] {
        guard let origin = Self.origin(encoding) else { return [] }
        return try times(origin, head, body, &reader)
    }
    /// What the first time counts from.
    private static func first(_ encoding: ColumnEncoding, _ head: BatchHead) -> Int64 {
        encoding == .steps ? head.summary.receiveMin : 0
    }

    private static func join(
        _ words: Span<UInt64>, _ encoding: ColumnEncoding, _ origin: Span<Int64>, _ first: Int64,
        into times: inout MutableSpan<Int64>, at start: Int
    ) {
        precondition(start >= 0 && start + words.count <= times.count, "\(words.count) words from \(start) on")  // once
        switch encoding {
        case .values, .perConversation: for row in words.indices { times[start &+ row] = Int64(bitPattern: words[row]) }
        case .deltas, .steps:
            var previous = first
            for row in words.indices {
                previous &+= unzigzag(words[row])
                times[start &+ row] = previous
            }
        case .sinceStart:
            let origin = origin.extracting(0..<words.count)
            for row in words.indices { times[start &+ row] = origin[row] &+ unzigzag(words[row]) }
        case .beforeReceive, .beforeEnd:
            let origin = origin.extracting(0..<words.count)
            for row in words.indices { times[start &+ row] = origin[row] &- unzigzag(words[row]) }
        }
    }
}
