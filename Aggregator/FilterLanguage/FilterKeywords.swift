/// All words of the language: the parser's, the printer's and the handbook's one table.
enum FilterKeyword: Hashable, Sendable {
    case and, or, not, any
    case membership
    case comparison(FilterComparison)
    /// `src`, `dst`: what follows is looked at on that side only.
    case side(FilterSide)
    case address, country
    /// A number with two sides.
    case sided(SidedField)
    case interface, output, input
    case next, hop, exporter
    case number(NumberField)
    case flags, fidelity, has
    case label(LabelField)
    case family(AddressFamily)
    case mark(RecordMark)

    /// Each meaning with its words. The first is the one that is printed. None is in two lines.
    static let table: [(meaning: FilterKeyword, words: [String])] = [
        (.and, ["and"]), (.or, ["or"]), (.not, ["not"]), (.any, ["any"]), (.membership, ["in"]),
        (.comparison(.equal), ["eq"]), (.comparison(.unequal), ["ne"]), (.comparison(.less), ["lt"]),
        (.comparison(.atMost), ["le"]), (.comparison(.greater), ["gt"]), (.comparison(.atLeast), ["ge"]),
        (.side(.source), ["src", "source"]), (.side(.destination), ["dst", "dest", "destination"]),
        (.address, ["ip", "host", "addr", "address", "net", "network"]), (.country, ["country"]),
        (.sided(.port), ["port", "portrange"]), (.sided(.autonomousSystem), ["as", "asn"]),
        (.sided(.prefixLength), ["mask"]), (.interface, ["if", "interface"]), (.input, ["input", "ingress"]),
        (.output, ["out", "output", "egress"]), (.next, ["next"]), (.hop, ["hop"]),
        (.exporter, ["exporter", "router"]),
        (.number(.protocolIdentifier), ["proto", "protocol"]), (.number(.octets), ["bytes", "octets"]),
        (.number(.packets), ["packets"]), (.number(.flows), ["flows"]), (.number(.duration), ["duration"]),
        (.number(.bitsPerSecond), ["bps"]), (.number(.packetsPerSecond), ["pps"]), (.number(.octetsPerPacket), ["bpp"]),
        (.number(.vlan), ["vlan"]), (.number(.classOfService), ["tos"]), (.number(.codePoint), ["dscp"]),
        (.number(.direction), ["direction"]), (.number(.icmpType), ["icmp-type"]), (.number(.icmpCode), ["icmp-code"]),
        (.number(.observationDomain), ["domain"]), (.number(.sampling), ["sampling"]), (.number(.flowStart), ["start"]),
        (.number(.flowEnd), ["end"]), (.number(.exportTime), ["exported"]), (.number(.receiveTime), ["received"]),
        (.flags, ["flags"]), (.fidelity, ["fidelity"]), (.has, ["has"]), (.label(.site), ["site"]),
        (.label(.sensor), ["sensor"]), (.label(.exportProtocol), ["via"]), (.family(.ipv4), ["ipv4", "inet", "inet4"]),
        (.family(.ipv6), ["ipv6", "inet6"]), (.mark(.sampled), ["sampled"]), (.mark(.denied), ["denied"]),
        (.mark(.portsSummed), ["summed"]), (.mark(.timesEstimated), ["estimated"]),
        (.mark(.timesClamped), ["clamped"]), (.mark(.templateBorrowed), ["borrowed"]), (.mark(.held), ["held"]),
        (.mark(.observedElsewhere), ["elsewhere"]),
    ]
    static let byWord: [String: FilterKeyword] = Dictionary(
        table.flatMap { entry in entry.words.map { ($0, entry.meaning) } }, uniquingKeysWith: { first, _ in first })
    private static let firstWords: [FilterKeyword: String] = Dictionary(
        table.map { ($0.meaning, $0.words[0]) }, uniquingKeysWith: { first, _ in first })

    /// The word that is printed.
    var word: String { Self.firstWords[self] ?? "" }

    /// Names of protocols: alone they are a filter, after `proto` a value.
    static let protocols: [String: UInt8] = [
        "icmp": 1, "igmp": 2, "tcp": 6, "egp": 8, "udp": 17, "dccp": 33, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51,
        "icmp6": 58, "icmpv6": 58, "eigrp": 88, "ospf": 89, "pim": 103, "vrrp": 112, "l2tp": 115, "sctp": 132,
        "udplite": 136,
    ]
    static let directions: [String: UInt64] = ["ingress": 0, "egress": 1]
    static let fidelities = ["full", "service", "host"]
    static let durationUnits: [String: UInt64] = [
        "ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000,
    ]
    static let quantityUnits: [String: UInt64] = [
        "k": 1_000, "M": 1_000_000, "G": 1_000_000_000, "T": 1_000_000_000_000, "Ki": 1 << 10, "Mi": 1 << 20,
        "Gi": 1 << 30, "Ti": 1 << 40,
    ]
    /// The bits of `flags`, highest first, as nfdump and tcpdump name them (RFC 9293 §3.1).
    static let controlBits: [(letter: Character, bit: UInt16)] = [
        ("C", 128), ("E", 64), ("U", 32), ("A", 16), ("P", 8), ("R", 4), ("S", 2), ("F", 1),
    ]
}

enum FilterSide: Hashable, Sendable { case source, destination, either }

/// A kind of number that both ends of a flow have.
enum SidedField: Hashable, Sendable {
    case port, autonomousSystem, prefixLength

    func field(_ side: FilterSide) -> NumberField {
        switch (self, side) {
        case (.port, .source): .sourcePort
        case (.port, .destination): .destinationPort
        case (.port, .either): .port
        case (.autonomousSystem, .source): .sourceAS
        case (.autonomousSystem, .destination): .destinationAS
        case (.autonomousSystem, .either): .autonomousSystem
        case (.prefixLength, .source): .sourcePrefixLength
        case (.prefixLength, .destination): .destinationPrefixLength
        case (.prefixLength, .either): .prefixLength
        }
    }
}

enum FilterComparison: Hashable, Sendable, CaseIterable {
    case equal, unequal, less, atMost, greater, atLeast

    init?(symbol: String) {
        switch symbol {
        case "=", "==": self = .equal
        case "!=": self = .unequal
        case "<": self = .less
        case "<=": self = .atMost
        case ">": self = .greater
        case ">=": self = .atLeast
        default: return nil
        }
    }

    /// The numbers up to `most` that compare so to `value`; for `unequal`, whose test is negated, those that are equal.
    func set(_ value: UInt64, most: UInt64) -> NumberSet {
        switch self {
        case .equal, .unequal: NumberSet(value)
        case .less: value == 0 ? .empty : NumberSet([0...(value - 1)])
        case .atMost: NumberSet([0...value])
        case .greater: value >= most ? .empty : NumberSet([(value + 1)...most])
        case .atLeast: value > most ? .empty : NumberSet([value...most])
        }
    }
}
