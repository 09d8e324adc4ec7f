/// What a detector says: one attack by or on one entity in one window of event time, with the numbers that show it.
///
/// Invariants: `id` is a hash of (tenant, rule, entity, window start), so a replay, a second node and a backtest say
/// the same thing under the same name. A running attack keeps its id and raises `update`; of two with one id, the one
/// with the higher `update` replaces the other. Not here: how findings become incidents (`Incidents`).
package struct Finding: Equatable, Sendable, Codable {
    /// 32 hexadecimal digits.
    package var id: String
    /// `RuleInfo.id` of the rule that was met.
    package var rule: String
    /// One sentence with the numbers, for people.
    package var title: String
    package var severity: Severity
    /// ATT&CK tactic ids, such as `TA0043`.
    package var tactics: [String]
    /// ATT&CK technique ids, such as `T1046`.
    package var techniques: [String]
    /// The one that the rule watches first; at most `entitiesMax`.
    package var entities: [FindingEntity]
    /// Destination ports for scans, the service's port for guessing, the amplifying source port for reflection; in
    /// rising order, at most `portsMax`.
    package var ports: [UInt16]
    /// First and last event time of the evidence, in ms since 1970 UTC; as text in JSON.
    package var start: Int64, end: Int64
    /// Start of the window that the id is made of, in ms since 1970 UTC.
    package var windowStart: Int64
    package var evidence: Evidence
    /// 0 when first raised, one more each time it has grown enough to say so again.
    package var update: Int

    package static let entitiesMax = 16, portsMax = 32

    /// Detectors make theirs from their parts, with the id that these give; this is for tests and other makers.
    package init(
        id: String, rule: String, title: String, severity: Severity, tactics: [String], techniques: [String],
        entities: [FindingEntity], ports: [UInt16], start: Int64, end: Int64, windowStart: Int64, evidence: Evidence,
        update: Int
    ) {
        self.id = id
        self.rule = rule
        self.title = title
        self.severity = severity
        (self.tactics, self.techniques) = (tactics, techniques)
        (self.entities, self.ports) = (entities, ports)
        (self.start, self.end, self.windowStart) = (start, end, windowStart)
        self.evidence = evidence
        self.update = update
    }

    enum CodingKeys: String, CodingKey {
        case id, rule, title, severity, tactics, techniques, entities, ports, start, end, windowStart, evidence, update
    }
}

/// The measured value beside the limit that it passed.
package struct Evidence: Equatable, Sendable, Codable {
    /// The value that was compared, in `unit`.
    package var observed: Double
    package var threshold: Double
    /// `ports`, `hosts`, `sessions`, `packets/s`, `bit/s` or `sources`.
    package var unit: String
    /// What the evidence adds up to, scaled by the sampling interval where that is known.
    package var flows: UInt64, packets: UInt64, octets: UInt64
    /// The largest sampling interval among the records; nil when none was sampled or none said so.
    package var samplingInterval: Double?
    /// How sure it is that the limit was passed, by what sampling leaves to see; nil when nothing was sampled, or where
    /// what was seen is enough for itself.
    package var confidence: Double?
    /// How it is known who began its conversations; nil where a finding does not rest on that.
    package var initiator: InitiatorEvidence?
    /// How long after its last flow it was told, in ms; nil when that was usual
    /// (`DetectorParameters.latenessMilliseconds`).
    package var lateMilliseconds: Int64?
    /// Some of its flows; nil when none is kept.
    package var samples: [FlowSample]?

    package init(observed: Double, threshold: Double, unit: String, flows: UInt64, packets: UInt64, octets: UInt64) {
        self.observed = observed
        self.threshold = threshold
        self.unit = unit
        self.flows = flows
        self.packets = packets
        self.octets = octets
    }
}

/// Who takes part, with the object type names of STIX 2.1.
package struct FindingEntity: Hashable, Sendable, Codable {
    package enum Role: String, Sendable, Codable, CaseIterable { case attacker, victim }
    /// `ipv4-addr` or `ipv6-addr`.
    package var type: String
    package var role: Role
    /// The address as people write it.
    package var value: String

    package init(type: String, role: Role, value: String) {
        self.type = type
        self.role = role
        self.value = value
    }
}

package enum Severity: String, Sendable, Codable, CaseIterable, Comparable {
    case low, medium, high, critical
    /// 1 for low up to 4 for critical.
    package var rank: Int {
        switch self {
        case .low: 1
        case .medium: 2
        case .high: 3
        case .critical: 4
        }
    }
    package static func < (a: Severity, b: Severity) -> Bool { a.rank < b.rank }
}

/// What a rule is, apart from any finding.
package struct RuleInfo: Equatable, Sendable, Codable {
    /// Stable: stored in incidents and hashed into ids.
    package var id: String
    package var title: String
    package var tactics: [String]
    package var techniques: [String]

    package init(id: String, title: String, tactics: [String], techniques: [String]) {
        self.id = id
        self.title = title
        self.tactics = tactics
        self.techniques = techniques
    }
}

extension Finding {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(String.self, forKey: .id)
        rule = try container.decode(String.self, forKey: .rule)
        title = try container.decode(String.self, forKey: .title)
        severity = try container.decode(Severity.self, forKey: .severity)
        tactics = try container.decode([String].self, forKey: .tactics)
        techniques = try container.decode([String].self, forKey: .techniques)
        entities = try container.decode([FindingEntity].self, forKey: .entities)
        ports = try container.decode([UInt16].self, forKey: .ports)
        start = try container.decode(EventTime.self, forKey: .start).milliseconds
        end = try container.decode(EventTime.self, forKey: .end).milliseconds
        windowStart = try container.decode(EventTime.self, forKey: .windowStart).milliseconds
        evidence = try container.decode(Evidence.self, forKey: .evidence)
        update = try container.decode(Int.self, forKey: .update)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(rule, forKey: .rule)
        try container.encode(title, forKey: .title)
        try container.encode(severity, forKey: .severity)
        try container.encode(tactics, forKey: .tactics)
        try container.encode(techniques, forKey: .techniques)
        try container.encode(entities, forKey: .entities)
        try container.encode(ports, forKey: .ports)
        try container.encode(EventTime(start), forKey: .start)
        try container.encode(EventTime(end), forKey: .end)
        try container.encode(EventTime(windowStart), forKey: .windowStart)
        try container.encode(evidence, forKey: .evidence)
        try container.encode(update, forKey: .update)
    }
}
