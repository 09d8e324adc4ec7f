/// What a question about history can leave out when it looks for records that rules match.
///
/// Invariant: a net lets pass every record that one of its rules matches; it may let pass more. What a filter can't
/// say, or says otherwise of records without the field, is left out of it.
package import FilterLanguage
import FlowModel

extension SigmaRuleSet {
    /// Of all rules together. `.any` when one of them could match nearly anything, or when asking costs more than it
    /// saves.
    package var net: FilterExpression {
        let sharp = FilterExpression.oneOf(rules.map(\.predicate.net))
        if sharp.tests <= Self.netTestsMax { return sharp }
        let coarse = FilterExpression.oneOf(rules.map { AccessPath($0.predicate).net })
        return coarse.tests <= Self.netTestsMax ? coarse : .any
    }
    /// Each looks at all rows of a block, where an index of rules looks at few.
    private static let netTestsMax = 12
}

extension SigmaPredicate {
    fileprivate var net: FilterExpression {
        switch self {
        case .constant(let value): value ? .any : .not(.any)
        // A record without the field meets it, too.
        case .not: .any
        case .and(let members): .conjunction(of: members.map(\.net).filter { $0 != .any })
        case .or(let members): .oneOf(members.map(\.net))
        case .test(let test): test.net
        }
    }
}

extension SigmaTest {
    fileprivate var net: FilterExpression {
        switch self {
        case .number(let column, let set): column.net(set)
        case .address(let column, let set): .test(.address(column.field, set))
        case .addressText, .sameAddress, .sameNumber, .timePart: .any
        }
    }
}

extension AddressColumn {
    fileprivate var field: AddressField {
        switch self {
        case .source: .source
        case .destination: .destination
        case .originator, .responder: .either
        case .nextHop: .nextHop
        case .exporter: .exporter
        }
    }
}

extension NumberColumn {
    fileprivate func net(_ set: NumberSet) -> FilterExpression {
        switch self {
        case .refused: set.contains(0) ? .any : .test(.mark(.denied))
        case .service: .test(.number(.port, AccessPath.ports(of: set)))
        default: field.map { .test(.number($0, set)) } ?? .any
        }
    }
    /// The field whose value is the column's wherever a record has the column; nil: none is, or few questions gain.
    private var field: NumberField? {
        switch self {
        case .sourcePort: .sourcePort
        case .destinationPort: .destinationPort
        case .originatorPort, .responderPort: .port
        case .transport: .protocolIdentifier
        case .octets, .originatorOctets, .responderOctets: .octets
        case .packets, .originatorPackets, .responderPackets: .packets
        case .sourceAS: .sourceAS
        case .destinationAS: .destinationAS
        case .ingressInterface: .ingressInterface
        case .egressInterface: .egressInterface
        case .vlan: .vlan
        case .duration: .duration
        case .start: .flowStart
        case .end: .flowEnd
        case .received: .receiveTime
        default: nil
        }
    }
}

extension AccessPath {
    fileprivate var net: FilterExpression {
        guard let keys else { return .any }
        return .oneOf(
            keys.map { key in
                switch key {
                case .sourcePort(let set): .test(.number(.sourcePort, set))
                case .destinationPort(let set): .test(.number(.destinationPort, set))
                case .transport(let set): .test(.number(.protocolIdentifier, set))
                case .source(let set): .test(.address(.source, set))
                case .destination(let set): .test(.address(.destination, set))
                }
            })
    }
}

extension FilterExpression {
    /// A disjunction with one test for all sets of a field.
    fileprivate static func oneOf(_ members: [FilterExpression]) -> FilterExpression {
        if members.contains(.any) { return .any }
        var numbers: [(NumberField, [ClosedRange<UInt64>])] = []
        var addresses: [(AddressField, [AddressSet.Term])] = [], others: [FilterExpression] = []
        let flat = members.flatMap { member in
            if case .or(let inner) = member { inner } else { [member] }
        }
        for member in flat {
            switch member {
            case .not(.any): continue
            case .test(.number(let field, let set)):
                if let place = numbers.firstIndex(where: { $0.0 == field }) {
                    numbers[place].1 += set.ranges
                } else {
                    numbers.append((field, set.ranges))
                }
            case .test(.address(let field, let set)):
                if let place = addresses.firstIndex(where: { $0.0 == field }) {
                    addresses[place].1 += set.terms
                } else {
                    addresses.append((field, set.terms))
                }
            default: if !others.contains(member) { others.append(member) }
            }
        }
        return .disjunction(
            of: numbers.map { .test(.number($0.0, NumberSet($0.1))) }
                + addresses.map { .test(.address($0.0, AddressSet($0.1))) } + others)
    }

    fileprivate var tests: Int {
        switch self {
        case .any: 0
        case .not(let inner): inner.tests
        case .and(let members), .or(let members): members.reduce(0) { $0 + $1.tests }
        case .test: 1
        }
    }
}
