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

    //= RFC 791 §3.1
    mutating func readIPv4(_ packet: RawSpan) {
        guard has(20) else { return }
        let first = packet.u8(at: at), headerBytes = Int(first & 0x0F) &* 4, length = Int(packet.be16(at: at &+ 2))
        guard first >> 4 == 4 else { return stop(.unknown) }
        guard internetHeaders < PacketSummary.internetHeadersMax else { return stop(.tooDeep) }
        var keys = PacketKeys()
        keys.version = 4
        keys.totalLength = UInt32(length)
        keys.trafficClass = packet.u8(at: at &+ 1)
        keys.hopLimit = packet.u8(at: at &+ 8)
        keys.protocolIdentifier = packet.u8(at: at &+ 9)
        keys.source = IPAddress(v4: packet.be32(at: at &+ 12))
        keys.destination = IPAddress(v4: packet.be32(at: at &+ 16))
        let fragment = packet.be16(at: at &+ 6) & 0x3FFF
        if fragment != 0 { keys.fragment = fragment & 0x1FFF == 0 ? .first : .later }
        // Segmentation offload leaves the length at 0; a frame's padding is not the packet's.
        if length != 0, length < end &- at { end = at &+ length }
        if headerBytes >= 20, length == 0 || length >= headerBytes {
            readTransport(packet, at: at &+ headerBytes, &keys)
        } else {
            stop(.unknown)
        }
        keep(keys)
    }

    private mutating func keep(_ keys: PacketKeys) {
        if internetHeaders == 0 { summary.outer = keys } else { summary.inner = keys }
        internetHeaders &+= 1
    }

    //= RFC 8200 §3
    mutating func readIPv6(_ packet: RawSpan) {
        guard has(40) else { return }
        guard packet.u8(at: at) >> 4 == 6 else { return stop(.unknown) }
        guard internetHeaders < PacketSummary.internetHeadersMax else { return stop(.tooDeep) }
        var keys = PacketKeys()
        let length = Int(packet.be16(at: at &+ 4))
        keys.version = 6
        keys.totalLength = UInt32(length &+ 40)
        keys.trafficClass = UInt8(truncatingIfNeeded: packet.be16(at: at) >> 4)
        keys.protocolIdentifier = packet.u8(at: at &+ 6)
        keys.hopLimit = packet.u8(at: at &+ 7)
        keys.source = IPAddress(high: packet.be64(at: at &+ 8), low: packet.be64(at: at &+ 16))
        keys.destination = IPAddress(high: packet.be64(at: at &+ 24), low: packet.be64(at: at &+ 32))
        // Length 0 is a jumbogram's (RFC 2675), or that of segmentation offload.
        if length != 0, length < end &- at &- 40 { end = at &+ 40 &+ length }
        hasSegmentRouting = false
        readExtensions(packet, at: at &+ 40, &keys)
        keep(keys)
    }

    //= RFC 8200 §4
    private mutating func readExtensions(_ packet: RawSpan, at start: Int, _ keys: inout PacketKeys) {
        at = start
        for _ in 0..<8 {  // RFC 8200 §4.1 knows six, each once
            let number = keys.protocolIdentifier
            guard Self.isExtension(number) else { return readTransport(packet, at: at, &keys) }
            guard has(8) else { return }
            let length = Int(packet.u8(at: at &+ 1))
            keys.protocolIdentifier = packet.u8(at: at)
            switch number {
            case 44:
                let place = packet.be16(at: at &+ 2)
                if place & 0xFFF9 != 0 { keys.fragment = place & 0xFFF8 == 0 ? .first : .later }
                at &+= 8
                if keys.fragment == .later { return stop(.complete) }
            case 51: at &+= (length &+ 2) &* 4  // RFC 4302 §2.2 counts in 4 octets
            default:
                if number == 43, packet.u8(at: at &+ 2) == 4 { hasSegmentRouting = true }
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
    private mutating func readTransport(_ packet: RawSpan, at start: Int, _ keys: inout PacketKeys) {
        // Only a packet's first fragment has the ports.
        guard keys.fragment != .later else { return stop(.complete) }
        guard start <= end else { return stop(.truncated) }
        at = start
        switch keys.protocolIdentifier {
        case 6:  // TCP
            guard readPorts(packet, &keys), has(14) else { return }
            //= RFC 9293 §3.1
            keys.tcpControlBits = packet.be16(at: at &+ 12) & 0x0FFF
            next = .done
        case 17:  // UDP
            guard readPorts(packet, &keys) else { return }
            next = .done
            readTunnelOverUDP(packet, destination: keys.destinationPort)
        case 33, 132, 136:  // DCCP, SCTP, UDP-Lite
            if readPorts(packet, &keys) { next = .done }
        case 1, 58:  // ICMP, ICMPv6
            guard has(2) else { return }
            keys.destinationPort = packet.be16(at: at)
            next = .done
        default:
            next = .done
            readTunnel(keys.protocolIdentifier)
        }
    }
    @inline(__always)
    private mutating func readPorts(_ packet: RawSpan, _ keys: inout PacketKeys) -> Bool {
        guard has(4) else { return false }
        keys.sourcePort = packet.be16(at: at)
        keys.destinationPort = packet.be16(at: at &+ 2)
        return true
    }
}
