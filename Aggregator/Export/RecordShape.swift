internal import FlowModel

/// One field specifier (RFC 7011 §3.2).
struct TemplateField: Hashable, Sendable {
    let element: ElementKey
    let length: UInt16

    init(_ id: UInt16, _ length: UInt16) { (element, self.length) = (ElementKey(id: id), length) }
    /// NetFlow v9's numbers from 32768 on would be read as an enterprise bit: they go where other collectors put them
    /// when they forward them.
    init(_ field: ExtraField) {
        let isHigh = field.element.enterprise == 0 && field.element.id >= 0x8000
        element = isHigh ? ElementKey(enterprise: 0xFFFF_FFFF, id: field.element.id & 0x7FFF) : field.element
        length = field.length
    }

    var octets: Int { element.enterprise == 0 ? 4 : 8 }

    func append(to out: inout [UInt8]) {
        out.append(u16: element.enterprise == 0 ? element.id : element.id | 0x8000)
        out.append(u16: length)
        if element.enterprise != 0 { out.append(u32: element.enterprise) }
    }
}

/// Which fields a record has: rows of the same shape share a template.
struct RecordShape: Hashable, Sendable {
    private enum Family: UInt8 { case none, ipv4, ipv6 }
    private let source, destination, nextHop, exporter: Family
    /// The family whose ICMP type and code take the ports' place.
    private let icmp: Family
    private let hasFlowCount, hasDirection, hasSampling, isDenied: Bool
    /// Of `ExtraShapes`; 0 none.
    var extras = 0

    init(_ flow: FlowRecord, exporter: IPAddress) {
        source = Self.family(flow.sourceIPAddress)
        destination = Self.family(flow.destinationIPAddress)
        nextHop = Self.family(flow.ipNextHopAddress)
        self.exporter = Self.family(exporter)
        icmp =
            switch flow.protocolIdentifier {
            case IPProtocol.icmp: .ipv4
            case IPProtocol.icmpv6: .ipv6
            default: .none
            }
        hasFlowCount = flow.deltaFlowCount != 1
        hasDirection = flow.flowDirection != 255
        hasSampling = flow.samplingInterval >= 1
        isDenied = flow.flags.contains(.denied)
    }
    private static func family(_ address: IPAddress) -> Family {
        address.isAbsent ? .none : address.isV4 ? .ipv4 : .ipv6
    }

    /// The fields that columns fill, in the order of `appendColumns`.
    var columnFields: [TemplateField] {
        var fields = [TemplateField(152, 8), TemplateField(153, 8), TemplateField(1, 8), TemplateField(2, 8)]
        if hasFlowCount { fields.append(TemplateField(3, 4)) }
        fields += Self.addressField(source, 8, 27) + Self.addressField(destination, 12, 28)
        switch icmp {
        case .none: fields += [TemplateField(7, 2), TemplateField(11, 2)]
        case .ipv4: fields.append(TemplateField(32, 2))
        case .ipv6: fields.append(TemplateField(139, 2))
        }
        fields += [
            TemplateField(4, 1), TemplateField(6, 2), TemplateField(5, 1), TemplateField(10, 4), TemplateField(14, 4),
            TemplateField(16, 4), TemplateField(17, 4),
        ]
        if source != .none { fields.append(TemplateField(source == .ipv4 ? 9 : 29, 1)) }
        if destination != .none { fields.append(TemplateField(destination == .ipv4 ? 13 : 30, 1)) }
        fields += Self.addressField(nextHop, 15, 62)
        fields.append(TemplateField(58, 2))
        if hasDirection { fields.append(TemplateField(61, 1)) }
        if hasSampling { fields.append(TemplateField(34, 4)) }
        if isDenied { fields.append(TemplateField(233, 1)) }
        fields.append(TemplateField(258, 8))
        return fields + Self.addressField(exporter, 130, 131)
    }
    private static func addressField(_ family: Family, _ v4: UInt16, _ v6: UInt16) -> [TemplateField] {
        switch family {
        case .none: []
        case .ipv4: [TemplateField(v4, 4)]
        case .ipv6: [TemplateField(v6, 16)]
        }
    }

    func appendColumns(of flow: FlowRecord, exporter: IPAddress, to out: inout [UInt8]) {
        out.append(u64: UInt64(max(0, flow.flowStartMilliseconds)))
        out.append(u64: UInt64(max(0, flow.flowEndMilliseconds)))
        out.append(u64: flow.octetDeltaCount)
        out.append(u64: flow.packetDeltaCount)
        if hasFlowCount { out.append(u32: flow.deltaFlowCount) }
        if source != .none { out.append(flow.sourceIPAddress) }
        if destination != .none { out.append(flow.destinationIPAddress) }
        if icmp == .none { out.append(u16: flow.sourceTransportPort) }
        out.append(u16: flow.destinationTransportPort)
        out.append(flow.protocolIdentifier)
        out.append(u16: flow.tcpControlBits)
        out.append(flow.ipClassOfService)
        out.append(u32: flow.ingressInterface)
        out.append(u32: flow.egressInterface)
        out.append(u32: flow.bgpSourceAsNumber)
        out.append(u32: flow.bgpDestinationAsNumber)
        if source != .none { out.append(flow.sourceIPPrefixLength) }
        if destination != .none { out.append(flow.destinationIPPrefixLength) }
        if nextHop != .none { out.append(flow.ipNextHopAddress) }
        out.append(u16: flow.vlanId)
        if hasDirection { out.append(flow.flowDirection) }
        if hasSampling { out.append(u32: UInt32(exactly: flow.samplingInterval.rounded()) ?? .max) }
        if isDenied { out.append(Self.deniedEvent) }
        out.append(u64: UInt64(max(0, flow.receiveMilliseconds)))
        if self.exporter != .none { out.append(exporter) }
    }
    /// IANA "firewallEvent": Flow Denied.
    private static let deniedEvent: UInt8 = 3
}

/// The lists of extra elements that were met, by number. Columns number theirs anew each time; these numbers last.
struct ExtraShapes {
    private var lists: [[TemplateField]] = [[]]
    private var numbers: [[TemplateField]: Int] = [:]
    static let listsMax = 65_536

    /// What columns hold already, other ways to say it, and padding.
    private static let leftOut: Set<UInt16> = [
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 27, 28, 29, 30, 32, 34, 58, 61, 62, 85, 86, 130, 131,
        139, 152, 153, 210, 231, 232, 233, 258, 298, 299, 352, 353,
    ]
    static func isWritten(_ field: ExtraField) -> Bool {
        field.element.enterprise != 0 || !leftOut.contains(field.element.id)
    }

    /// The number of the entry's list at `place`; 0 when there is none, nothing of it is written, or too many
    /// are known.
    mutating func number(of place: UInt32, in extras: ExtraElements) -> Int {
        guard place != 0 else { return 0 }
        var fields: [TemplateField] = []
        guard
            extras.walk(place, { field, _ in if Self.isWritten(field) { fields.append(TemplateField(field)) } }) != nil,
            !fields.isEmpty
        else { return 0 }
        if let known = numbers[fields] { return known }
        guard lists.count < Self.listsMax else { return 0 }
        numbers[fields] = lists.count
        lists.append(fields)
        return lists.count - 1
    }
    func fields(of shape: RecordShape) -> [TemplateField] { shape.columnFields + lists[shape.extras] }
}
