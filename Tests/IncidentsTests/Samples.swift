import Detect
import Identity
import Incidents
import TestKit
import Testing

enum Samples {
    static let noon: Int64 = 1_772_366_400_000

    static func tenant(_ name: String) throws -> TenantID { try #require(TenantID(name)) }

    /// A finding of `rule` by `attacker` on `victim`, `minutes` after noon.
    static func finding(
        _ id: String, rule: String = "port-scan-vertical", tactic: String = "TA0007", attacker: String? = "10.0.0.7",
        victim: String = "192.0.2.5", severity: Severity = .medium, minutes: Int64 = 0, update: Int = 0
    ) throws -> Finding {
        let start = EventTime(noon + minutes * 60_000), end = EventTime(noon + minutes * 60_000 + 30_000)
        let victims = [FindingEntity(type: "ipv4-addr", role: .victim, value: victim)]
        let attackers = attacker.map { [FindingEntity(type: "ipv4-addr", role: .attacker, value: $0)] } ?? []
        let evidence = Evidence(observed: 10, threshold: 8, unit: "ports", flows: 10, packets: 10, octets: 600)
        return Finding(
            id: String(repeating: "0", count: max(0, 32 - id.utf8.count)) + id, rule: rule, title: "\(rule) \(id)",
            severity: severity, tactics: [tactic], techniques: ["T1046"], entities: attackers + victims, ports: [22],
            start: start.milliseconds, end: end.milliseconds, windowStart: noon, evidence: evidence, update: update)
    }
}

extension IncidentLog {
    @discardableResult
    func changeStatus(
        of id: String, to status: IncidentStatus, tenant: TenantID, expecting revision: Int, by actor: String,
        at now: Int64
    ) throws(IncidentError) -> Incident {
        try edit(id, [.status(status)], tenant: tenant, expecting: revision, by: actor, at: now)
    }
    @discardableResult
    func comment(
        on id: String, _ text: String, tenant: TenantID, expecting revision: Int, by actor: String, at now: Int64
    ) throws(IncidentError) -> Incident {
        try edit(id, [.comment(text)], tenant: tenant, expecting: revision, by: actor, at: now)
    }
}
