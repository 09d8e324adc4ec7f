import WireBytes

/// The classic pcap format (draft-ietf-opsawg-pcap §4, §5), in the byte order of its magic number:
///
///     file   := magic :4 | major=2 :2 | minor :2 | reserved :8 | snapLength :4 | linkType :4 | record*
///     record := seconds :4 | fraction :4 | capturedLength :4 | originalLength :4 | octets
struct PcapCursor: Sendable {
    private let order: ByteOrder
    /// Divides the fraction to milliseconds.
    private let fractionsPerMillisecond: UInt32
    private let linkType: Int
    private var offset = 24

    init(_ file: RawSpan) throws(CaptureError) {
        switch file.be32(at: 0) {
        case 0xA1B2_C3D4: (order, fractionsPerMillisecond) = (.big, 1_000)
        case 0xA1B2_3C4D: (order, fractionsPerMillisecond) = (.big, 1_000_000)
        case 0xD4C3_B2A1: (order, fractionsPerMillisecond) = (.little, 1_000)
        case 0x4D3C_B2A1: (order, fractionsPerMillisecond) = (.little, 1_000_000)
        case let magic:
            throw .notACapture(reason: "its first four octets are 0x\(hex(magic)), neither pcap's nor pcapng's")
        }
        guard file.byteCount >= 24 else { throw .notACapture(reason: "the pcap header ends after its magic number") }
        let major = order.u16(file, at: 4)
        guard major == 2 else { throw .notACapture(reason: "pcap version \(major) is not 2") }
        // The upper half holds flags about a frame check sequence, which lies behind the packet and is not read.
        linkType = Int(order.u32(file, at: 20) & 0xFFFF)
    }

    /// `next` for a frame that lies whole in the file; nil, and nothing is passed over, when it doesn't.
    @inline(__always)
    mutating func nextWhole(_ file: RawSpan, number: Int) -> CapturedFrame? {
        let left = file.byteCount &- offset
        guard left >= 16 else { return nil }
        let length = Int(order.u32(file, at: offset &+ 8))
        guard length <= CaptureLimit.frameBytesMax, left &- 16 >= length else { return nil }
        let seconds = Int64(order.u32(file, at: offset)), fraction = order.u32(file, at: offset &+ 4)
        let start = offset &+ 16
        offset = start &+ length
        // 32 bits, as the division is the dearest of all this.
        let milliseconds = fractionsPerMillisecond == 1_000 ? fraction / 1_000 : fraction / 1_000_000
        return CapturedFrame(
            linkType: linkType, range: start..<offset, milliseconds: seconds &* 1_000 &+ Int64(milliseconds),
            number: number)
    }

    mutating func next(_ file: RawSpan, number: Int) throws(CaptureError) -> FrameCursor.Outcome {
        if let frame = nextWhole(file, number: number) { return .frame(frame) }
        let left = file.byteCount - offset
        guard left > 0 else { return .end }
        guard left >= 16 else { return .skip(.truncated) }
        let length = Int(order.u32(file, at: offset + 8))
        guard length > CaptureLimit.frameBytesMax else { return .skip(.truncated) }
        throw .damaged(reason: "a frame of \(length) octets, more than \(CaptureLimit.frameBytesMax)", offset: offset)
    }
}

/// Eight hexadecimal digits.
func hex(_ word: UInt32) -> String {
    let digits = String(word, radix: 16)
    return String(repeating: "0", count: 8 - digits.utf8.count) + digits
}
