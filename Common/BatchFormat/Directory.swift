internal import WireBytes

/// Reads a head's directory of any version.
struct Directory {
    let version: UInt16
    let rows: Int

    /// The columns that this version knows, ascending.
    /// - Parameters:
    ///   - offset: of the first column in `body`.
    ///   - frames: where the first frame begins.
    func columns(_ body: RawSpan, at offset: Int, frames: Int) throws(BatchError) -> [ColumnEntry] {
        var columns: [ColumnEntry] = [], frame = frames, previous: UInt8 = 0
        let stride = version == 1 ? BatchLayout.V1.columnBytes : BatchLayout.V2.columnBytes
        let sizeOffset = version == 1 ? BatchLayout.V1.frameBytesOffset : BatchLayout.V2.frameBytesOffset
        for index in 0..<Int(body.u8(at: BatchLayout.columnCountOffset)) {
            let at = offset + index * stride
            let number = body.u8(at: at), frameBytes = Int(body.le32(at: at + sizeOffset))
            guard number > previous else { throw .columnOutOfOrder(number) }
            previous = number
            guard frameBytes <= body.byteCount - frame else {
                throw .truncated(wanted: frame + frameBytes, has: body.byteCount)
            }
            if let id = ColumnID(rawValue: number), version > 1 || id.isInVersion1 {
                let range = frame..<(frame + frameBytes)
                columns.append(try version == 1 ? version1(id, body, at, range) : version2(id, body, at, range))
            }
            frame += frameBytes
        }
        guard frame == body.byteCount else { throw .trailingBytes(body.byteCount - frame) }
        return columns
    }

    private func encoding(_ id: ColumnID, _ body: RawSpan, _ at: Int) throws(BatchError) -> ColumnEncoding {
        guard let encoding = ColumnEncoding(rawValue: body.u8(at: at + BatchLayout.encodingOffset)),
            id.allows(encoding, version: version)
        else { throw .badEncoding(column: id.rawValue) }
        return encoding
    }

    private func version1(
        _ id: ColumnID, _ body: RawSpan, _ at: Int, _ frame: Range<Int>
    ) throws(BatchError) -> ColumnEntry {
        let encoding = try encoding(id, body, at)
        let rawBytes = Int(body.le32(at: at + BatchLayout.V1.rawBytesOffset))
        let base = body.le64(at: at + BatchLayout.V1.baseOffset)
        let width = rows == 0 ? 0 : rawBytes / rows
        guard width <= id.width, rawBytes == width * rows, base & Self.mask(width) == 0,
            base & ~Self.mask(id.width) == 0, (width == 0) == frame.isEmpty
        else { throw .badLength(column: id.rawValue) }
        return ColumnEntry(
            id: id, encoding: encoding, octets: UInt8(truncatingIfNeeded: (1 << width) - 1), base: base, words: rows,
            frame: frame, checksum: nil)
    }

    private func version2(
        _ id: ColumnID, _ body: RawSpan, _ at: Int, _ frame: Range<Int>
    ) throws(BatchError) -> ColumnEntry {
        let encoding = try encoding(id, body, at)
        let octets = body.u8(at: at + BatchLayout.V2.octetsOffset)
        let words = Int(body.le32(at: at + BatchLayout.V2.wordsOffset))
        let base = body.le64(at: at + BatchLayout.V2.baseOffset)
        guard words <= wordsMax(id, encoding, body), octets >> UInt8(id.width - 1) <= 1,
            base & (Self.bits(octets) | ~Self.mask(id.width)) == 0, (octets == 0) == frame.isEmpty
        else { throw .badLength(column: id.rawValue) }
        return ColumnEntry(
            id: id, encoding: encoding, octets: octets, base: base, words: words, frame: frame,
            checksum: body.le32(at: at + BatchLayout.V2.checksumOffset))
    }

    /// How many words a column may have. Whoever reads one knows more exactly, and checks.
    private func wordsMax(_ id: ColumnID, _ encoding: ColumnEncoding, _ body: RawSpan) -> Int {
        switch id {
        case .endpointHigh, .endpointLow, .endpointASNumber, .endpointPrefixLength: 2 * rows
        case .extraShapes, .extraValues, .observerSets, .sketchPairs:
            min(
                BatchLimit.decodedBytesFree + BatchLimit.decodedRatioMax * body.byteCount, BatchLimit.decodedBytesMax)
        default: rows
        }
    }

    /// The bits of the lowest `width` octets.
    static func mask(_ width: Int) -> UInt64 { width >= 8 ? .max : (1 << UInt64(8 * width)) - 1 }
    /// The bits of the octets that have a bit in `octets`.
    static func bits(_ octets: UInt8) -> UInt64 {
        (0..<8).reduce(0) { octets >> UInt8($1) & 1 == 1 ? $0 | 0xFF << UInt64(8 * $1) : $0 }
    }
}
