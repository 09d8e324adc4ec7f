internal import BatchFormat
internal import FlowModel
internal import WireBytes

/// Writes parts, block by block. Holds buffers that it reuses.
struct PartWriter: ~Copyable {
    private var entries = [PartEntry?](repeating: nil, count: 256)
    private var blobs = [[UInt8]](repeating: [], count: 256)
    /// How long the blobs of the last segment became: those of the next get so much room at once.
    private var sizes = [Int](repeating: 0, count: 256)
    private var planes = PlaneWriter(), plane: [UInt8] = []

    /// The parts that say anything, ascending.
    var parts: [PartEntry] {
        entries.compactMap { $0 }.filter { $0.byteCount > 0 || $0.blocks.contains(where: \.isSaying) }
    }
    /// Takes the blobs of `parts`.
    mutating func takeColumns() -> [(blob: SegmentBlob, bytes: [UInt8])] {
        let columns = blobs.indices.filter { !blobs[$0].isEmpty }.map {
            (blob: SegmentBlob(rawValue: UInt8(truncatingIfNeeded: $0)), bytes: blobs[$0])
        }
        entries = [PartEntry?](repeating: nil, count: 256)
        for number in blobs.indices {
            sizes[number] = blobs[number].count
            blobs[number] = []
        }
        return columns
    }

    /// Adds the next block's words: of each of `words`, the `width` octets from bit `shift` on.
    /// - Parameters:
    ///   - width: at most that of the part, which is meant unless given: less where words of other parts lie above.
    ///   - bits: `words.commonBits()`.
    ///   - bounds: of the values, where these are not the words.
    mutating func add<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ part: SegmentPart, _ words: Span<Word>, _ bits: (any: Word, all: Word), shift: Word = 0,
        width: Int? = nil, bounds: (min: UInt64, max: UInt64)? = nil
    ) {
        let width = min(width ?? part.width, part.width)
        let number = Int(part.rawValue), mask = Planes.mask(width)
        let differing = UInt64((bits.any ^ bits.all) &>> shift) & mask
        var block = BlockEntry(), bytes = blobs[number]
        blobs[number] = []
        let start = bytes.count
        if start == 0, sizes[number] > 0 { bytes.reserveCapacity(sizes[number] + sizes[number] / 8) }
        block.words = words.count
        if plane.count < words.count {
            plane.append(contentsOf: repeatElement(0, count: words.count - plane.count))
        }
        for octet in 0..<width where !words.isEmpty && differing >> UInt64(8 * octet) & 0xFF != 0 {
            block.octets |= 1 << UInt8(octet)
            var span = plane.mutableSpan
            span.setPlane(at: 0, of: words, shift: shift &+ Word(truncatingIfNeeded: 8 * octet))
            planes.write(plane, count: words.count, to: &bytes)
        }
        block.base = words.isEmpty ? 0 : UInt64(bits.any &>> shift) & mask & ~Planes.bits(block.octets)
        if let bounds {
            (block.min, block.max) = bounds
        } else if block.octets == 0 || part.level != .row {
            (block.min, block.max) = (block.base, block.base)
        } else {
            (block.min, block.max) = Self.bounds(words, shift, Word(truncatingIfNeeded: mask))
        }
        blobs[number] = bytes
        append(part, block, start)
    }
    /// Adds bounds for the next block, and no words.
    mutating func addBounds(_ part: SegmentPart, _ min: UInt64, _ max: UInt64) {
        var block = BlockEntry()
        (block.min, block.max) = (min, max)
        append(part, block, blobs[Int(part.rawValue)].count)
    }
    /// Adds a block of other bytes.
    mutating func addBytes(_ part: SegmentPart, words: Int, _ bytes: [UInt8]) {
        let start = blobs[Int(part.rawValue)].count
        var block = BlockEntry()
        block.words = words
        blobs[Int(part.rawValue)] += bytes
        append(part, block, start)
    }
    /// Adds a block whose frame is what its blob has from `start` on.
    private mutating func append(_ part: SegmentPart, _ block: BlockEntry, _ start: Int) {
        let number = Int(part.rawValue)
        var block = block, entry = entries[number] ?? PartEntry(part: part)
        entries[number] = nil
        block.frame = start..<blobs[number].count
        block.checksum = blobs[number].withBytes { Checksum.of($0.extracting(start..<$0.byteCount)) }
        entry.blocks.append(block)
        entries[number] = entry
    }

    /// Puts the blocks of the list of endpoints into its directory; the head has one entry for all of them.
    mutating func addDirectory(of endpoints: [Endpoint], _ blockWords: Int) {
        var lists: [PartEntry] = []
        for number in entries.indices {
            guard let entry = entries[number], entry.part.level == .endpoint else { continue }
            var all = BlockEntry()
            for block in entry.blocks {
                all.words += block.words
                all.octets |= block.octets
                all.max |= block.base | Planes.bits(block.octets)
            }
            all.frame = 0..<entry.byteCount
            entries[number] = PartEntry(part: entry.part, blocks: [all])
            if all.isSaying { lists.append(entry) }
        }
        guard !endpoints.isEmpty else { return }
        let bytes = EndpointDirectory.bytes(of: endpoints, blockWords, lists)
        addBytes(.endpointBlocks, words: (endpoints.count - 1) / blockWords + 1, bytes)
    }

    private static func bounds<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ words: Span<Word>, _ shift: Word, _ mask: Word
    ) -> (UInt64, UInt64) {
        var low = Word.max, high: Word = 0
        for row in words.indices {
            let word = words[row] &>> shift & mask
            low = min(low, word)
            high = max(high, word)
        }
        return (UInt64(low), UInt64(high))
    }
}

extension BlockEntry {
    /// Whether there is anything but zeros in it.
    var isSaying: Bool { octets != 0 || base | min | max != 0 }
}
