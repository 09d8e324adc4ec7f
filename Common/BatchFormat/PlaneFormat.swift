internal import WireBytes

/// One plane of a column in a body: `kind :1 | octets :4 | payload`. Its bytes are the low, second, … octets of words
/// that were in the order of rows, so it mostly has no repeats worth searching for, but its bytes are not equally
/// frequent. A quick look at 1 024 of them tells which kind is the smallest.
enum PlaneKind: UInt8 {
    /// The plane itself: nothing would make it smaller.
    case raw = 0
    /// A zstd frame, in practice Huffman codes.
    case compressed = 1
    /// One byte but for a few: `byte :1 | gaps :4 | values :4 | plane of gaps | plane of values`. A gap counts the
    /// bytes since the last exception; 255 stands for 255 bytes and no exception.
    case sparse = 2
    /// As `sparse`, but an exception changes the byte from there on.
    case runs = 3
    /// Numbers of few values, 1, 2 or 4 bits each: `bits :1 | others :4 | 2^bits values | numbers | others`. If
    /// there are others, the highest number stands for the next of them. Batches only, since version 3.
    case packed = 4

    static let headBytes = 5, sparseHeadBytes = 9, packedHeadBytes = 5
}

/// Writes planes of segments as small as they get. Holds a zstd context and buffers that it reuses.
package struct PlaneWriter: ~Copyable {
    private var zstd = ZstdCompressor()
    private var histogram = [UInt16](repeating: 0, count: 256)
    private var gaps: [UInt8] = [], values: [UInt8] = []

    /// Shorter planes are not worth a frame.
    private static let compressedMin = 64
    private static let sampleMax = 1_024
    private static let noiseShare = 4

    package init() {}

    /// Appends the first `count` bytes of `plane` to `output`.
    package mutating func write(_ plane: [UInt8], count: Int, to output: inout [UInt8]) {
        guard count >= Self.compressedMin else { return output.appendRawPlane(plane, count) }
        let look = sample(plane, count)
        let others = plane.span.count(differentFrom: look.byte, in: count), changes = plane.span.changes(in: count)
        if min(others, changes) < count / 5 {
            let isRuns = changes < others
            writeExceptions(plane, count, from: isRuns ? plane[0] : look.byte, isRuns: isRuns, to: &output)
        } else if look.isNoise {
            output.appendRawPlane(plane, count)
        } else {
            writeSmaller(plane, count, to: &output)
        }
    }

    private mutating func writeExceptions(
        _ plane: [UInt8], _ count: Int, from byte: UInt8, isRuns: Bool, to output: inout [UInt8]
    ) {
        var (gaps, values) = (self.gaps, self.values)
        (self.gaps, self.values) = ([], [])
        gaps.grow(to: count)
        values.grow(to: count)
        var gapSpan = gaps.mutableSpan, valueSpan = values.mutableSpan
        let taken = plane.span.takeExceptions(
            from: byte, isRuns: isRuns, in: count, gaps: &gapSpan, values: &valueSpan)
        let start = output.count
        output.appendPlaneHead(isRuns ? .runs : .sparse, octets: 0)
        output.append(byte)
        output.appendLE(UInt32(taken.gaps))
        output.appendLE(UInt32(taken.values))
        writeSmaller(gaps, taken.gaps, to: &output)
        writeSmaller(values, taken.values, to: &output)
        (self.gaps, self.values) = (gaps, values)
        output.setLE(UInt32(output.count - start - PlaneKind.headBytes), at: start + 1)
    }
    /// Compressed if that is smaller.
    private mutating func writeSmaller(_ plane: [UInt8], _ count: Int, to output: inout [UInt8]) {
        guard count >= Self.compressedMin else { return output.appendRawPlane(plane, count) }
        let start = output.count
        output.appendPlaneHead(.compressed, octets: 0)
        let size = zstd.compress(plane, count: count, to: &output)
        guard size < count else {
            output.removeSubrange(start...)
            return output.appendRawPlane(plane, count)
        }
        output.setLE(UInt32(size), at: start + 1)
    }

    /// The most frequent byte of some, and whether they look too equally frequent: two bytes of noise are the same once
    /// in 256 pairs; where they are less than four times as often, Huffman codes save a quarter at most, and take as
    /// long as where they save all.
    private mutating func sample(_ plane: [UInt8], _ count: Int) -> (byte: UInt8, isNoise: Bool) {
        var histogram = self.histogram.mutableSpan
        for byte in histogram.indices { histogram[byte] = 0 }
        let bytes = plane.span, step = max(count / Self.sampleMax, 1)
        var taken = 0, index = 0
        while index < count {
            histogram[Int(bytes[index])] &+= 1
            taken &+= 1
            index &+= step
        }
        var best = 0, squares = 0
        for byte in histogram.indices {
            let seen = Int(histogram[byte])
            squares &+= seen &* seen
            if seen > Int(histogram[best]) { best = byte }
        }
        let isNoise = taken >= Self.sampleMax && (squares - taken) * 256 < taken * (taken - 1) * Self.noiseShare
        return (UInt8(truncatingIfNeeded: best), isNoise)
    }
}

