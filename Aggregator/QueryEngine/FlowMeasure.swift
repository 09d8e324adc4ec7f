internal import FilterLanguage
package import FlowModel

/// What groups are ordered by. Raw values are IPFIX's names where it has one.
package enum FlowMeasure: String, CaseIterable, Sendable {
    case octets = "octetDeltaCount", packets = "packetDeltaCount", flows = "deltaFlowCount"
    /// Octets times 8, or packets, in a second, from the group's first start to its last end; 0 without a duration.
    case bitsPerSecond, packetsPerSecond
    /// Octets for each packet, cut to a whole number; 0 without packets.
    case octetsPerPacket

    /// Whether groups need their times for it.
    package var needsTimes: Bool { self == .bitsPerSecond || self == .packetsPerSecond }

    package func value(of group: FlowGroup) -> UInt64 {
        let duration = group.period.map { NumberField.duration(from: $0.lowerBound, to: $0.upperBound) } ?? 0
        return value(of: group.tally, milliseconds: duration)
    }
    @inline(__always)
    package func value(of tally: Tally, milliseconds: UInt64) -> UInt64 {
        switch self {
        case .octets: tally.octets
        case .packets: tally.packets
        case .flows: tally.flows
        case .bitsPerSecond: NumberField.rate(tally.octets, times: 8_000, per: milliseconds)
        case .packetsPerSecond: NumberField.rate(tally.packets, times: 1_000, per: milliseconds)
        case .octetsPerPacket: tally.packets == 0 ? 0 : tally.octets / tally.packets
        }
    }
}

extension NumberField {
    /// 0 where the end is before the start.
    static func duration(from start: Int64, to end: Int64) -> UInt64 {
        let (span, overflows) = end.subtractingReportingOverflow(start)
        return overflows || span < 0 ? 0 : UInt64(span)
    }
}
