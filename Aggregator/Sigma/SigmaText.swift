/// Texts with wildcards, as values of rules have them, and their regular expressions, as patterns.

/// A value's text, its wildcards and escapes understood (specification, "Escaping").
struct SigmaText: Hashable, Sendable {
    enum Part: Hashable, Sendable { case octet(UInt8), one, many }
    var parts: [Part] = []

    init(_ text: String) {
        let octets = Array(text.utf8)
        var at = 0
        while at < octets.count {  // ends: each turn takes an octet at least
            let next = at + 1 < octets.count ? octets[at + 1] : 0
            switch octets[at] {
            case UInt8(ascii: "\\") where Self.isSpecial(next):
                parts.append(.octet(next))
                at += 1
            case UInt8(ascii: "*"): if parts.last != .many { parts.append(.many) }
            case UInt8(ascii: "?"): parts.append(.one)
            default: parts.append(.octet(octets[at]))
            }
            at += 1
        }
    }
    private static func isSpecial(_ octet: UInt8) -> Bool {
        [UInt8(ascii: "*"), UInt8(ascii: "?"), UInt8(ascii: "\\")].contains(octet)
    }

    /// The text, if it has no wildcards.
    var plain: String? {
        var octets: [UInt8] = []
        for part in parts {
            guard case .octet(let octet) = part else { return nil }
            octets.append(octet)
        }
        return String(validating: octets, as: UTF8.self)
    }
    /// The text before a `*` that ends it, if there is no other wildcard.
    var prefix: String? {
        guard parts.last == .many else { return nil }
        var rest = self
        rest.parts.removeLast()
        return rest.plain
    }
    var isAnything: Bool { parts == [.many] }

    func pattern(ignoringCase: Bool) -> TextPattern? {
        let nodes = parts.map { part -> PatternNode in
            switch part {
            case .octet(let octet): .octet(octet, ignoringCase: ignoringCase)
            case .one: .any
            case .many: .star(.any)
            }
        }
        let whole = [.octet(TextPattern.begin)] + nodes + [.octet(TextPattern.end)]
        return TextPattern(.sequence(whole), ignoresCase: ignoringCase)
    }
}

/// Regular expressions, of those the letters that the specification names (appendix, "Regular Expression"), and
/// `\d`, `\w`, `\s`, `(?:…)`.
struct RegexParser {
    /// What is wrong, in words.
    struct Fault: Error { let reason: String }

    private let octets: [UInt8]
    private let ignoresCase: Bool
    private var at = 0, depth = 0

    static func parse(_ text: String, ignoringCase: Bool) throws(Fault) -> TextPattern {
        guard text.utf8.count <= SigmaLimit.patternOctetsMax else {
            throw Fault(reason: "it has more than \(SigmaLimit.patternOctetsMax) octets")
        }
        var parser = RegexParser(text, ignoringCase: ignoringCase)
        let node = try parser.either()
        guard parser.at == parser.octets.count else { throw Fault(reason: "a `)` closes nothing") }
        let whole = PatternNode.sequence([.anything, node, .anything])
        guard let pattern = TextPattern(whole, ignoresCase: ignoringCase) else {
            throw Fault(reason: "it has more than \(TextPattern.placesMax) places")
        }
        return pattern
    }

    private init(_ text: String, ignoringCase: Bool) {
        octets = Array(text.utf8)
        ignoresCase = ignoringCase
    }

    private var peek: UInt8? { at < octets.count ? octets[at] : nil }
    private mutating func takes(_ character: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }
    private func set(_ set: OctetSet) -> PatternNode { .octets(ignoresCase ? set.withBothCases : set) }

