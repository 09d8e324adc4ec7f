/// The filter language: `src net 10.0.0.0/8 and dst port 22` as text, as a tree, and as a slow but plain answer to
/// "does this record match".
///
/// Invariants: no text stops the process or costs more than `FilterLimit` allows; what is wrong with a text is said
/// with the column and, where one is near, the word that was meant; a tree printed and parsed again is the same tree;
/// every test is "a field's value is in a set", so that who compiles it to columns needs few cases.
/// Not here: the period that is asked for (a question's own `from` and `to`), the fast way over columns
/// (`QueryEngine`), where a tenant's networks are kept.
package import FlowModel
package import InformationElements

/// A filter as a tree. Made by `FilterParser` or by `conjunction`, `disjunction` and `negation`, which keep it in
/// normal form: no `and` in an `and`, no `or` in an `or`, no `not` of a `not`, at least two members in each list.
package indirect enum FilterExpression: Hashable, Sendable {
    /// Every record.
    case any
    case not(FilterExpression)
    case and([FilterExpression])
    case or([FilterExpression])
    case test(FilterTest)

    /// Matches what all `members` match: everything when there are none.
    package static func conjunction(of members: [FilterExpression]) -> FilterExpression {
        let flat = members.flatMap { member in
            if case .and(let inner) = member { inner } else { [member] }
        }
        return flat.isEmpty ? .any : flat.count == 1 ? flat[0] : .and(flat)
    }
    /// Matches what any of `members` matches: nothing when there are none.
    package static func disjunction(of members: [FilterExpression]) -> FilterExpression {
        let flat = members.flatMap { member in
            if case .or(let inner) = member { inner } else { [member] }
        }
        return flat.isEmpty ? .not(.any) : flat.count == 1 ? flat[0] : .or(flat)
    }
    package static func negation(of member: FilterExpression) -> FilterExpression {
        if case .not(let inner) = member { inner } else { .not(member) }
    }
}

/// One condition. A field that stands for two columns ("either side") holds when one of them does: see `sides`.
package enum FilterTest: Hashable, Sendable {
    case address(AddressField, AddressSet)
    case number(NumberField, NumberSet)
    /// `tcpControlBits & mask` is `set`, whatever the protocol.
    case controlBits(set: UInt16, mask: UInt16)
    case family(AddressFamily)
    case label(LabelField, Set<String>)
    case mark(RecordMark)
    /// An element that no column holds.
    case element(ElementTest)
}

/// Columns of addresses.
package enum AddressField: Hashable, Sendable, CaseIterable {
    case source, destination
    /// The source or the destination.
    case either
    case nextHop
    /// Of the record's `ExporterKey`.
    case exporter

    /// The columns to look at, one of which must hold.
    package var sides: [AddressField] { self == .either ? [.source, .destination] : [self] }
}

/// What a test of a number looks at: a column, or a value made of a few. Units and rules are those of `value(of:)`.
package enum NumberField: Hashable, Sendable, CaseIterable {
    case sourcePort, destinationPort
    /// Either port.
    case port
    case sourceAS, destinationAS
    /// Either autonomous system.
    case autonomousSystem
    case sourcePrefixLength, destinationPrefixLength
    /// Either prefix length.
    case prefixLength
    case ingressInterface, egressInterface
    /// Either interface.
    case interface
    case protocolIdentifier, classOfService
    /// The upper six bits of the class of service (RFC 2474 §3).
    case codePoint
    case vlan, direction
    case octets, packets, flows
    /// `flowEndMilliseconds - flowStartMilliseconds` in ms, 0 where it is negative.
    case duration
    /// `octets * 8000 / duration` and `packets * 1000 / duration`, cut to whole numbers; 0 without a duration.
    case bitsPerSecond, packetsPerSecond
    /// `octets / packets`, cut to a whole number; 0 without packets.
    case octetsPerPacket
    /// Of ICMP and ICMPv6 records only: `destinationTransportPort >> 8` and `& 0xFF`.
    case icmpType, icmpCode
    /// Of the record's `ExporterKey`.
    case observationDomain
    /// The sampling interval, rounded; 0 unknown.
    case sampling
    /// In ms since 1970 UTC; earlier counts as 0.
    case flowStart, flowEnd, exportTime, receiveTime

    /// The fields of one column each to look at, one of which must hold.
    package var sides: [NumberField] {
        switch self {
        case .port: [.sourcePort, .destinationPort]
        case .autonomousSystem: [.sourceAS, .destinationAS]
        case .prefixLength: [.sourcePrefixLength, .destinationPrefixLength]
        case .interface: [.ingressInterface, .egressInterface]
        default: [self]
        }
    }
}

package enum AddressFamily: Hashable, Sendable, CaseIterable {
    /// The source or the destination is an IPv4 address.
    case ipv4
    /// The source or the destination is an IPv6 address, and is in the record.
    case ipv6
}

/// Names that the whole of a batch or its exporters have.
package enum LabelField: Hashable, Sendable, CaseIterable {
    /// `SensorIdentity.site` and `.name`.
    case site, sensor
    /// `ExportProtocol.name` of the record's `ExporterKey`.
    case exportProtocol
}

/// Yes or no about a record.
package enum RecordMark: Hashable, Sendable, CaseIterable {
    /// `samplingInterval` is more than 1.
    case sampled
    /// The record has this one of `RecordFlags`.
    case denied, portsSummed, timesEstimated, timesClamped, templateBorrowed, held, observedElsewhere

    /// The record flag behind it; nil for `sampled`.
    package var flag: RecordFlags? {
        switch self {
        case .sampled: nil
        case .denied: .denied
        case .portsSummed: .portsSummed
        case .timesEstimated: .timesEstimated
        case .timesClamped: .timesClamped
        case .templateBorrowed: .templateBorrowed
        case .held: .held
        case .observedElsewhere: .observedElsewhere
        }
    }
}

/// A condition on an element of the record's extras. A record without the element does not match; one with several
/// values, or a list, matches when one of them does.
package struct ElementTest: Hashable, Sendable {
    package enum Operand: Hashable, Sendable {
        /// The record has the element.
        case present
        /// Of unsigned numbers, booleans (1 and 0), MAC addresses (48 bits) and times (ms since 1970 UTC).
        case numbers(NumberSet)
        case addresses(AddressSet)
        /// Strings, octet for octet.
        case texts(Set<String>)
        /// Strings that hold this one, letters A-Z and a-z being the same.
        case contains(String)
        case octets(Set<[UInt8]>)
    }
    package let name: String
    package let type: ElementType
    /// The numbers under which the element may come, sorted.
    package let keys: [ElementKey]
    package let operand: Operand

    package init(name: String, type: ElementType, keys: [ElementKey], operand: Operand) {
        (self.name, self.type, self.keys, self.operand) = (name, type, keys.sorted(), operand)
    }
}

/// All bounds of the language. With them a filter costs at most some 100 MB and 1 s, whatever its text.
package enum FilterLimit {
    /// Of a text, in UTF-8.
    package static let octetsMax = 1 << 20
    /// Parentheses and `not`s within each other.
    package static let depthMax = 64
    /// Conditions of one filter.
    package static let testsMax = 4_096
    /// Values of all sets together.
    package static let valuesMax = 100_000
}
