import FilterLanguage
import FlowModel
import InformationElements
import Platform

/// Trees in normal form, with all kinds of tests.
struct AnyFilter {
    static let names = NamedNetworks(
        [
            "servers": [IPNetwork("192.0.2.0/24"), IPNetwork("2001:db8::/32")].compactMap { $0 },
            "lab.1-a_b": [IPNetwork("10.9.0.0/16")].compactMap { $0 },
        ],
        country: { code in
            let texts = ["CH": "198.51.100.0/24", "DE": "2001:db8:49::/48"]
            return texts[code].flatMap { IPNetwork($0) }.map { [$0.address...$0.last] }
        })

    static func tree(depth: Int, using generator: inout SeededGenerator) -> FilterExpression {
        let kind = depth == 0 ? Int.random(in: 6...9, using: &generator) : Int.random(in: 0...9, using: &generator)
        func members() -> [FilterExpression] {
            (0..<Int.random(in: 2...4, using: &generator)).map { _ in tree(depth: depth - 1, using: &generator) }
        }
        switch kind {
        case 0, 1: return .conjunction(of: members())
        case 2, 3: return .disjunction(of: members())
        case 4, 5: return .negation(of: tree(depth: depth - 1, using: &generator))
        case 6: return .any
        default: return .test(test(using: &generator))
        }
    }

    static func test(using generator: inout SeededGenerator) -> FilterTest {
        switch Int.random(in: 0...9, using: &generator) {
        case 0, 1:
            let field = AddressField.allCases.randomElement(using: &generator) ?? .either
            return .address(field, addresses(countries: field != .nextHop && field != .exporter, &generator))
        case 2, 3, 4:
            let field = NumberField.allCases.randomElement(using: &generator) ?? .port
            return .number(field, numbers(most: field.most, &generator))
        case 5:
            let mask: UInt16 = generator.next(), set: UInt16 = generator.next()
            return .controlBits(set: set & mask, mask: mask)
        case 6: return .family(Bool.random(using: &generator) ? .ipv4 : .ipv6)
        case 7:
            let field = LabelField.allCases.randomElement(using: &generator) ?? .site
            let texts = field == .exportProtocol ? ["ipfix", "sflow5"] : ["a", "not", #"q"\"#, "zürich 1", ""]
            return .label(field, Set(texts.shuffled(using: &generator).prefix(2)))
        case 8: return .mark(RecordMark.allCases.randomElement(using: &generator) ?? .held)
        default: return .element(element(&generator))
        }
    }

    static func numbers(most: UInt64, _ generator: inout SeededGenerator) -> NumberSet {
        func value() -> UInt64 {
            let near = [0, 1, 2, 22, 80, most / 2, most - 1, most]
            let chosen = near.randomElement(using: &generator) ?? 0
            return Bool.random(using: &generator) ? min(chosen, most) : UInt64.random(in: 0...most, using: &generator)
        }
        return NumberSet(
            (0..<Int.random(in: 0...3, using: &generator)).map { _ in
                let (a, b) = (value(), value())
                return Bool.random(using: &generator) ? a...a : min(a, b)...max(a, b)
            })
    }
    static func address(_ generator: inout SeededGenerator) -> IPAddress {
        if Bool.random(using: &generator) { return IPAddress(v4: generator.next()) }
        let high: UInt64 = generator.next(), low: UInt64 = generator.next()
        return IPAddress(high: Bool.random(using: &generator) ? high : 0, low: low)
    }
    static func addresses(countries: Bool, _ generator: inout SeededGenerator) -> AddressSet {
        if countries, Int.random(in: 0...4, using: &generator) == 0 {
            return AddressSet([.country("CH")] + (Bool.random(using: &generator) ? [.country("DE")] : []), names: names)
        }
        let terms = (0..<Int.random(in: 1...3, using: &generator)).map { _ -> AddressSet.Term in
            let first = address(&generator)
            switch Int.random(in: 0...3, using: &generator) {
            case 0: return .named(Bool.random(using: &generator) ? "servers" : "lab.1-a_b")
            case 1:
                var second = address(&generator)
                if second.isV4 != first.isV4 { second = first }
                return .range(min(first, second)...max(first, second))
            default:
                return .network(
                    IPNetwork(first, length: Int.random(in: 0...(first.isV4 ? 32 : 128), using: &generator)))
            }
        }
        return AddressSet(terms, names: names)
    }
    static func element(_ generator: inout SeededGenerator) -> ElementTest {
        let registry = ElementRegistry.standard
        let choices: [(String, ElementTest.Operand)] = [
            ("httpRequestHost", .present), ("applicationName", .texts(["a b", "or"])),
            ("userName", .contains("ö\"x")), ("minimumTTL", .numbers(numbers(most: 255, &generator))),
            ("octetTotalCount", .numbers(numbers(most: .max, &generator))),
            ("sourceMacAddress", .numbers(NumberSet(0x0200_5E00_5301))),
            ("postNATSourceIPv4Address", .addresses(addresses(countries: false, &generator))),
            ("applicationId", .octets([[0x0A, 0xFF], []])),
            ("observationTimeSeconds", .numbers(NumberSet([1_700_000_000_000...1_700_000_001_000]))),
        ]
        let (name, operand) = choices.randomElement(using: &generator) ?? choices[0]
        let element = registry.element(named: name)
        let keys = (try? registry.keys(named: [name])) ?? []
        return ElementTest(name: name, type: element?.dataType ?? .octetArray, keys: Array(keys), operand: operand)
    }
}