    private mutating func either() throws(Fault) -> PatternNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= SigmaLimit.depthMax else { throw Fault(reason: "its brackets are too deep") }
        var members = [try sequence()]
        while takes("|") { members.append(try sequence()) }
        return members.count == 1 ? members[0] : .either(members)
    }

    private mutating func sequence() throws(Fault) -> PatternNode {
        var members: [PatternNode] = []
        while let next = peek, next != UInt8(ascii: "|"), next != UInt8(ascii: ")") {
            members.append(try repeated(try atom()))
        }
        return members.isEmpty ? .nothing : .sequence(members)
    }

    private mutating func atom() throws(Fault) -> PatternNode {
        guard let octet = peek else { throw Fault(reason: "it ends too early") }
        at += 1
        switch octet {
        case UInt8(ascii: "."): return .any
        case UInt8(ascii: "^"): return .octet(TextPattern.begin)
        case UInt8(ascii: "$"): return .octet(TextPattern.end)
        case UInt8(ascii: "("): return try group()
        case UInt8(ascii: "["): return try members()
        case UInt8(ascii: "\\"): return set(try escaped())
        case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"):
            throw Fault(reason: "`\(Character(Unicode.Scalar(octet)))` repeats nothing")
        default: return set(OctetSet([octet]))
        }
    }

    private mutating func group() throws(Fault) -> PatternNode {
        if takes("?") {
            guard takes(":") else { throw Fault(reason: "of the groups that begin with `(?` only `(?:` is known") }
        }
        let inner = try either()
        guard takes(")") else { throw Fault(reason: "a `(` is not closed") }
        return inner
    }

    private mutating func escaped() throws(Fault) -> OctetSet {
        guard let octet = peek else { throw Fault(reason: "it ends with a backslash") }
        at += 1
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        var word = OctetSet(digits)
        for letter in UInt8(0x41)...0x5A { word.formUnion(OctetSet([letter, letter | 0x20])) }
        word.insert(UInt8(ascii: "_"))
        switch octet {
        case UInt8(ascii: "d"): return OctetSet(digits)
        case UInt8(ascii: "D"): return OctetSet(digits).inverted
        case UInt8(ascii: "w"): return word
        case UInt8(ascii: "W"): return word.inverted
        case UInt8(ascii: "s"): return OctetSet([0x09, 0x0A, 0x0D, 0x20])
        case UInt8(ascii: "S"): return OctetSet([0x09, 0x0A, 0x0D, 0x20]).inverted
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A:
            throw Fault(reason: "`\\\(Character(Unicode.Scalar(octet)))` is not among what rules may use")
        default: return OctetSet([octet])
        }
    }

    /// `[a-z]`, `[^a-z]`.
    private mutating func members() throws(Fault) -> PatternNode {
        let isInverted = takes("^")
        var members = OctetSet(), isFirst = true
        while let octet = peek, octet != UInt8(ascii: "]") || isFirst {
            isFirst = false
            at += 1
            guard octet != UInt8(ascii: "\\") else {
                members.formUnion(try escaped())
                continue
            }
            guard peek == UInt8(ascii: "-"), at + 1 < octets.count, octets[at + 1] != UInt8(ascii: "]") else {
                members.insert(octet)
                continue
            }
            let upper = octets[at + 1]
            guard octet <= upper, upper != UInt8(ascii: "\\") else { throw Fault(reason: "a range in `[…]` falls") }
            for member in octet...upper { members.insert(member) }
            at += 2
        }
        guard takes("]") else { throw Fault(reason: "a `[` is not closed") }
        if ignoresCase { members = members.withBothCases }
        return .octets(isInverted ? members.inverted : members)
    }

    private mutating func repeated(_ node: PatternNode) throws(Fault) -> PatternNode {
        var node = node
        while let octet = peek {  // ends: each turn takes a repetition
            if takes("*") {
                node = .star(node)
            } else if takes("+") {
                node = .plus(node)
            } else if takes("?") {
                node = .optional(node)
            } else if octet == UInt8(ascii: "{") {
                at += 1
                node = try counted(node)
            } else {
                break
            }
        }
        return node
    }

    /// `{n}`, `{n,}`, `{n,m}`.
    private mutating func counted(_ node: PatternNode) throws(Fault) -> PatternNode {
        guard let least = number() else { throw Fault(reason: "`{` is not followed by a number") }
        var most: Int? = least
        if takes(",") { most = number() }
        guard takes("}") else { throw Fault(reason: "a `{` is not closed") }
        guard least <= TextPattern.placesMax, most ?? 0 <= TextPattern.placesMax, most ?? least >= least else {
            throw Fault(reason: "a repetition in `{…}` is too large, or falls")
        }
        var members = [PatternNode](repeating: node, count: least)
        if let most {
            members += [PatternNode](repeating: .optional(node), count: most - least)
        } else {
            members.append(.star(node))
        }
        return .sequence(members)
    }
    private mutating func number() -> Int? {
        var value: Int?
        while let digit = peek, (0x30...0x39).contains(digit), value ?? 0 < 10_000 {
            value = (value ?? 0) * 10 + Int(digit - 0x30)
            at += 1
        }
        return value
    }
}
