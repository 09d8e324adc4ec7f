internal import FlowModel
internal import WireBytes

/// Writes an IP packet around a datagram, so that a copy says that it comes from the exporter itself.
///
/// The kernel fills in an IPv4 header's checksum and total length (raw(7), IP_HDRINCL) and nothing of an IPv6 one.
enum PacketImage {
    static let v4HeaderBytes = 20, v6HeaderBytes = 40, udpHeaderBytes = 8
    private static let udp: UInt8 = 17, hopLimit: UInt8 = 64

    struct Endpoint {
        let address: IPAddress, port: UInt16
    }

    /// How many bytes stand before the payload.
    static func headerBytes(isV4: Bool) -> Int { (isV4 ? v4HeaderBytes : v6HeaderBytes) + udpHeaderBytes }

    /// Appends headers and payload. Both addresses are of one family, and the payload is at most 65,507 bytes.
    static func append(_ payload: RawSpan, from: Endpoint, to: Endpoint, into bytes: inout [UInt8]) {
        let udpLength = udpHeaderBytes + payload.byteCount
        if to.address.isV4 {
            // RFC 791 §3.1: version 4, 5 words; no services; total length; identification, flags and offset 0.
            bytes.append(contentsOf: [0x45, 0])
            bytes.appendBE(UInt16(truncatingIfNeeded: v4HeaderBytes + udpLength))
            bytes.append(contentsOf: [0, 0, 0, 0, hopLimit, udp, 0, 0])
            bytes.appendBE(from.address.v4)
            bytes.appendBE(to.address.v4)
        } else {
            // RFC 8200 §3: version 6, no class, no label; payload length; next header; hop limit.
            bytes.append(contentsOf: [0x60, 0, 0, 0])
            bytes.appendBE(UInt16(truncatingIfNeeded: udpLength))
            bytes.append(contentsOf: [udp, hopLimit])
            for word in [from.address.high, from.address.low, to.address.high, to.address.low] { bytes.appendBE(word) }
        }
        bytes.appendBE(from.port)
        bytes.appendBE(to.port)
        bytes.appendBE(UInt16(truncatingIfNeeded: udpLength))
        bytes.appendBE(checksum(payload, from: from, to: to))
        bytes.append(payload)
    }

    /// The one's complement sum over pseudo header, header and data (RFC 768, RFC 8200 §8.1); 0 is sent as all ones,
    /// since 0 says that there is none.
    private static func checksum(_ payload: RawSpan, from: Endpoint, to: Endpoint) -> UInt16 {
        let length = UInt64(udpHeaderBytes + payload.byteCount)
        var sum = UInt64(udp) + length + length + UInt64(from.port) + UInt64(to.port)
        for address in [from.address, to.address] {
            if address.isV4 {
                sum += UInt64(address.v4)
            } else {
                for word in [address.high, address.low] { sum += (word >> 32) + (word & 0xFFFF_FFFF) }
            }
        }
        var offset = 0
        // Words of 32 bits sum up to the same: 2^16 is 1 in this arithmetic.
        while offset + 4 <= payload.byteCount {  // ends: each turn adds 4
            sum += UInt64(payload.be32(at: offset))
            offset += 4
        }
        for place in offset..<payload.byteCount {
            sum += UInt64(payload.u8(at: place)) << (place & 1 == 0 ? 8 : 0)
        }
        while sum >> 16 != 0 { sum = (sum & 0xFFFF) + (sum >> 16) }  // ends: the sum shrinks
        let checksum = ~UInt16(truncatingIfNeeded: sum)
        return checksum == 0 ? 0xFFFF : checksum
    }
}
