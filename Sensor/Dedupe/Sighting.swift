internal import FlowModel

/// Where packets are looked at, in one word: exporter << 33 | egress << 32 | interface. Never 0.
///
/// A packet enters a box by one interface and leaves by one: rows that were metered on ingress and differ only in
/// their egress interface (a route changed) come from one point and are different packets, as are rows that differ
/// in VLAN or class of service. A direction that is not in the record is taken for ingress (RFC 3954 §8).
struct ObservationPoint: Equatable, BitwiseCopyable {
    let bits: UInt64

    static let none = ObservationPoint(bits: 0)
    var exporter: Int { Int(truncatingIfNeeded: bits >> 33) }
    var isEgress: Bool { bits >> 32 & 1 == 1 }
    var interface: UInt32 { UInt32(truncatingIfNeeded: bits) }
}

/// What is known of an exporter while a window is looked through.
struct ObserverFacts: BitwiseCopyable {
    /// The memory's own number of it, shifted to its place in a point.
    let pointBase: UInt64
    /// How far its clock is ahead, in ms.
    let skew: Int64
    /// Packet samples are not flows: two agents on one path look at different packets.
    let takesPart: Bool
}

/// What one row, or several of one point, says about a conversation. 40 octets.
struct Sighting: BitwiseCopyable {
    var point: ObservationPoint
    /// In ms since 1970 UTC, by a clock without the exporter's skew. `start <= end`.
    var start: Int64, end: Int64
    /// Packets; minus the octets when there are no packets in the record.
    var weight: Float
    /// 1 unsampled, 0 unknown.
    var sampling: Float
    var row: UInt32

    static let noRow = UInt32.max
    static let none = Sighting(point: .none, start: 0, end: 0, weight: 0, sampling: 0, row: noRow)
    /// 285,000 years: sums of two times can't overflow.
    private static let farthest: Int64 = 1 << 53

    /// Of a record's fields; the times are the exporter's.
    /// - Parameter place: egress << 32 | interface.
    @inline(__always)
    init(
        _ observer: ObserverFacts, place: UInt64, start: Int64, end: Int64, packets: UInt64, octets: UInt64,
        interval: Float, row: UInt32
    ) {
        point = ObservationPoint(bits: observer.pointBase | place)
        var first = start &- observer.skew, last = end &- observer.skew
        let far = UInt64(bitPattern: first &+ Self.farthest) | UInt64(bitPattern: last &+ Self.farthest)
        if far >> 54 != 0 { (first, last) = (Self.clamp(first), Self.clamp(last)) }
        self.start = min(first, last)
        self.end = last
        weight = packets > 0 ? Self.float(packets) : -Self.float(octets)
        sampling = interval > 0 ? interval : 0
        self.row = row
    }
    init(point: ObservationPoint, start: Int64, end: Int64, weight: Float, sampling: Float, row: UInt32) {
        (self.point, self.start, self.end, self.row) = (point, start, end, row)
        (self.weight, self.sampling) = (weight, sampling)
    }
    @inline(__always)
    private static func clamp(_ time: Int64) -> Int64 { min(max(time, -farthest), farthest) }

    /// From signed words it is one instruction.
    @inline(__always)
    private static func float(_ count: UInt64) -> Float { Float(Int64(clamping: count)) }

    var packets: Float { max(weight, 0) }

    /// Takes in another row of the same point when it joins this one in time.
    /// - Returns: false, and nothing changed, when there is a gap of more than `tolerance` between them.
    @inline(__always)
    mutating func join(_ other: Sighting, tolerance: Int64) -> Bool {
        guard other.start <= end + tolerance, other.end >= start - tolerance else { return false }
        start = min(start, other.start)
        end = max(end, other.end)
        // Packets and octets can't be added to each other: then the later says what there is to say.
        weight = (weight < 0) == (other.weight < 0) ? weight + other.weight : other.weight
        sampling = min(sampling, other.sampling)
        return true
    }
    /// Forgets what lies more than `longest` before the end, with its part of the weight.
    @inline(__always)
    mutating func shorten(to longest: Int64) {
        guard end - start > longest else { return }
        weight *= Float(longest) / Float(end - start)
        start = end - longest
    }
}
