package import FlowModel

/// What a number of a record can be and how people write it.
enum NumberKind: Hashable, Sendable {
    case plain
    /// With k, M, G, Ki …
    case quantity
    /// ms, or with a unit.
    case duration
    /// ms since 1970 UTC, or ISO 8601.
    case instant
    case protocolNumber
    case direction
    /// With or without `AS` in front.
    case autonomousSystem
    /// 48 bits, or six octets with colons.
    case mac
    /// `true` or `false`.
    case boolean
}

extension NumberField {
    var kind: NumberKind {
        switch self {
        case .octets, .packets, .flows, .bitsPerSecond, .packetsPerSecond, .octetsPerPacket: .quantity
        case .duration: .duration
        case .flowStart, .flowEnd, .exportTime, .receiveTime: .instant
        case .protocolIdentifier: .protocolNumber
        case .direction: .direction
        case .sourceAS, .destinationAS, .autonomousSystem: .autonomousSystem
        default: .plain
        }
    }

    /// The largest value it can have.
    package var most: UInt64 {
        switch self {
        case .sourcePort, .destinationPort, .port: 65_535
        case .sourcePrefixLength, .destinationPrefixLength, .prefixLength: 255
        case .protocolIdentifier, .classOfService, .direction, .icmpType, .icmpCode: 255
        case .codePoint: 63
        case .vlan: 65_535
        case .sourceAS, .destinationAS, .autonomousSystem, .ingressInterface, .egressInterface, .interface: 0xFFFF_FFFF
        case .flows, .observationDomain: 0xFFFF_FFFF
        case .octets, .packets, .duration, .bitsPerSecond, .packetsPerSecond, .octetsPerPacket, .sampling: .max
        case .flowStart, .flowEnd, .exportTime, .receiveTime: UInt64(Int64.max)
        }
    }

    /// The value that a test of this field looks at; nil where the record has none, which is in no set. Fields with
    /// `sides` have no value themselves.
    package func value(of record: FlowRecord, exporter: ExporterKey) -> UInt64? {
        switch self {
        case .port, .autonomousSystem, .prefixLength, .interface: nil
        case .sourcePort: UInt64(record.sourceTransportPort)
        case .destinationPort: UInt64(record.destinationTransportPort)
        case .sourceAS: UInt64(record.bgpSourceAsNumber)
        case .destinationAS: UInt64(record.bgpDestinationAsNumber)
        case .sourcePrefixLength: UInt64(record.sourceIPPrefixLength)
        case .destinationPrefixLength: UInt64(record.destinationIPPrefixLength)
        case .ingressInterface: UInt64(record.ingressInterface)
        case .egressInterface: UInt64(record.egressInterface)
        case .protocolIdentifier: UInt64(record.protocolIdentifier)
        case .classOfService: UInt64(record.ipClassOfService)
        case .codePoint: UInt64(record.ipClassOfService >> 2)
        case .vlan: UInt64(record.vlanId)
        case .direction: record.flowDirection == 255 ? nil : UInt64(record.flowDirection)
        case .icmpType, .icmpCode: icmpValue(of: record)
        case .observationDomain: UInt64(exporter.observationDomain)
        case .sampling: UInt64(exactly: record.samplingInterval.rounded()) ?? 0
        case .flowStart: UInt64(max(0, record.flowStartMilliseconds))
        case .flowEnd: UInt64(max(0, record.flowEndMilliseconds))
        case .exportTime: UInt64(max(0, record.exportMilliseconds))
        case .receiveTime: UInt64(max(0, record.receiveMilliseconds))
        default: amount(of: record)
        }
    }

    private func icmpValue(of record: FlowRecord) -> UInt64? {
        guard IPProtocol.isICMP(record.protocolIdentifier) else { return nil }
        let both = record.destinationTransportPort
        return UInt64(self == .icmpType ? both >> 8 : both & 0xFF)
    }
    private func amount(of record: FlowRecord) -> UInt64? {
        let octets = record.octetDeltaCount, packets = record.packetDeltaCount
        let (span, isOver) = record.flowEndMilliseconds.subtractingReportingOverflow(record.flowStartMilliseconds)
        let duration = isOver || span < 0 ? 0 : UInt64(span)
        switch self {
        case .octets: return octets
        case .packets: return packets
        case .flows: return UInt64(record.deltaFlowCount)
        case .duration: return duration
        case .bitsPerSecond: return Self.rate(octets, times: 8_000, per: duration)
        case .packetsPerSecond: return Self.rate(packets, times: 1_000, per: duration)
        case .octetsPerPacket: return packets == 0 ? 0 : octets / packets
        default: return nil
        }
    }
    /// `count * factor / milliseconds` cut to a whole number that fits; 0 without milliseconds.
    package static func rate(_ count: UInt64, times factor: UInt64, per milliseconds: UInt64) -> UInt64 {
        guard milliseconds > 0 else { return 0 }
        let (high, low) = count.multipliedFullWidth(by: factor)
        return high >= milliseconds ? .max : milliseconds.dividingFullWidth((high, low)).quotient
    }
}
