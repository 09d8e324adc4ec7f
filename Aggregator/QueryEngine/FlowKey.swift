package import FlowModel
package import Identity

/// What records can be grouped by.
package enum FlowKey: Hashable, Sendable {
    /// Addresses of either family.
    case sourceAddress, destinationAddress, nextHop
    /// The address's network: the first bits of an IPv4 address, 0...32, or of an IPv6 one, 0...128.
    case sourceNetwork(v4: Int, v6: Int)
    case destinationNetwork(v4: Int, v6: Int)
    case sourceTransportPort, destinationTransportPort, protocolIdentifier
    /// Protocol and server port: see `FlowService`.
    case service
    case sourceAS, destinationAS, ingressInterface, egressInterface
    /// The country of an address, and the number of the system that announces it, by a table and not by the record.
    case sourceCountry(PlaceTable), destinationCountry(PlaceTable)
    case sourceSystem(PlaceTable), destinationSystem(PlaceTable)
    /// Who exported the record: address, observation domain, protocol.
    case exporter
    case site, sensor
    case tcpControlBits, codePoint, vlan, direction
    /// IPv4 or IPv6, by the source address.
    case family
    /// The start of the minute or hour (or any other period, in ms) in which the flow ended.
    case time(period: Int64)
}

extension FlowKey: CaseIterable {
    /// Those that are named without a number.
    private static let plain: [(key: FlowKey, name: String)] = [
        (.sourceAddress, "sourceAddress"), (.destinationAddress, "destinationAddress"), (.nextHop, "ipNextHopAddress"),
        (.sourceTransportPort, "sourceTransportPort"), (.destinationTransportPort, "destinationTransportPort"),
        (.protocolIdentifier, "protocolIdentifier"), (.service, "service"), (.sourceAS, "bgpSourceAsNumber"),
        (.destinationAS, "bgpDestinationAsNumber"), (.sourceCountry(.none), "sourceCountry"),
        (.destinationCountry(.none), "destinationCountry"), (.sourceSystem(.none), "sourceSystem"),
        (.destinationSystem(.none), "destinationSystem"), (.ingressInterface, "ingressInterface"),
        (.egressInterface, "egressInterface"), (.exporter, "exporter"), (.site, "site"), (.sensor, "sensor"),
        (.tcpControlBits, "tcpControlBits"), (.codePoint, "ipDiffServCodePoint"), (.vlan, "vlanId"),
        (.direction, "flowDirection"), (.family, "ipVersion"), (.time(period: 60_000), "minute"),
        (.time(period: 3_600_000), "hour"), (.time(period: 86_400_000), "day"),
    ]
    package static let allCases = plain.map(\.key)

    /// IPFIX's names where it has one; networks are `sourceAddress/24/48`, for IPv4 and IPv6.
    package var rawValue: String {
        switch self {
        case .sourceNetwork(let v4, let v6): "sourceAddress/\(v4)/\(v6)"
        case .destinationNetwork(let v4, let v6): "destinationAddress/\(v4)/\(v6)"
        case .sourceCountry: "sourceCountry"
        case .destinationCountry: "destinationCountry"
        case .sourceSystem: "sourceSystem"
        case .destinationSystem: "destinationSystem"
        default: Self.plain.first { $0.key == self }?.name ?? "time"
        }
    }
    /// Whether it needs a `PlaceTable`.
    package var needsPlaces: Bool {
        switch self {
        case .sourceCountry, .destinationCountry, .sourceSystem, .destinationSystem: true
        default: false
        }
    }
    /// The same key by `table`, where it needs one.
    package func asked(of table: PlaceTable) -> FlowKey {
        switch self {
        case .sourceCountry: .sourceCountry(table)
        case .destinationCountry: .destinationCountry(table)
        case .sourceSystem: .sourceSystem(table)
        case .destinationSystem: .destinationSystem(table)
        default: self
        }
    }
    package init?(rawValue: String) { self.init(name: rawValue) }

