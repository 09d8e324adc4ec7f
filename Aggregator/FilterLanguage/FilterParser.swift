internal import FlowModel
package import InformationElements

/// Text to tree, by recursive descent: one function for each rule of the grammar in the handbook ("Filter language").
package struct FilterParser {
    let text: [UInt8]
    let names: NamedNetworks
    /// Asked for where a filter names an element: few do, and reading the standard one takes milliseconds.
    private let makeRegistry: () -> ElementRegistry
    private let tokens: [FilterToken]
    private var index = 0
    private var depth = 0
    private var tests = 0
    private var values = 0
    /// The words of the field that was read last, for suggestions: `dst port`.
    private(set) var lastField = ""
    var knownElements: [String: InformationElement] = [:]
    var knownKeys: [String: [ElementKey]] = [:]

    /// - Parameters:
    ///   - text: empty, or comments alone, matches everything.
    ///   - names: what `@name` and `country` stand for.
    /// - Throws: the first fault from the left.
    package static func parse(
        _ text: String, names: NamedNetworks = NamedNetworks(),
        registry: @autoclosure @escaping () -> ElementRegistry = .standard
    ) throws(FilterError) -> FilterExpression {
        let octets = Array(text.utf8)
        guard octets.count <= FilterLimit.octetsMax else {
            throw FilterError(
                .tooLarge, "the filter has \(octets.count) octets; \(FilterLimit.octetsMax) are allowed",
                at: FilterLimit.octetsMax..<FilterLimit.octetsMax, in: Array(octets.prefix(FilterLimit.octetsMax)))
        }
        var parser = FilterParser(octets, names, registry, try FilterLexer.tokens(of: octets))
        return try parser.filter()
    }

    private init(
        _ text: [UInt8], _ names: NamedNetworks, _ registry: @escaping () -> ElementRegistry, _ tokens: [FilterToken]
    ) {
        (self.text, self.names, makeRegistry, self.tokens) = (text, names, registry, tokens)
    }
    var registry: ElementRegistry { makeRegistry() }

    // MARK: Rules

    private mutating func filter() throws(FilterError) -> FilterExpression {
        if token.kind == .end { return .any }
        let expression = try expression()
        guard token.kind != .end else { return expression }
        throw unfinished()
    }
    private mutating func expression() throws(FilterError) -> FilterExpression {
        var members = [try conjunction()]
        while accept(.or) || accept(symbol: "||") { members.append(try conjunction()) }
        return .disjunction(of: members)
    }
    private mutating func conjunction() throws(FilterError) -> FilterExpression {
        var members = [try factor()]
        while accept(.and) || accept(symbol: "&&") { members.append(try factor()) }
        return .conjunction(of: members)
    }
    private mutating func factor() throws(FilterError) -> FilterExpression {
        depth += 1
        defer { depth -= 1 }
        guard depth <= FilterLimit.depthMax else {
            throw error(.tooLarge, "more than \(FilterLimit.depthMax) parentheses and nots within each other")
        }
        if accept(.not) || accept(symbol: "!") {
            try refuseTwofold()
            return .negation(of: try factor())
        }
        guard accept(symbol: "(") else { return try condition() }
        let opened = previous
        let inner = try expression()
        guard accept(symbol: ")") else {
            if token.kind != .end { throw unfinished() }
            throw FilterError(
                .unexpected, "the parenthesis that opens here is never closed", at: opened.range, in: text)
        }
        return inner
    }

    /// nfdump reads `not flags AR` as "neither A nor R", logic reads it as "not both".
    private func refuseTwofold() throws(FilterError) {
        guard keyword == .flags, case .word(let word) = peek(1).kind,
            let bits = Self.controlBits(word), !word.contains("/"), bits.nonzeroBitCount > 1
        else { return }
        throw FilterError(
            .unexpected,
            "\"not flags \(word)\" has two readings: write \"flags 0/\(word)\" for none of them, "
                + "\"not flags \(word)/\(word)\" for not all of them",
            at: previous.range.lowerBound..<peek(1).range.upperBound, in: text,
            suggestion: "flags 0/\(word)")
    }

    // MARK: Tokens

    var token: FilterToken { tokens[index] }
    func peek(_ count: Int) -> FilterToken { tokens[min(index + count, tokens.count - 1)] }
    var previous: FilterToken { tokens[max(index - 1, 0)] }
    /// The keyword that is next, if one is.
    var keyword: FilterKeyword? {
        if case .word(let word) = token.kind { FilterKeyword.byWord[word.lowercased()] } else { nil }
    }
    /// The end stays where it is.
    mutating func advance() { index = min(index + 1, tokens.count - 1) }
    mutating func accept(_ wanted: FilterKeyword) -> Bool {
        guard keyword == wanted else { return false }
        advance()
        return true
    }
    mutating func accept(symbol: String) -> Bool {
        guard token.kind == .symbol(symbol) else { return false }
        advance()
        return true
    }
    /// Remembers the words from `first` to the token before this one as a field's.
    mutating func noteField(from first: FilterToken) {
        let range = first.range.lowerBound..<max(previous.range.upperBound, first.range.upperBound)
        lastField = String(decoding: text[range].prefix(40), as: UTF8.self)
    }

    // MARK: Limits and errors

    mutating func counted(_ test: FilterTest) throws(FilterError) -> FilterExpression {
        tests += 1
        guard tests <= FilterLimit.testsMax else {
            throw error(.tooLarge, "more than \(FilterLimit.testsMax) conditions", at: previous)
        }
        return .test(test)
    }
    mutating func countValue() throws(FilterError) {
        values += 1
        guard values <= FilterLimit.valuesMax else {
            throw error(.tooLarge, "more than \(FilterLimit.valuesMax) values")
        }
    }
    func error(
        _ kind: FilterError.Kind, _ problem: String, at token: FilterToken? = nil, suggestion: String? = nil
    ) -> FilterError {
        FilterError(kind, problem, at: (token ?? self.token).range, in: text, suggestion: suggestion)
    }

    /// What stands after a whole condition and is neither `and`, `or` nor the end.
    private func unfinished() -> FilterError {
        switch token.kind {
        case .symbol(")"): return error(.unexpected, "this parenthesis closes none that was opened")
        case .word(let word):
            let meant = Spelling.nearest(to: word.lowercased(), in: ["and", "or"])
            let begins = keyword != nil || FilterKeyword.protocols[word.lowercased()] != nil
            return error(
                .unexpected, "\(token.shown) cannot follow a whole condition: \"and\" or \"or\" must be between",
                suggestion: meant ?? (begins ? "and \(word.prefix(40))" : nil))
        default: return error(.unexpected, "\(token.shown) cannot follow a whole condition")
        }
    }
}
