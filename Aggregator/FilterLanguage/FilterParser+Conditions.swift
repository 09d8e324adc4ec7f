internal import FlowModel
internal import InformationElements

/// The rule `condition`: a field, a comparison and its values.
extension FilterParser {
    mutating func condition() throws(FilterError) -> FilterExpression {
        let first = token
        guard case .word(let word) = first.kind else { throw expectedCondition() }
        guard let keyword else { return try conditionWithoutKeyword(word) }
        advance()
        switch keyword {
        case .any: return .any
        case .family(let family): return try counted(.family(family))
        case .mark(let mark): return try counted(.mark(mark))
        case .side(let side): return try sidedCondition(side, first)
        case .address: return try addresses(.either, from: first)
        case .country: return try countries(.either, from: first)
        case .sided(let kind): return try numbers(kind.field(.either), from: first)
        case .interface: return try numbers(.interface, from: first)
        case .input, .membership: return try interfaces(.ingressInterface, from: first)
        case .output: return try interfaces(.egressInterface, from: first)
        case .next: return try nextHop(from: first)
        case .exporter:
            _ = accept(.address)
            return try addresses(.exporter, from: first)
        case .number(let field): return try numbers(field, from: first)
        case .flags: return try controlBits(from: first)
        case .fidelity: return try fidelity()
        case .has: return try presence()
        case .label(let field): return try labels(field, from: first)
        case .and, .or, .not, .comparison, .hop: throw expectedCondition(at: first)
        }
    }

    private func expectedCondition(at wrong: FilterToken? = nil) -> FilterError {
        let wrong = wrong ?? token
        return error(
            .unexpected, "a condition such as \"src ip 10.0.0.1\" should stand here, not \(wrong.shown)", at: wrong)
    }

    /// A protocol's name, an element's, or a fault.
    private mutating func conditionWithoutKeyword(_ word: String) throws(FilterError) -> FilterExpression {
        if let number = FilterKeyword.protocols[word.lowercased()] {
            advance()
            let isProtocol = try counted(.number(.protocolIdentifier, NumberSet(UInt64(number))))
            return .conjunction(of: [isProtocol] + (try portsOfProtocol().map { [$0] } ?? []))
        }
        if let element = element(named: word) { return try elementCondition(element) }
        if word.hasPrefix("@") || IPNetwork(word) != nil {
            throw error(.unexpected, "\(token.shown) needs a field before it", suggestion: "\(addressField) \(word)")
        }
        if word.utf8.first.map({ (0x30...0x39).contains($0) }) == true {
            let meant = lastField.isEmpty ? nil : "\(lastField) \(word)"
            throw error(.unexpected, "\(token.shown) needs a field before it", suggestion: meant)
        }
        throw unknownWord(word)
    }
    private var addressField: String {
        let isAddress = lastField.split(separator: " ").last.map { FilterKeyword.byWord[$0.lowercased()] == .address }
        return isAddress == true ? lastField : "ip"
    }
    func unknownWord(_ word: String) -> FilterError {
        let words = Array(FilterKeyword.byWord.keys) + Array(FilterKeyword.protocols.keys)
        let meant =
            Spelling.nearest(to: word.lowercased(), in: words)
            ?? Spelling.nearest(to: word, in: registry.all.lazy.map(\.name))
        return error(
            .unknownWord, "\(token.shown) is neither a word of the filter language nor an IPFIX element",
            suggestion: meant)
    }

    /// tcpdump's `tcp port 80` and `udp src port 53`.
    private mutating func portsOfProtocol() throws(FilterError) -> FilterExpression? {
        let first = token
        switch keyword {
        case .sided(.port):
            advance()
            return try numbers(.port, from: first)
        case .side(let side):
            advance()
            return try sidedCondition(side, first)
        default: return nil
        }
    }

    /// After `src` or `dst`: perhaps `or dst`, `and dst`; then the field, which may be left out before an address.
    private mutating func sidedCondition(
        _ side: FilterSide, _ first: FilterToken
    ) throws(FilterError) -> FilterExpression {
        let other: FilterSide = side == .source ? .destination : .source
        if accept(.or) {
            guard accept(.side(other)) else { throw error(.unexpected, "\"src or dst\" was begun, not ended") }
            return try oneSided(.either, first)
        }
        if accept(.and) {
            guard accept(.side(other)) else { throw error(.unexpected, "\"src and dst\" was begun, not ended") }
            let start = self
            let one = try oneSided(side, first)
            // The same words again, for the other side; the second reading is the one that goes on.
            var again = start
            let two = try again.oneSided(other, first)
            self = again
            return .conjunction(of: [one, two])
        }
        return try oneSided(side, first)
    }
    private mutating func oneSided(
        _ side: FilterSide, _ first: FilterToken
    ) throws(FilterError) -> FilterExpression {
        let field: AddressField =
            switch side {
            case .source: .source
            case .destination: .destination
            case .either: .either
            }
        let isDirect: Bool
        if case .word(let word) = token.kind {
            isDirect = IPNetwork(word) != nil || word.hasPrefix("@")
        } else {
            isDirect = false
        }
        if isDirect { return try addresses(field, from: first) }
        switch keyword {
        case .address:
            advance()
            return try addresses(field, from: first)
        case .country:
            advance()
            return try countries(field, from: first)
        case .sided(let kind):
            advance()
            return try numbers(kind.field(side), from: first)
        default: break
        }
        let words = ["ip", "host", "net", "port", "as", "country", "mask"]
        var meant: String?
        if case .word(let word) = token.kind { meant = Spelling.nearest(to: word.lowercased(), in: words) }
        throw error(
            .unexpected, "after a side come \(words.joined(separator: ", ")) or an address, not \(token.shown)",
            suggestion: meant)
    }

    private mutating func interfaces(
        _ field: NumberField, from first: FilterToken
    ) throws(FilterError) -> FilterExpression {
        guard accept(.interface) else {
            throw error(.unexpected, "\"if\" and an interface's number should stand here, not \(token.shown)")
        }
        return try numbers(field, from: first)
    }
    private mutating func nextHop(from first: FilterToken) throws(FilterError) -> FilterExpression {
        guard accept(.hop) || keyword == .address else {
            throw error(.unexpected, "\"hop\" and an address should stand here, not \(token.shown)", suggestion: "hop")
        }
        _ = accept(.address)
        return try addresses(.nextHop, from: first)
    }

    /// How much of a record's key its sensor kept, as the record shows it: whether its client's port was summed away,
    /// and whether the server's port was too.
    private mutating func fidelity() throws(FilterError) -> FilterExpression {
        _ = accept(symbol: "=")
        let summed = try counted(.mark(.portsSummed))
        guard case .word(let word) = token.kind, FilterKeyword.fidelities.contains(word.lowercased()) else {
            throw badChoice("a fidelity", FilterKeyword.fidelities)
        }
        advance()
        if word.lowercased() == "full" { return .negation(of: summed) }
        let hasPort = try counted(.number(.port, NumberSet([1...65_535])))
        return .conjunction(of: [summed, word.lowercased() == "service" ? hasPort : .negation(of: hasPort)])
    }

    func badChoice(_ what: String, _ allowed: some Collection<String>) -> FilterError {
        var meant: String?
        if case .word(let word) = token.kind { meant = Spelling.nearest(to: word.lowercased(), in: allowed) }
        return error(
            .badValue, "\(token.shown) is not \(what); there are: \(allowed.sorted().joined(separator: ", "))",
            suggestion: meant)
    }
}
