internal import Platform

/// Entries set aside by their key's hash, in parts that can be summed one after another: in memory, and in a scratch
/// file when that grows too large.
struct EntryParts {
    private struct Part {
        /// In memory.
        var chunks: [[UInt64]] = []
        /// Where chunks lie in the scratch file, and their words.
        var stored: [(offset: Int, words: Int)] = []
        var words = 0
    }
    let shape: EntryShape
    /// How often entries were cut into parts before: parts of parts go by other bits of the hash.
    let level: Int
    private let seed: UInt64
    private let memory: QueryMemory
    private var parts: [Part]
    /// The chunk of each part that is being filled, side by side, and how many of its words are.
    private var filling: [UInt64]
    private var filled: [Int]
    private var residentWords = 0

    private static let partBits = 6
    private let chunkEntries: Int
    static let levelMax = 4

    init(shape: EntryShape, seed: UInt64, memory: QueryMemory, level: Int = 0) {
        self.shape = shape
        self.seed = seed
        self.memory = memory
        self.level = level
        chunkEntries = min(max(memory.residentBytes / (8 * shape.stride << (Self.partBits + 2)), 16), 512)
        parts = [Part](repeating: Part(), count: 1 << Self.partBits)
        filling = [UInt64](repeating: 0, count: chunkEntries * shape.stride << Self.partBits)
        filled = [Int](repeating: 0, count: 1 << Self.partBits)
    }

    var count: Int { parts.count }
    func entries(of part: Int) -> Int { (parts[part].words + filled[part]) / shape.stride }

    /// Takes over whole entries.
    mutating func add(_ source: Span<UInt64>, number: Int, scratch: inout Scratch) throws(EngineError) {
        var start = 0
        while start < number {
            let full = fill(from: source, &start, number)
            guard let full else { break }
            setAside(full)
        }
        if 8 * residentWords > memory.residentBytes { try spill(to: &scratch) }
    }

    /// Distributes entries from `start` on until the chunk of a part is full, which is returned.
    private mutating func fill(from source: Span<UInt64>, _ start: inout Int, _ number: Int) -> Int? {
        let stride = shape.stride, chunkWords = chunkEntries * stride, keys = shape.keys, seed = seed
        let shift = UInt64(64 - Self.partBits * (level + 1)), mask = UInt64(1 << Self.partBits - 1)
        var fillingArray = filling, filledArray = filled
        (self.filling, self.filled) = ([], [])
        defer { (self.filling, self.filled) = (fillingArray, filledArray) }
        var filling = fillingArray.mutableSpan, filled = filledArray.mutableSpan
        while start < number {
            let at = start &* stride
            let hash = EntryTable.hash(source, at: at, keys: keys, seed: seed)
            let part = Int(truncatingIfNeeded: hash &>> shift & mask)
            let to = part &* chunkWords &+ filled[part]
            for word in 0..<stride { filling[to &+ word] = source[at &+ word] }
            filled[part] &+= stride
            start &+= 1
            if filled[part] == chunkWords { return part }
        }
        return nil
    }
    private mutating func setAside(_ part: Int) {
        let start = part * chunkEntries * shape.stride
        parts[part].chunks.append(Array(filling[start..<(start + filled[part])]))
        parts[part].words += filled[part]
        residentWords += filled[part]
        filled[part] = 0
    }

    private mutating func spill(to scratch: inout Scratch) throws(EngineError) {
        for part in parts.indices {
            let chunks = parts[part].chunks
            parts[part].chunks = []
            for chunk in chunks { parts[part].stored.append((try scratch.write(chunk), chunk.count)) }
        }
        residentWords = 0
    }

    /// Hands over what a part holds, chunk by chunk, and frees it.
    mutating func drain(
        _ part: Int, scratch: Scratch, _ body: (Span<UInt64>, Int) throws(EngineError) -> Void
    ) throws(EngineError) {
        setAside(part)
        let drained = parts[part]
        parts[part] = Part()
        residentWords -= drained.chunks.reduce(0) { $0 + $1.count }
        for chunk in drained.chunks { try body(chunk.span, chunk.count / shape.stride) }
        for stored in drained.stored {
            let chunk = try scratch.read(stored.words, at: stored.offset)
            try body(chunk.span, chunk.count / shape.stride)
        }
    }
}

/// A scratch file that is made when it is first needed.
struct Scratch {
    private let memory: QueryMemory
    private var file: ScratchFile?
    private(set) var bytes = 0

    init(_ memory: QueryMemory) { self.memory = memory }

    /// - Returns: where it was written.
    mutating func write(_ words: [UInt64]) throws(EngineError) -> Int {
        guard bytes + 8 * words.count <= memory.scratchBytes else { throw .tooManyGroups }
        do throws(SystemError) {
            if file == nil { file = try ScratchFile(inFolder: memory.scratchFolder) }
            try file?.write(words, at: bytes)
        } catch {
            throw .scratch("\(memory.scratchFolder): \(error)")
        }
        defer { bytes += 8 * words.count }
        return bytes
    }
    func read(_ count: Int, at offset: Int) throws(EngineError) -> [UInt64] {
        guard let file else { return [] }
        do throws(SystemError) { return try file.read(count, at: offset) } catch {
            throw .scratch("\(memory.scratchFolder): \(error)")
        }
    }
}
