/// Patterns of STIX 2.1 (OASIS, §9) as far as flows can tell them.
///
/// Taken are equality, `IN` and `ISSUBSET` on addresses (`ipv4-addr:value`, `ipv6-addr:value`, the ends of
/// `network-traffic`) and on numbers of systems, joined by `OR`, and by `AND` with the port of the same end. Each
/// branch of an `OR` stands for itself: what flows can't tell is refused by name and the others stay. A branch of
/// conditions joined by `AND` is taken whole or not at all, since part of it would match more than was meant. So are
/// `NOT`, other operators, and several observations joined by `AND` or `FOLLOWEDBY` or bound by a qualifier.
/// Not here: bundles (`STIXBundle`).
import FlowModel

struct STIXPattern {
    struct Subject: Hashable {
        var subject: IndicatorSubject
        var port: UInt16 = 0
    }
    /// In the order of the pattern, each once.
    private(set) var subjects: [Subject] = []
    /// For each branch that was not taken, why.
    private(set) var refused: [String] = []

    init(_ text: String) {
        guard text.utf8.count <= Limit.patternOctetsMax else {
            refused = ["longer than \(Limit.patternOctetsMax) octets"]
            return
        }
        do throws(PatternFault) {
            var parser = PatternParser(tokens: try PatternToken.all(in: text))
            for branch in try parser.wholePattern() { take(branch) }
        } catch {
            refused = [error.text]
        }
    }

    private mutating func take(_ branch: [PatternTest]) {
        var subjects: Set<IndicatorSubject> = [], ports: Set<UInt16> = [], ends: Set<PatternEnd> = []
        for test in branch {
            switch test {
            case .subject(let subject, let end):
                subjects.insert(subject)
                if end != .either { ends.insert(end) }
            case .port(let port, let end):
                ports.insert(port)
                ends.insert(end)
            case .given: break
            case .unknown(let text): return refused.append(text)
            }
        }
        guard subjects.count == 1, let subject = subjects.first else {
            return refused.append(subjects.isEmpty ? "no address" : "several addresses joined by AND")
        }
        guard ports.count <= 1, ends.count <= 1 else { return refused.append("both ends joined by AND") }
        let found = Subject(subject: subject, port: ports.first ?? 0)
        if !self.subjects.contains(found) { self.subjects.append(found) }
    }
}

struct PatternFault: Error { let text: String }

enum PatternEnd { case source, destination, either }

/// One condition of a pattern.
enum PatternTest {
    case subject(IndicatorSubject, PatternEnd)
    case port(UInt16, PatternEnd)
    /// Holds for every record that the other conditions of its branch hold for.
    case given
    case unknown(String)
}

enum PatternToken: Equatable {
    case open, close, openGroup, closeGroup, comma
    /// An object path, a keyword or a number.
    case word(String)
    case text(String)
    case sign(String)

    static func all(in text: String) throws(PatternFault) -> [PatternToken] {
        let octets = Array(text.utf8)
        var tokens: [PatternToken] = [], here = 0
        while here < octets.count {  // ends: each turn takes an octet or more
            guard tokens.count < Limit.patternTermsMax else { throw PatternFault(text: "too long") }
            switch octets[here] {
            case 0x20, 0x09, 0x0A, 0x0D: here += 1
            case UInt8(ascii: "["): (here, tokens) = (here + 1, tokens + [.open])
            case UInt8(ascii: "]"): (here, tokens) = (here + 1, tokens + [.close])
            case UInt8(ascii: "("): (here, tokens) = (here + 1, tokens + [.openGroup])
            case UInt8(ascii: ")"): (here, tokens) = (here + 1, tokens + [.closeGroup])
            case UInt8(ascii: ","): (here, tokens) = (here + 1, tokens + [.comma])
            case UInt8(ascii: "'"): tokens.append(.text(try quoted(octets, &here)))
            case let octet where isSign(octet):
                let sign = octets[here...].prefix { isSign($0) }
                tokens.append(.sign(String(decoding: sign, as: UTF8.self)))
                here = sign.endIndex
            default:
                let word = word(octets, &here)
                guard !word.isEmpty else { throw PatternFault(text: "not a pattern") }
                tokens.append(.word(word))
            }
        }
        return tokens
    }

