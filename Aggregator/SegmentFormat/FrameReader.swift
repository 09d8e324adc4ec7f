internal import BatchFormat
internal import WireBytes

/// Reads the words of one block of a part. Holds buffers that it reuses.
struct FrameReader: ~Copyable {
    private var planes = PlaneReader(), plane: [UInt8] = []

    /// Sets `rows` of `column` to the words of `entry`.
    /// - Parameter picks: which words, as many as rows, each below the number of words; nil: all.
    mutating func read<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ part: PartEntry, _ block: Int, _ loaded: LoadedParts, _ column: inout [Word], _ rows: Range<Int>,
        picks: [Int32]? = nil
    ) throws(SegmentError) {
        let entry = part.blocks[block], number = part.part.rawValue
        guard picks != nil || entry.words == rows.count else { throw .badPart(number) }
        var words = column.mutableSpan
        words.set(rows, to: Word(truncatingIfNeeded: entry.base))
        guard !entry.frame.isEmpty else { return }
        let bytes = try loaded.frame(of: part, block)
        let isRead = bytes.bytes.withBytes { span in
            let frame = span.extracting(bytes.range)
            return Checksum.of(frame) == entry.checksum && readPlanes(entry, frame, into: &words, rows, picks)
        }
        guard isRead else { throw .badFrame(part: number, block: block) }
    }
    private mutating func readPlanes<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ entry: BlockEntry, _ frame: RawSpan, into words: inout MutableSpan<Word>, _ rows: Range<Int>,
        _ picks: [Int32]?
    ) -> Bool {
        var offset = 0
        plane.grow(to: entry.words)
        for octet in 0..<8 where entry.octets >> UInt8(octet) & 1 == 1 {
            guard planes.read(frame, at: &offset, into: &plane, count: entry.words) else { return false }
            let shift = Word(truncatingIfNeeded: 8 * octet)
            if let picks {
                for (place, pick) in picks.enumerated() {
                    words[rows.lowerBound + place] |= Word(truncatingIfNeeded: plane[Int(pick)]) << shift
                }
            } else {
                words.joinPlane(plane.span, at: 0, to: rows, shift: shift)
            }
        }
        return offset == frame.byteCount
    }

    /// All words of a part's block, or those of `picks`, which are zeros when there is no such part; `words` is what
    /// is filled.
    mutating func list<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ part: SegmentPart, _ block: Int, _ count: Int, _ head: SegmentHead, _ loaded: LoadedParts,
        into words: inout [Word], picks: [Int32]? = nil
    ) throws(SegmentError) {
        if words.count > count {
            words.removeLast(words.count - count)  // keeps the room
        } else if words.count < count {
            words.append(contentsOf: repeatElement(0, count: count - words.count))
        }
        if let entry = head.entry(part) {
            try read(entry, block, loaded, &words, 0..<count, picks: picks)
        } else {
            var span = words.mutableSpan
            span.set(0..<count, to: 0)
        }
    }
}
