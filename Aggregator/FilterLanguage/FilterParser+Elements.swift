internal import FlowModel
internal import InformationElements

/// Conditions that begin with the name of an information element.
extension FilterParser {
    /// The element of this name, as the registry writes it; looked up once a name.
    mutating func element(named name: String) -> InformationElement? {
        if let known = knownElements[name] { return known }
        guard name.utf8.count <= 80, let found = registry.element(named: name) else { return nil }
        knownElements[name] = found
        return found
    }

    mutating func elementCondition(_ element: InformationElement) throws(FilterError) -> FilterExpression {
        let first = token
        advance()
        switch ElementColumn.byName[element.name] {
        case .address(let field)?: return try addresses(field, from: first)
        case .number(let field)?: return try numbers(field, from: first)
        case .controlBits?: return try controlBits(from: first)
        case nil: break
        }
        if accept(symbol: "~") {
            guard element.dataType == .string else { throw unsuitable(element, "only texts can be searched with ~") }
            return try counted(.element(test(element, .contains(try plainText()))))
        }
        let (operand, comparison) = try operand(of: element, from: first)
        let expression = try counted(.element(test(element, operand)))
        return comparison == .unequal ? .negation(of: expression) : expression
    }

    /// `has httpHost`.
    mutating func presence() throws(FilterError) -> FilterExpression {
        guard case .word(let word) = token.kind else {
            throw error(.unexpected, "the name of an IPFIX element should stand here, not \(token.shown)")
        }
        guard let element = element(named: word) else { throw unknownWord(word) }
        guard ElementColumn.byName[element.name] == nil else {
            throw error(.badValue, "\(element.name) has a column, in which 0 is \"not in the record\": compare with 0")
        }
        advance()
        return try counted(.element(test(element, .present)))
    }

    private mutating func test(
        _ element: InformationElement, _ operand: ElementTest.Operand
    ) -> ElementTest {
        ElementTest(name: element.name, type: element.dataType, keys: keys(of: element), operand: operand)
    }
    /// All numbers under which it may come; looked up once a name.
    private mutating func keys(of element: InformationElement) -> [ElementKey] {
        if let known = knownKeys[element.name] { return known }
        var keys: Set = [element.key]
        do { keys = try registry.keys(named: [element.name]) } catch {}
        knownKeys[element.name] = Array(keys)
        return Array(keys)
    }
    private func unsuitable(_ element: InformationElement, _ problem: String) -> FilterError {
        error(.badValue, "\(element.name) is of type \(element.dataType.rawValue): \(problem)", at: previous)
    }

    private mutating func operand(
        of element: InformationElement, from first: FilterToken
    ) throws(FilterError) -> (ElementTest.Operand, FilterComparison) {
        switch element.dataType {
        case .ipv4Address, .ipv6Address:
            let (set, comparison) = try addressSet(from: first)
            return (.addresses(set), comparison)
        case .string:
            let (texts, comparison) = try operands(from: first) { parser throws(FilterError) in try parser.plainText() }
            return (.texts(Set(texts)), try unordered(comparison, element))
        case .octetArray, .unsigned256:
            let (values, comparison) = try operands(from: first) { parser throws(FilterError) in try parser.octets() }
            return (.octets(Set(values)), try unordered(comparison, element))
        default:
            guard let (kind, most) = element.dataType.numbers else {
                throw unsuitable(element, "only \"has \(element.name)\" can be asked of it")
            }
            let (set, comparison) = try numberSet(kind, most: most, from: first)
            return (.numbers(set), comparison)
        }
    }
    private func unordered(
        _ comparison: FilterComparison, _ element: InformationElement
    ) throws(FilterError) -> FilterComparison {
        guard comparison == .equal || comparison == .unequal else {
            throw unsuitable(element, "it can be compared with = and != only")
        }
        return comparison
    }
    /// `0x` and an even number of hexadecimal digits.
    private mutating func octets() throws(FilterError) -> [UInt8] {
        guard case .word(let word) = token.kind, word.hasPrefix("0x"), let octets = Self.octets(word.dropFirst(2))
        else {
            throw error(.badValue, "\(token.shown) is not octets such as 0x0a1f")
        }
        advance()
        return octets
    }
    private static func octets(_ digits: Substring) -> [UInt8]? {
        let values = digits.utf8.compactMap { UInt8(Character(UnicodeScalar($0)).hexDigitValue ?? 16) }
        guard values.count % 2 == 0, values.allSatisfy({ $0 < 16 }) else { return nil }
        return stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
    }
}

extension ElementType {
    /// How its values are read as whole numbers; nil for those that are none.
    fileprivate var numbers: (NumberKind, most: UInt64)? {
        switch self {
        case .unsigned8: (.plain, 0xFF)
        case .unsigned16: (.plain, 0xFFFF)
        case .unsigned32: (.quantity, 0xFFFF_FFFF)
        case .unsigned64: (.quantity, .max)
        case .boolean: (.boolean, 1)
        case .macAddress: (.mac, 0xFFFF_FFFF_FFFF)
        case .dateTimeSeconds, .dateTimeMilliseconds, .dateTimeMicroseconds, .dateTimeNanoseconds:
            (.instant, UInt64(Int64.max))
        default: nil
        }
    }
}

/// Elements that have a column: their names are other words for the language's own fields.
enum ElementColumn: Hashable, Sendable {
    case address(AddressField)
    case number(NumberField)
    case controlBits

    static let byName: [String: ElementColumn] = [
        "sourceIPv4Address": .address(.source), "sourceIPv6Address": .address(.source),
        "destinationIPv4Address": .address(.destination), "destinationIPv6Address": .address(.destination),
        "ipNextHopIPv4Address": .address(.nextHop), "ipNextHopIPv6Address": .address(.nextHop),
        "exporterIPv4Address": .address(.exporter), "exporterIPv6Address": .address(.exporter),
        "sourceTransportPort": .number(.sourcePort), "destinationTransportPort": .number(.destinationPort),
        "protocolIdentifier": .number(.protocolIdentifier), "tcpControlBits": .controlBits,
        "ipClassOfService": .number(.classOfService), "ingressInterface": .number(.ingressInterface),
        "egressInterface": .number(.egressInterface), "bgpSourceAsNumber": .number(.sourceAS),
        "bgpDestinationAsNumber": .number(.destinationAS), "sourceIPv4PrefixLength": .number(.sourcePrefixLength),
        "sourceIPv6PrefixLength": .number(.sourcePrefixLength),
        "destinationIPv4PrefixLength": .number(.destinationPrefixLength),
        "destinationIPv6PrefixLength": .number(.destinationPrefixLength), "vlanId": .number(.vlan),
        "flowDirection": .number(.direction), "octetDeltaCount": .number(.octets),
        "packetDeltaCount": .number(.packets), "deltaFlowCount": .number(.flows),
        "flowStartMilliseconds": .number(.flowStart), "flowEndMilliseconds": .number(.flowEnd),
        "collectionTimeMilliseconds": .number(.receiveTime), "samplingInterval": .number(.sampling),
        "observationDomainId": .number(.observationDomain), "icmpTypeIPv4": .number(.icmpType),
        "icmpCodeIPv4": .number(.icmpCode), "icmpTypeIPv6": .number(.icmpType), "icmpCodeIPv6": .number(.icmpCode),
        "ipDiffServCodePoint": .number(.codePoint),
    ]
}
