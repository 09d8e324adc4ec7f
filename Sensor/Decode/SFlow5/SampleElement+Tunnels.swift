import FlowModel

/// sFlow's tunnel structures (sflow.org, "sFlow Tunnel Structures"): the head that a device takes off a packet when it
/// comes in, or will put before it when it goes out, where the sampled header doesn't have it.
///
/// IPFIX has no elements for them, so they go under sFlow's own enterprise number, by a rule: 16 times the structure's
/// number plus the field's place in it.
extension SampleElement {
    static let sflowEnterprise: UInt32 = 14_706
    static let tunnelStructures: ClosedRange<UInt32> = 1021...1028

    /// Where a tunnel's element stands in its structure.
    struct TunnelPlace: Equatable {
        let structure: UInt32
        /// Its place among the structure's elements.
        let field: UInt16
        /// In octets, from the structure's beginning.
        let offset: Int, length: UInt16
    }
    /// Nil for all other elements.
    var tunnelPlace: TunnelPlace? {
        switch self {
        case .l2EgressSource, .l2EgressDestination: place(1021, .l2EgressSource, Self.link)
        case .l2IngressSource, .l2IngressDestination: place(1022, .l2IngressSource, Self.link)
        case .v4EgressProtocol, .v4EgressSource, .v4EgressDestination, .v4EgressSourcePort, .v4EgressDestinationPort:
            place(1023, .v4EgressProtocol, Self.ipv4)
        case .v4IngressProtocol, .v4IngressSource, .v4IngressDestination, .v4IngressSourcePort,
            .v4IngressDestinationPort:
            place(1024, .v4IngressProtocol, Self.ipv4)
        case .v6EgressProtocol, .v6EgressSource, .v6EgressDestination, .v6EgressSourcePort, .v6EgressDestinationPort:
            place(1025, .v6EgressProtocol, Self.ipv6)
        case .v6IngressProtocol, .v6IngressSource, .v6IngressDestination, .v6IngressSourcePort,
            .v6IngressDestinationPort:
            place(1026, .v6IngressProtocol, Self.ipv6)
        case .egressInnerOffset: place(1027, .egressInnerOffset, Self.inner)
        case .ingressInnerOffset: place(1028, .ingressInnerOffset, Self.inner)
        default: nil
        }
    }
    private func place(
        _ structure: UInt32, _ first: SampleElement, _ fields: [(offset: Int, length: UInt16)]
    ) -> TunnelPlace {
        let index = Int(rawValue - first.rawValue)
        return TunnelPlace(
            structure: structure, field: UInt16(index), offset: fields[index].offset, length: fields[index].length)
    }
    ///     | length :4 | source MAC :8 | destination MAC :8 | type :4 |, of each eight octets the first six
    private static let link: [(offset: Int, length: UInt16)] = [(4, 6), (12, 6)]
    ///     | length :4 | protocol :4 | source :4 | destination :4 | source port :4 | destination port :4 | …
    private static let ipv4: [(offset: Int, length: UInt16)] = [(7, 1), (8, 4), (12, 4), (18, 2), (22, 2)]
    private static let ipv6: [(offset: Int, length: UInt16)] = [(7, 1), (8, 16), (24, 16), (42, 2), (46, 2)]
    ///     | octets of the sampled header before the inner packet :4 |
    private static let inner: [(offset: Int, length: UInt16)] = [(0, 4)]

    /// The octets that structures 1021 to 1028 have at least.
    static let tunnelOctets = [24, 24, 32, 32, 56, 56, 4, 4]
    /// The elements of each of them.
    static let ofTunnels = tunnelStructures.map { structure in
        SampleElementSet(allCases.filter { $0.tunnelPlace?.structure == structure })
    }
}
