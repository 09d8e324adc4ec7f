import WireBytes

/// The pcapng format (draft-ietf-opsawg-pcapng §3, §4): blocks, each with its length at both ends.
///
///     block  := type :4 | length :4 | body, padded to 4 | length :4
///     SHB    := 0x0A0D0D0A | length | magic=0x1A2B3C4D :4 | major=1 :2 | minor :2 | sectionLength :8 | options
///     IDB 1  := linkType :2 | reserved :2 | snapLength :4 | options
///     OPB 2  := interface :2 | drops :2 | timeHigh :4 | timeLow :4 | capturedLength :4 | originalLength :4 | octets
///     SPB 3  := originalLength :4 | octets
///     EPB 6  := interface :4 | timeHigh :4 | timeLow :4 | capturedLength :4 | originalLength :4 | octets
///
/// Other blocks are stepped over. A simple packet has no time: it gets that of the packet before it, or 0.
struct PcapngCursor: Sendable {
    static let sectionHeader: UInt32 = 0x0A0D_0D0A
    private static let interfaceDescription: UInt32 = 1, obsoletePacket: UInt32 = 2, simplePacket: UInt32 = 3,
        enhancedPacket: UInt32 = 6

    private var order = ByteOrder.big
    private var offset = 0
    private var interfaces: [CaptureInterface] = []
    private var lastMilliseconds: Int64 = 0

    init(_ file: RawSpan) throws(CaptureError) {
        guard file.byteCount >= 28 else { throw .notACapture(reason: "the pcapng section header is cut short") }
        order = try Self.byteOrder(file, at: 0)
        let major = order.u16(file, at: 12)
        guard major == 1 else { throw .notACapture(reason: "pcapng version \(major) is not 1") }
    }

    private static func byteOrder(_ file: RawSpan, at offset: Int) throws(CaptureError) -> ByteOrder {
        switch file.be32(at: offset + 8) {
        case 0x1A2B_3C4D: return .big
        case 0x4D3C_2B1A: return .little
        case let magic where offset == 0:
            throw .notACapture(reason: "pcapng's byte-order magic is 0x\(hex(magic))")
        case let magic:
            throw .damaged(reason: "a section's byte-order magic is 0x\(hex(magic))", offset: offset)
        }
    }

    /// Goes on to the next packet. Ends: each turn of the loop moves `offset` on by at least 12, or returns.
    mutating func next(_ file: RawSpan, number: Int) throws(CaptureError) -> FrameCursor.Outcome {
        while true {
            let left = file.byteCount - offset
            guard left > 0 else { return .end }
            guard left >= 12 else { return .skip(.truncated) }
            if file.be32(at: offset) == Self.sectionHeader {
                order = try Self.byteOrder(file, at: offset)
                interfaces.removeAll()
            }
            let type = order.u32(file, at: offset), length = Int(order.u32(file, at: offset + 4))
            guard length >= 12, length % 4 == 0, length <= CaptureLimit.blockBytesMax else {
                throw .damaged(reason: "a block of \(length) octets", offset: offset)
            }
            guard length <= left else { return .skip(.truncated) }
            guard Int(order.u32(file, at: offset + length - 4)) == length else {
                throw .damaged(reason: "a block whose two lengths differ", offset: offset)
            }
            let body = (offset + 8)..<(offset + length - 4)
            offset += length
            if let outcome = try packet(type, body, of: file, number: number) { return outcome }
        }
    }

