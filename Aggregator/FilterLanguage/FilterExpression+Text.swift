internal import FlowModel
internal import InformationElements

/// The one way in which a tree is written: parsed again (with the same names) it is the same tree.
extension FilterExpression: CustomStringConvertible {
    package var description: String {
        switch self {
        case .any: FilterKeyword.any.word
        case .not(let inner): "not \(inner.operandText)"
        case .and(let members): members.map(\.operandText).joined(separator: " and ")
        case .or(let members):
            members.map { member in
                if case .and = member { member.description } else { member.operandText }
            }.joined(separator: " or ")
        case .test(let test): test.description
        }
    }
    /// In parentheses where it would be read otherwise without.
    private var operandText: String {
        switch self {
        case .and, .or: "(\(self))"
        default: description
        }
    }
}

extension FilterTest: CustomStringConvertible {
    package var description: String {
        switch self {
        case .address(let field, let set): set.text(after: field.word, sided: field)
        case .number(let field, let set): field.word + set.text(most: field.most)
        case .controlBits(let set, let mask): "flags \(Self.flags(set))\(set == mask ? "" : "/\(Self.flags(mask))")"
        case .family(let family): FilterKeyword.family(family).word
        case .label(.exportProtocol, let names):
            FilterKeyword.label(.exportProtocol).word + names.sorted().listText { $0 }
        case .label(let field, let labels): FilterKeyword.label(field).word + labels.sorted().listText(quotedText)
        case .mark(let mark): FilterKeyword.mark(mark).word
        case .element(let test): test.description
        }
    }
    private static func flags(_ bits: UInt16) -> String {
        if bits == 0 || bits > 0xFF { return "0x" + String(bits, radix: 16) }
        return String(FilterKeyword.controlBits.filter { bits & $0.bit != 0 }.map(\.letter))
    }
}

extension ElementTest: CustomStringConvertible {
    package var description: String {
        switch operand {
        case .present: "has \(name)"
        case .numbers(let set): name + set.text(most: .max)
        case .addresses(let set): set.text(after: name, sided: nil)
        case .texts(let texts): name + texts.sorted().listText(quotedText)
        case .contains(let text): "\(name) ~ \(quotedText(text))"
        case .octets(let values):
            name
                + values.map { "0x" + $0.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }.sorted()
                .listText { $0 }
        }
    }
}

extension AddressField {
    fileprivate var word: String {
        switch self {
        case .source: "src ip"
        case .destination: "dst ip"
        case .either: "ip"
        case .nextHop: "next hop"
        case .exporter: "exporter"
        }
    }
}

extension NumberField {
    /// The words that are printed for it.
    var word: String {
        switch self {
        case .sourcePort: "src port"
        case .destinationPort: "dst port"
        case .port: "port"
        case .sourceAS: "src as"
        case .destinationAS: "dst as"
        case .autonomousSystem: "as"
        case .sourcePrefixLength: "src mask"
        case .destinationPrefixLength: "dst mask"
        case .prefixLength: "mask"
        case .ingressInterface: "in if"
        case .egressInterface: "out if"
        case .interface: "if"
        default: FilterKeyword.number(self).word
        }
    }
}

extension NumberSet {
    /// ` 22`, ` >= 1000`, ` in [22 80-90]`; the empty set, which only a comparison makes, as ` < 0`.
    fileprivate func text(most: UInt64) -> String {
        guard let first = ranges.first else { return " < 0" }
        if ranges.count == 1, first.upperBound == most, first.lowerBound < most { return " >= \(first.lowerBound)" }
        return ranges.listText { range in
            range.lowerBound == range.upperBound ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
        }
    }
}

extension AddressSet {
    /// - Parameter field: nil for an element, which has no countries.
    fileprivate func text(after words: String, sided field: AddressField?) -> String {
        guard case .country? = terms.first, let field else { return words + terms.listText(\.text) }
        let side = field == .source ? "src " : field == .destination ? "dst " : ""
        return "\(side)country" + terms.listText(\.text)
    }
}

extension AddressSet.Term {
    fileprivate var text: String {
        switch self {
        case .network(let network):
            network.length == (network.address.isV4 ? 32 : 128) ? network.address.description : network.description
        case .range(let range): "\(range.lowerBound)-\(range.upperBound)"
        case .named(let name): "@\(name)"
        case .country(let code): code
        }
    }
}

extension Collection {
    /// ` value` alone, ` in [a b]` for more.
    fileprivate func listText(_ text: (Element) -> String) -> String {
        if count == 1, let only = first { return " " + text(only) }
        return " in [" + map(text).joined(separator: " ") + "]"
    }
}

/// Always in quotes, so that no text is taken for a word of the language.
private func quotedText(_ text: String) -> String {
    "\"" + text.flatMap { $0 == "\"" || $0 == "\\" ? ["\\", $0] : [$0] } + "\""
}
