/// The SQL of `IncidentLog`: one tenant's rows within one transaction. Every statement names the tenant.
import Detect
import Foundation
import GRDB
import Identity

struct IncidentRows {
    let db: Database
    let tenant: TenantID, policy: IncidentPolicy
    /// Incidents that were changed, in the order of first change.
    private(set) var changes: [IncidentChange] = []

    init(db: Database, tenant: TenantID, policy: IncidentPolicy) {
        self.db = db
        self.tenant = tenant
        self.policy = policy
    }

    /// Puts one finding where it belongs; nothing when it is there already and says no more.
    mutating func place(_ finding: Finding, grouping: IncidentGrouping, at now: Int64) throws {
        let known = try Row.fetchOne(
            db, sql: "SELECT incident, revised FROM finding WHERE tenant = ? AND id = ?",
            arguments: [tenant.rawValue, finding.id])
        if let known {
            guard let revised = Int.fromDatabaseValue(known["revised"]),
                let home = String.fromDatabaseValue(known["incident"])
            else { throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "a finding's row is damaged") }
            guard finding.update > revised, var incident = try incident(home) else { return }
            try record(.findingUpdated(finding), in: &incident, by: IncidentLog.detector, at: now)
            try assess(&incident, at: now)
        } else if try hide(finding, at: now) {
            return
        } else if var incident = try home(of: finding, grouping) {
            try record(.findingAdded(finding), in: &incident, by: IncidentLog.detector, at: now)
            try assess(&incident, at: now)
        } else {
            try open(finding, at: now)
        }
    }

    private mutating func open(_ finding: Finding, at now: Int64) throws {
        let id = IncidentGrouping.incidentID(firstFinding: finding.id)
        guard var incident = try open(id, with: .opened(finding), by: IncidentLog.detector, at: now) else { return }
        try assess(&incident, at: now)
        for playbook in policy.playbooks where playbook.fits(incident, of: tenant) {
            guard let start = playbook.start(on: incident.work) else { continue }
            try record(start, in: &incident, by: IncidentLog.playbookActor + playbook.name, at: now)
        }
    }

    /// Records what the severity is made of, when that is not what was recorded last.
    mutating func assess(_ incident: inout Incident, at now: Int64) throws {
        let fresh = policy.assess(incident, of: tenant, feedback: try feedback(on: incident.rule))
        if let last = incident.work.assessment {
            guard (last.rule, last.asset, last.severity) != (fresh.rule, fresh.asset, fresh.severity) else { return }
        } else if fresh.severity == fresh.rule {
            return
        }
        try record(.assessed(fresh), in: &incident, by: IncidentLog.detector, at: now)
    }

    /// The earliest incident that `finding` may join: one that people have closed takes nothing more; for one that was
    /// merged, the one that has its findings.
    private func home(of finding: Finding, _ grouping: IncidentGrouping) throws -> Incident? {
        func find(_ condition: String) throws -> Incident? {
            let json = try String.fetchOne(
                db,
                // By name: for the first in order SQLite would look through all incidents of the tenant.
                sql: """
                    SELECT json FROM incident INDEXED BY incident_subject
                    WHERE tenant = ? AND subject = ? AND end_ms >= ? AND start_ms <= ? AND findings < ? AND \(condition)
                    ORDER BY start_ms, id LIMIT 1
                    """,
                arguments: [
                    tenant.rawValue, IncidentGrouping.subject(of: finding),
                    finding.start &- grouping.gapMilliseconds, finding.end &+ grouping.gapMilliseconds,
                    Incident.findingsMax,
                ])
            return try json.map { try decoded(Incident.self, $0) }
        }
        let open = IncidentStatus.open.map { "'\($0.rawValue)'" }.joined(separator: ", ")
        if let own = try find("merged_into IS NULL AND status IN (\(open))") { return own }
        var place = try find("merged_into IS NOT NULL")
        for _ in 0..<Self.mergesFollowedMax {
            guard let next = place?.work.mergedInto else { break }
            place = try incident(next)
        }
        guard let place, place.work.mergedInto == nil, !place.status.isClosed,
            place.findings.count < Incident.findingsMax
        else { return nil }
        return place
    }
    private static let mergesFollowedMax = 8

    // MARK: Events

    /// Adds an event to an incident, and what follows from it to the other tables.
    mutating func record(
        _ change: IncidentEvent.Change, in incident: inout Incident, by actor: String, at now: Int64
    ) throws {
        let event = IncidentEvent(
            incident: incident.id, revision: incident.revision + 1, change: change, actor: actor, at: now)
        incident.apply(event)
        try write(event, incident)
    }

    /// The first event of an incident; nil when it opens nothing.
    mutating func open(
        _ id: String, with change: IncidentEvent.Change, by actor: String, at now: Int64
    ) throws -> Incident? {
        let event = IncidentEvent(incident: id, revision: 1, change: change, actor: actor, at: now)
        guard let incident = Incident(first: event) else { return nil }
        try write(event, incident)
        return incident
    }

    private mutating func write(_ event: IncidentEvent, _ incident: Incident) throws {
        try db.execute(
            sql: """
                INSERT INTO event (tenant, incident, revision, kind, actor, at_ms, payload) VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                tenant.rawValue, incident.id, event.revision, event.change.kind, event.actor, event.at,
                try encoded(event),
            ])
        try db.execute(
            sql: "INSERT INTO feed (tenant, incident, revision) VALUES (?, ?, ?)",
            arguments: [tenant.rawValue, incident.id, event.revision])
        try addLive(event)
        try project(incident)
        try index(incident, after: event.change)
        for finding in event.change.arriving {
            try db.execute(
                sql: """
                    INSERT INTO finding (tenant, id, incident, revised) VALUES (?, ?, ?, ?)
                    ON CONFLICT (tenant, id) DO UPDATE SET revised = excluded.revised, incident = excluded.incident
                    """,
                arguments: [tenant.rawValue, finding.id, incident.id, finding.update])
        }
        note(incident, isNew: event.revision == 1)
    }

    private mutating func note(_ incident: Incident, isNew: Bool) {
        if let index = changes.firstIndex(where: { $0.incident.id == incident.id }) {
            changes[index].incident = incident
        } else {
            changes.append(IncidentChange(incident: incident, isNew: isNew))
        }
    }

    // MARK: The projection

    func project(_ incident: Incident) throws {
        let subject = incident.findings.first.map(IncidentGrouping.subject) ?? ""
        try db.execute(
            sql: """
                INSERT OR REPLACE INTO incident (
                    tenant, id, subject, rule, severity, status, start_ms, end_ms, findings, revision, json, fold,
                    assignee, verdict, merged_into, due_ms)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                tenant.rawValue, incident.id, subject, incident.rule, incident.severity.rank,
                incident.status.rawValue, incident.start, incident.end, incident.findings.count, incident.revision,
                try encoded(incident), IncidentFold.version, incident.work.assignee,
                incident.work.verdict?.kind.rawValue, incident.work.mergedInto, policy.nextDue(of: incident)?.at,
            ])
    }

    /// Brings the tables that lead to incidents up to date.
    /// - Parameter change: what happened; nil: anything.
    func index(_ incident: Incident, after change: IncidentEvent.Change?) throws {
        func replace(_ table: String, _ column: String, _ values: some Sequence<String>) throws {
            try db.execute(
                sql: "DELETE FROM \(table) WHERE tenant = ? AND incident = ?",
                arguments: [tenant.rawValue, incident.id])
            for value in Set(values) {
                try db.execute(
                    sql: "INSERT INTO \(table) (tenant, \(column), incident) VALUES (?, ?, ?)",
                    arguments: [tenant.rawValue, value, incident.id])
            }
        }
        switch change {
        case .opened, .findingAdded, .findingUpdated:
            for value in Set(incident.entities.map(\.value)) {
                try db.execute(
                    sql: "INSERT OR IGNORE INTO incident_entity (tenant, value, incident) VALUES (?, ?, ?)",
                    arguments: [tenant.rawValue, value, incident.id])
            }
        case .absorbed, .released, .restored, .split, .splitFrom:
            try replace("incident_entity", "value", incident.entities.map(\.value))
        case .tagged: try replace("incident_tag", "tag", incident.work.tags)
        case .mitigationAccepted, .mitigationWithdrawn: try indexMitigations(of: incident)
        case nil:
            try replace("incident_entity", "value", incident.entities.map(\.value))
            try replace("incident_tag", "tag", incident.work.tags)
            try indexMitigations(of: incident)
        default: break
        }
    }
    private func indexMitigations(of incident: Incident) throws {
        try db.execute(
            sql: "DELETE FROM mitigation WHERE tenant = ? AND incident = ?", arguments: [tenant.rawValue, incident.id])
        for mitigation in incident.work.mitigations where mitigation.withdrawnAt == nil {
            try db.execute(
                sql: "INSERT INTO mitigation (tenant, id, incident, expires_ms, json) VALUES (?, ?, ?, ?, ?)",
                arguments: [
                    tenant.rawValue, mitigation.id, incident.id, mitigation.expiresAt.milliseconds,
                    try encoded(mitigation),
                ])
        }
    }

    func encoded(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
    func decoded<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        try JSONDecoder().decode(type, from: Data(text.utf8))
    }
}
