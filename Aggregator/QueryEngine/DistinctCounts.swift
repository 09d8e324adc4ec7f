package import BatchFormat
internal import FlowModel

/// How many different values there are: exact up to `exactMax`, an estimate beyond.
package enum DistinctCount: Equatable, Sendable {
    case exact(UInt64)
    /// Within 0.8 % two times in three, 2.5 % always but for one time in a thousand.
    case about(UInt64)

    package var value: UInt64 {
        switch self {
        case .exact(let count), .about(let count): count
        }
    }
}

/// Counts the different keys of rows.
package struct DistinctKeys {
    private struct Side {
        let layout: KeyLayout
        var writer: EntryWriter
        var table: EntryTable

        init(_ keys: [FlowKey], isNarrow: Bool, seed: UInt64) {
            layout = KeyLayout(keys, isNarrow: isNarrow)
            let shape = EntryShape(keys: layout.words, sums: 0)
            writer = EntryWriter(layout, shape: shape)
            table = EntryTable(shape: shape, seed: seed)
        }
    }
    private let keys: [FlowKey]
    private let seed: UInt64
    private var narrow: Side
    private var wide: Side
    private var sketch: CardinalitySketch?
    private var names = KeyNames()

    package static let exactMax = 1 << 16

    package init(_ keys: [FlowKey], seed: UInt64) {
        self.keys = FlowKey.ordered(keys)
        self.seed = seed
        narrow = Side(self.keys, isNarrow: true, seed: seed)
        wide = Side(self.keys, isNarrow: false, seed: seed)
    }

    /// What must be decoded before `add`.
    package var fields: FieldSet { keys.reduce(into: []) { $0.formUnion($1.fields) } }
    package var count: DistinctCount {
        sketch.map { .about($0.estimate) } ?? .exact(UInt64(narrow.table.count + wide.table.count))
    }

    package mutating func add(_ block: RowBlock, rows: [Int32]) {
        let numbers = BlockNumbers(block, keys, &names)
        var chunks = RowChunks(keys, rows)
        while let chunk = chunks.next(block) {
            if chunk.isNarrow {
                Self.add(block, chunk.rows, numbers, &narrow, &sketch, seed)
            } else {
                Self.add(block, chunk.rows, numbers, &wide, &sketch, seed ^ 1)
            }
            if sketch == nil, narrow.table.count + wide.table.count > Self.exactMax { startSketch() }
        }
    }
    private static func add(
        _ block: RowBlock, _ rows: [Int32], _ numbers: BlockNumbers, _ side: inout Side,
        _ sketch: inout CardinalitySketch?, _ seed: UInt64
    ) {
        side.writer.writeKeys(block, rows.span, numbers)
        let left = side.writer.mergeNeighbours(count: rows.count)
        if sketch == nil {
            let entries = side.writer.entries
            side.table.add(entries.span, number: left)
        } else {
            sketch?.insert(side.writer.entries, number: left, stride: side.writer.shape.stride, seed: seed)
        }
    }
    private mutating func startSketch() {
        var sketch = CardinalitySketch()
        sketch.insert(narrow.table.words, number: narrow.table.count, stride: narrow.layout.words, seed: seed)
        sketch.insert(wide.table.words, number: wide.table.count, stride: wide.layout.words, seed: seed ^ 1)
        self.sketch = sketch
        narrow = Side(keys, isNarrow: true, seed: seed)
        wide = Side(keys, isNarrow: false, seed: seed)
    }
}

/// A HyperLogLog of 16 384 registers (Flajolet et al., 2007) over 64-bit hashes, for counts so large that neither
/// correction of the original is needed.
struct CardinalitySketch: Sendable {
    private static let bits: UInt64 = 14
    private var registers = [UInt8](repeating: 0, count: 1 << 14)

