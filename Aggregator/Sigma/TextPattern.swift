/// A pattern over the octets of a short text, as an automaton: one bit for each place in the pattern (Glushkov). It
/// matches in one pass, without looking back, however the pattern is made, and takes no memory while it does.
///
/// The text is read with a mark before and one behind it, so that `^` and `$` are letters like others.
struct TextPattern: Hashable, Sendable {
    /// Places that can follow each place, and places that each octet fits; the first set, and where a text may end.
    private let follow: [Places]
    private let fits: [Places]
    private let first: Places, last: Places
    let ignoresCase: Bool

    static let placesMax = 256
    static let begin: UInt8 = 0x02, end: UInt8 = 0x03

    typealias Places = SIMD4<UInt64>

    init?(_ node: PatternNode, ignoresCase: Bool) {
        var builder = PatternBuilder()
        guard let set = builder.build(node) else { return nil }
        follow = builder.follow
        fits = builder.fits
        (first, last) = (set.first, set.last)
        self.ignoresCase = ignoresCase
    }

    /// For texts that are at hand as octets; `octet` gives the one at a place.
    @inline(__always)
    func matches(count: Int, _ octet: (Int) -> UInt8) -> Bool {
        var places = first & fits[Int(Self.begin)]
        for index in 0...max(count, 0) {
            var next = index < count ? octet(index) : Self.end
            if index < count, next <= Self.end { next = 0x20 }  // the marks stand for nothing in a text
            if ignoresCase, (0x41...0x5A).contains(next) { next |= 0x20 }
            places = step(places) & fits[Int(next)]
            if places == .zero { return false }
        }
        return places & last != .zero
    }
    func matches(_ text: String) -> Bool {
        let octets = Array(text.utf8)
        return matches(count: octets.count) { octets[$0] }
    }

    private func step(_ places: Places) -> Places {
        var next = Places.zero
        for word in 0..<4 {
            var rest = places[word]
            while rest != 0 {  // ends: each turn clears a bit
                next |= follow[word << 6 + rest.trailingZeroBitCount]
                rest &= rest &- 1
            }
        }
        return next
    }
}

/// What patterns are made of.
indirect enum PatternNode: Hashable, Sendable {
    case nothing
    case octets(OctetSet)
    case sequence([PatternNode])
    case either([PatternNode])
    /// None or more, one or more, none or one.
    case star(PatternNode), plus(PatternNode), optional(PatternNode)

    /// Any octet but the marks; with the marks.
    static let any = PatternNode.octets(OctetSet.text)
    static let anything = PatternNode.star(.octets(OctetSet.all))
    static func octet(_ octet: UInt8, ignoringCase: Bool = false) -> PatternNode {
        .octets(OctetSet([ignoringCase && (0x41...0x5A).contains(octet) ? octet | 0x20 : octet]))
    }
}

struct OctetSet: Hashable, Sendable {
    var bits = SIMD4<UInt64>.zero
    init(_ octets: some Sequence<UInt8> = []) { for octet in octets { insert(octet) } }
    mutating func insert(_ octet: UInt8) { bits[Int(octet) >> 6] |= 1 << UInt64(octet & 63) }
    func contains(_ octet: UInt8) -> Bool { bits[Int(octet) >> 6] >> UInt64(octet & 63) & 1 == 1 }
    mutating func formUnion(_ other: OctetSet) { bits |= other.bits }
    /// All octets of texts that are not in it.
    var inverted: OctetSet {
        var set = OctetSet.text
        set.bits &= ~bits
        return set
    }
    /// With the small letter of each capital one in it, and the other way about.
    var withBothCases: OctetSet {
        var set = self
        for octet in UInt8(0x41)...0x5A {
            if contains(octet) { set.insert(octet | 0x20) }
            if contains(octet | 0x20) { set.insert(octet) }
        }
        return set
    }
    static let all = OctetSet(0...255)
    static let text = OctetSet(UInt8(0x04)...255)
}

private struct PatternBuilder {
    struct Part {
        var first = TextPattern.Places.zero, last = TextPattern.Places.zero
        var isEmptyMatched = true
    }
    var follow: [TextPattern.Places] = []
    var fits = [TextPattern.Places](repeating: .zero, count: 256)
    /// Empty parts that are repeated make no places, but work.
    private var nodesLeft = 20_000

    /// Nil when there are too many places.
    mutating func build(_ node: PatternNode) -> Part? {
        nodesLeft -= 1
        guard nodesLeft > 0 else { return nil }
        switch node {
        case .nothing: return Part()
        case .octets(let set): return place(set)
        case .sequence(let members):
            var whole = Part()
            for member in members {
                guard let part = build(member) else { return nil }
                link(whole.last, to: part.first)
                whole.first = whole.isEmptyMatched ? whole.first | part.first : whole.first
                whole.last = part.isEmptyMatched ? whole.last | part.last : part.last
                whole.isEmptyMatched = whole.isEmptyMatched && part.isEmptyMatched
            }
            return whole
        case .either(let members):
            var whole = Part(isEmptyMatched: false)
            for member in members {
                guard let part = build(member) else { return nil }
                whole.first |= part.first
                whole.last |= part.last
                whole.isEmptyMatched = whole.isEmptyMatched || part.isEmptyMatched
            }
            return whole
        case .star(let inner), .plus(let inner):
            guard var part = build(inner) else { return nil }
            link(part.last, to: part.first)
            if case .star = node { part.isEmptyMatched = true }
            return part
        case .optional(let inner):
            guard var part = build(inner) else { return nil }
            part.isEmptyMatched = true
            return part
        }
    }

    private mutating func place(_ set: OctetSet) -> Part? {
        let place = follow.count
        guard place < TextPattern.placesMax else { return nil }
        follow.append(.zero)
        var bit = TextPattern.Places.zero
        bit[place >> 6] = 1 << UInt64(place & 63)
        for octet in 0..<256 where set.contains(UInt8(octet)) { fits[octet] |= bit }
        return Part(first: bit, last: bit, isEmptyMatched: false)
    }
    private mutating func link(_ from: TextPattern.Places, to: TextPattern.Places) {
        for place in follow.indices where from[place >> 6] >> UInt64(place & 63) & 1 == 1 { follow[place] |= to }
    }
}
