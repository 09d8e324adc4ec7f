import FlowModel
import WireBytes

/// IP headers and what stands behind them.
extension PacketReader {
    mutating func readInternet(_ packet: RawSpan) {
        guard has(1) else { return }
        switch packet.u8(at: at) >> 4 {
        case 4: next = .ipv4
        case 6: next = .ipv6
        default: stop(.unknown)
        }
    }

    /// A header that may stand inside others: those are read as if they were the outer one, and change places then.
    mutating func readInternetHeader(_ packet: RawSpan) {
        let outer = summary.outer, before = internetHeaders
        if next == .ipv4 { readIPv4(packet) } else { readIPv6(packet) }
        guard before > 0, internetHeaders > before else { return }
        (summary.inner, summary.outer) = (summary.outer, outer)
    }

    //= RFC 791 §3.1
    @inline(__always)
    mutating func readIPv4(_ packet: RawSpan) {
        guard has(20) else { return }
        let header = rest(packet)
        guard header.byteCount >= 20 else { return stop(.truncated) }  // never: what is read below fits
        let first = header.u8(at: 0)
        guard first >> 4 == 4 else { return stop(.unknown) }
        guard internetHeaders < PacketSummary.internetHeadersMax else { return stop(.tooDeep) }
        let headerBytes = Int(first & 0x0F) &* 4, length = Int(header.be16(at: 2)), number = header.u8(at: 9)
        let place = header.be16(at: 6) & 0x3FFF
        let fragment: PacketFragment = place == 0 ? .whole : place & 0x1FFF == 0 ? .first : .later
        keep(
            PacketKeys(
                version: 4, IPAddress(v4: header.be32(at: 12)), IPAddress(v4: header.be32(at: 16)),
                totalLength: UInt32(length), trafficClass: header.u8(at: 1), hopLimit: header.u8(at: 8), number,
                fragment))
        // Segmentation offload leaves the length at 0; a frame's padding is not the packet's.
        if length != 0, length < end &- at { end = at &+ length }
        guard headerBytes >= 20, length == 0 || length >= headerBytes else { return stop(.unknown) }
        readTransport(packet, at: at &+ headerBytes, number, fragment)
    }

    @inline(__always)
    private mutating func keep(_ keys: PacketKeys) {
        summary.outer = keys
        internetHeaders &+= 1
    }

    //= RFC 8200 §3
    mutating func readIPv6(_ packet: RawSpan) {
        guard has(40) else { return }
        let header = rest(packet)
        guard header.byteCount >= 40 else { return stop(.truncated) }  // never: what is read below fits
        let first = header.be16(at: 0)
        guard first >> 12 == 6 else { return stop(.unknown) }
        guard internetHeaders < PacketSummary.internetHeadersMax else { return stop(.tooDeep) }
        let length = Int(header.be16(at: 4)), number = header.u8(at: 6)
        keep(
            PacketKeys(
                version: 6, IPAddress(high: header.be64(at: 8), low: header.be64(at: 16)),
                IPAddress(high: header.be64(at: 24), low: header.be64(at: 32)), totalLength: UInt32(length &+ 40),
                trafficClass: UInt8(truncatingIfNeeded: first >> 4), hopLimit: header.u8(at: 7), number, .whole))
        // Length 0 is a jumbogram's (RFC 2675), or that of segmentation offload.
        if length != 0, length < end &- at &- 40 { end = at &+ 40 &+ length }
        hasSegmentRouting = false
        if Self.isExtension(number) {
            readExtensions(packet, at: at &+ 40, number)
        } else {
            readTransport(packet, at: at &+ 40, number, .whole)
        }
    }

    //= RFC 8200 §4
    private mutating func readExtensions(_ packet: RawSpan, at start: Int, _ first: UInt8) {
        var number = first, fragment = PacketFragment.whole
        at = start
        for _ in 0..<8 {  // RFC 8200 §4.1 knows six, each once
            guard Self.isExtension(number) else { return readTransport(packet, at: at, number, fragment) }
            guard has(8) else { return }
            let kind = number, length = Int(packet.u8(at: at &+ 1))
            number = packet.u8(at: at)
            summary.outer.protocolIdentifier = number
            switch kind {
            case 44:
                let place = packet.be16(at: at &+ 2)
                if place & 0xFFF9 != 0 { fragment = place & 0xFFF8 == 0 ? .first : .later }
                summary.outer.fragment = fragment
                at &+= 8
                if fragment == .later { return stop(.complete) }
            case 51: at &+= (length &+ 2) &* 4  // RFC 4302 §2.2 counts in 4 octets
            default:
                if kind == 43, packet.u8(at: at &+ 2) == 4 { hasSegmentRouting = true }
                at &+= (length &+ 1) &* 8
            }
            guard at <= end else {
                at = end
                return stop(.truncated)
            }
        }
        stop(.tooDeep)
    }
    /// Hop-by-hop, routing, fragment, authentication, destination options, mobility, HIP, shim6.
    @inline(__always)
    private static func isExtension(_ number: UInt8) -> Bool {
        switch number {
        case 0, 43, 44, 51, 60, 135, 139, 140: true
        default: false
        }
    }

    @inline(__always)
    private mutating func readTransport(
        _ packet: RawSpan, at start: Int, _ number: UInt8, _ fragment: PacketFragment
    ) {
        // Only a packet's first fragment has the ports.
        guard fragment != .later else { return stop(.complete) }
        guard start <= end else { return stop(.truncated) }
        at = start
        switch number {
        case 6:  // TCP
            guard readPorts(packet) != nil, has(14) else { return }
            //= RFC 9293 §3.1
            summary.outer.tcpControlBits = packet.be16(at: at &+ 12) & 0x0FFF
            next = .done
        case 17:  // UDP
            guard let destination = readPorts(packet) else { return }
            next = .done
            readTunnelOverUDP(packet, destination: destination)
        case 33, 132, 136:  // DCCP, SCTP, UDP-Lite
            if readPorts(packet) != nil { next = .done }
        case 1, 58:  // ICMP, ICMPv6
            guard has(2) else { return }
            summary.outer.destinationPort = packet.be16(at: at)
            next = .done
        default:
            next = .done
            readTunnel(number)
        }
    }
    /// Returns the destination's.
    @inline(__always)
    private mutating func readPorts(_ packet: RawSpan) -> UInt16? {
        guard has(4) else { return nil }
        let both = packet.be32(at: at), destination = UInt16(truncatingIfNeeded: both)
        summary.outer.sourcePort = UInt16(truncatingIfNeeded: both >> 16)
        summary.outer.destinationPort = destination
        return destination
    }
}
