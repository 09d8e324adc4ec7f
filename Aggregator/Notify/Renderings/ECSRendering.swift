import Detect
import Identity
import Incidents

/// Elastic Common Schema 8 (`event.kind: alert`). What has no name there is under `weir`, as ECS allows for fields of
/// one's own.
extension Rendering {
    static let ecsVersion: JSON = "8.17.0"

    func ecs(_ message: Message) -> JSON {
        switch message.body {
        case .single(let brief, let change): single(brief, change, message)
        case .gathered(let gathering): gathered(gathering, message)
        }
    }

    private func base(_ message: Message, event: [(String, JSON?)]) -> [(String, JSON?)] {
        let always: [(String, JSON?)] = [
            ("kind", "alert"), ("category", ["intrusion_detection"]), ("type", ["info"]), ("module", "weir"),
            ("dataset", "weir.incident"), ("id", .string(message.id)),
            ("severity", .integer(Int64(message.severity.rank))),
        ]
        return [
            ("@timestamp", .string(EventTime(message.at).description)), ("ecs", ["version": Self.ecsVersion]),
            ("message", .string(subject(message))), ("event", .fields(always + event)),
            (
                "observer",
                [
                    "vendor": .string(Self.vendor), "product": .string(Self.product), "type": "ids",
                    "hostname": .string(host),
                ]
            ),
            ("organization", ["id": .string(message.tenant.rawValue)]),
        ]
    }

    private func single(_ brief: IncidentBrief, _ change: Change, _ message: Message) -> JSON {
        let attackers = brief.values(of: .attacker), victims = brief.values(of: .victim)
        let fields = base(
            message,
            event: [
                ("action", .string("incident-\(change.rawValue)")),
                ("start", .string(EventTime(brief.start).description)),
                ("end", .string(EventTime(brief.end).description)), ("url", url(brief.id).map { .string($0) }),
            ])
        let threat: JSON? =
            brief.tactics.isEmpty && brief.techniques.isEmpty
            ? nil
            : [
                "framework": "MITRE ATT&CK", "tactic": ["id": .strings(brief.tactics)],
                "technique": ["id": .strings(brief.techniques)],
            ]
        return .fields(
            fields + [
                ("rule", ["id": .string(brief.rule), "name": .string(brief.title)]), ("threat", threat),
                ("source", attackers.first.map { ["ip": .string($0)] }),
                ("destination", victims.first.map { ["ip": .string($0)] }),
                ("related", ["ip": .strings(brief.entities.map(\.value))]),
                ("weir", ["incident": incident(brief, attackers, victims)]),
            ])
    }

    private func incident(_ brief: IncidentBrief, _ attackers: [String], _ victims: [String]) -> JSON {
        .fields([
            ("id", .string(brief.id)), ("revision", .integer(Int64(brief.revision))),
            ("status", .string(brief.status.rawValue)), ("severity", .string(brief.severity.rawValue)),
            ("findings", .integer(Int64(brief.findings))), ("attackers", .strings(attackers)),
            ("victims", .strings(victims)), ("entities", .integer(Int64(brief.entityCount))),
            ("ports", .array(brief.ports.map { .integer(Int64($0)) })),
            ("evidence", brief.evidence.map(evidence)),
        ])
    }
    func evidence(_ evidence: Evidence) -> JSON {
        [
            "observed": .number(evidence.observed), "threshold": .number(evidence.threshold),
            "unit": .string(evidence.unit), "flows": .integer(Int64(clamping: evidence.flows)),
            "packets": .integer(Int64(clamping: evidence.packets)),
            "octets": .integer(Int64(clamping: evidence.octets)),
        ]
    }

    private func gathered(_ gathering: Gathering, _ message: Message) -> JSON {
        let fields = base(
            message,
            event: [
                ("action", .string("incident-\(gathering.reason.rawValue)")),
                ("start", .string(EventTime(gathering.from).description)),
                ("end", .string(EventTime(gathering.to).description)),
            ])
        let members = gathering.members.map { member -> JSON in
            [
                "id": .string(member.id), "rule": .string(member.rule), "title": .string(member.title),
                "severity": .string(member.severity.rawValue), "status": .string(member.status.rawValue),
                "start": .string(EventTime(member.start).description),
                "revision": .integer(Int64(member.revision)), "changes": .integer(Int64(member.changes)),
            ]
        }
        let weir: JSON = [
            "reason": .string(gathering.reason.rawValue), "changes": .integer(Int64(gathering.changes)),
            "incidents": .array(members),
        ]
        return .fields(fields + [("weir", ["gathering": weir])])
    }
}
