internal import FlowModel

/// Comparisons and sets: what follows a field.
extension FilterParser {
    /// `value`, `= value`, `in [a b]`, `!= [a b]`, `not in [a b]`; commas between values may be left out.
    /// - Parameter one: reads one value from the token that is next, and steps over it.
    /// - Returns: what was read, and whether the test is to be negated.
    mutating func operands<Value>(
        from first: FilterToken, _ one: (inout FilterParser) throws(FilterError) -> Value
    ) throws(FilterError) -> (values: [Value], comparison: FilterComparison) {
        noteField(from: first)
        var comparison = acceptComparison()
        var needsList = false
        if comparison == nil, keyword == .not, isKeyword(.membership, after: 1) {
            advance()
            comparison = .unequal
        }
        if accept(.membership) { needsList = true }
        let wanted = comparison ?? .equal
        guard let end = acceptListStart(needsList: needsList) else {
            guard !needsList else {
                throw error(.unexpected, "a list such as [1 2 3] should stand after \"in\", not \(token.shown)")
            }
            try countValue()
            return ([try one(&self)], wanted)
        }
        guard wanted == .equal || wanted == .unequal else {
            throw error(.unexpected, "a list can be compared with = and != only", at: previous)
        }
        return (try list(until: end, one), wanted)
    }

    private mutating func list<Value>(
        until end: String, _ one: (inout FilterParser) throws(FilterError) -> Value
    ) throws(FilterError) -> [Value] {
        let opened = previous
        var values: [Value] = []
        while !accept(symbol: end) {  // ends: each turn consumes a token or throws
            if token.kind == .end {
                throw error(.unexpected, "the list that opens here is never closed with \(end)", at: opened)
            }
            try countValue()
            values.append(try one(&self))
            _ = accept(symbol: ",")
        }
        guard !values.isEmpty else { throw error(.badValue, "the list is empty", at: previous) }
        return values
    }
    private mutating func acceptComparison() -> FilterComparison? {
        if case .symbol(let symbol) = token.kind, let comparison = FilterComparison(symbol: symbol) {
            advance()
            return comparison
        }
        guard case .comparison(let comparison)? = keyword else { return nil }
        advance()
        return comparison
    }
    /// - Returns: the symbol that ends the list.
    private mutating func acceptListStart(needsList: Bool) -> String? {
        if accept(symbol: "[") { return "]" }
        if accept(symbol: "{") { return "}" }
        return needsList && accept(symbol: "(") ? ")" : nil
    }

    /// - Parameter comparison: `unequal` negates the whole test, so that `port != 22` has 22 on neither side.
    private mutating func counted(
        _ test: FilterTest, _ comparison: FilterComparison
    ) throws(FilterError) -> FilterExpression {
        let expression = try counted(test)
        return comparison == .unequal ? .negation(of: expression) : expression
    }

    // MARK: Numbers

    mutating func numbers(
        _ field: NumberField, from first: FilterToken
    ) throws(FilterError) -> FilterExpression {
        let (set, comparison) = try numberSet(field.kind, most: field.most, from: first)
        return try counted(.number(field, set), comparison)
    }
    mutating func numberSet(
        _ kind: NumberKind, most: UInt64, from first: FilterToken
    ) throws(FilterError) -> (NumberSet, FilterComparison) {
        let (ranges, comparison) = try operands(from: first) { parser throws(FilterError) in
            try parser.numberRange(kind, most: most)
        }
        guard comparison != .equal, comparison != .unequal, let range = ranges.first else {
            return (NumberSet(ranges), comparison)
        }
        guard range.lowerBound == range.upperBound else {
            throw error(.badValue, "a range can be compared with = and != only", at: previous)
        }
        return (comparison.set(range.lowerBound, most: most), comparison)
    }
    private mutating func numberRange(
        _ kind: NumberKind, most: UInt64
    ) throws(FilterError) -> ClosedRange<UInt64> {
        guard case .word(let word) = token.kind else {
            throw error(.unexpected, "\(kind.description) should stand here, not \(token.shown)")
        }
        guard let range = kind.range(word) else {
            let meant = kind.names.flatMap { Spelling.nearest(to: word.lowercased(), in: $0) }
            throw error(.badValue, "\(token.shown) is not \(kind.description)", suggestion: meant)
        }
        guard range.upperBound <= most else {
            throw error(.badValue, "\(token.shown) is more than \(most), the most that \(lastField) can be")
        }
        advance()
        return range
    }

    // MARK: Addresses