extension [UInt8] {
    mutating func appendPlaneHead(_ kind: PlaneKind, octets: Int) {
        append(kind.rawValue)
        appendLE(UInt32(octets))
    }
    /// The first `count` bytes of a plane, as they are.
    mutating func appendRawPlane(_ plane: [UInt8], _ count: Int) {
        appendPlaneHead(.raw, octets: count)
        append(contentsOf: plane[..<count])
    }
    /// Four octets over those at `offset`.
    mutating func setLE(_ value: UInt32, at offset: Int) {
        for octet in 0..<4 { self[offset + octet] = UInt8(truncatingIfNeeded: value >> UInt32(8 * octet)) }
    }
}

/// Reads planes. Holds a zstd context and buffers that it reuses.
package struct PlaneReader: ~Copyable {
    var zstd = ZstdDecompressor()
    /// Whether there may be packed planes: in batches since version 3, and nowhere else.
    var takesPacked = false
    private var gaps: [UInt8] = [], values: [UInt8] = []

    package init() {}

    /// Fills the first `count` bytes of `plane`, which has room for them, from the plane at `offset` of `frame`.
    /// - Returns: false if there is no such plane; else `offset` is behind it.
    package mutating func read(_ frame: RawSpan, at offset: inout Int, into plane: inout [UInt8], count: Int) -> Bool {
        guard let (kind, payload) = Self.head(frame, &offset) else { return false }
        switch kind {
        case .raw, .compressed, .packed: return readSimple(frame, kind, payload, into: &plane, count)
        case .sparse, .runs: return readExceptions(frame.extracting(payload), kind == .runs, into: &plane, count)
        }
    }

    private static func head(_ frame: RawSpan, _ offset: inout Int) -> (PlaneKind, Range<Int>)? {
        guard frame.byteCount - offset >= PlaneKind.headBytes, let kind = PlaneKind(rawValue: frame.u8(at: offset))
        else { return nil }
        let start = offset + PlaneKind.headBytes, octets = Int(frame.le32(at: offset + 1))
        guard octets <= frame.byteCount - start else { return nil }
        offset = start + octets
        return (kind, start..<offset)
    }
    /// A plane that is not of exceptions.
    private mutating func readSimple(
        _ frame: RawSpan, _ kind: PlaneKind, _ payload: Range<Int>, into plane: inout [UInt8], _ count: Int
    ) -> Bool {
        switch kind {
        case .raw:
            guard payload.count == count else { return false }
            var bytes = plane.mutableSpan
            bytes.copyRuns(1, of: count, from: frame, at: payload.lowerBound, stride: 0, to: 0, step: 0)
            return true
        case .compressed: return zstd.decompress(frame.extracting(payload), into: &plane, count: count)
        case .packed: return takesPacked && Self.unpack(frame.extracting(payload), into: &plane, count)
        case .sparse, .runs: return false
        }
    }
    private static func unpack(_ payload: RawSpan, into plane: inout [UInt8], _ count: Int) -> Bool {
        guard payload.byteCount >= PlaneKind.packedHeadBytes else { return false }
        let bits = Int(payload.u8(at: 0)), others = Int(payload.le32(at: 1))
        guard bits == 1 || bits == 2 || bits == 4, others <= count else { return false }
        let tableEnd = PlaneKind.packedHeadBytes + 1 << bits, stride = packedStride(count, bits: bits)
        guard payload.byteCount == tableEnd + stride + others else { return false }
        var bytes = plane.mutableSpan
        bytes.unpack(count, bits: bits, from: payload.extracting(tableEnd..<(tableEnd + stride)))
        return bytes.look(
            count, in: payload.extracting(PlaneKind.packedHeadBytes..<tableEnd),
            others: payload.extracting((tableEnd + stride)..<payload.byteCount))
    }
    private mutating func readExceptions(
        _ payload: RawSpan, _ isRuns: Bool, into plane: inout [UInt8], _ count: Int
    ) -> Bool {
        guard payload.byteCount >= PlaneKind.sparseHeadBytes else { return false }
        let gapCount = Int(payload.le32(at: 1)), valueCount = Int(payload.le32(at: 5))
        guard gapCount <= count, valueCount <= gapCount else { return false }
        var offset = PlaneKind.sparseHeadBytes
        var gaps = self.gaps, values = self.values
        (self.gaps, self.values) = ([], [])
        defer { (self.gaps, self.values) = (gaps, values) }
        let isRead =
            readPart(payload, &offset, into: &gaps, gapCount) && readPart(payload, &offset, into: &values, valueCount)
        guard isRead, offset == payload.byteCount else { return false }
        var bytes = plane.mutableSpan
        return bytes.putExceptions(
            onto: payload.u8(at: 0), isRuns: isRuns, in: count, gaps: gaps.span.extracting(0..<gapCount),
            values: values.span.extracting(0..<valueCount))
    }
    /// A plane that is not of exceptions itself.
    private mutating func readPart(
        _ payload: RawSpan, _ offset: inout Int, into part: inout [UInt8], _ count: Int
    ) -> Bool {
        guard let (kind, range) = Self.head(payload, &offset) else { return false }
        part.grow(to: count)
        return readSimple(payload, kind, range, into: &part, count)
    }
}

extension Array where Element: FixedWidthInteger {
    /// At least `count` elements, whatever they are.
    mutating func grow(to count: Int) {
        if self.count < count { append(contentsOf: repeatElement(0, count: count - self.count)) }
    }
}
