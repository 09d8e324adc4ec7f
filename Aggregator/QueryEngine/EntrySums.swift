/// Sums of entries by key, for any number of keys: in one table while that is small; beyond, set aside in parts by the
/// key's hash, each of which is then summed by itself in a table that is small again.
package struct EntrySums {
    let shape: EntryShape
    private let seed: UInt64
    private let memory: QueryMemory
    private var table: EntryTable
    private var parts: EntryParts?
    private var scratch: Scratch
    /// What came since the table was emptied last: when hardly anything of it was for keys that were there, the table
    /// only costs time.
    private var arrived = 0
    private var isDirect = false

    /// Entries of the front table: what stays in the processor's caches.
    private static let frontMax = 1 << 17

    init(shape: EntryShape, seed: UInt64, memory: QueryMemory) {
        self.shape = shape
        self.seed = seed
        self.memory = memory
        table = EntryTable(shape: shape, seed: seed)
        scratch = Scratch(memory)
    }

    /// Octets in the scratch file.
    package var scratchBytes: Int { scratch.bytes }
    private var frontMax: Int { min(Self.frontMax, max(memory.residentBytes / (16 * shape.stride), 64)) }

    mutating func add(_ entries: Span<UInt64>, number: Int) throws(EngineError) {
        guard !isDirect else {
            try setAside(entries, number)
            return
        }
        if table.count + number > frontMax, table.count > 0 { try empty() }
        guard number <= EntryTable.countMax else { return try setAside(entries, number) }
        table.add(entries, number: number)
        arrived += number
    }

    private mutating func setAside(_ entries: Span<UInt64>, _ number: Int) throws(EngineError) {
        if parts == nil { parts = EntryParts(shape: shape, seed: seed, memory: memory) }
        try parts?.add(entries, number: number, scratch: &scratch)
    }
    private mutating func empty() throws(EngineError) {
        isDirect = 2 * arrived < 3 * table.count
        let words = table.words
        try setAside(words.span, table.count)
        table.removeAll()
        arrived = 0
    }

    /// Calls `body` with all entries, each key once, in some order, a part at a time; nothing is left afterwards.
    mutating func drain(_ body: (Span<UInt64>, Int) throws(EngineError) -> Void) throws(EngineError) {
        if parts != nil { try empty() }
        let last = table
        table = EntryTable(shape: shape, seed: seed)
        guard var parts else {
            let words = last.words
            return try body(words.span, last.count)
        }
        self.parts = nil
        try drain(&parts, body)
    }

    private mutating func drain(
        _ parts: inout EntryParts, _ body: (Span<UInt64>, Int) throws(EngineError) -> Void
    ) throws(EngineError) {
        var table = EntryTable(shape: shape, seed: seed)
        for part in 0..<parts.count {
            let entries = parts.entries(of: part), scratch = scratch
            if entries == 0 { continue }
            if entries > partMax, parts.level < EntryParts.levelMax {
                var finer = EntryParts(shape: shape, seed: seed, memory: memory, level: parts.level + 1)
                try parts.drain(part, scratch: scratch) { (chunk, number) throws(EngineError) in
                    try finer.add(chunk, number: number, scratch: &self.scratch)
                }
                try drain(&finer, body)
                continue
            }
            table.removeAll()
            try parts.drain(part, scratch: scratch) { (chunk, number) throws(EngineError) in
                guard table.count + number <= EntryTable.countMax else { throw .tooManyGroups }
                table.add(chunk, number: number)
            }
            let words = table.words
            try body(words.span, table.count)
        }
    }
    /// Entries that one table sums at once: more are cut into finer parts before.
    private var partMax: Int { min(EntryTable.countMax, max(memory.residentBytes / (16 * shape.stride), 1_024)) }
}
