/// What people, playbooks and clocks have put on an incident. Written beside the incident's own fields; what is empty
/// is left out.
package import Detect

package struct IncidentWork: Equatable, Sendable {
    /// When it was recorded, was first touched by people, and was closed; nil where that has not happened, and in
    /// files' incidents, which have no clock.
    package var openedAt: EventTime?, acknowledgedAt: EventTime?, closedAt: EventTime?
    package var assignee: String?
    /// In the order of letters.
    package var tags: [String] = []
    package var tasks: [IncidentTask] = []
    package var verdict: IncidentVerdict?
    /// Set by a person: no assessment changes it.
    package var pinnedSeverity: Severity?
    package var assessment: IncidentAssessment?
    /// The incident that has this one's findings now.
    package var mergedInto: String?
    /// The clocks that ran out.
    package var breaches: [ServiceClock] = []
    package var mitigations: [AcceptedMitigation] = []

    package static let tagsMax = 32, tasksMax = 100, mitigationsMax = 64

    package init() {}
}

/// A step that somebody is to take.
package struct IncidentTask: Equatable, Sendable, Codable {
    package enum State: String, Sendable, Codable, CaseIterable {
        case open, done, skipped
        /// An action that waits for a person's word, has it, or was refused.
        case awaitingApproval = "awaiting-approval"
        case approved, rejected
    }
    /// `t1`, `t2` … within its incident.
    package var id: String
    package var title: String
    package var state: State
    package var playbook: String?
    /// For an action: the channel that is told once it is approved.
    package var channel: String?

    package static let titleOctetsMax = 500
    package init(id: String, title: String, state: State = .open, playbook: String? = nil, channel: String? = nil) {
        (self.id, self.title, self.state) = (id, title, state)
        (self.playbook, self.channel) = (playbook, channel)
    }

    /// An action is approved or rejected, once; any other task is open, done or skipped.
    package func mayBecome(_ next: State) -> Bool {
        switch state {
        case .awaitingApproval: next == .approved || next == .rejected
        case .approved, .rejected: false
        case .open, .done, .skipped: [.open, .done, .skipped].contains(next)
        }
    }
}

/// What it was, in the end.
package struct IncidentVerdict: Equatable, Sendable, Codable {
    package enum Kind: String, Sendable, Codable, CaseIterable {
        case truePositive = "true-positive"
        case falsePositive = "false-positive"
        /// It happened as described and was meant to.
        case benign
    }
    package var kind: Kind
    package var note: String?
    package init(kind: Kind, note: String? = nil) {
        self.kind = kind
        self.note = note
    }
}

/// What a severity was made of: see `IncidentPolicy.assess`.
package struct IncidentAssessment: Equatable, Sendable, Codable {
    /// Of the gravest finding.
    package var rule: Severity
    /// Of the most critical address that takes part; nil when the settings name none of them.
    package var asset: Criticality?
    /// 0 to 1.
    package var confidence: Double
    package var severity: Severity
}

/// How much an address matters to its owner.
package enum Criticality: String, Sendable, Codable, CaseIterable, Comparable {
    case low, normal, high, critical
    package static func < (a: Criticality, b: Criticality) -> Bool {
        (allCases.firstIndex(of: a) ?? 0) < (allCases.firstIndex(of: b) ?? 0)
    }
}

/// A promise of time: until somebody looks, and until it is over.
package enum ServiceClock: String, Sendable, Codable, CaseIterable { case acknowledge, resolve }

/// A proposal that a person said yes to. What it stops is text, as `Notify` wrote it.
package struct AcceptedMitigation: Equatable, Sendable, Codable {
    /// The proposal's.
    package var id: String
    package var kind: String
    /// Networks in CIDR; nil does not restrict.
    package var source: String?, destination: String?
    package var transport: UInt8?
    package var sourcePorts: [UInt16], destinationPorts: [UInt16]
    package var acceptedAt: EventTime, expiresAt: EventTime
    package var by: String
    package var withdrawnAt: EventTime?

    package init(
        id: String, kind: String, source: String?, destination: String?, transport: UInt8?, sourcePorts: [UInt16],
        destinationPorts: [UInt16], acceptedAt: EventTime, expiresAt: EventTime, by: String
    ) {
        (self.id, self.kind, self.source, self.destination) = (id, kind, source, destination)
        (self.transport, self.sourcePorts, self.destinationPorts) = (transport, sourcePorts, destinationPorts)
        (self.acceptedAt, self.expiresAt, self.by) = (acceptedAt, expiresAt, by)
    }

    /// - Parameter time: in ms since 1970 UTC.
    package func isInForce(at time: Int64) -> Bool {
        withdrawnAt == nil && time >= acceptedAt.milliseconds && time < expiresAt.milliseconds
    }
}

extension IncidentWork: Codable {
    enum CodingKeys: String, CodingKey {
        case openedAt, acknowledgedAt, closedAt, assignee, tags, tasks, verdict, pinnedSeverity, assessment, mergedInto
        case breaches, mitigations
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        openedAt = try container.decodeIfPresent(EventTime.self, forKey: .openedAt)
        acknowledgedAt = try container.decodeIfPresent(EventTime.self, forKey: .acknowledgedAt)
        closedAt = try container.decodeIfPresent(EventTime.self, forKey: .closedAt)
        assignee = try container.decodeIfPresent(String.self, forKey: .assignee)
        tags = try container.decodeIfPresent([String].self, forKey: .tags) ?? []
        tasks = try container.decodeIfPresent([IncidentTask].self, forKey: .tasks) ?? []
        verdict = try container.decodeIfPresent(IncidentVerdict.self, forKey: .verdict)
        pinnedSeverity = try container.decodeIfPresent(Severity.self, forKey: .pinnedSeverity)
        assessment = try container.decodeIfPresent(IncidentAssessment.self, forKey: .assessment)
        mergedInto = try container.decodeIfPresent(String.self, forKey: .mergedInto)
        breaches = try container.decodeIfPresent([ServiceClock].self, forKey: .breaches) ?? []
        mitigations = try container.decodeIfPresent([AcceptedMitigation].self, forKey: .mitigations) ?? []
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(openedAt, forKey: .openedAt)
        try container.encodeIfPresent(acknowledgedAt, forKey: .acknowledgedAt)
        try container.encodeIfPresent(closedAt, forKey: .closedAt)
        try container.encodeIfPresent(assignee, forKey: .assignee)
        if !tags.isEmpty { try container.encode(tags, forKey: .tags) }
        if !tasks.isEmpty { try container.encode(tasks, forKey: .tasks) }
        try container.encodeIfPresent(verdict, forKey: .verdict)
        try container.encodeIfPresent(pinnedSeverity, forKey: .pinnedSeverity)
        try container.encodeIfPresent(assessment, forKey: .assessment)
        try container.encodeIfPresent(mergedInto, forKey: .mergedInto)
        if !breaches.isEmpty { try container.encode(breaches, forKey: .breaches) }
        if !mitigations.isEmpty { try container.encode(mitigations, forKey: .mitigations) }
    }
}
