import FlowModel
import WireBytes

/// What carries packets inside packets.
extension PacketReader {
    /// By the IP header's protocol number; `at` is behind the header.
    mutating func readTunnel(_ number: UInt8) {
        switch number {
        case 4:  // RFC 2003
            enter(hasSegmentRouting ? .srv6 : .ipInIP)
            next = .ipv4
        case 41:  // RFC 4213, RFC 2473
            enter(hasSegmentRouting ? .srv6 : .ipInIP)
            next = .ipv6
        case 47: next = .gre
        case 97:  // RFC 3378: | version :4 bits, reserved :12 bits |
            enter(.ethernetInIP)
            skip(2, to: .ethernet)
        case 137:  // RFC 4023
            enter(.mplsInIP)
            next = .mpls
        case 143:  // RFC 8986 §4.9
            enter(hasSegmentRouting ? .srv6 : .ethernetInIP)
            next = .ethernet
        default: stop(.complete)
        }
    }

    /// By the destination port; `at` is at the UDP header. A port alone proves nothing, so each header must keep its
    /// own rules, or the packet ends here as any other.
    mutating func readTunnelOverUDP(_ packet: RawSpan, destination: UInt16) {
        switch destination {
        case 4_789, 8_472: readVXLAN(packet, hasNextProtocol: false)
        case 4_790: readVXLAN(packet, hasNextProtocol: true)
        case 6_081: readGeneve(packet)
        case 2_152: readGTP(packet)
        case 6_635 where has(12):  // RFC 7510
            at &+= 8
            enter(.mplsInIP)
            next = .mpls
        case 4_754 where has(12):  // RFC 8086
            at &+= 8
            next = .gre
        default: break
        }
    }

    //= RFC 7348 §5
    ///     | flags :1 | reserved :3 | VNI :3 | reserved :1 |; with a next protocol in the octet before the VNI
    private mutating func readVXLAN(_ packet: RawSpan, hasNextProtocol: Bool) {
        guard has(16) else { return }
        let flags = packet.u8(at: at &+ 8)
        guard flags & 0x08 != 0 else { return }
        let following = packet.u8(at: at &+ 11)
        enter(.vxlan, segment: packet.be32(at: at &+ 12) >> 8)
        at &+= 16
        guard hasNextProtocol, flags & 0x04 != 0 else {
            next = .ethernet
            return
        }
        switch following {
        case 1: next = .ipv4
        case 2: next = .ipv6
        case 3: next = .ethernet
        case 4: readServiceHeader(packet)
        case 5: next = .mpls
        default: stop(.unknown)
        }
    }

    //= RFC 8300 §2.2
    ///     | version :2 bits, … length in words :6 bits | metadata type :1 | next protocol :1 | path :4 | context … |
    mutating func readServiceHeader(_ packet: RawSpan) {
        guard has(8) else { return }
        let length = Int(packet.be16(at: at) & 0x3F) &* 4
        guard length >= 8 else { return stop(.unknown) }
        switch packet.u8(at: at &+ 3) {
        case 1: skip(length, to: .ipv4)
        case 2: skip(length, to: .ipv6)
        case 3: skip(length, to: .ethernet)
        case 5: skip(length, to: .mpls)
        default: stop(.unknown)
        }
    }

    //= RFC 8926 §3.4
    ///     | version :2 bits, options in words :6 bits | flags :1 | type :2 | VNI :3 | reserved :1 | options |
    private mutating func readGeneve(_ packet: RawSpan) {
        guard has(16), packet.u8(at: at &+ 8) >> 6 == 0 else { return }
        let options = Int(packet.u8(at: at &+ 8) & 0x3F) &* 4
        type = packet.be16(at: at &+ 10)
        enter(.geneve, segment: packet.be32(at: at &+ 12) >> 8)
        skip(16 &+ options, to: .etherType)
    }

    /// 3GPP TS 29.281 §5.1: | version, type, E, S, PN :1 | message :1 | length :2 | endpoint :4 | { sequence :2 |
    /// N-PDU :1 | next extension :1 } |
    private mutating func readGTP(_ packet: RawSpan) {
        guard has(16), packet.u8(at: at &+ 8) & 0xF0 == 0x30, packet.u8(at: at &+ 9) == 255 else { return }
        let flags = packet.u8(at: at &+ 8) & 0x07
        enter(.gtp, key: packet.be32(at: at &+ 12))
        at &+= 16
        next = .internet
        guard flags != 0 else { return }
        guard has(4) else { return }
        var following = flags & 0x04 == 0 ? 0 : packet.u8(at: at &+ 3)
        at &+= 4
        for _ in 0..<8 where following != 0 {  // | length in words :1 | content | next extension :1 |
            guard has(4) else { return }
            let length = Int(packet.u8(at: at)) &* 4
            guard length > 0 else { return stop(.unknown) }
            guard has(length) else { return }
            following = packet.u8(at: at &+ length &- 1)
            at &+= length
        }
        if following != 0 { stop(.tooDeep) }
    }

    //= RFC 2784 §2
    //= RFC 2890 §2
    ///     | C, R, K, S … version :2 | type :2 | { checksum :2, reserved :2 } | { key :4 } | { sequence :4 } |
    mutating func readGRE(_ packet: RawSpan) {
        guard has(4) else { return }
        let bits = packet.be16(at: at)
        type = packet.be16(at: at &+ 2)
        if bits & 0x07 == 1 { return readPPTP(packet, bits) }
        // Source routes (RFC 1701) are followed by nobody.
        guard bits & 0x4007 == 0 else { return stop(.unknown) }
        let hasKey = bits & 0x2000 != 0, hasSequence = bits & 0x1000 != 0
        var length = bits & 0x8000 != 0 ? 8 : 4
        let keyAt = length
        if hasKey { length += 4 }
        if hasSequence { length += 4 }
        guard has(length) else { return }
        let key = hasKey ? packet.be32(at: at &+ keyAt) : 0
        at &+= length
        next = .etherType
        switch type {
        //= RFC 7637 §3.2
        case 0x6558 where bits == 0x2000: enter(.nvgre, segment: key >> 8)
        case 0x88BE where !hasSequence:  // ERSPAN's first form has no header of its own
            enter(.erspan)
            next = .ethernet
        case 0x88BE, 0x22EB: break
        default: enter(.gre, key: key)
        }
    }

    //= RFC 2637 §4.1
    ///     | bits :2 | type :2 | payload length :2 | call :2 | { sequence :4 } | { acknowledgment :4 } |
    private mutating func readPPTP(_ packet: RawSpan, _ bits: UInt16) {
        guard type == 0x880B, bits & 0x2000 != 0 else { return stop(.unknown) }
        guard has(8) else { return }
        enter(.pptp, key: UInt32(packet.be16(at: at &+ 6)))
        // Without a sequence number it acknowledges and carries nothing.
        guard bits & 0x1000 != 0 else { return stop(.complete) }
        skip(bits & 0x0080 != 0 ? 16 : 12, to: .ppp)
    }

    /// | version :4 bits, VLAN :12 bits | …, session :10 bits | …; the third form may have 8 octets more.
    mutating func readERSPAN(_ packet: RawSpan, headerBytes: Int) {
        guard internetHeaders > 0 else { return stop(.unknown) }
        guard has(headerBytes) else { return }
        enter(.erspan, key: packet.be32(at: at) & 0x3FF)
        let hasMore = headerBytes == 12 && packet.u8(at: at &+ 11) & 1 == 1
        skip(hasMore ? headerBytes &+ 8 : headerBytes, to: .ethernet)
    }
}