    mutating func insert(_ words: [UInt64], number: Int, stride: Int, seed: UInt64) {
        let span = words.span
        var registers = registers.mutableSpan
        for entry in 0..<number {
            let hash = EntryTable.hash(span, at: entry * stride, keys: stride, seed: seed)
            let place = Int(truncatingIfNeeded: hash >> (64 - Self.bits))
            let rank = UInt8(truncatingIfNeeded: (hash << Self.bits | 1 << (Self.bits - 1)).leadingZeroBitCount + 1)
            if rank > registers[place] { registers[place] = rank }
        }
    }
    var estimate: UInt64 {
        let count = Double(registers.count)
        var sum = 0.0
        for register in registers { sum += 1 / Double(UInt64(1) << UInt64(min(register, 63))) }
        return UInt64((0.7213 / (1 + 1.079 / count) * count * count / sum).rounded())
    }
}

/// Groups by how many different values their rows have: destinations of a source, ports of a host. Exact.
package struct DistinctByGroup {
    private let outer: [FlowKey]
    private let inner: [FlowKey]
    private let layout: KeyLayout
    private let outerLayout: KeyLayout
    private let seed: UInt64
    private let memory: QueryMemory
    private var writer: EntryWriter
    private var sums: EntrySums
    private var names = KeyNames()

    package init(by outer: [FlowKey], of inner: [FlowKey], seed: UInt64, memory: QueryMemory = QueryMemory()) {
        self.outer = FlowKey.ordered(outer)
        self.inner = FlowKey.ordered(inner)
        self.seed = seed
        self.memory = memory
        outerLayout = KeyLayout(self.outer, isNarrow: false)
        layout = KeyLayout(self.outer, then: self.inner)
        let shape = EntryShape(keys: layout.words, sums: 3)
        writer = EntryWriter(layout, shape: shape)
        sums = EntrySums(shape: shape, seed: seed, memory: memory)
    }

    package var fields: FieldSet {
        (outer + inner).reduce(into: FieldSet.counters) { $0.formUnion($1.fields) }
    }
    package var scratchBytes: Int { sums.scratchBytes }

    package mutating func add(_ block: RowBlock, rows: [Int32]) throws(EngineError) {
        let numbers = BlockNumbers(block, outer + inner, &names)
        // One layout for all: a group's values must lie together whatever the families of their addresses.
        var chunks = RowChunks([], rows)
        while let chunk = chunks.next(block) {
            writer.writeKeys(block, chunk.rows.span, numbers)
            for (number, row) in chunk.rows.enumerated() {
                let at = number * writer.shape.stride + writer.shape.keys
                writer.entries[at] = UInt64(block.columns.deltaFlowCount[Int(row)])
                writer.entries[at + 1] = block.columns.octetDeltaCount[Int(row)]
                writer.entries[at + 2] = block.columns.packetDeltaCount[Int(row)]
            }
            let left = writer.mergeNeighbours(count: chunk.rows.count)
            let entries = writer.entries
            try sums.add(entries.span, number: left)
        }
    }

    /// The groups with the most different values, largest first: `rows` is how many there are. Nothing is left
    /// afterwards.
    package mutating func top(
        _ limit: Int, check: () throws(EngineError) -> Void = {}
    ) throws(EngineError) -> (groups: [FlowGroup], count: Int) {
        let shape = EntryShape(keys: outerLayout.words, sums: 4), from = writer.shape
        var groups = EntrySums(shape: shape, seed: seed, memory: memory)
        try sums.drain { (entries, number) throws(EngineError) in
            try check()
            var start = 0
            while start < number {
                let chunk = min(number - start, EntryWriter.chunkRows)
                var words: [UInt64] = []
                words.reserveCapacity(chunk * shape.stride)
                for entry in start..<(start + chunk) {
                    for word in 0..<shape.keys { words.append(entries[entry * from.stride + word]) }
                    for word in 0..<3 { words.append(entries[entry * from.stride + from.keys + word]) }
                    words.append(1)
                }
                try groups.add(words.span, number: chunk)
                start += chunk
            }
        }
        var list = TopList(limit: limit, measure: nil, outerLayout, shape, names), count = 0
        try groups.drain { (entries, number) throws(EngineError) in
            try check()
            list.add(entries, number: number)
            count += number
        }
        let found = list.groups(hasTimes: false).map(\.group).sorted { a, b in
            a.rows != b.rows ? a.rows > b.rows : a.key < b.key
        }
        return (found, count)
    }
}
