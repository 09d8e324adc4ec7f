/// Questions about a tenant's flow records: which ones (`FlowFilter`), the newest of them, and sums of all kinds, as
/// `FlowQuery` gives them.
///
/// Invariants: every question names its tenant; answers are exact or say that they are not; a question's work is
/// bounded by a budget and ends with its task. Counters are as exported, never scaled by the sampling interval. Copies
/// for other shards' detectors (`RecordFlags.secondary`) are never seen.
/// Not here: how rows are tested and summed (`QueryEngine`), the language of filters (`FilterLanguage`), HTTP (`API`).
package import FilterLanguage
package import FlowModel
package import QueryEngine

/// Which records: all conditions that are set must hold; within one, any alternative will do.
package struct FlowFilter: Equatable, Sendable {
    /// Records under way at some moment of [from, to), in ms since 1970 UTC: they ended at `from` or later and started
    /// before `to`.
    package var from: Int64
    package var to: Int64
    /// What the filter language says.
    package var expression: FilterExpression
    /// The source, the destination, or either of the two is in one of these. Empty: any.
    package var sourceNetworks: [IPNetwork] = []
    package var destinationNetworks: [IPNetwork] = []
    package var networks: [IPNetwork] = []
    /// Transport ports; type << 8 | code of ICMP is a destination port. Empty: any.
    package var sourcePorts: [ClosedRange<UInt16>] = []
    package var destinationPorts: [ClosedRange<UInt16>] = []
    package var ports: [ClosedRange<UInt16>] = []
    /// `protocolIdentifier`s. Empty: any.
    package var protocols: Set<UInt8> = []

    package init(_ expression: FilterExpression = .any, from: Int64 = .min, to: Int64 = .max) {
        self.expression = expression
        self.from = from
        self.to = to
    }

    package init(from: Int64 = .min, to: Int64 = .max, expression: FilterExpression) {
        self.init(expression, from: from, to: to)
    }

    /// All conditions but the period as one expression.
    package var whole: FilterExpression {
        func addresses(_ field: AddressField, _ networks: [IPNetwork]) -> FilterExpression {
            networks.isEmpty ? .any : .test(.address(field, AddressSet(networks)))
        }
        func numbers(_ field: NumberField, _ ranges: [ClosedRange<UInt16>]) -> FilterExpression {
            ranges.isEmpty
                ? .any
                : .test(.number(field, NumberSet(ranges.map { UInt64($0.lowerBound)...UInt64($0.upperBound) })))
        }
        let members = [
            addresses(.source, sourceNetworks), addresses(.destination, destinationNetworks),
            addresses(.either, networks), numbers(.sourcePort, sourcePorts),
            numbers(.destinationPort, destinationPorts),
            numbers(.port, ports), numbers(.protocolIdentifier, protocols.map { UInt16($0)...UInt16($0) }), expression,
        ]
        return .conjunction(of: members.filter { $0 != .any })
    }

    /// Whether one record is meant. The slow way, for few records; queries go by columns.
    package func matches(_ subject: FilterSubject) -> Bool {
        !subject.record.flags.contains(.secondary) && subject.record.flowEndMilliseconds >= from
            && subject.record.flowStartMilliseconds < to && whole.matches(subject)
    }

    package var condition: Condition { Condition(whole, from: from, to: to) }
}
