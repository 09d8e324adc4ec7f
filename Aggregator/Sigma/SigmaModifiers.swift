/// The modifiers of an item: what each does to the values, and why some can't be honoured.
struct SigmaModifiers: Hashable, Sendable {
    enum Match: Hashable, Sendable {
        case equals, contains, startsWith, endsWith, network, regex, exists, fieldReference
        case compare(SigmaCorrelation.Comparison)
    }
    var match = Match.equals
    /// All values must match, where otherwise one is enough.
    var isAll = false
    var isNegated = false
    var isCased = false
    /// Of regular expressions: `i`. (`m` and `s` change nothing in texts of one line.)
    var ignoresCase = false
    var expands = false
    var part: TimePart?

    private static let matches: [String: Match] = [
        "contains": .contains, "startswith": .startsWith, "endswith": .endsWith, "cidr": .network, "re": .regex,
        "exists": .exists, "fieldref": .fieldReference, "gt": .compare(.gt), "gte": .compare(.gte),
        "lt": .compare(.lt), "lte": .compare(.lte),
    ]
    private static let refused: [String: String] = [
        "base64": "flows carry no payload", "base64offset": "flows carry no payload",
        "utf16": "flows carry no payload", "utf16le": "flows carry no payload", "utf16be": "flows carry no payload",
        "wide": "flows carry no payload", "windash": "flows carry no command lines",
    ]

    init(_ item: SigmaItem) throws(SigmaIssue) {
        var hasMatch = false
        for name in item.modifiers {
            func issue(_ reason: String) -> SigmaIssue {
                SigmaIssue(item.place, .modifier, name, "modifier `\(name)` \(reason)")
            }
            if let reason = Self.refused[name] { throw issue("has no meaning for flows: \(reason)") }
            if let match = Self.matches[name] {
                guard !hasMatch else { throw issue("can't be joined with the one before it") }
                (self.match, hasMatch) = (match, true)
                continue
            }
            if let part = TimePart(rawValue: name) {
                guard self.part == nil, !hasMatch else { throw issue("must come first, and once") }
                self.part = part
                continue
            }
            switch name {
            case "all": isAll = true
            case "neq": isNegated = true
            case "cased": isCased = true
            case "expand": expands = true
            case "i", "ignorecase", "m", "multiline", "s", "dotall":
                guard match == .regex else { throw issue("belongs behind `re`") }
                if name.hasPrefix("i") { ignoresCase = true }
            default: throw issue("is none of Sigma 2.1's")
            }
        }
        try check(item)
    }

    private func check(_ item: SigmaItem) throws(SigmaIssue) {
        func issue(_ name: String, _ reason: String) -> SigmaIssue {
            SigmaIssue(item.place, .modifier, name, "modifier `\(name)` \(reason)")
        }
        if isAll, item.values.count < 2 { throw issue("all", "needs a list of two values at least") }
        if match == .exists, item.values.count > 1 || isAll || isNegated {
            throw issue("exists", "takes one value, true or false")
        }
        if part != nil {
            switch match {
            case .equals, .compare: break
            default: throw issue(item.modifiers.last ?? "", "can't be asked of a part of a date")
            }
        }
    }
}
