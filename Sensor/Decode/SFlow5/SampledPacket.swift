import FlowModel
import WireBytes

/// The start of a sampled packet, from the link layer to the ports. It may be cut off anywhere: what was read until
/// then stays. Only the outermost IP header is read; tunnels stay closed.
extension FlowRecord {
    private static let tagDepthMax = 8, extensionDepthMax = 8

    /// | destination :6 | source :6 | { tag type :2 | tag :2 } … | type :2 |
    mutating func readEthernetFrame(_ frame: RawSpan) {
        var offset = 12
        for _ in 0...Self.tagDepthMax {
            guard frame.byteCount - offset >= 2 else { return }
            let type = frame.be16(at: offset)
            switch type {
            case 0x8100, 0x88A8, 0x9100, 0x9200, 0x9300:
                guard frame.byteCount - offset >= 4 else { return }
                if offset == 12 { vlanId = frame.be16(at: offset + 2) & 0x0FFF }
                offset += 4
            default: return readPayload(type, frame, at: offset + 2)
            }
        }
    }

    private mutating func readPayload(_ type: UInt16, _ frame: RawSpan, at offset: Int) {
        switch type {
        case 0x0800: readIPv4(frame, at: offset)
        case 0x86DD: readIPv6(frame, at: offset)
        case 0x8847, 0x8848: readMPLS(frame, at: offset)
        case 0x8864:  // PPPoE: | version, type :1 | code :1 | session :2 | length :2 | PPP protocol :2 |
            guard frame.byteCount - offset >= 8 else { return }
            let inner = frame.be16(at: offset + 6)
            if inner == 0x0021 {
                readIPv4(frame, at: offset + 8)
            } else if inner == 0x0057 {
                readIPv6(frame, at: offset + 8)
            }
        case 0..<1_536:  // a length: LLC, and SNAP when it says so
            guard frame.byteCount - offset >= 8, frame.be32(at: offset) == 0xAAAA_0300, frame.u8(at: offset + 4) == 0
            else { return }
            let inner = frame.be16(at: offset + 6)
            if inner == 0x0800 {
                readIPv4(frame, at: offset + 8)
            } else if inner == 0x86DD {
                readIPv6(frame, at: offset + 8)
            }
        default: break
        }
    }

    /// Labels of four octets until one has the bottom-of-stack bit; then the version nibble tells what follows.
    mutating func readMPLS(_ frame: RawSpan, at start: Int) {
        var offset = start
        for _ in 0..<Self.tagDepthMax {
            guard frame.byteCount - offset >= 5 else { return }
            let isBottom = frame.u8(at: offset + 2) & 1 == 1
            offset += 4
            guard isBottom else { continue }
            switch frame.u8(at: offset) >> 4 {
            case 4: return readIPv4(frame, at: offset)
            case 6: return readIPv6(frame, at: offset)
            default: return
            }
        }
    }

    //= RFC 791 §3.1
    mutating func readIPv4(_ packet: RawSpan, at offset: Int) {
        guard packet.byteCount - offset >= 20, packet.u8(at: offset) >> 4 == 4 else { return }
        let headerBytes = Int(packet.u8(at: offset) & 0x0F) * 4
        ipClassOfService = packet.u8(at: offset + 1)
        protocolIdentifier = packet.u8(at: offset + 9)
        sourceIPAddress = Self.address(packet, at: offset + 12, isV6: false)
        destinationIPAddress = Self.address(packet, at: offset + 16, isV6: false)
        // Only a packet's first fragment has the ports.
        guard headerBytes >= 20, packet.be16(at: offset + 6) & 0x1FFF == 0 else { return }
        readTransport(packet, at: offset + headerBytes)
    }

    //= RFC 8200 §4
    mutating func readIPv6(_ packet: RawSpan, at offset: Int) {
        guard packet.byteCount - offset >= 40, packet.u8(at: offset) >> 4 == 6 else { return }
        ipClassOfService = UInt8(truncatingIfNeeded: packet.be16(at: offset) >> 4)
        protocolIdentifier = packet.u8(at: offset + 6)
        sourceIPAddress = Self.address(packet, at: offset + 8, isV6: true)
        destinationIPAddress = Self.address(packet, at: offset + 24, isV6: true)
        var at = offset + 40
        for _ in 0..<Self.extensionDepthMax {
            guard Self.isExtension(protocolIdentifier) else { return readTransport(packet, at: at) }
            guard packet.byteCount - at >= 8 else { return }
            let isFragment = protocolIdentifier == 44, isAuthentication = protocolIdentifier == 51
            let length = Int(packet.u8(at: at + 1))
            protocolIdentifier = packet.u8(at: at)
            if isFragment, packet.be16(at: at + 2) & 0xFFF8 != 0 { return }
            at += isFragment ? 8 : isAuthentication ? (length + 2) * 4 : (length + 1) * 8
        }
    }
    /// Hop-by-hop, routing, fragment, authentication, destination options, mobility, HIP, shim6.
    private static func isExtension(_ number: UInt8) -> Bool {
        [0, 43, 44, 51, 60, 135, 139, 140].contains(number)
    }

    private mutating func readTransport(_ packet: RawSpan, at offset: Int) {
        if IPProtocol.hasPorts(protocolIdentifier) {
            guard packet.byteCount - offset >= 4 else { return }
            sourceTransportPort = packet.be16(at: offset)
            destinationTransportPort = packet.be16(at: offset + 2)
            if protocolIdentifier == IPProtocol.tcp, packet.byteCount - offset >= 14 {
                tcpControlBits = packet.be16(at: offset + 12) & 0x0FFF
            }
        } else if IPProtocol.isICMP(protocolIdentifier) {
            guard packet.byteCount - offset >= 2 else { return }
            destinationTransportPort = packet.be16(at: offset)
        }
    }
}
