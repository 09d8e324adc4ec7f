/// What people work on: findings that belong together, with a status and a history.
///
/// Invariants: `revision` counts the events of this incident, from 1; `findings` are ordered by start and id; an
/// incident never leaves its tenant. Not here: how findings are grouped (`IncidentGrouping`), how incidents are kept
/// (`IncidentLog`).
package import Detect

/// The current view of one incident: what the API and `weirctl detect` write.
///     {id, rule, title, severity, status, tactics, techniques, entities, start, end, findings, revision, …}
/// and what `IncidentWork` has.
/// Times in JSON are RFC 3339 in UTC with milliseconds.
package struct Incident: Equatable, Sendable, Codable {
    /// 32 hexadecimal digits, derived from the first finding's id.
    package var id: String
    /// The rule of the gravest finding; of the earliest among equals.
    package var rule: String
    /// That finding's title, and how many more there are.
    package var title: String
    /// Set by a person, else assessed, else of the gravest finding.
    package var severity: Severity
    package var status: IncidentStatus
    /// Of all findings, each once, in the order of the ids.
    package var tactics: [String], techniques: [String]
    /// Of all findings, each once, attackers first; at most `entitiesMax`.
    package var entities: [FindingEntity]
    /// In ms since 1970 UTC.
    package var start: Int64, end: Int64
    package var findings: [Finding]
    package var revision: Int
    package var work = IncidentWork()

    /// A fuller incident takes no new findings: the next one opens another.
    package static let entitiesMax = 64, findingsMax = 256

    enum CodingKeys: String, CodingKey {
        case id, rule, title, severity, status, tactics, techniques, entities, start, end, findings, revision
    }
}

extension Incident {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(String.self, forKey: .id)
        rule = try container.decode(String.self, forKey: .rule)
        title = try container.decode(String.self, forKey: .title)
        severity = try container.decode(Severity.self, forKey: .severity)
        status = try container.decode(IncidentStatus.self, forKey: .status)
        tactics = try container.decode([String].self, forKey: .tactics)
        techniques = try container.decode([String].self, forKey: .techniques)
        entities = try container.decode([FindingEntity].self, forKey: .entities)
        start = try container.decode(EventTime.self, forKey: .start).milliseconds
        end = try container.decode(EventTime.self, forKey: .end).milliseconds
        findings = try container.decode([Finding].self, forKey: .findings)
        revision = try container.decode(Int.self, forKey: .revision)
        work = try IncidentWork(from: decoder)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(rule, forKey: .rule)
        try container.encode(title, forKey: .title)
        try container.encode(severity, forKey: .severity)
        try container.encode(status, forKey: .status)
        try container.encode(tactics, forKey: .tactics)
        try container.encode(techniques, forKey: .techniques)
        try container.encode(entities, forKey: .entities)
        try container.encode(EventTime(start), forKey: .start)
        try container.encode(EventTime(end), forKey: .end)
        try container.encode(findings, forKey: .findings)
        try container.encode(revision, forKey: .revision)
        try work.encode(to: encoder)
    }

    /// A new incident around its first finding, at revision 1.
    package init(opening finding: Finding) {
        id = IncidentGrouping.incidentID(firstFinding: finding.id)
        rule = finding.rule
        title = finding.title
        severity = finding.severity
        status = .new
        (tactics, techniques, entities) = (finding.tactics, finding.techniques, finding.entities)
        (start, end) = (finding.start, finding.end)
        findings = [finding]
        revision = 1
        summarize()
    }

    /// Puts `finding` in: adds it, or replaces the one of the same id when this one says more.
    /// - Returns: whether anything changed; then the revision is one higher.
    package mutating func add(_ finding: Finding) -> Bool {
        guard insert(finding) else { return false }
        summarize()
        revision += 1
        return true
    }

    /// The same without what follows from it.
    mutating func insert(_ finding: Finding) -> Bool {
        guard let index = findings.firstIndex(where: { $0.id == finding.id }) else {
            findings.append(finding)
            return true
        }
        guard finding.update > findings[index].update else { return false }
        let samples = findings[index].evidence.samples
        findings[index] = finding
        // What has grown may be said beside a batch that has none of its flows.
        findings[index].evidence.samples = finding.evidence.samples ?? samples
        return true
    }

    /// Of the gravest finding, whatever was assessed.
    package var ruleSeverity: Severity { findings.map(\.severity).max() ?? severity }

    /// Derives everything that the findings, the assessment and a person's word determine.
    mutating func summarize() {
        findings.sort { ($0.start, $0.id) < ($1.start, $1.id) }
        let worst = ruleSeverity
        severity = work.pinnedSeverity ?? work.assessment?.severity ?? worst
        guard let lead = findings.first(where: { $0.severity == worst }) else { return }
        rule = lead.rule
        title = findings.count == 1 ? lead.title : "\(lead.title) (and \(findings.count - 1) more)"
        tactics = Set(findings.flatMap(\.tactics)).sorted()
        techniques = Set(findings.flatMap(\.techniques)).sorted()
        var seen: Set<FindingEntity> = []
        let all = findings.flatMap(\.entities).filter { seen.insert($0).inserted }
        let ordered = all.filter { $0.role == .attacker } + all.filter { $0.role == .victim }
        entities = Array(ordered.prefix(Self.entitiesMax))
        start = findings.map(\.start).min() ?? start
        end = findings.map(\.end).max() ?? end
    }
}
