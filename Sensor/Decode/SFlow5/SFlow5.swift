import FlowModel
import PacketHeader
import WireBytes

/// sFlow v5 (sflow.org, "sFlow Version 5", 2004, with the later structures for discarded packets, translated ports and
/// overlay networks): XDR, all in units of four octets.
///
///     datagram | version=5 :4 | addressType :4 | agent :4 or :16 | subAgent :4 | sequence :4 | uptime ms :4
///              | count :4 | samples |
///     sample   | format :4 | length :4 | content |, format = enterprise << 12 | number
///
/// A flow sample is one packet: one record of one packet and as many octets as the frame had on the link; the
/// sampling rate stands beside it and is not multiplied in. Times are those of arrival, as the datagram has no clock.
enum SFlow5 {
    static let flowSample: UInt32 = 1, counterSample: UInt32 = 2, expandedFlowSample: UInt32 = 3,
        expandedCounterSample: UInt32 = 4, discardedPacket: UInt32 = 5

    /// The address behind a type word at `offset`, and where it ends. Type 0 is "unknown" and has no octets.
    @inline(__always)
    static func address(_ data: RawSpan, at offset: Int) -> (address: IPAddress, end: Int)? {
        guard data.byteCount - offset >= 4 else { return nil }
        switch data.be32(at: offset) {
        case 0: return (.absent, offset + 4)
        case 1 where data.byteCount - offset >= 8: return (IPAddress(v4: data.be32(at: offset + 4)), offset + 8)
        case 2 where data.byteCount - offset >= 20: return (address(data, at: offset + 4, isV6: true), offset + 20)
        default: return nil
        }
    }
    /// The address at `offset`; one of IPv6 that only wraps one of IPv4 is the latter.
    @inline(__always)
    static func address(_ data: RawSpan, at offset: Int, isV6: Bool) -> IPAddress {
        isV6
            ? IPAddress(high: data.be64(at: offset), low: data.be64(at: offset + 8))
            : IPAddress(v4: data.be32(at: offset))
    }
    /// The octets of a string with its length before it, and where it ends with its padding.
    static func string(_ data: RawSpan, at offset: Int) -> (range: Range<Int>, end: Int)? {
        guard offset >= 0, data.byteCount - offset >= 4 else { return nil }
        let length = Int(data.be32(at: offset)), start = offset + 4
        guard length <= data.byteCount - start else { return nil }
        return (start..<(start + length), min(start + (length + 3) & ~3, data.byteCount))
    }

    /// Whether records of that format are read, as `SampleRow.read(flowRecord:)` and `SampleDetails` do.
    static func isRead(flowData format: UInt32) -> Bool {
        switch format {
        case 1...4, 1001...1007, 1009, 1012, 1020...1030: true
        default: false
        }
    }

    /// The header that a sampled packet begins with, by sFlow's number for it.
    @inline(__always)
    static func link(of number: UInt32) -> PacketLink? {
        switch number {
        case 1: .ethernet
        case 7, 14: .ppp
        case 9: .linkControl
        case 10: .internet
        case 11: .ipv4
        case 12: .ipv6
        case 13: .mpls
        case 15: .wireless
        case 17: .wirelessSubframe
        default: nil
        }
    }
    /// The octets of the packet in a record of 16 octets and more: those that it says it has, as far as they are there.
    @inline(__always)
    @_lifetime(copy body)
    static func header(_ body: RawSpan) -> RawSpan {
        body.extracting(16..<(16 &+ min(Int(body.be32(at: 12)), body.byteCount &- 16)))
    }

    /// IPFIX forwardingStatus (89) for a reason of sFlow's: "dropped", and why as far as both know it.
    static func forwardingStatus(discardReason: UInt32) -> UInt8 {
        switch discardReason {
        case 9, 10, 13, 14, 15, 258, 370, 371, 372: 130  // by an access list or another policy
        case 0, 1, 5, 6, 7, 8, 11, 12, 269, 281, 292, 306: 131  // no route
        case 279: 132  // no neighbour
        case 4, 262: 133  // too large
        case 275: 134
        case 257: 137
        case 261: 138
        case 260: 139
        case 280, 302, 335: 140  // not by the way back
        case 267: 142
        default: 128
        }
    }
    /// Whether that is the word of a policy rather than of the network.
    static func isDenial(_ status: UInt8) -> Bool { status == 129 || status == 130 }
}