    /// By `rawValue`; the names of both address families stand for the address, and `sourceAddress/24` for networks of
    /// 24 bits of IPv4, 48 of IPv6; a length over 32 is one of IPv6 addresses, IPv4 ones being kept whole.
    package init?(name: some StringProtocol) {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard let first = parts.first, let plain = Self.named(String(first)) else { return nil }
        guard parts.count > 1 else {
            self = plain
            return
        }
        let lengths = parts.dropFirst().compactMap { Int($0) }
        guard lengths.count == parts.count - 1, lengths.count <= 2, lengths.allSatisfy({ 0...128 ~= $0 }) else {
            return nil
        }
        let v4 = min(lengths[0], 32)
        let v6 = lengths.count == 2 ? lengths[1] : lengths[0] > 32 ? lengths[0] : 48
        guard lengths.count == 1 || lengths[0] <= 32 else { return nil }
        switch plain {
        case .sourceAddress: self = .sourceNetwork(v4: v4, v6: v6)
        case .destinationAddress: self = .destinationNetwork(v4: v4, v6: v6)
        default: return nil
        }
    }
    private static func named(_ name: String) -> FlowKey? {
        switch name {
        case "sourceIPv4Address", "sourceIPv6Address": .sourceAddress
        case "destinationIPv4Address", "destinationIPv6Address": .destinationAddress
        case "ipNextHopIPv4Address", "ipNextHopIPv6Address": .nextHop
        case let other: plain.first { $0.name == other }?.key
        }
    }
}

/// A transport protocol and the port at which its server listens.
package struct FlowService: Hashable, Sendable, Comparable {
    package var protocolIdentifier: UInt8
    package var port: UInt16

    package init(protocolIdentifier: UInt8, port: UInt16) {
        (self.protocolIdentifier, self.port) = (protocolIdentifier, port)
    }
    /// The service of a record: its smaller port, as clients take large ones; for ICMP type and code; 0 for protocols
    /// without ports. A port that was summed away is 0 in the record, and does not count.
    @inline(__always)
    static func port(protocolIdentifier: UInt8, source: UInt16, destination: UInt16) -> UInt16 {
        // ICMP's: `IPProtocol.isICMP` is a call from here, a row.
        if protocolIdentifier == 1 || protocolIdentifier == 58 { return destination }
        if source == 0 || destination == 0 { return source | destination }
        return min(source, destination)
    }
    package static func < (a: FlowService, b: FlowService) -> Bool {
        (a.protocolIdentifier, a.port) < (b.protocolIdentifier, b.port)
    }
}

/// The key of one group: what it was not grouped by is nil.
package struct FlowGroupKey: Hashable, Sendable {
    package var sourceAddress: IPAddress?
    package var destinationAddress: IPAddress?
    package var nextHop: IPAddress?
    package var sourceNetwork: IPNetwork?
    package var destinationNetwork: IPNetwork?
    package var sourceTransportPort: UInt16?
    package var destinationTransportPort: UInt16?
    package var protocolIdentifier: UInt8?
    package var service: FlowService?
    package var sourceAS: UInt32?
    package var destinationAS: UInt32?
    /// See `PlaceTable`; 0 is not known.
    package var sourceCountry: UInt16?
    package var destinationCountry: UInt16?
    package var sourceSystem: UInt32?
    package var destinationSystem: UInt32?
    package var ingressInterface: UInt32?
    package var egressInterface: UInt32?
    package var exporter: ExporterKey?
    package var site: String?
    package var sensor: SensorIdentity?
    package var tcpControlBits: UInt16?
    package var codePoint: UInt8?
    package var vlan: UInt16?
    /// As in `FlowRecord`: 255 is "not in the record".
    package var direction: UInt8?
    /// 4 or 6; 0 for a record without a source address.
    package var family: UInt8?
    /// The start of the period in which the flow ended, ms since 1970 UTC.
    package var time: Int64?
    package init() {}
}