    mutating func addresses(
        _ field: AddressField, from first: FilterToken
    ) throws(FilterError) -> FilterExpression {
        let (set, comparison) = try addressSet(from: first)
        return try counted(.address(field, set), comparison)
    }
    mutating func addressSet(from first: FilterToken) throws(FilterError) -> (AddressSet, FilterComparison) {
        let (terms, comparison) = try operands(from: first) { parser throws(FilterError) in try parser.addressTerm() }
        try refuseOrder(comparison, of: "addresses")
        return (AddressSet(terms, names: names), comparison)
    }
    private func refuseOrder(_ comparison: FilterComparison, of what: String) throws(FilterError) {
        guard comparison == .equal || comparison == .unequal else {
            throw error(.unexpected, "\(what) can be compared with = and != only", at: previous)
        }
    }
    private mutating func addressTerm() throws(FilterError) -> AddressSet.Term {
        guard case .word(let word) = token.kind else {
            throw error(.unexpected, "an address or a network should stand here, not \(token.shown)")
        }
        let term: AddressSet.Term
        if word.hasPrefix("@") {
            let name = String(word.dropFirst())
            guard names.networks[name] != nil else {
                throw error(
                    .unknownName, "\(token.shown) is not a named network",
                    suggestion: Spelling.nearest(to: name, in: names.networks.keys).map { "@\($0)" })
            }
            term = .named(name)
        } else if let network = Self.network(word) {
            term = .network(network)
        } else if let range = Self.addressRange(word) {
            term = .range(range)
        } else {
            throw error(.badValue, "\(token.shown) is not an address, network or range; names are not looked up")
        }
        advance()
        return term
    }
    /// `10.0.0.0/8`, `2001:db8::1`, and nfdump's short `10.1/16`, whose missing octets are 0.
    static func network(_ word: String) -> IPNetwork? {
        if let network = IPNetwork(word) { return network }
        let parts = word.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].contains(":") else { return nil }
        let dots = parts[0].utf8.count { $0 == UInt8(ascii: ".") }
        guard dots < 3 else { return nil }
        return IPNetwork(parts[0] + String(repeating: ".0", count: 3 - dots) + "/" + parts[1])
    }
    private static func addressRange(_ word: String) -> ClosedRange<IPAddress>? {
        let ends = word.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let low = IPAddress(ends[0]), let high = IPAddress(ends[1]), low <= high,
            low.isV4 == high.isV4
        else { return nil }
        return low...high
    }

    mutating func countries(_ field: AddressField, from first: FilterToken) throws(FilterError) -> FilterExpression {
        guard let ranges = names.country else {
            throw error(.unknownName, "no table of countries is loaded", at: first)
        }
        let (codes, comparison) = try operands(from: first) { parser throws(FilterError) -> AddressSet.Term in
            guard case .word(let word) = parser.token.kind, ranges(word.uppercased()) != nil else {
                throw parser.error(
                    .unknownName, "\(parser.token.shown) is not a country's code of two letters, such as CH")
            }
            parser.advance()
            return .country(word.uppercased())
        }
        try refuseOrder(comparison, of: "countries")
        return try counted(.address(field, AddressSet(codes, names: names)), comparison)
    }

    // MARK: Names, flags

    mutating func labels(_ field: LabelField, from first: FilterToken) throws(FilterError) -> FilterExpression {
        let (labels, comparison) = try operands(from: first) { parser throws(FilterError) -> String in
            if field == .exportProtocol { return try parser.exportProtocol() }
            return try parser.plainText()
        }
        try refuseOrder(comparison, of: "names")
        return try counted(.label(field, Set(labels)), comparison)
    }
    private mutating func exportProtocol() throws(FilterError) -> String {
        let known = ExportProtocol.allCases.map(\.name)
        guard case .word(let word) = token.kind, known.contains(word.lowercased()) else {
            throw badChoice("a way of export", known)
        }
        advance()
        return word.lowercased()
    }
    mutating func plainText() throws(FilterError) -> String {
        switch token.kind {
        case .word(let text), .text(let text):
            advance()
            return text
        default: throw error(.unexpected, "a text should stand here, not \(token.shown)")
        }
    }

    /// `S/SA`: of the bits after the slash those before it are set and no others; without a slash only set ones count.
    mutating func controlBits(from first: FilterToken) throws(FilterError) -> FilterExpression {
        noteField(from: first)
        let comparison = acceptComparison() ?? .equal
        try refuseOrder(comparison, of: "flags")
        guard case .word(let word) = token.kind else {
            throw error(.unexpected, "flags such as S/SA should stand here, not \(token.shown)")
        }
        let parts = word.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let set = Self.controlBits(parts[0]),
            let mask = parts.count == 2 ? Self.controlBits(parts[1]) : set
        else {
            throw error(
                .badValue,
                "\(token.shown) is not a list of the flags CEUAPRSF (or X, all of UAPRSF), perhaps with "
                    + "a slash and those to look at")
        }
        guard set & ~mask == 0 else {
            throw error(.badValue, "\(token.shown) wants flags that are not among those to look at")
        }
        advance()
        return try counted(.controlBits(set: set, mask: mask), comparison)
    }
    /// Letters in any order and case, `X` for UAPRSF, or a number.
    static func controlBits(_ word: some StringProtocol) -> UInt16? {
        if let number = NumberKind.plain.value(word) { return UInt16(exactly: number) }
        guard !word.isEmpty else { return nil }
        var bits: UInt16 = 0
        for letter in word.uppercased() {
            if letter == "X" {
                bits |= 0x3F
            } else {
                guard let known = FilterKeyword.controlBits.first(where: { $0.letter == letter }) else { return nil }
                bits |= known.bit
            }
        }
        return bits
    }

    private func isKeyword(_ wanted: FilterKeyword, after count: Int) -> Bool {
        guard case .word(let word) = peek(count).kind else { return false }
        return FilterKeyword.byWord[word.lowercased()] == wanted
    }
}
