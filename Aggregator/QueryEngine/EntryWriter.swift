internal import FlowModel

/// Makes entries of a block's rows: keys packed, room for counters beside them, neighbours of the same key summed at
/// once.
struct EntryWriter {
    /// Words of an entry's key: those of the layout, and as many more as its user fills.
    let shape: EntryShape
    private let packer: KeyPacker
    /// Room for `chunkRows` entries.
    var entries: [UInt64]
    private var restsFor = 0

    private static let rests = 31
    /// Rows that are written at once: their entries stay in the processor's first caches.
    static let chunkRows = 512

    init(_ layout: KeyLayout, shape: EntryShape) {
        self.shape = shape
        packer = KeyPacker(layout: layout, stride: shape.stride)
        entries = [UInt64](repeating: 0, count: Self.chunkRows * shape.stride)
    }

    /// Writes the keys of `rows`, at most `chunkRows`; all else is zero.
    mutating func writeKeys(_ block: RowBlock, _ rows: Span<Int32>, _ numbers: BlockNumbers) {
        let packer = packer, words = rows.count * shape.stride
        var span = entries.mutableSpan
        for word in 0..<words { span[word] = 0 }
        packer.pack(block, rows, numbers, into: &span)
    }

    /// Sums the first `count` entries where one follows another of the same key.
    /// - Returns: how many are left, at the beginning.
    mutating func mergeNeighbours(count: Int) -> Int {
        guard count > 1 else { return count }
        guard restsFor == 0 else {
            restsFor -= 1
            return count
        }
        let left =
            switch shape.keys {
            case 1: mergeNeighbours(count, keys: 1)
            case 2: mergeNeighbours(count, keys: 2)
            default: mergeNeighbours(count, keys: shape.keys)
            }
        // Where neighbours are hardly ever alike the search for them is not worth its time.
        if 4 * left > 3 * count { restsFor = Self.rests }
        return left
    }
    @inline(__always)
    private mutating func mergeNeighbours(_ count: Int, keys: Int) -> Int {
        let stride = shape.stride, sums = keys + shape.sums, minimums = sums + shape.minimums
        var entries = entries.mutableSpan, last = 0, from = stride
        for _ in 1..<count {
            var difference: UInt64 = 0
            for word in 0..<keys { difference |= entries[last &+ word] ^ entries[from &+ word] }
            if difference == 0 {
                for word in keys..<sums { entries[last &+ word] &+= entries[from &+ word] }
                for word in sums..<minimums {
                    entries[last &+ word] = min(entries[last &+ word], entries[from &+ word])
                }
                for word in minimums..<stride {
                    entries[last &+ word] = max(entries[last &+ word], entries[from &+ word])
                }
            } else {
                last &+= stride
                if last != from { for word in 0..<stride { entries[last &+ word] = entries[from &+ word] } }
            }
            from &+= stride
        }
        return last / stride + 1
    }
}

/// Cuts rows into chunks that go by one of the two layouts.
struct RowChunks {
    private let ends: [AddressEnd]
    private let rows: [Int32]
    private var start = 0
    private var left: [Int32] = []

    init(_ keys: [FlowKey], _ rows: [Int32]) {
        ends = keys.compactMap { $0.address?.end }
        self.rows = rows
    }

    /// The next rows, at most `EntryWriter.chunkRows`, and whether all their addresses are IPv4; nil at the end.
    mutating func next(_ block: RowBlock) -> (rows: [Int32], isNarrow: Bool)? {
        if !left.isEmpty {
            defer { left = [] }
            return (left, false)
        }
        guard start < rows.count else { return nil }
        let chunk = Array(rows[start..<min(start + EntryWriter.chunkRows, rows.count)])
        start += chunk.count
        var others: UInt64 = 0
        for end in ends {
            let (high, low) = block.columns.words(end)
            let highs = high.span, lows = low.span
            for row in chunk { others |= highs[Int(row)] | (lows[Int(row)] &>> 32 ^ 0xFFFF) }
        }
        guard others != 0 else { return (chunk, true) }
        let columns = ends.map { block.columns.words($0) }
        func isNarrow(_ row: Int32) -> Bool {
            columns.allSatisfy { IPAddress(high: $0.high[Int(row)], low: $0.low[Int(row)]).isV4 }
        }
        let narrow = chunk.filter(isNarrow)
        guard !narrow.isEmpty else { return (chunk, false) }
        left = chunk.filter { !isNarrow($0) }
        return (narrow, true)
    }
}
