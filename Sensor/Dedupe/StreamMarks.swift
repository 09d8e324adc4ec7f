internal import WireBytes

/// Where a datagram stands in its stream, by the sequence number that it carries itself: a function of its bytes alone,
/// so two that are alike stand in the same place.
struct StreamPlace: BitwiseCopyable {
    /// What is counted together: protocol and observation domain.
    let lane: UInt64
    let number: UInt32

    /// Nil for protocols without numbers, and for what is shorter than its header.
    @inline(__always)
    init?(_ datagram: RawSpan) {
        guard datagram.byteCount >= 32 else { return nil }
        let version = datagram.be32(at: 0)
        switch version >> 16 {
        case 5, 7: self.init(version >> 16, of: datagram.be32(at: 20) >> 16, datagram.be32(at: 16))
        case 9: self.init(9, of: datagram.be32(at: 16), datagram.be32(at: 12))  // RFC 3954 §5.1
        case 10: self.init(10, of: datagram.be32(at: 12), datagram.be32(at: 8))  // RFC 7011 §3.1
        case 0 where version == 5 && datagram.be32(at: 4) == 1:  // sFlow of an IPv4 agent
            self.init(version, of: datagram.be32(at: 12), datagram.be32(at: 16))
        case 0 where version == 5 && datagram.be32(at: 4) == 2:  // of an IPv6 one
            self.init(version, of: datagram.be32(at: 24), datagram.be32(at: 28))
        default: return nil
        }
    }
    private init(_ kind: UInt32, of domain: UInt32, _ number: UInt32) {
        lane = UInt64(kind) << 32 | UInt64(domain)
        self.number = number
    }
}

/// The highest number of each lane among some datagrams. What lies beyond it is none of them, without a look at any:
/// so is nearly everything that exporters send. What comes twice, late or after a restart does not, and is looked up.
struct StreamMarks: Sendable {
    private var marks: [(lane: UInt64, highest: UInt32)] = []
    /// More lanes came than are kept: what is of none of these may be of one that is not.
    private var isShort = false

    private static let lanesMax = 8

    /// False when the datagram at `place` may be one of those noted.
    @inline(__always)
    func areBefore(_ place: StreamPlace) -> Bool {
        for mark in marks where mark.lane == place.lane { return mark.highest < place.number }
        return !isShort
    }
    @inline(__always)
    mutating func note(_ place: StreamPlace) {
        for number in marks.indices where marks[number].lane == place.lane {
            marks[number].highest = max(marks[number].highest, place.number)
            return
        }
        if marks.count < Self.lanesMax { marks.append((place.lane, place.number)) } else { isShort = true }
    }
    mutating func removeAll() {
        marks.removeAll(keepingCapacity: true)
        isShort = false
    }
}
