internal import Detect
internal import Query
internal import Sigma
internal import SigmaBacktest
internal import Tenancy

/// What is asked about rules.
struct SigmaTextBody: Decodable { let text: String }
struct SigmaTestBody: Decodable {
    let text: String, flows: [[String: SigmaFlows.Value]]
}
struct SigmaPutBody: Decodable {
    let text: String?, state: String?, level: String?

    func known<Word: RawRepresentable & CaseIterable>(_ name: String, _ text: String?) throws(Problem) -> Word?
    where Word.RawValue == String {
        guard let text else { return nil }
        guard let word = Word(rawValue: text) else {
            throw .badParameter(
                name, text, allowed: "one of \(Word.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return word
    }
}

struct SigmaIssueBody: Encodable {
    let line: Int, column: Int, subject: String, name: String, reason: String
    init(_ issue: SigmaIssue) {
        (line, column, subject) = (issue.place.line, issue.place.column, issue.subject.rawValue)
        (name, reason) = (issue.name, issue.reason)
    }
}

/// One of a tenant's rules.
struct SigmaLineBody: Encodable {
    let key: String, title: String, kind: String, origin: String, state: String, level: String?
    let matches: UInt64, raised: UInt64, issues: [SigmaIssueBody], notes: [String], version: Int?, text: String?

    init(_ line: SigmaPlan.Line, _ count: SigmaCount?, version: Int?, text: String?) {
        let metadata = line.document.metadata
        (key, title, kind, origin) = (line.key, metadata.title, line.document.kindName, line.origin.rawValue)
        (state, level) = (line.state.rawValue, metadata.level?.rawValue)
        (matches, raised) = (count?.matches ?? 0, count?.raised ?? 0)
        (issues, notes) = (line.issues.map { SigmaIssueBody($0) }, line.notes)
        (self.version, self.text) = (version, text)
    }
}

/// What was said about a rule at some time.
struct SigmaVersionBody: Encodable {
    let version: Int, at: String, actor: String, state: String?, level: String?, text: String?
    init(_ version: SigmaRuleVersion) {
        (self.version, actor) = (version.version, version.actor)
        at = EventTime(version.atMilliseconds).description
        (state, level, text) = (version.state, version.level, version.text)
    }
}

/// What is wrong with the documents of a text.
struct SigmaCheckBody: Encodable {
    struct Item: Encodable {
        let key: String, title: String, kind: String, ok: Bool, issues: [SigmaIssueBody], notes: [String]
    }
    let items: [Item], ok: Bool

    init(_ parse: SigmaParse, _ set: SigmaRuleSet) {
        let refusals = [String?: SigmaRefusal](
            set.refusals.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        var items = parse.documents.map { document in
            let metadata = document.metadata
            let issues = refusals[metadata.key]?.issues ?? []
            let notes = set.rules.first { $0.rule.metadata.key == metadata.key }?.notes ?? []
            return Item(
                key: metadata.key, title: metadata.title, kind: document.kindName, ok: issues.isEmpty,
                issues: issues.map { SigmaIssueBody($0) }, notes: notes)
        }
        items += parse.refusals.map { refusal in
            Item(
                key: refusal.id ?? refusal.title, title: refusal.title, kind: "unread", ok: false,
                issues: refusal.issues.map { SigmaIssueBody($0) }, notes: [])
        }
        self.items = items
        ok = !items.isEmpty && items.allSatisfy(\.ok)
    }
}

/// What rules find in some records: how often, whom, and the first findings.
struct SigmaOutcomeBody: Encodable {
    struct Rule: Encodable { let key: String, matches: UInt64, wouldFire: Int }
    struct Found: Encodable {
        let id: String, rule: String, title: String, severity: String, start: String, end: String, flows: UInt64
        init(_ finding: Finding) {
            (id, rule, title) = (finding.id, finding.rule, finding.title)
            severity = finding.severity.rawValue
            start = EventTime(finding.start).description
            (end, flows) = (EventTime(finding.end).description, finding.evidence.flows)
        }
    }
    static let shownMax = 100
    let rules: [Rule], wouldFire: Int, hostCount: Int, hosts: [String], findings: [Found]

    init(_ outcome: SigmaBacktest.Outcome) {
        var fired: [String: Int] = [:]
        for finding in outcome.findings { fired[finding.rule, default: 0] += 1 }
        rules = Set(fired.keys).union(outcome.matches.keys).sorted().map {
            Rule(key: $0, matches: outcome.matches[$0] ?? 0, wouldFire: fired[$0] ?? 0)
        }
        wouldFire = outcome.findings.count
        let all = outcome.hosts
        (hostCount, hosts) = (all.count, Array(all.sorted().prefix(Self.shownMax)))
        findings = outcome.findings.prefix(Self.shownMax).map { Found($0) }
    }
}

struct SigmaTestAnswer: Encodable {
    let check: SigmaCheckBody, outcome: SigmaOutcomeBody
    init(_ check: SigmaCheckBody, _ outcome: SigmaOutcomeBody) { (self.check, self.outcome) = (check, outcome) }
}

struct SigmaBacktestBody: Encodable {
    let outcome: SigmaOutcomeBody, current: SigmaOutcomeBody?
    /// Findings that the version in use does not give, and those that only it gives.
    let gained: Int, lost: Int
    let records: Int, leftOut: Int, complete: Bool, plan: EffortBody?

    init(_ answer: SigmaBacktest, explains: Bool) {
        outcome = SigmaOutcomeBody(answer.outcome)
        current = answer.current.map { SigmaOutcomeBody($0) }
        (gained, lost) = (answer.gained.count, answer.lost.count)
        (records, leftOut) = (answer.effort.rows, answer.leftOut)
        complete = answer.leftOut == 0 && answer.effort.isComplete
        plan = explains ? EffortBody(answer.effort) : nil
    }
}

extension SigmaDocument {
    var kindName: String {
        switch self {
        case .rule: "rule"
        case .correlation: "correlation"
        case .filter: "filter"
        }
    }
}
