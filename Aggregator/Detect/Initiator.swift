/// Which end of a record opened the conversation, as the record itself tells it, and how sure that is.
///
/// Not here: what more than the record tells it, the exporter's word (`StatedInitiator`) and the other direction's
/// record (`FirstSeen`).
package import FlowModel

/// Which end of a record opened the conversation.
package enum Initiator: Sendable {
    case source, destination, unknown

    /// As the record's flags and ports tell it, for folds of other modules.
    /// - Parameter row: must be below `columns.count`.
    package init(_ columns: borrowing FlowColumns, row: Int) { self = FlowSight(columns, row: row).initiator }
}

/// What tells who opened a conversation, the surest last.
enum InitiatorSign: Int, Comparable, CaseIterable, Sendable {
    /// Nothing does.
    case none
    /// One end's port is a service's, and the other's is not.
    case ports
    /// Of both directions' records, this one's began before the other's.
    case firstSeen
    /// A SYN without ACK, a lone SYN+ACK or RST+ACK, the type of an ICMP message.
    case flags
    /// The exporter's biflowDirection.
    case stated

    static func < (a: InitiatorSign, b: InitiatorSign) -> Bool { a.rawValue < b.rawValue }

    /// How sure it is: 1 is certain. Steps for people and for sorting; ports are wrong about services on high ports,
    /// first records about flows that were cut into slices, flags about hosts that lie.
    var confidence: Double {
        switch self {
        case .none: 0
        case .ports: 0.7
        case .firstSeen: 0.85
        case .flags: 0.95
        case .stated: 1
        }
    }
}

/// How it is known who began the conversations that a finding rests on.
package struct InitiatorEvidence: Equatable, Sendable, Codable {
    /// From 0 to 1: the mean over the flows of how sure each one's sign is.
    package var confidence: Double
    /// Flows by what told it: the exporter (`biflowDirection`), flags, the earlier of both directions' records, ports.
    package var stated: UInt64, flags: UInt64, firstSeen: UInt64, ports: UInt64

    package init(confidence: Double, stated: UInt64, flags: UInt64, firstSeen: UInt64, ports: UInt64) {
        (self.confidence, self.stated, self.flags) = (confidence, stated, flags)
        (self.firstSeen, self.ports) = (firstSeen, ports)
    }

    /// The sign of most flows, as people read it.
    package var mostly: String {
        let counts = [
            (stated, "the exporter's word"), (flags, "flags"), (firstSeen, "whose packets came first"),
            (ports, "ports"),
        ]
        let most = counts.map(\.0).max() ?? 0
        return counts.first { $0.0 == most }?.1 ?? ""
    }
}

/// Records by what told who began them.
struct InitiatorSigns: Sendable {
    /// By `InitiatorSign`, but for `none`.
    private var counts = SIMD4<UInt32>.zero

    @inline(__always)
    mutating func add(_ sign: InitiatorSign) {
        guard sign != .none else { return }
        let place = sign.rawValue - 1
        if counts[place] < .max { counts[place] += 1 }
    }
    mutating func add(_ other: InitiatorSigns) {
        for place in counts.indices {
            let (sum, isOver) = counts[place].addingReportingOverflow(other.counts[place])
            counts[place] = isOver ? .max : sum
        }
    }
    private func count(_ sign: InitiatorSign) -> UInt64 { UInt64(counts[sign.rawValue - 1]) }

    /// Nil where nothing told it.
    var evidence: InitiatorEvidence? {
        let signs = InitiatorSign.allCases.filter { $0 != .none }
        let all = signs.reduce(0) { $0 + count($1) }
        guard all > 0 else { return nil }
        let sum = signs.reduce(0.0) { $0 + Double(count($1)) * $1.confidence }
        return InitiatorEvidence(
            confidence: (sum / Double(all) * 1_000).rounded() / 1_000, stated: count(.stated), flags: count(.flags),
            firstSeen: count(.firstSeen), ports: count(.ports))
    }

    func save(to writer: inout SnapshotWriter) {
        for place in counts.indices { writer.add(UInt64(counts[place])) }
    }
    init() {}
    /// Nothing where the snapshot is of before they were counted.
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        guard reader.edition >= .signs else { return }
        for place in counts.indices { counts[place] = try reader.nextSmall(UInt32.self) }
    }
}

extension FlowSight {
    /// A SYN without ACK can only come from the initiator, one packet of SYN+ACK or RST+ACK only from the other end.
    /// Everything else is told by the ports: the end with the port of a service is the one that was called. Ports of
    /// one kind tell nothing: what can't be told is not counted.
    func findInitiator() -> (Initiator, InitiatorSign) {
        if isDenied, packets == 0 { return deniedInitiator }
        if isICMP { return isSummed ? (.unknown, .none) : icmpInitiator }
        if isTCP {
            let (syn, ack) = (has(Bit.syn), has(Bit.ack))
            if syn && !ack { return (.source, .flags) }
            if packets == 1, controlBits == Bit.syn | Bit.ack || controlBits == Bit.rst | Bit.ack {
                return (.destination, .flags)
            }
            if controlBits == Bit.rst { return (.unknown, .none) }
        }
        let (ours, theirs) = (PortKind(sourcePort), PortKind(destinationPort))
        return ours == theirs ? (.unknown, .none) : (ours > theirs ? .source : .destination, .ports)
    }

    /// What a firewall refuses is an attempt of the source's, or the late packet of a conversation that it has
    /// forgotten already: then a service's port is the source's.
    private var deniedInitiator: (Initiator, InitiatorSign) {
        if isICMP { return isSummed ? (.unknown, .none) : icmpInitiator }
        return PortKind(sourcePort) < PortKind(destinationPort) ? (.unknown, .none) : (.source, .ports)
    }

    private var icmpInitiator: (Initiator, InitiatorSign) {
        switch (transport, icmpType) {
        case (Bit.icmp, 8), (Bit.icmpv6, 128), (Bit.icmp, 128): (.source, .flags)
        case (Bit.icmp, 0), (Bit.icmpv6, 129), (Bit.icmp, 129): (.destination, .flags)
        default: (.unknown, .none)
        }
    }
}

/// How likely a port belongs to the one who calls, in rising order. 0 is a port that was summed away: a client's.
enum PortKind: Comparable {
    case wellKnown, registered, ephemeral, summedAway
    init(_ port: UInt16) {
        self =
            switch port {
            case 0: .summedAway
            case ..<1_024: .wellKnown
            case ..<32_768: .registered
            default: .ephemeral
            }
    }
}