    private static func isSign(_ octet: UInt8) -> Bool { [0x3C, 0x3D, 0x3E, 0x21].contains(octet) }

    /// `\'` and `\\` stand for the octet after the backslash.
    private static func quoted(_ octets: [UInt8], _ here: inout Int) throws(PatternFault) -> String {
        var text: [UInt8] = []
        here += 1
        while here < octets.count {  // ends: each turn takes an octet
            let octet = octets[here]
            here += 1
            if octet == UInt8(ascii: "'") { return String(decoding: text, as: UTF8.self) }
            if octet == UInt8(ascii: "\\"), here < octets.count {
                text.append(octets[here])
                here += 1
            } else {
                text.append(octet)
            }
        }
        throw PatternFault(text: "a quote is not closed")
    }

    /// A path goes on through an index, `protocols[*]`, and a quoted key, `hashes.'SHA-256'`.
    private static func word(_ octets: [UInt8], _ here: inout Int) -> String {
        let start = here
        while here < octets.count {  // ends: each turn takes an octet
            let octet = octets[here]
            let isPart =
                (0x30...0x39).contains(octet) || (0x61...0x7A).contains(octet | 0x20) || octet >= 0x80
                || [UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "."), UInt8(ascii: "*")]
                    .contains(octet)
            let isIndex = octet == UInt8(ascii: "[") && here > start && octets[start..<here].contains(UInt8(ascii: ":"))
            let isIndexEnd =
                octet == UInt8(ascii: "]")
                && octets[start..<here].lastIndex(of: UInt8(ascii: "["))
                    .map { !octets[$0..<here].contains(octet) } ?? false
            let isKey = octet == UInt8(ascii: "'") && here > start && octets[here - 1] == UInt8(ascii: ".")
            if isKey, let end = octets[(here + 1)...].firstIndex(of: octet) {
                here = end + 1
                continue
            }
            guard isPart || isIndex || isIndexEnd else { break }
            here += 1
        }
        return String(decoding: octets[start..<here], as: UTF8.self)
    }
}

/// Recursive descent; what it gives is a list of branches, any of which is a match.
struct PatternParser {
    private let tokens: [PatternToken]
    private var here = 0, depth = 0

    init(tokens: [PatternToken]) { self.tokens = tokens }

    mutating func wholePattern() throws(PatternFault) -> [[PatternTest]] {
        let branches = try observations()
        guard here == tokens.count else { throw PatternFault(text: "'\(tokens[here].name)' is not expected") }
        return branches
    }

    private mutating func observations() throws(PatternFault) -> [[PatternTest]] {
        var branches = try observation()
        while here < tokens.count, tokens[here] != .closeGroup {
            guard takeWord("OR") else {
                throw PatternFault(text: "several observations, or a qualifier: \(tokens[here].name)")
            }
            branches += try observation()
            try check(branches)
        }
        return branches
    }

    private mutating func observation() throws(PatternFault) -> [[PatternTest]] {
        try descend()
        defer { depth -= 1 }
        if take(.openGroup) {
            let branches = try observations()
            try expect(.closeGroup)
            return branches
        }
        try expect(.open)
        let branches = try comparison()
        try expect(.close)
        return branches
    }

    private mutating func comparison() throws(PatternFault) -> [[PatternTest]] {
        var branches = try conjunction()
        while takeWord("OR") { branches += try conjunction() }
        try check(branches)
        return branches
    }

    private mutating func conjunction() throws(PatternFault) -> [[PatternTest]] {
        var branches = try factor()
        while takeWord("AND") {
            let more = try factor()
            guard branches.count * more.count <= Limit.patternTermsMax else { throw PatternFault(text: "too long") }
            branches = branches.flatMap { branch in more.map { branch + $0 } }
            try check(branches)
        }
        return branches
    }

