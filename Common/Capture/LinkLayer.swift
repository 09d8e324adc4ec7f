import WireBytes

/// The link headers that a capture of IP traffic may have (the tcpdump group's list of LINKTYPE_ values).
enum LinkLayer {
    enum Outcome { case packet(Range<Int>), skip(CaptureSkip) }

    private enum EtherType {
        static let ipv4: UInt16 = 0x0800, ipv6: UInt16 = 0x86DD
        /// 802.1Q, 802.1ad, and the values that vendors stacked tags with before it.
        static func isTag(_ type: UInt16) -> Bool {
            switch type {
            case 0x8100, 0x88A8, 0x9100, 0x9200, 0x9300: true
            default: false
            }
        }
    }

    /// The IP packet in `frame`, from its version nibble on.
    static func internetPacket(in frame: CapturedFrame, of file: RawSpan) -> Outcome {
        let range = frame.range
        switch frame.linkType {
        case 1: return typed(at: 12, range, of: file)
        case 113: return typed(at: 14, range, of: file)
        case 276: return cookedV2(range, of: file)
        case 12, 14, 101, 228, 229: return .packet(range)
        case 0, 108: return loopback(range, of: file)
        default: return .skip(.linkType)
        }
    }

    /// Ethernet and Linux cooked v1: a type word, then tags, then the packet.
    private static func typed(at typeOffset: Int, _ range: Range<Int>, of file: RawSpan) -> Outcome {
        var offset = range.lowerBound + typeOffset
        while range.upperBound - offset >= 2 {  // ends: each turn adds 4, or returns
            let type = file.be16(at: offset)
            if type == EtherType.ipv4 || type == EtherType.ipv6 { return .packet((offset + 2)..<range.upperBound) }
            guard EtherType.isTag(type) else { return .skip(.notIP) }
            offset += 4
        }
        return .skip(.snapped)
    }

    /// Linux cooked v2 (LINKTYPE_LINUX_SLL2): the type stands first in a header of 20 octets.
    private static func cookedV2(_ range: Range<Int>, of file: RawSpan) -> Outcome {
        guard range.count >= 20 else { return .skip(.snapped) }
        let type = file.be16(at: range.lowerBound), body = (range.lowerBound + 20)..<range.upperBound
        if type == EtherType.ipv4 || type == EtherType.ipv6 { return .packet(body) }
        // A tag's own word comes first in the payload, then the type it hides.
        guard EtherType.isTag(type) else { return .skip(.notIP) }
        return typed(at: 2, body, of: file)
    }

    /// BSD null and loop: an address family in the order of the machine that captured, which nothing states.
    private static func loopback(_ range: Range<Int>, of file: RawSpan) -> Outcome {
        guard range.count >= 4 else { return .skip(.snapped) }
        let family = min(file.be32(at: range.lowerBound), file.le32(at: range.lowerBound))
        switch family {
        case 2, 10, 24, 28, 30: return .packet((range.lowerBound + 4)..<range.upperBound)
        default: return .skip(.notIP)
        }
    }
}
