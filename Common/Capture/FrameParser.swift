import FlowModel
import WireBytes

/// From a captured frame down to the UDP payload in it: link layer, VLAN tags, IP, UDP.
///
/// Every function takes a range of the file and returns a smaller one; lengths in headers can only make it smaller,
/// so frame padding and check sequences fall away and nothing is read outside the frame.
enum FrameParser {
    enum Outcome { case datagram(DatagramReference), skip(CaptureSkip) }

    /// A header's payload, or why there is none.
    private enum Inner<Value> { case found(Value), none(CaptureSkip) }

    private struct Packet {
        var source: IPAddress, destination: IPAddress
        var protocolNumber: UInt8
        /// What is captured of the IP payload.
        var body: Range<Int>
        /// What the IP payload had on the wire.
        var length: Int
    }

    static func datagram(in frame: CapturedFrame, of file: RawSpan) -> Outcome {
        let inner: Range<Int>
        switch LinkLayer.internetPacket(in: frame, of: file) {
        case .packet(let range): inner = range
        case .skip(let reason): return .skip(reason)
        }
        switch packet(inner, of: file) {
        case .none(let reason): return .skip(reason)
        case .found(let packet):
            guard packet.protocolNumber == IPProtocol.udp else { return .skip(.notUDP) }
            return udp(packet, frame, of: file)
        }
    }

    /// `datagram` for a frame of Ethernet with nothing but an IPv4 header of 20 octets and UDP, complete, which is the
    /// rule; nil when it is anything else.
    @inline(__always)
    static func plainDatagram(in frame: CapturedFrame, of file: RawSpan) -> DatagramReference? {
        let start = frame.range.lowerBound &+ 14, captured = frame.range.count &- 14
        guard frame.linkType == 1, captured >= 28, file.be16(at: start &- 2) == 0x0800, file.u8(at: start) == 0x45,
            file.be16(at: start &+ 6) & 0x3FFF == 0, file.u8(at: start &+ 9) == IPProtocol.udp
        else { return nil }
        let total = Int(file.be16(at: start &+ 2)), length = Int(file.be16(at: start &+ 24))
        guard total <= captured, length >= 8, length &+ 20 <= total else { return nil }
        let origin = DatagramOrigin(
            source: IPAddress(v4: file.be32(at: start &+ 12)), sourcePort: file.be16(at: start &+ 20),
            localPort: file.be16(at: start &+ 22), receiveMilliseconds: frame.milliseconds)
        return DatagramReference(
            origin: origin, destination: IPAddress(v4: file.be32(at: start &+ 16)),
            payload: (start &+ 28)..<(start &+ 20 &+ length), frameNumber: frame.number)
    }

    private static func packet(_ range: Range<Int>, of file: RawSpan) -> Inner<Packet> {
        guard !range.isEmpty else { return .none(.snapped) }
        switch file.u8(at: range.lowerBound) >> 4 {
        case 4: return v4(range, of: file)
        case 6: return v6(range, of: file)
        default: return .none(.malformed)
        }
    }

    /// RFC 791 §3.1.
    private static func v4(_ range: Range<Int>, of file: RawSpan) -> Inner<Packet> {
        let start = range.lowerBound
        guard range.count >= 20 else { return .none(.snapped) }
        let headerLength = Int(file.u8(at: start) & 0x0F) * 4
        guard headerLength >= 20 else { return .none(.malformed) }
        // Captures of a sender with segmentation offload have total length 0: the frame's own length holds.
        let stated = Int(file.be16(at: start + 2)), totalLength = stated == 0 ? range.count : stated
        guard totalLength >= headerLength else { return .none(.malformed) }
        guard range.count >= headerLength else { return .none(.snapped) }
        let fragment = file.be16(at: start + 6)
        guard fragment & 0x3FFF == 0 else { return .none(.fragment) }  // more fragments, or an offset
        return .found(
            Packet(
                source: IPAddress(v4: file.be32(at: start + 12)),
                destination: IPAddress(v4: file.be32(at: start + 16)),
                protocolNumber: file.u8(at: start + 9),
                body: (start + headerLength)..<min(start + totalLength, range.upperBound),
                length: totalLength - headerLength))
    }

    /// RFC 8200 §3, §4.
    private static func v6(_ range: Range<Int>, of file: RawSpan) -> Inner<Packet> {
        let start = range.lowerBound
        guard range.count >= 40 else { return .none(.snapped) }
        let stated = Int(file.be16(at: start + 4))
        let bodyEnd = stated == 0 ? range.upperBound : start + 40 + stated
        var packet = Packet(
            source: IPAddress(high: file.be64(at: start + 8), low: file.be64(at: start + 16)),
            destination: IPAddress(high: file.be64(at: start + 24), low: file.be64(at: start + 32)),
            protocolNumber: file.u8(at: start + 6), body: (start + 40)..<min(bodyEnd, range.upperBound),
            length: bodyEnd - start - 40)
        while isExtension(packet.protocolNumber) {  // ends: each turn takes at least 8 octets of the body
            guard packet.body.count >= 8 else { return .none(packet.length >= 8 ? .snapped : .malformed) }
            let header = packet.body.lowerBound
            let length: Int
            switch packet.protocolNumber {
            case 44:
                guard file.be16(at: header + 2) & 0xFFF9 == 0 else { return .none(.fragment) }
                length = 8
            case 51: length = (Int(file.u8(at: header + 1)) + 2) * 4  // RFC 4302 §2.2 counts in 4 octets
            default: length = (Int(file.u8(at: header + 1)) + 1) * 8
            }
            guard length <= packet.length else { return .none(.malformed) }
            guard length <= packet.body.count else { return .none(.snapped) }
            packet.protocolNumber = file.u8(at: header)
            packet.body = (header + length)..<packet.body.upperBound
            packet.length -= length
        }
        return .found(packet)
    }
    /// Hop-by-hop, routing, fragment, authentication, destination options, mobility.
    private static func isExtension(_ number: UInt8) -> Bool {
        switch number {
        case 0, 43, 44, 51, 60, 135: true
        default: false
        }
    }

    /// RFC 768.
    private static func udp(_ packet: Packet, _ frame: CapturedFrame, of file: RawSpan) -> Outcome {
        let start = packet.body.lowerBound
        guard packet.length >= 8 else { return .skip(.malformed) }
        guard packet.body.count >= 8 else { return .skip(.snapped) }
        let stated = Int(file.be16(at: start + 4)), length = stated == 0 ? packet.length : stated
        guard (8...packet.length).contains(length) else { return .skip(.malformed) }
        guard length <= packet.body.count else { return .skip(.snapped) }
        let origin = DatagramOrigin(
            source: packet.source, sourcePort: file.be16(at: start), localPort: file.be16(at: start + 2),
            receiveMilliseconds: frame.milliseconds)
        return .datagram(
            DatagramReference(
                origin: origin, destination: packet.destination, payload: (start + 8)..<(start + length),
                frameNumber: frame.number))
    }
}