    private mutating func factor() throws(PatternFault) -> [[PatternTest]] {
        try descend()
        defer { depth -= 1 }
        if take(.openGroup) {
            let branches = try comparison()
            try expect(.closeGroup)
            return branches
        }
        guard case .word(let path)? = next(), path.contains(":") else {
            throw PatternFault(text: "an object path is expected")
        }
        let isNegated = takeWord("NOT")
        let sign = try comparisonSign()
        let values = try literals()
        if isNegated { return [[.unknown("NOT")]] }
        return values.map { [PatternTest(path: path, sign: sign, value: $0)] }
    }

    private mutating func comparisonSign() throws(PatternFault) -> String {
        switch next() {
        case .sign(let sign)?: return sign
        case .word(let word)?: return word.uppercased()
        default: throw PatternFault(text: "a comparison is expected")
        }
    }
    private mutating func literals() throws(PatternFault) -> [String] {
        guard take(.openGroup) else { return [try literal()] }
        var values = [try literal()]
        while take(.comma) { values.append(try literal()) }
        try expect(.closeGroup)
        return values
    }
    private mutating func literal() throws(PatternFault) -> String {
        switch next() {
        case .text(let text)?: return text
        case .word(let word)?: return word
        default: throw PatternFault(text: "a value is expected")
        }
    }

    private mutating func descend() throws(PatternFault) {
        depth += 1
        guard depth <= Limit.patternDepthMax else { throw PatternFault(text: "too deep") }
    }
    private func check(_ branches: [[PatternTest]]) throws(PatternFault) {
        let terms = branches.reduce(0) { $0 + $1.count }
        guard terms <= Limit.patternTermsMax else { throw PatternFault(text: "too long") }
    }
    private mutating func next() -> PatternToken? {
        guard here < tokens.count else { return nil }
        here += 1
        return tokens[here - 1]
    }
    private mutating func take(_ token: PatternToken) -> Bool {
        guard here < tokens.count, tokens[here] == token else { return false }
        here += 1
        return true
    }
    private mutating func takeWord(_ word: String) -> Bool {
        guard here < tokens.count, case .word(let found) = tokens[here], found.uppercased() == word else {
            return false
        }
        here += 1
        return true
    }
    private mutating func expect(_ token: PatternToken) throws(PatternFault) {
        guard take(token) else { throw PatternFault(text: "'\(token.name)' is expected") }
    }
}

extension PatternToken {
    var name: String {
        switch self {
        case .open: "["
        case .close: "]"
        case .openGroup: "("
        case .closeGroup: ")"
        case .comma: ","
        case .word(let text), .text(let text), .sign(let text): text
        }
    }
}

extension PatternTest {
    fileprivate init(path: String, sign: String, value: String) {
        let isAddress = ["=", "IN", "ISSUBSET"].contains(sign), isEqual = sign == "=" || sign == "IN"
        func network(_ end: PatternEnd) -> PatternTest? {
            guard isAddress, let network = IPNetwork(value) else { return nil }
            return .subject(.network(network), end)
        }
        func port(_ end: PatternEnd) -> PatternTest? {
            isEqual ? portNumber(value).map { .port($0, end) } : nil
        }
        func isOne(of values: String...) -> PatternTest? { isEqual && values.contains(value) ? .given : nil }
        let test: PatternTest? =
            switch path {
            case "ipv4-addr:value", "ipv6-addr:value": network(.either)
            case "network-traffic:dst_ref.value": network(.destination)
            case "network-traffic:src_ref.value": network(.source)
            case "network-traffic:dst_port": port(.destination)
            case "network-traffic:src_port": port(.source)
            case "network-traffic:dst_ref.type", "network-traffic:src_ref.type": isOne(of: "ipv4-addr", "ipv6-addr")
            case "network-traffic:protocols[*]": isOne(of: "ip", "ipv4", "ipv6")
            case "autonomous-system:number", "ipv4-addr:belongs_to_refs[*].number",
                "ipv6-addr:belongs_to_refs[*].number":
                isEqual
                    ? IndicatorSubject.systemNumber(value, prefixNeeded: false)
                        .map { .subject(.autonomousSystem($0), .either) } : nil
            default: nil
            }
        self = test ?? .unknown(Limit.short("\(path) \(sign) '\(value)'"))
    }
}
