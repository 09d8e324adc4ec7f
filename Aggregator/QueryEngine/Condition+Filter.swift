internal import BatchFormat
package import FilterLanguage
internal import FlowModel

/// From a filter's tree to tests of columns.
extension Condition {
    /// What a filter means, within a period, of the records that questions see.
    /// - Parameters:
    ///   - from: ms since 1970 UTC: only records that ended then or later.
    ///   - to: only records that started before.
    package init(_ expression: FilterExpression, from: Int64 = .min, to: Int64 = .max) {
        var members = [
            Condition.column(.bits(.flags, mask: UInt16(RecordFlags.secondary.rawValue), set: 0)),
            Condition(expression),
        ]
        if from > .min { members.append(.column(.time(.flowEndMilliseconds, [from...Int64.max]))) }
        if to < .max {
            members.append(to == .min ? .none : .column(.time(.flowStartMilliseconds, [Int64.min...(to - 1)])))
        }
        self = .conjunction(members)
    }

    /// This, and not what another observer's record stands for: what sums are made of.
    package var counted: Condition {
        .conjunction([self, .column(.bits(.flags, mask: UInt16(RecordFlags.observedElsewhere.rawValue), set: 0))])
    }

    package init(_ expression: FilterExpression) {
        switch expression {
        case .any: self = .all
        case .not(let inner): self = .negation(Condition(inner))
        case .and(let members): self = .conjunction(members.map { Condition($0) })
        case .or(let members): self = .disjunction(members.map { Condition($0) })
        case .test(let test): self = Condition(test)
        }
    }

    private init(_ test: FilterTest) {
        switch test {
        case .address(let field, let set): self = .disjunction(field.sides.map { Self.address($0, set) })
        case .number(let field, let set): self = .disjunction(field.sides.map { Self.number($0, set) })
        case .controlBits(let set, let mask):
            self = set & ~mask != 0 ? .none : .column(.bits(.tcpControlBits, mask: mask, set: set))
        case .family(let family): self = Self.family(family)
        case .label(.site, let labels): self = .column(.sensor(.site(labels)))
        case .label(.sensor, let labels): self = .column(.sensor(.name(labels)))
        case .label(.exportProtocol, let labels): self = .column(.exporter(.exportProtocol(labels)))
        case .mark(let mark):
            guard let flag = mark.flag else {
                self = .column(.sampled)
                return
            }
            self = .column(.bits(.flags, mask: UInt16(flag.rawValue), set: UInt16(flag.rawValue)))
        case .element(let test): self = .column(.element(test))
        }
    }

    private static func address(_ field: AddressField, _ set: AddressSet) -> Condition {
        guard !set.ranges.isEmpty else { return .none }
        let ranges = AddressRanges(set.ranges)
        return switch field {
        case .source: .column(.address(.source, ranges))
        case .destination: .column(.address(.destination, ranges))
        case .nextHop: .column(.address(.nextHop, ranges))
        case .exporter: .column(.exporter(.address(set)))
        case .either: .disjunction(field.sides.map { address($0, set) })
        }
    }

    private static func number(_ field: NumberField, _ set: NumberSet) -> Condition {
        guard !set.isEmpty else { return .none }
        if let column = field.column {
            // A direction is held one higher, as 0 is "not in the record".
            let base: UInt64 = field == .direction ? 1 : 0
            let ranges = set.ranges.compactMap { range -> ClosedRange<UInt64>? in
                guard range.lowerBound <= .max - base else { return nil }
                return (range.lowerBound + base)...(min(range.upperBound, .max - base) + base)
            }
            return ranges.isEmpty ? .none : .column(.words(column, WordSet(ranges, bits: column.bits)))
        }
        if let column = field.timeColumn {
            // Times before 1970 count as 0.
            let ranges = set.ranges.compactMap { range -> ClosedRange<Int64>? in
                guard let low = Int64(exactly: range.lowerBound) else { return nil }
                return (low == 0 ? Int64.min : low)...(Int64(exactly: range.upperBound) ?? .max)
            }
            return ranges.isEmpty ? .none : .column(.time(column, ranges))
        }
        if field == .observationDomain { return .column(.exporter(.domain(set))) }
        return .column(.derived(field, WordSet(set.ranges, bits: 64)))
    }

    private static func family(_ family: AddressFamily) -> Condition {
        let first = IPAddress(v4: 0), last = IPAddress(v4: .max)
        let ranges: [ClosedRange<IPAddress>] =
            switch family {
            case .ipv4: [first...last]
            case .ipv6:
                [
                    IPAddress(high: 0, low: 1)...IPAddress(high: 0, low: IPAddress.mappedPrefix - 1),
                    IPAddress(high: 0, low: IPAddress.mappedPrefix + (1 << 32))...IPAddress(high: .max, low: .max),
                ]
            }
        let set = AddressRanges(ranges)
        return .disjunction([.column(.address(.source, set)), .column(.address(.destination, set))])
    }
}

extension NumberField {
    /// The column of unsigned numbers that it is; nil when it is none.
    fileprivate var column: ColumnID? {
        switch self {
        case .sourcePort: .sourceTransportPort
        case .destinationPort: .destinationTransportPort
        case .sourceAS: .bgpSourceAsNumber
        case .destinationAS: .bgpDestinationAsNumber
        case .sourcePrefixLength: .sourceIPPrefixLength
        case .destinationPrefixLength: .destinationIPPrefixLength
        case .ingressInterface: .ingressInterface
        case .egressInterface: .egressInterface
        case .protocolIdentifier: .protocolIdentifier
        case .classOfService: .ipClassOfService
        case .vlan: .vlanId
        case .direction: .flowDirection
        case .octets: .octetDeltaCount
        case .packets: .packetDeltaCount
        case .flows: .deltaFlowCount
        default: nil
        }
    }
    fileprivate var timeColumn: ColumnID? {
        switch self {
        case .flowStart: .flowStartMilliseconds
        case .flowEnd: .flowEndMilliseconds
        case .exportTime: .exportMilliseconds
        case .receiveTime: .receiveMilliseconds
        default: nil
        }
    }
}
