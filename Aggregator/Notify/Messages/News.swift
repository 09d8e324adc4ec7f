/// Who is told of incidents, how, and what might be done about them: values only.
///
/// Invariants: nothing here reads a clock, a file or a network, or draws a number that was not handed in; what is told
/// of one tenant never meets another's; everything that is not told is named and counted; everything has a cap.
/// Not here: incidents themselves (`Incidents`), sending, saving and resolving names (the shells).
package import Detect
package import Identity
package import Incidents

/// What happened to an incident.
package enum Change: String, Sendable, Codable, CaseIterable {
    case opened, grew
    case statusChanged = "status-changed"
    case commented, assigned, edited
    case severityChanged = "severity-changed"
    /// A clock ran out: see `IncidentBrief.note`.
    case overdue
    /// A person said yes to an action: see `IncidentBrief.note`.
    case approved
    case mitigation

    package init(_ change: IncidentEvent.Change) {
        switch change {
        case .opened, .splitFrom: self = .opened
        case .findingAdded, .findingUpdated, .absorbed: self = .grew
        case .statusChanged: self = .statusChanged
        case .commented: self = .commented
        case .assigned: self = .assigned
        case .assessed, .severityPinned: self = .severityChanged
        case .clockRanOut: self = .overdue
        case .mitigationAccepted, .mitigationWithdrawn: self = .mitigation
        case .taskChanged(_, .approved): self = .approved
        case .tagged, .verdictGiven, .tasksAdded, .taskChanged, .mergedInto, .released, .restored, .split:
            self = .edited
        }
    }
}

/// One change of one incident, as routing takes it.
package struct News: Equatable, Sendable, Codable {
    package var tenant: TenantID
    package var incident: IncidentBrief
    package var change: Change
    /// What people have put on the incident.
    package var tags: Set<String>
    /// In ms since 1970 UTC.
    package var at: Int64

    package init(tenant: TenantID, incident: IncidentBrief, change: Change, tags: Set<String> = [], at: Int64) {
        self.tenant = tenant
        self.incident = incident
        self.change = change
        self.tags = tags
        self.at = at
    }
}

/// What is told of an incident: small and of bounded size, so that thousands can wait in an outbox.
package struct IncidentBrief: Equatable, Sendable, Codable {
    package var id: String
    package var rule: String
    /// One line, at most `titleCharactersMax`.
    package var title: String
    package var severity: Severity
    package var status: IncidentStatus
    package var tactics: [String], techniques: [String]
    /// At most `entitiesMax`, and how many there are in the incident.
    package var entities: [FindingEntity], entityCount: Int
    /// Of the leading finding.
    package var ports: [UInt16]
    package var evidence: Evidence?
    /// In ms since 1970 UTC.
    package var start: Int64, end: Int64
    package var findings: Int
    package var revision: Int
    package var assignee: String?
    /// What a change is about, in one line: an action's title, a clock's name.
    package var note: String?

    package static let entitiesMax = 16, namesMax = 32, titleCharactersMax = 300

    package init(_ incident: Incident) {
        let lead =
            incident.findings.first { $0.rule == incident.rule && $0.severity == incident.severity }
            ?? incident.findings.first
        id = incident.id
        rule = oneLine(incident.rule, charactersMax: 100)
        title = oneLine(incident.title, charactersMax: Self.titleCharactersMax)
        severity = incident.severity
        status = incident.status
        tactics = Array(incident.tactics.prefix(Self.namesMax))
        techniques = Array(incident.techniques.prefix(Self.namesMax))
        entities = Array(incident.entities.prefix(Self.entitiesMax))
        entityCount = incident.entities.count
        ports = Array((lead?.ports ?? []).prefix(Self.namesMax))
        evidence = lead?.evidence
        (start, end) = (incident.start, incident.end)
        findings = incident.findings.count
        revision = incident.revision
        assignee = incident.work.assignee.map { oneLine($0, charactersMax: 100) }
    }

    /// With a note on what happened.
    package init(_ incident: Incident, after change: IncidentEvent.Change) {
        self.init(incident)
        let text: String? =
            switch change {
            case .clockRanOut(let clock): clock.rawValue
            case .taskChanged(let id, _): incident.work.tasks.first { $0.id == id }?.title
            case .mitigationAccepted(let accepted):
                "\(accepted.kind) \(accepted.source ?? accepted.destination ?? "") until \(accepted.expiresAt)"
            case .mitigationWithdrawn(let id): "withdrawn: \(id)"
            case .mergedInto(let other): "merged into \(other)"
            default: nil
            }
        note = text.map { oneLine($0, charactersMax: Self.titleCharactersMax) }
    }

    /// The values of the entities of one role, in their order.
    package func values(of role: FindingEntity.Role) -> [String] {
        entities.filter { $0.role == role }.map(\.value)
    }
}

/// `text` without control characters and line breaks, cut to `charactersMax` with a `…`. Titles may come from rules
/// that users wrote.
func oneLine(_ text: String, charactersMax: Int) -> String {
    var clean = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: clean.append(" ")
        // Marks that turn the direction of what follows make a line say something else than it holds.
        case .format, .surrogate: continue
        default: clean.append(scalar)
        }
    }
    return clipped(String(clean), charactersMax: charactersMax)
}

/// Cut by characters, and by four times as many scalars: one character may hold thousands of marks.
func clipped(_ text: String, charactersMax: Int) -> String {
    let scalars = text.unicodeScalars
    let bounded = scalars.count > charactersMax * 4 ? String(scalars.prefix(charactersMax * 4)) : text
    guard bounded.count > charactersMax else { return bounded }
    return String(bounded.prefix(charactersMax - 1)) + "…"
}
