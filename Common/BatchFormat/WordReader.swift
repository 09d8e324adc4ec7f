internal import WireBytes

/// Reads the words of a column out of its frame, of any version. Holds buffers that it reuses.
struct WordReader: ~Copyable {
    private var planes = PlaneReader(), plane: [UInt8] = []

    /// To be called before the columns of a body are read.
    mutating func start(version: UInt16) { planes.takesPacked = version >= BatchLayout.packedVersion }

    /// Sets `rows` of `words`, which are as many as the column has.
    mutating func read<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ entry: ColumnEntry, _ body: RawSpan, into words: inout MutableSpan<Word>, _ rows: Range<Int>
    ) throws(BatchError) {
        guard entry.words == rows.count else { throw .badLength(column: entry.id.rawValue) }
        let base = Word(truncatingIfNeeded: entry.base)
        guard !entry.frame.isEmpty else { return words.set(rows, to: base) }
        let frame = body.extracting(entry.frame), isRead: Bool
        if let checksum = entry.checksum {
            isRead = Checksum.of(frame) == checksum && readPlanes(entry, frame, into: &words, rows)
        } else {
            words.set(rows, to: base)
            isRead = readWhole(entry, frame, into: &words, rows)
        }
        guard isRead else { throw .badFrame(column: entry.id.rawValue) }
    }

    private mutating func readPlanes<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ entry: ColumnEntry, _ frame: RawSpan, into words: inout MutableSpan<Word>, _ rows: Range<Int>
    ) -> Bool {
        var offset = 0, isFirst = true
        plane.grow(to: rows.count)
        for octet in 0..<8 where entry.octets >> UInt8(octet) & 1 == 1 {
            guard planes.read(frame, at: &offset, into: &plane, count: rows.count) else { return false }
            let shift = Word(truncatingIfNeeded: 8 * octet)
            if isFirst {
                words.joinFirstPlane(plane.span, to: rows, shift: shift, over: Word(truncatingIfNeeded: entry.base))
            } else {
                words.joinPlane(plane.span, at: 0, to: rows, shift: shift)
            }
            isFirst = false
        }
        return offset == frame.byteCount
    }
    /// Version 1: all planes in one zstd frame.
    private mutating func readWhole<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ entry: ColumnEntry, _ frame: RawSpan, into words: inout MutableSpan<Word>, _ rows: Range<Int>
    ) -> Bool {
        let width = entry.octets.nonzeroBitCount
        plane.grow(to: width * rows.count)
        guard planes.zstd.decompress(frame, into: &plane, count: width * rows.count) else { return false }
        for octet in 0..<width {
            words.joinPlane(
                plane.span, at: octet * rows.count, to: rows, shift: Word(truncatingIfNeeded: 8 * octet))
        }
        return true
    }

    /// All words of a column that may be absent, which means zeros; `buffer` is what is filled.
    mutating func list<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ entry: ColumnEntry?, _ body: RawSpan, count: Int, into buffer: inout [Word]
    ) throws(BatchError) {
        // In the memory that is there: no two batches have as many conversations.
        buffer.grow(to: count)
        if buffer.count > count { buffer.removeLast(buffer.count - count) }
        var words = buffer.mutableSpan
        if let entry { try read(entry, body, into: &words, 0..<count) } else { words.set(0..<count, to: 0) }
    }
}
