import Detect
import Identity
import Incidents

/// OCSF 1.5, Findings category, Detection Finding (class 2004).
extension Rendering {
    func ocsf(_ message: Message) -> JSON {
        let activity = activityID(message)
        let base: [(String, JSON?)] = [
            ("class_uid", 2004), ("class_name", "Detection Finding"), ("category_uid", 2),
            ("category_name", "Findings"), ("activity_id", .integer(activity)),
            ("type_uid", .integer(2004 * 100 + activity)), ("time", .integer(message.at)),
            ("severity_id", .integer(severityID(message.severity))),
            ("severity", .string(severityName(message.severity))), ("message", .string(subject(message))),
            ("metadata", metadata(message)),
        ]
        switch message.body {
        case .single(let brief, _): return .fields(base + single(brief))
        case .gathered(let gathering): return .fields(base + gathered(gathering, message))
        }
    }

    private func metadata(_ message: Message) -> JSON {
        [
            "version": "1.5.0", "uid": .string(message.id), "tenant_uid": .string(message.tenant.rawValue),
            "product": ["name": .string(Self.product), "vendor_name": .string(Self.vendor)],
        ]
    }
    /// 1 Create, 2 Update, 3 Close.
    private func activityID(_ message: Message) -> Int64 {
        guard case .single(let brief, let change) = message.body else { return 2 }
        if change == .opened { return 1 }
        return brief.status.isClosed ? 3 : 2
    }
    private func severityID(_ severity: Severity) -> Int64 { Int64(severity.rank) + 1 }
    private func severityName(_ severity: Severity) -> String {
        switch severity {
        case .low: "Low"
        case .medium: "Medium"
        case .high: "High"
        case .critical: "Critical"
        }
    }
    /// 1 New, 2 In Progress, 3 Suppressed, 4 Resolved.
    private func statusID(_ status: IncidentStatus) -> Int64 {
        switch status {
        case .new: 1
        case .triaged, .inProgress, .contained: 2
        case .falsePositive: 3
        case .resolved: 4
        }
    }

    private func single(_ brief: IncidentBrief) -> [(String, JSON?)] {
        let attacks: [JSON] =
            brief.tactics.map { ["tactic": ["uid": .string($0)]] }
            + brief.techniques.map { ["technique": ["uid": .string($0)]] }
        let analytic: JSON = ["uid": .string(brief.rule), "name": .string(brief.rule), "type_id": 1, "type": "Rule"]
        let info: [(String, JSON?)] = [
            ("uid", .string(brief.id)), ("title", .string(brief.title)), ("first_seen_time", .integer(brief.start)),
            ("last_seen_time", .integer(brief.end)), ("analytic", analytic),
            ("attacks", attacks.isEmpty ? nil : .array(attacks)), ("src_url", url(brief.id).map { .string($0) }),
        ]
        let attackers = brief.values(of: .attacker), victims = brief.values(of: .victim)
        let ends: [(String, JSON?)] = [
            ("src_endpoint", attackers.first.map { ["ip": .string($0)] }),
            ("dst_endpoint", victims.first.map { ["ip": .string($0)] }),
            ("data", brief.evidence.map(evidence)),
        ]
        let observables = brief.entities.map { entity -> JSON in
            ["name": .string(entity.role.rawValue), "type_id": 2, "type": "IP Address", "value": .string(entity.value)]
        }
        return [
            ("start_time", .integer(brief.start)), ("end_time", .integer(brief.end)),
            ("count", .integer(Int64(brief.findings))), ("status_id", .integer(statusID(brief.status))),
            ("finding_info", .fields(info)), ("evidences", .array([.fields(ends)])),
            ("observables", .array(observables)),
        ]
    }

    private func gathered(_ gathering: Gathering, _ message: Message) -> [(String, JSON?)] {
        let related = gathering.members.map { member -> JSON in
            [
                "uid": .string(member.id), "title": .string(member.title), "type_uid": 200_402,
                "severity_id": .integer(severityID(member.severity)), "count": .integer(Int64(member.changes)),
            ]
        }
        let info: JSON = [
            "uid": .string(message.id), "title": .string(subject(message)), "related_events": .array(related),
            "related_events_count": .integer(Int64(gathering.members.count)),
        ]
        return [
            ("start_time", .integer(gathering.from)), ("end_time", .integer(gathering.to)),
            ("count", .integer(Int64(gathering.changes))), ("finding_info", info),
        ]
    }
}
