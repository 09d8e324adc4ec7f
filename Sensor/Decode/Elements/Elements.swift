import FlowModel

/// The information elements that fill columns (IANA "IPFIX Information Elements"; NetFlow v9 uses the same numbers).
///
/// The order is the rule: of several elements for one column the first that a template has is used, and a column that
/// depends on another (an IPv6 address over an unused IPv4 one, ICMP type over ports) comes after it.
/// Not here: elements that no column holds. They go with the record as they came (`ExtraPlan`).
package struct Element: Sendable {
    package let id: UInt16
    /// 0 for IANA's own elements.
    package let enterprise: UInt32
    package let name: String
    /// Field lengths that are read. RFC 7011 §6.2 lets integers be shorter than their type; some exporters send longer
    /// ones, which are read while the value fits the column.
    package let widths: ClosedRange<Int>
    let target: Target
    let form: Form

    init(
        _ id: UInt16, _ name: String, _ widths: ClosedRange<Int>, _ target: Target, _ form: Form = .unsigned,
        enterprise: UInt32 = 0
    ) {
        (self.id, self.name, self.widths, self.target, self.form) = (id, name, widths, target, form)
        self.enterprise = enterprise
    }
}

/// Where a value goes: a column, or a rule for one.
enum Target: UInt8, Sendable {
    case sourceV4, destinationV4, nextHopV4, sourceV6, destinationV6, nextHopV6
    case octets, packets
    case sourcePort, destinationPort, protocolIdentifier, tcpControlBits, ipClassOfService
    case ingressInterface, egressInterface, sourceAS, destinationAS, vlan, direction
    case sourcePrefixV4, destinationPrefixV4, sourcePrefixV6, destinationPrefixV6
    case start, end
    case icmpPairV4, icmpPairV6, icmpTypeV4, icmpCodeV4, icmpTypeV6, icmpCodeV6
    case sampling
}

/// How the octets of a value are read.
enum Form: UInt8, Sendable {
    case unsigned, address
    /// Joined to what the column has already.
    case moreBits
    // Times. `ntp…` is RFC 5905's 64-bit format; `uptime` counts from the exporter's start.
    case milliseconds, seconds, ntpMicroseconds, ntpNanoseconds, deltaMicroseconds, uptime
    // Sampling as a ratio of two elements.
    case intervalAndSpace, sizeAndPopulation
}

extension Element {
    /// Elements read by rules of their own, not through the table.
    static let samplingInterval: UInt16 = 34, flowSamplerID: UInt16 = 48, samplerRandomInterval: UInt16 = 50
    static let ipVersion: UInt16 = 60, systemInitTime: UInt16 = 160
    static let lineCardID: UInt16 = 141, flowID: UInt16 = 148, paddingOctets: UInt16 = 210
    static let firewallEvent: UInt16 = 233, biflowDirection: UInt16 = 239
    /// Cisco ASA before 8.2 (NetFlow v9 has no enterprises).
    static let firewallEventASA: UInt16 = 40_005
    static let selectionSequenceID: UInt16 = 301, selectorID: UInt16 = 302
    static let packetInterval: UInt16 = 305, packetSpace: UInt16 = 306
    static let timeInterval: UInt16 = 307, timeSpace: UInt16 = 308
    static let samplingSize: UInt16 = 309, samplingPopulation: UInt16 = 310, samplingProbability: UInt16 = 311
    static let ingressInterfaceID: UInt16 = 10, ingressPhysicalInterfaceID: UInt16 = 252
    /// The reverse direction of a biflow: the same element under this enterprise (RFC 5103 §6.1).
    static let reverseEnterprise: UInt32 = 29_305
    /// CERT's YAF, whose own elements have their reverse under the same number with this bit.
    static let yafEnterprise: UInt32 = 6_871, yafReverseBit: UInt16 = 0x4000

    /// The same element of a biflow's other direction; nil for those of enterprises without a rule for it.
    static func reverse(of key: ElementKey) -> ElementKey? {
        switch key.enterprise {
        case 0: ElementKey(enterprise: reverseEnterprise, id: key.id)
        case yafEnterprise: ElementKey(enterprise: yafEnterprise, id: key.id | yafReverseBit)
        default: nil
        }
    }
    /// What `key` is called on the reverse side's own record; nil when it is not a reverse element.
    static func forward(of key: ElementKey) -> ElementKey? {
        switch key.enterprise {
        case reverseEnterprise: ElementKey(id: key.id)
        case yafEnterprise where key.id & yafReverseBit != 0:
            ElementKey(enterprise: yafEnterprise, id: key.id & ~yafReverseBit)
        default: nil
        }
    }

    package static let all: [Element] = addresses + counters + keys + times + icmp

