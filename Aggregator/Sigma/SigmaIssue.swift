/// Sigma rules (specification 2.1) on flow records: read, checked, compiled, matched, correlated, written again.
///
/// Invariants: nothing here reads a clock, a file or chance; the same rules and the same batches give the same
/// findings. A rule is honoured wholly or refused with every reason, each with its line and column. Hostile text and
/// hostile records never trap, and everything is capped by `SigmaLimit`.
/// Not here: where rules are kept and who may switch them on, where the log comes from.

/// Where something stands in the text of a rule. Places don't count when documents are compared.
package struct SigmaPlace: Hashable, Sendable {
    /// Both from 1; the column counts Unicode scalars.
    package var line: Int, column: Int
    package init(line: Int, column: Int) { (self.line, self.column) = (line, column) }
    package static func == (a: SigmaPlace, b: SigmaPlace) -> Bool { true }
    package func hash(into hasher: inout Hasher) {}
    static let start = SigmaPlace(line: 1, column: 1)
}

/// One thing in a rule that can't be honoured.
package struct SigmaIssue: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Subject: String, Sendable, CaseIterable {
        /// The text is no YAML, or not of a shape that a rule has.
        case document
        case logsource, field, modifier, value, keyword, condition, correlation, filter
        /// A cap of `SigmaLimit`.
        case limit
    }
    package let place: SigmaPlace
    package let subject: Subject
    /// The name of what it is about, as the rule has it: a field, a modifier, a key.
    package let name: String
    /// In words, with the name in it.
    package let reason: String

    init(_ place: SigmaPlace, _ subject: Subject, _ name: String, _ reason: String) {
        (self.place, self.subject, self.name, self.reason) = (place, subject, cut(name, to: 80), cut(reason, to: 400))
    }
    package var line: Int { place.line }
    package var description: String { "line \(place.line), column \(place.column): \(reason)" }
}

/// Why one document is not used.
package struct SigmaRefusal: Error, Hashable, Sendable {
    /// The document's title, or what stands for it.
    package let title: String
    /// Its id or name, where it has one.
    package let id: String?
    /// In the order of the text; at least one.
    package let issues: [SigmaIssue]
}

/// Everything that is counted or measured in a rule has a limit.
package enum SigmaLimit {
    package static let textOctetsMax = 1 << 20
    package static let documentsMax = 1_000
    /// Nodes of YAML in one text, and how deep they may lie in one another.
    package static let nodesMax = 200_000, depthMax = 24
    /// Octets of spaces, dashes and question marks before the first word of a line: what makes depth in YAML.
    package static let indentMax = 160
    /// Opening brackets in one text; each can make a level.
    package static let bracketsMax = 20_000
    package static let searchesMax = 200, itemsMax = 2_000, valuesMax = 20_000
    package static let conditionOctetsMax = 4_096, conditionDepthMax = 32, conditionTermsMax = 2_000
    package static let patternOctetsMax = 512
    package static let correlatedRulesMax = 32, groupFieldsMax = 4, valueFieldsMax = 4
    package static let timespanSecondsMax = 90 * 86_400
    package static let rulesMax = 4_096
    /// Reasons kept for one document.
    package static let issuesMax = 64
}

/// `text`, or its beginning and `…`.
func cut(_ text: String, to octetsMax: Int) -> String {
    guard text.utf8.count > octetsMax else { return text }
    var short = ""
    for character in text {
        guard short.utf8.count + character.utf8.count <= octetsMax else { break }
        short.append(character)
    }
    return short + "…"
}

/// A list of reasons that stops growing at its cap.
struct IssueList {
    private(set) var issues: [SigmaIssue] = []
    var isEmpty: Bool { issues.isEmpty }
    mutating func add(_ place: SigmaPlace, _ subject: SigmaIssue.Subject, _ name: String, _ reason: String) {
        add(SigmaIssue(place, subject, name, reason))
    }
    mutating func add(_ issue: SigmaIssue) {
        guard issues.count < SigmaLimit.issuesMax else { return }
        let isKnown = issues.contains { $0.line == issue.line && $0 == issue }
        if !isKnown { issues.append(issue) }
    }
    var inOrder: [SigmaIssue] {
        issues.sorted { ($0.place.line, $0.place.column, $0.reason) < ($1.place.line, $1.place.column, $1.reason) }
    }
}
