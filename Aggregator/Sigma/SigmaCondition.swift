/// A condition: searches by name, `not`, `and`, `or`, brackets, `1 of x*`, `all of them`.
///
///     or < and < not < x of pattern < ( )          from weakest to strongest
package struct SigmaCondition: Hashable, Sendable {
    /// As written.
    package var text: String
    var place: SigmaPlace
    /// With numbers of searches in place of names.
    var expression: SigmaExpression
}

indirect enum SigmaExpression: Hashable, Sendable {
    case search(Int)
    case not(SigmaExpression)
    case and([SigmaExpression])
    case or([SigmaExpression])
}

/// Reads one condition; the names it may use are given.
struct ConditionParser {
    private struct Word {
        let text: Substring
        let offset: Int
        var folded: String { text.lowercased() }
    }
    private let names: [String]
    private let place: SigmaPlace
    private let words: [Word]
    private var at = 0, terms = 0

    static func parse(_ text: String, names: [String], at place: SigmaPlace) throws(SigmaIssue) -> SigmaCondition {
        guard text.utf8.count <= SigmaLimit.conditionOctetsMax else {
            throw SigmaIssue(
                place, .limit, "condition", "the condition has more than \(SigmaLimit.conditionOctetsMax) octets")
        }
        var parser = try ConditionParser(text, names: names, at: place)
        let expression = try parser.or(depth: 0)
        if let word = parser.peek { throw parser.issue("`\(word.text)` is one word too many", word) }
        return SigmaCondition(text: text, place: place, expression: expression)
    }

    private init(_ text: String, names: [String], at place: SigmaPlace) throws(SigmaIssue) {
        (self.names, self.place) = (names, place)
        var words: [Word] = [], start: String.Index?
        for index in Array(text.indices) + [text.endIndex] {
            let character = index == text.endIndex ? " " : text[index]
            let isBracket = "()|".contains(character)
            guard isBracket || character.isWhitespace else {
                start = start ?? index
                continue
            }
            if let from = start {
                words.append(Word(text: text[from..<index], offset: text.distance(from: text.startIndex, to: from)))
            }
            start = nil
            if isBracket {
                words.append(
                    Word(
                        text: text[index...index],
                        offset: text.distance(from: text.startIndex, to: index)))
            }
        }
        self.words = words
        if let pipe = words.firstIndex(where: { $0.text == "|" }) {
            let rest = words[pipe...].map { String($0.text) }.joined(separator: " ")
            throw issue(
                "`\(cut(rest, to: 60))` counts in the condition, as rules before Sigma 2 did: that is read where one "
                    + "thing is counted and a `timeframe` says over how long; else it is written as a correlation now",
                words[pipe])
        }
    }

    private var peek: Word? { at < words.count ? words[at] : nil }
    private func issue(_ reason: String, _ word: Word? = nil) -> SigmaIssue {
        let offset = (word ?? words.last)?.offset ?? 0
        return SigmaIssue(
            SigmaPlace(line: place.line, column: place.column + offset), .condition,
            word.map { String($0.text) } ?? "condition", "condition: " + reason)
    }
    private mutating func takes(_ keyword: String) -> Bool {
        guard peek?.folded == keyword else { return false }
        at += 1
        return true
    }

    private mutating func or(depth: Int) throws(SigmaIssue) -> SigmaExpression {
        var members = [try and(depth: depth)]
        while takes("or") { members.append(try and(depth: depth)) }
        return members.count == 1 ? members[0] : .or(members)
    }
    private mutating func and(depth: Int) throws(SigmaIssue) -> SigmaExpression {
        var members = [try unary(depth: depth)]
        while takes("and") { members.append(try unary(depth: depth)) }
        return members.count == 1 ? members[0] : .and(members)
    }
    private mutating func unary(depth: Int) throws(SigmaIssue) -> SigmaExpression {
        guard depth < SigmaLimit.conditionDepthMax else {
            throw issue("more than \(SigmaLimit.conditionDepthMax) levels", peek)
        }
        terms += 1
        guard terms <= SigmaLimit.conditionTermsMax else {
            throw issue("more than \(SigmaLimit.conditionTermsMax) terms", peek)
        }
        guard let word = peek else { throw issue("it ends where a search's name should be") }
        if takes("not") { return .not(try unary(depth: depth + 1)) }
        if takes("(") {
            let inner = try or(depth: depth + 1)
            guard takes(")") else { throw issue("a bracket is not closed", peek ?? word) }
            return inner
        }
        at += 1
        if peek?.folded == "of" { return try quantified(word) }
        guard let index = names.firstIndex(of: String(word.text)) else {
            throw issue("there is no search `\(word.text)`", word)
        }
        return .search(index)
    }

    /// `1 of x*`, `any of x*`, `all of x*`, and `them` for all whose names don't begin with an underscore.
    private mutating func quantified(_ quantifier: Word) throws(SigmaIssue) -> SigmaExpression {
        at += 1
        guard ["1", "any", "all"].contains(quantifier.folded) else {
            throw issue("`\(quantifier.text) of` is not among `1 of`, `any of` and `all of`", quantifier)
        }
        guard let word = peek else { throw issue("it ends after `of`") }
        at += 1
        let chosen = names.indices.filter { index in
            word.folded == "them"
                ? !names[index].hasPrefix("_") : Wildcard.matches(String(word.text), names[index])
        }
        guard !chosen.isEmpty else { throw issue("no search is meant by `\(word.text)`", word) }
        terms += chosen.count
        guard terms <= SigmaLimit.conditionTermsMax else {
            throw issue("more than \(SigmaLimit.conditionTermsMax) terms", word)
        }
        let members = chosen.map { SigmaExpression.search($0) }
        if members.count == 1 { return members[0] }
        return quantifier.folded == "all" ? .and(members) : .or(members)
    }
}

/// `*` for any number of characters, in patterns of names.
enum Wildcard {
    static func matches(_ pattern: String, _ name: String) -> Bool {
        let pattern = Array(pattern.utf8), name = Array(name.utf8)
        var (p, n) = (0, 0)
        var star: Int?
        var resume = 0
        while n < name.count {  // ends: `resume` grows whenever `n` falls back
            if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
                star = p
                resume = n
                p += 1
            } else if p < pattern.count, pattern[p] == name[n] {
                p += 1
                n += 1
            } else if let from = star {
                p = from + 1
                resume += 1
                n = resume
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