    private static let addresses = [
        Element(8, "sourceIPv4Address", 4...4, .sourceV4, .address),
        Element(44, "sourceIPv4Prefix", 4...4, .sourceV4, .address),
        Element(12, "destinationIPv4Address", 4...4, .destinationV4, .address),
        Element(45, "destinationIPv4Prefix", 4...4, .destinationV4, .address),
        Element(15, "ipNextHopIPv4Address", 4...4, .nextHopV4, .address),
        Element(18, "bgpNextHopIPv4Address", 4...4, .nextHopV4, .address),
        Element(27, "sourceIPv6Address", 16...16, .sourceV6, .address),
        Element(170, "sourceIPv6Prefix", 16...16, .sourceV6, .address),
        Element(28, "destinationIPv6Address", 16...16, .destinationV6, .address),
        Element(169, "destinationIPv6Prefix", 16...16, .destinationV6, .address),
        Element(62, "ipNextHopIPv6Address", 16...16, .nextHopV6, .address),
        Element(63, "bgpNextHopIPv6Address", 16...16, .nextHopV6, .address),
    ]
    /// Delta before total before post before initiator, and with link headers when there is nothing better. What isn't
    /// used stays with the record as it is.
    private static let counters = [
        Element(1, "octetDeltaCount", 1...8, .octets),
        Element(85, "octetTotalCount", 1...8, .octets),
        Element(23, "postOctetDeltaCount", 1...8, .octets),
        Element(231, "initiatorOctets", 1...8, .octets),
        Element(352, "layer2OctetDeltaCount", 1...8, .octets),
        Element(353, "layer2OctetTotalCount", 1...8, .octets),
        Element(2, "packetDeltaCount", 1...8, .packets),
        Element(86, "packetTotalCount", 1...8, .packets),
        Element(24, "postPacketDeltaCount", 1...8, .packets),
        Element(298, "initiatorPackets", 1...8, .packets),
    ]
    /// The other direction, where the initiator's counters fill the columns.
    static let responder = [
        Element(232, "responderOctets", 1...8, .octets),
        Element(299, "responderPackets", 1...8, .packets),
    ]
    /// YAF's: the flags of the first packet, and of all others together.
    static let yafFlags = [
        Element(14, "initialTCPFlags", 1...1, .tcpControlBits, enterprise: yafEnterprise),
        Element(15, "unionTCPFlags", 1...1, .tcpControlBits, .moreBits, enterprise: yafEnterprise),
    ]
    private static let keys = [
        Element(4, "protocolIdentifier", 1...8, .protocolIdentifier),
        Element(7, "sourceTransportPort", 1...8, .sourcePort),
        Element(182, "tcpSourcePort", 1...8, .sourcePort),
        Element(180, "udpSourcePort", 1...8, .sourcePort),
        Element(11, "destinationTransportPort", 1...8, .destinationPort),
        Element(183, "tcpDestinationPort", 1...8, .destinationPort),
        Element(181, "udpDestinationPort", 1...8, .destinationPort),
        Element(6, "tcpControlBits", 1...8, .tcpControlBits),
        Element(5, "ipClassOfService", 1...8, .ipClassOfService),
        Element(10, "ingressInterface", 1...8, .ingressInterface),
        Element(252, "ingressPhysicalInterface", 1...8, .ingressInterface),
        Element(14, "egressInterface", 1...8, .egressInterface),
        Element(253, "egressPhysicalInterface", 1...8, .egressInterface),
        Element(16, "bgpSourceAsNumber", 1...8, .sourceAS),
        Element(17, "bgpDestinationAsNumber", 1...8, .destinationAS),
        Element(58, "vlanId", 1...8, .vlan),
        Element(243, "dot1qVlanId", 1...8, .vlan),
        Element(61, "flowDirection", 1...1, .direction),
        Element(9, "sourceIPv4PrefixLength", 1...1, .sourcePrefixV4),
        Element(13, "destinationIPv4PrefixLength", 1...1, .destinationPrefixV4),
        Element(29, "sourceIPv6PrefixLength", 1...1, .sourcePrefixV6),
        Element(30, "destinationIPv6PrefixLength", 1...1, .destinationPrefixV6),
    ]
    /// Absolute before relative, fine before coarse.
    private static let times = [
        Element(152, "flowStartMilliseconds", 8...8, .start, .milliseconds),
        Element(156, "flowStartNanoseconds", 8...8, .start, .ntpNanoseconds),
        Element(154, "flowStartMicroseconds", 8...8, .start, .ntpMicroseconds),
        Element(150, "flowStartSeconds", 4...4, .start, .seconds),
        Element(158, "flowStartDeltaMicroseconds", 1...4, .start, .deltaMicroseconds),
        Element(22, "flowStartSysUpTime", 1...4, .start, .uptime),
        Element(153, "flowEndMilliseconds", 8...8, .end, .milliseconds),
        Element(157, "flowEndNanoseconds", 8...8, .end, .ntpNanoseconds),
        Element(155, "flowEndMicroseconds", 8...8, .end, .ntpMicroseconds),
        Element(151, "flowEndSeconds", 4...4, .end, .seconds),
        Element(159, "flowEndDeltaMicroseconds", 1...4, .end, .deltaMicroseconds),
        Element(21, "flowEndSysUpTime", 1...4, .end, .uptime),
    ]
    /// The time of an event, for records that have neither start nor end (translation and firewall events).
    static let observationTimes = [
        Element(323, "observationTimeMilliseconds", 8...8, .start, .milliseconds),
        Element(325, "observationTimeNanoseconds", 8...8, .start, .ntpNanoseconds),
        Element(324, "observationTimeMicroseconds", 8...8, .start, .ntpMicroseconds),
        Element(322, "observationTimeSeconds", 4...4, .start, .seconds),
    ]
    private static let icmp = [
        Element(32, "icmpTypeCodeIPv4", 1...2, .icmpPairV4),
        Element(139, "icmpTypeCodeIPv6", 1...2, .icmpPairV6),
        Element(176, "icmpTypeIPv4", 1...1, .icmpTypeV4),
        Element(177, "icmpCodeIPv4", 1...1, .icmpCodeV4),
        Element(178, "icmpTypeIPv6", 1...1, .icmpTypeV6),
        Element(179, "icmpCodeIPv6", 1...1, .icmpCodeV6),
    ]
}
