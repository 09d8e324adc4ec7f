internal import FlowModel

/// What a row lost on its way to a coarser key, for the sketches. Nil: not lost.
struct DroppedKeys {
    var port: UInt64?
    var peer: UInt64?
}

extension FlowWindow {
    /// Makes `row` as coarse as the window's fidelity.
    ///
    /// `service`: without the client's port. `host`: without ports, class of service, interfaces, VLAN; and of a host
    /// that has `CrowdedHosts.rowsMax` rows in this window, without the peer. What further elements a record had
    /// goes at both.
    mutating func coarsen(_ row: Int) -> DroppedKeys {
        var dropped = DroppedKeys()
        let destinationPort = columns.destinationTransportPort[row]
        let kept = PortRule.kept(
            source: columns.sourceTransportPort[row], destination: destinationPort,
            protocolIdentifier: columns.protocolIdentifier[row], at: fidelity)
        if kept.isSummed {
            columns.flags[row] |= RecordFlags.portsSummed.rawValue
            if kept.destination != destinationPort { dropped.port = UInt64(destinationPort) }
        }
        columns.sourceTransportPort[row] = kept.source
        columns.destinationTransportPort[row] = kept.destination
        columns.extra[row] = 0
        guard fidelity == .host else { return dropped }
        columns.vlanId[row] = 0
        columns.ipClassOfService[row] = 0
        columns.ingressInterface[row] = 0
        columns.egressInterface[row] = 0
        dropPeer(row, &dropped)
        return dropped
    }
    private mutating func dropPeer(_ row: Int, _ dropped: inout DroppedKeys) {
        switch crowded.end(columns, row) {
        case .none: return
        case .source:
            dropped.peer = columns.destinationHigh[row] &* 31 ^ columns.destinationLow[row]
            (columns.destinationHigh[row], columns.destinationLow[row]) = (0, 0)
            columns.destinationIPPrefixLength[row] = 0
            columns.bgpDestinationAsNumber[row] = 0
        case .destination:
            dropped.peer = columns.sourceHigh[row] &* 31 ^ columns.sourceLow[row]
            (columns.sourceHigh[row], columns.sourceLow[row]) = (0, 0)
            columns.sourceIPPrefixLength[row] = 0
            columns.bgpSourceAsNumber[row] = 0
        }
        columns.flags[row] |= RecordFlags.portsSummed.rawValue
        (columns.nextHopHigh[row], columns.nextHopLow[row]) = (0, 0)
    }

    /// Counts what was dropped in the sketches of `row`.
    mutating func note(_ dropped: DroppedKeys, at row: Int) {
        guard dropped.port != nil || dropped.peer != nil else { return }
        if columns.sketch[row] == 0 { columns.sketch[row] = columns.sketches.add(DistinctPair()) }
        let index = Int(columns.sketch[row]) - 1
        guard columns.sketches.pairs.indices.contains(index) else { return }
        if let port = dropped.port { columns.sketches.pairs[index].ports.insert(port) }
        if let peer = dropped.peer { columns.sketches.pairs[index].peers.insert(peer) }
    }
}

/// How the ports of a record are coarsened.
enum PortRule {
    /// The ports that are kept at `fidelity`, and whether one was summed away.
    ///
    /// At `service` the client's port goes: of two different ports the larger one, if it is 1024 or more. Equal ports
    /// (NTP, IKE) and two well-known ones are kept, as is what a protocol without ports has there, so ICMP's type and
    /// code. At `host` both go, for every protocol.
    @inline(__always)
    static func kept(
        source: UInt16, destination: UInt16, protocolIdentifier: UInt8, at fidelity: Fidelity
    ) -> (source: UInt16, destination: UInt16, isSummed: Bool) {
        switch fidelity {
        case .full: return (source, destination, false)
        case .host: return (0, 0, source != 0 || destination != 0)
        case .service:
            guard source != destination, max(source, destination) >= 1_024, IPProtocol.hasPorts(protocolIdentifier)
            else { return (source, destination, false) }
            return source > destination ? (0, destination, true) : (source, 0, true)
        }
    }
}

/// How many rows a host has so far, as source and as destination. Bounded: hosts share counters by a seeded hash, so a
/// host may be called crowded early, which costs the names of its peers and no octet.
struct CrowdedHosts: Sendable {
    /// Rows of one host that keep both names.
    static let rowsMax: UInt8 = 64
    enum End { case source, destination }

    private let seed: UInt64
    private var ofSource: [UInt8] = [], ofDestination: [UInt8] = []
    private static let counters = 1 << 16

    init(seed: UInt64) { self.seed = seed }

    /// Which end has too many rows for another peer's name, the source first: a scanner is one.
    func end(_ columns: FlowColumns, _ row: Int) -> End? {
        guard !ofSource.isEmpty else { return nil }
        let (source, destination) = places(columns, row)
        if ofSource[source] >= Self.rowsMax { return .source }
        return ofDestination[destination] >= Self.rowsMax ? .destination : nil
    }
    /// A row of a new key has been entered.
    mutating func note(_ columns: FlowColumns, _ row: Int, _ fidelity: Fidelity) {
        guard fidelity == .host else { return }
        if ofSource.isEmpty {
            ofSource = [UInt8](repeating: 0, count: Self.counters)
            ofDestination = ofSource
        }
        let (source, destination) = places(columns, row)
        if ofSource[source] < Self.rowsMax { ofSource[source] += 1 }
        if ofDestination[destination] < Self.rowsMax { ofDestination[destination] += 1 }
    }
    private func places(_ columns: FlowColumns, _ row: Int) -> (Int, Int) {
        let source = ConversationHash.fold(
            columns.sourceLow[row] ^ seed, columns.sourceHigh[row] ^ 0xE703_7ED1_A0B4_28DB)
        let destination = ConversationHash.fold(
            columns.destinationLow[row] ^ seed, columns.destinationHigh[row] ^ 0x8EBC_6AF0_9C88_C6E3)
        return (Int(source & UInt64(Self.counters - 1)), Int(destination & UInt64(Self.counters - 1)))
    }
}
