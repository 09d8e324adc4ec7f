/// A filter's text in pieces.
struct FilterToken: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        /// A run of what is no space, quote or symbol: `dst`, `10.0.0.0/8`, `1.5M`, `S/SA`.
        case word(String)
        /// What stood between quotes.
        case text(String)
        case symbol(String)
        case end
    }
    let kind: Kind
    /// Its place in the text, in octets.
    let range: Range<Int>

    /// As errors show it.
    var shown: String {
        switch kind {
        case .word(let word): "\"\(word.prefix(60))\""
        case .text: "a quoted text"
        case .symbol(let symbol): "\"\(symbol)\""
        case .end: "the end"
        }
    }
}

struct FilterLexer {
    private let octets: [UInt8]
    private var offset = 0

    /// Longest first, so that `<=` is not `<` and `=`.
    static let symbols = [
        "==", "!=", "<=", ">=", "&&", "||", "(", ")", "[", "]", "{", "}", ",", "=", "<", ">", "!", "~",
    ]
    private static let symbolOctets = symbols.map { Array($0.utf8) }
    private static let wordEnds = Set("()[]{},=<>!&|~\"# \t\r\n".utf8)

    static func tokens(of octets: [UInt8]) throws(FilterError) -> [FilterToken] {
        var lexer = FilterLexer(octets: octets), tokens: [FilterToken] = []
        repeat { tokens.append(try lexer.next()) } while tokens.last?.kind != .end
        return tokens
    }
    private init(octets: [UInt8]) { self.octets = octets }

    private mutating func next() throws(FilterError) -> FilterToken {
        skipSpace()
        let start = offset
        guard start < octets.count else { return FilterToken(kind: .end, range: start..<start) }
        if octets[start] == UInt8(ascii: "\"") { return try quoted() }
        if let symbol = Self.symbolOctets.firstIndex(where: { octets[start...].starts(with: $0) }) {
            offset += Self.symbolOctets[symbol].count
            return FilterToken(kind: .symbol(Self.symbols[symbol]), range: start..<offset)
        }
        while offset < octets.count, !Self.wordEnds.contains(octets[offset]) { offset += 1 }
        guard offset > start else {
            let wrong = start..<(start + 1), meant = octets[start] == UInt8(ascii: "&") ? "&&" : "||"
            throw FilterError(.unexpected, "a single sign means nothing here", at: wrong, in: octets, suggestion: meant)
        }
        return FilterToken(kind: .word(String(decoding: octets[start..<offset], as: UTF8.self)), range: start..<offset)
    }

    /// Spaces, and comments from `#` to the end of the line.
    private mutating func skipSpace() {
        while offset < octets.count {  // ends: each turn consumes or returns
            if octets[offset] == UInt8(ascii: "#") {
                offset = octets[offset...].firstIndex(of: UInt8(ascii: "\n")) ?? octets.count
            } else if " \t\r\n".utf8.contains(octets[offset]) {
                offset += 1
            } else {
                return
            }
        }
    }

    /// `"…"`, in which `\"` is a quote and `\\` a backslash.
    private mutating func quoted() throws(FilterError) -> FilterToken {
        let start = offset
        var content: [UInt8] = []
        offset += 1
        while offset < octets.count, octets[offset] != UInt8(ascii: "\"") {
            if octets[offset] == UInt8(ascii: "\\") {
                offset += 1
                guard offset < octets.count, "\"\\".utf8.contains(octets[offset]) else {
                    throw FilterError(
                        .badValue, #"a backslash in quotes must be followed by " or \"#,
                        at: (offset - 1)..<(offset + 1),
                        in: octets, suggestion: #"\\"#)
                }
            }
            content.append(octets[offset])
            offset += 1
        }
        guard offset < octets.count else {
            throw FilterError(
                .unexpected, "the quote that opens here is never closed", at: start..<(start + 1), in: octets)
        }
        offset += 1
        return FilterToken(kind: .text(String(decoding: content, as: UTF8.self)), range: start..<offset)
    }
}