    /// What a block yields; nil for blocks that hold no packet.
    private mutating func packet(
        _ type: UInt32, _ body: Range<Int>, of file: RawSpan, number: Int
    ) throws(CaptureError) -> FrameCursor.Outcome? {
        let start = body.lowerBound
        switch type {
        case Self.interfaceDescription:
            guard body.count >= 8 else { throw .damaged(reason: "a short interface block", offset: start - 8) }
            if interfaces.count < CaptureLimit.interfacesMax {
                interfaces.append(CaptureInterface(body, of: file, order))
            }
            return nil
        case Self.enhancedPacket, Self.obsoletePacket:
            guard body.count >= 20 else { throw .damaged(reason: "a short packet block", offset: start - 8) }
            let isEnhanced = type == Self.enhancedPacket
            let index = isEnhanced ? Int(order.u32(file, at: start)) : Int(order.u16(file, at: start))
            let ticks = UInt64(order.u32(file, at: start + 4)) << 32 | UInt64(order.u32(file, at: start + 8))
            return frame(
                on: index, ticks: ticks, length: Int(order.u32(file, at: start + 12)),
                in: (start + 20)..<body.upperBound, number: number)
        case Self.simplePacket:
            guard body.count >= 4 else { throw .damaged(reason: "a short packet block", offset: start - 8) }
            let room = (start + 4)..<body.upperBound
            // Its octets end at the original length, the snap length or the block's end, whichever comes first.
            let snap = interfaces.first.map { $0.snapLength == 0 ? Int.max : $0.snapLength } ?? 0
            let length = min(Int(order.u32(file, at: start)), snap, room.count)
            return frame(on: 0, ticks: nil, length: length, in: room, number: number)
        default: return nil
        }
    }

    private mutating func frame(
        on index: Int, ticks: UInt64?, length: Int, in room: Range<Int>, number: Int
    ) -> FrameCursor.Outcome {
        guard interfaces.indices.contains(index) else { return .skip(.unknownInterface) }
        guard length <= room.count, length <= CaptureLimit.frameBytesMax else { return .skip(.malformed) }
        if let ticks { lastMilliseconds = interfaces[index].milliseconds(ticks) }
        return .frame(
            CapturedFrame(
                linkType: interfaces[index].linkType, range: room.lowerBound..<(room.lowerBound + length),
                milliseconds: lastMilliseconds, number: number))
    }
}

/// What an interface description block says of its packets.
struct CaptureInterface: Sendable {
    let linkType: Int
    /// 0: no limit.
    let snapLength: Int
    /// if_tsresol: 6 is microseconds, the default; with the highest bit set the unit is a power of two.
    private var resolution: UInt8 = 6
    /// if_tsoffset, in seconds.
    private var offsetSeconds: Int64 = 0

    /// `body` is at least 8 octets.
    init(_ body: Range<Int>, of file: RawSpan, _ order: ByteOrder) {
        linkType = Int(order.u16(file, at: body.lowerBound))
        snapLength = Int(order.u32(file, at: body.lowerBound + 4))
        var offset = body.lowerBound + 8
        while body.upperBound - offset >= 4 {  // ends: each turn adds at least 4
            let code = order.u16(file, at: offset), length = Int(order.u16(file, at: offset + 2))
            guard code != 0, length <= body.upperBound - offset - 4 else { return }
            if code == 9, length >= 1 { resolution = file.u8(at: offset + 4) }
            if code == 14, length >= 8 { offsetSeconds = Int64(bitPattern: order.u64(file, at: offset + 4)) }
            offset += 4 + (length + 3) / 4 * 4
        }
    }

    /// In ms since 1970 UTC. Wraps for times beyond Int64, which only a damaged file has.
    func milliseconds(_ ticks: UInt64) -> Int64 {
        Int64(truncatingIfNeeded: unshifted(ticks)) &+ offsetSeconds &* 1_000
    }
    private func unshifted(_ ticks: UInt64) -> UInt64 {
        let exponent = Int(resolution & 0x7F)
        guard resolution & 0x80 == 0 else {
            let (high, low) = ticks.multipliedFullWidth(by: 1_000)
            return exponent < 64 ? low >> exponent | high << (64 - exponent) : high >> (exponent - 64)
        }
        if exponent <= 3 { return ticks &* Self.power(3 - exponent) }
        return exponent > 22 ? 0 : ticks / Self.power(exponent - 3)
    }
    private static func power(_ exponent: Int) -> UInt64 {
        (0..<exponent).reduce(1) { product, _ in product * 10 }
    }
}
