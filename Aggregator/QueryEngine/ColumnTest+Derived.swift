internal import BatchFormat
internal import FilterLanguage
internal import FlowModel

/// Numbers made of several columns: computed row by row, only where something is left.
extension NumberField {
    /// What `value(of:)` looks at, for those that are no column by themselves.
    var columns: FieldSet {
        switch self {
        case .codePoint: .ipClassOfService
        case .duration: [.flowStartMilliseconds, .flowEndMilliseconds]
        case .bitsPerSecond: [.flowStartMilliseconds, .flowEndMilliseconds, .octetDeltaCount]
        case .packetsPerSecond: [.flowStartMilliseconds, .flowEndMilliseconds, .packetDeltaCount]
        case .octetsPerPacket: [.octetDeltaCount, .packetDeltaCount]
        case .icmpType, .icmpCode: [.protocolIdentifier, .destinationTransportPort]
        case .sampling: .samplingInterval
        default: []
        }
    }
}

extension ColumnTest {
    func keepDerived(_ mask: inout RowMask, _ columns: FlowColumns, _ field: NumberField, _ set: WordSet) {
        let octets = columns.octetDeltaCount, packets = columns.packetDeltaCount
        let starts = columns.flowStartMilliseconds, ends = columns.flowEndMilliseconds
        func duration(_ row: Int) -> UInt64 {
            let (span, isOver) = ends[row].subtractingReportingOverflow(starts[row])
            return isOver || span < 0 ? 0 : UInt64(span)
        }
        switch field {
        case .codePoint:
            let classes = columns.ipClassOfService
            mask.keepDear { set.contains(UInt64(classes[$0] >> 2)) }
        case .duration: mask.keepDear { set.contains(duration($0)) }
        case .bitsPerSecond:
            mask.keepDear { set.contains(NumberField.rate(octets[$0], times: 8_000, per: duration($0))) }
        case .packetsPerSecond:
            mask.keepDear { set.contains(NumberField.rate(packets[$0], times: 1_000, per: duration($0))) }
        case .octetsPerPacket:
            mask.keepDear { set.contains(packets[$0] == 0 ? 0 : octets[$0] / packets[$0]) }
        case .icmpType, .icmpCode:
            let protocols = columns.protocolIdentifier, ports = columns.destinationTransportPort
            mask.keepDear { row in
                guard IPProtocol.isICMP(protocols[row]) else { return false }
                return set.contains(UInt64(field == .icmpType ? ports[row] >> 8 : ports[row] & 0xFF))
            }
        case .sampling:
            let intervals = columns.samplingInterval
            mask.keepDear { set.contains(UInt64(exactly: intervals[$0].rounded()) ?? 0) }
        default: preconditionFailure("\(field) is a column's")
        }
    }
}
