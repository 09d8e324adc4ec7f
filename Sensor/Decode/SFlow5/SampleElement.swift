import FlowModel

/// The elements beside the columns that a sampled packet can have, in the order in which an entry holds them. The raw
/// value is a bit of `SampleElementSet`.
enum SampleElement: UInt8, CaseIterable {
    // The packet inside a tunnel: VMware's names for what IANA has none for.
    case layer2SegmentId, tenantProtocol, tenantSourceIPv4, tenantDestIPv4, tenantSourceIPv6, tenantDestIPv6,
        tenantSourcePort, tenantDestPort
    case dot1qCustomerVlanId, postVlanId
    case label1, label2, label3, label4, label5, label6, label7, label8, label9, label10
    case forwardingStatus
    case postNATSourceIPv4Address, postNATDestinationIPv4Address, postNATSourceIPv6Address,
        postNATDestinationIPv6Address, postNAPTSourceTransportPort, postNAPTDestinationTransportPort
    case bgpNextAdjacentAsNumber, bgpPrevAdjacentAsNumber, pseudoWireId
    case sourceMacAddress, destinationMacAddress, ipTTL, ipTotalLength
    case userName, httpRequestHost, httpRequestTarget
    // See `tunnelPlace`: of each structure in its order.
    case l2EgressSource, l2EgressDestination, l2IngressSource, l2IngressDestination
    case v4EgressProtocol, v4EgressSource, v4EgressDestination, v4EgressSourcePort, v4EgressDestinationPort
    case v4IngressProtocol, v4IngressSource, v4IngressDestination, v4IngressSourcePort, v4IngressDestinationPort
    case v6EgressProtocol, v6EgressSource, v6EgressDestination, v6EgressSourcePort, v6EgressDestinationPort
    case v6IngressProtocol, v6IngressSource, v6IngressDestination, v6IngressSourcePort, v6IngressDestinationPort
    case egressInnerOffset, ingressInnerOffset

    static let tenantEnterprise: UInt32 = 6_876

    var field: ExtraField {
        switch self {
        case .layer2SegmentId: iana(351, 8)
        case .tenantProtocol: tenant(880, 1)
        case .tenantSourceIPv4: tenant(881, 4)
        case .tenantDestIPv4: tenant(882, 4)
        case .tenantSourceIPv6: tenant(883, 16)
        case .tenantDestIPv6: tenant(884, 16)
        case .tenantSourcePort: tenant(886, 2)
        case .tenantDestPort: tenant(887, 2)
        case .dot1qCustomerVlanId: iana(245, 2)
        case .postVlanId: iana(59, 2)
        case .label1, .label2, .label3, .label4, .label5, .label6, .label7, .label8, .label9, .label10:
            iana(70 + UInt16(rawValue - SampleElement.label1.rawValue), 3)
        case .forwardingStatus: iana(89, 1)
        case .postNATSourceIPv4Address: iana(225, 4)
        case .postNATDestinationIPv4Address: iana(226, 4)
        case .postNATSourceIPv6Address: iana(281, 16)
        case .postNATDestinationIPv6Address: iana(282, 16)
        case .postNAPTSourceTransportPort: iana(227, 2)
        case .postNAPTDestinationTransportPort: iana(228, 2)
        case .bgpNextAdjacentAsNumber: iana(128, 4)
        case .bgpPrevAdjacentAsNumber: iana(129, 4)
        case .pseudoWireId: iana(249, 4)
        case .sourceMacAddress: iana(56, 6)
        case .destinationMacAddress: iana(80, 6)
        case .ipTTL: iana(192, 1)
        case .ipTotalLength: iana(224, 4)
        case .userName: iana(371, ExtraField.variableLength)
        case .httpRequestHost: iana(460, ExtraField.variableLength)
        case .httpRequestTarget: iana(461, ExtraField.variableLength)
        default: tunnel(tunnelPlace)
        }
    }
    private func tunnel(_ place: TunnelPlace?) -> ExtraField {
        let (structure, field) = (place?.structure ?? 0, place?.field ?? 0)
        let id = UInt16(truncatingIfNeeded: 16 * structure) + field
        return ExtraField(ElementKey(enterprise: Self.sflowEnterprise, id: id), length: place?.length ?? 0)
    }
    private func iana(_ id: UInt16, _ length: UInt16) -> ExtraField { ExtraField(ElementKey(id: id), length: length) }
    private func tenant(_ id: UInt16, _ length: UInt16) -> ExtraField {
        ExtraField(ElementKey(enterprise: Self.tenantEnterprise, id: id), length: length)
    }
}

/// Some of them.
struct SampleElementSet: OptionSet, Hashable {
    var rawValue: UInt64
    init(rawValue: UInt64) { self.rawValue = rawValue }
    init(_ element: SampleElement) { rawValue = 1 << UInt64(element.rawValue) }
    init(_ elements: some Sequence<SampleElement>) {
        rawValue = elements.reduce(0) { $0 | 1 << UInt64($1.rawValue) }
    }

    static let linkDetails = SampleElementSet([.sourceMacAddress, .destinationMacAddress, .ipTTL, .ipTotalLength])
    static let all = SampleElementSet(SampleElement.allCases)

    /// In the order of an entry.
    var elements: [SampleElement] { SampleElement.allCases.filter { contains(SampleElementSet($0)) } }
}

/// The shapes of entries, so that one is found without a look at its fields.
struct SampleShapes {
    /// As many as there are sets of elements in use; a site has a dozen.
    static let countMax = 512
    private var known: [SampleElementSet: (elements: [SampleElement], fields: [ExtraField])] = [:]

    mutating func shape(of set: SampleElementSet) -> (elements: [SampleElement], fields: [ExtraField]) {
        if let found = known[set] { return found }
        if known.count >= Self.countMax { known.removeAll(keepingCapacity: true) }
        let elements = set.elements, made = (elements, elements.map(\.field))
        known[set] = made
        return made
    }
}
