/// The SQL of `IncidentLog`: one tenant's rows within one transaction. Every statement names the tenant.
import Detect
import Foundation
import GRDB
import Identity

struct IncidentRows {
    let db: Database
    let tenant: TenantID
    /// Incidents that `place` changed, in the order of first change.
    private(set) var changes: [IncidentChange] = []

    init(db: Database, tenant: TenantID) {
        self.db = db
        self.tenant = tenant
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
            guard incident.add(finding) else { return }
            try write(.findingUpdated(finding), to: incident, by: IncidentLog.detector, at: now)
        } else if var incident = try home(of: finding, grouping) {
            guard incident.add(finding) else { return }
            try write(.findingAdded(finding), to: incident, by: IncidentLog.detector, at: now)
        } else {
            let incident = Incident(opening: finding)
            try write(.opened(finding), to: incident, by: IncidentLog.detector, at: now)
        }
    }

    /// The earliest incident that `finding` may join: one that people have closed takes nothing more.
    private func home(of finding: Finding, _ grouping: IncidentGrouping) throws -> Incident? {
        let json = try String.fetchOne(
            db,
            sql: """
                SELECT json FROM incident
                WHERE tenant = ? AND subject = ? AND end_ms >= ? AND start_ms <= ? AND findings < ?
                    AND status IN ('open', 'acknowledged')
                ORDER BY start_ms, id LIMIT 1
                """,
            arguments: [
                tenant.rawValue, IncidentGrouping.subject(of: finding), finding.start &- grouping.gapMilliseconds,
                finding.end &+ grouping.gapMilliseconds, Incident.findingsMax,
            ])
        return try json.map { try decoded(Incident.self, $0) }
    }

    /// Adds the event that led to `incident` and replaces the projection.
    mutating func write(
        _ change: IncidentEvent.Change, to incident: Incident, by actor: String, at now: Int64
    ) throws {
        let event = IncidentEvent(
            incident: incident.id, revision: incident.revision, change: change, actor: actor, at: now)
        try db.execute(
            sql: """
                INSERT INTO event (tenant, incident, revision, kind, actor, at_ms, payload) VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                tenant.rawValue, incident.id, incident.revision, change.kind, actor, now, try encoded(event),
            ])
        try project(incident)
        switch change {
        case .opened(let finding), .findingAdded(let finding), .findingUpdated(let finding):
            try db.execute(
                sql: """
                    INSERT INTO finding (tenant, id, incident, revised) VALUES (?, ?, ?, ?)
                    ON CONFLICT (tenant, id) DO UPDATE SET revised = excluded.revised
                    """,
                arguments: [tenant.rawValue, finding.id, incident.id, finding.update])
        case .statusChanged, .commented: break
        }
        note(incident, isNew: incident.revision == 1)
    }

    private mutating func note(_ incident: Incident, isNew: Bool) {
        if let index = changes.firstIndex(where: { $0.incident.id == incident.id }) {
            changes[index].incident = incident
        } else {
            changes.append(IncidentChange(incident: incident, isNew: isNew))
        }
    }

    private func project(_ incident: Incident) throws {
        let subject = incident.findings.first.map(IncidentGrouping.subject) ?? ""
        try db.execute(
            sql: """
                INSERT INTO incident
                    (tenant, id, subject, rule, severity, status, start_ms, end_ms, findings, revision, json)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (tenant, id) DO UPDATE SET
                    rule = excluded.rule, severity = excluded.severity, status = excluded.status,
                    start_ms = excluded.start_ms, end_ms = excluded.end_ms, findings = excluded.findings,
                    revision = excluded.revision, json = excluded.json
                """,
            arguments: [
                tenant.rawValue, incident.id, subject, incident.rule, incident.severity.rank,
                incident.status.rawValue, incident.start, incident.end, incident.findings.count, incident.revision,
                try encoded(incident),
            ])
    }

    func incident(_ id: String) throws -> Incident? {
        try String.fetchOne(
            db, sql: "SELECT json FROM incident WHERE tenant = ? AND id = ?", arguments: [tenant.rawValue, id]
        ).map { try decoded(Incident.self, $0) }
    }

    func events(_ id: String) throws -> [IncidentEvent] {
        try String.fetchAll(
            db, sql: "SELECT payload FROM event WHERE tenant = ? AND incident = ? ORDER BY revision",
            arguments: [tenant.rawValue, id]
        ).map { try decoded(IncidentEvent.self, $0) }
    }

    func page(_ filter: IncidentFilter, after cursor: IncidentCursor?, limit: Int) throws -> IncidentPage {
        var conditions = ["tenant = ?"], values: [(any DatabaseValueConvertible)?] = [tenant.rawValue]
        func require(_ condition: String, _ more: [any DatabaseValueConvertible]) {
            conditions.append(condition)
            values += more
        }
        func marks(_ count: Int) -> String { repeatElement("?", count: count).joined(separator: ", ") }
        if !filter.statuses.isEmpty {
            require("status IN (\(marks(filter.statuses.count)))", filter.statuses.map(\.rawValue).sorted())
        }
        if !filter.severities.isEmpty {
            require("severity IN (\(marks(filter.severities.count)))", filter.severities.map(\.rank).sorted())
        }
        if let rule = filter.rule { require("rule = ?", [rule]) }
        if let from = filter.from { require("end_ms >= ?", [from]) }
        if let to = filter.to { require("start_ms < ?", [to]) }
        if let cursor { require("(start_ms, id) < (?, ?)", [cursor.start, cursor.id]) }
        values.append(limit + 1)
        let found = try String.fetchAll(
            db,
            sql: """
                SELECT json FROM incident WHERE \(conditions.joined(separator: " AND "))
                ORDER BY start_ms DESC, id DESC LIMIT ?
                """, arguments: StatementArguments(values)
        ).map { try decoded(Incident.self, $0) }
        let incidents = Array(found.prefix(limit))
        let next = found.count > limit ? incidents.last.map { IncidentCursor(start: $0.start, id: $0.id) } : nil
        return IncidentPage(incidents: incidents, next: next?.description)
    }

    /// Deletes, of all tenants, incidents and events that don't decode, and what belongs to an incident that is not
    /// there: it may be opened again under its id.
    static func dropDamaged(in db: Database) throws {
        try drop("incident", ["tenant", "id"], "json", Incident.self, in: db)
        try drop("event", ["tenant", "incident", "revision"], "payload", IncidentEvent.self, in: db)
        for table in ["event", "finding"] {
            try db.execute(
                sql: """
                    DELETE FROM \(table) WHERE NOT EXISTS (
                        SELECT 1 FROM incident WHERE tenant = \(table).tenant AND id = \(table).incident)
                    """)
        }
    }
    private static func drop(
        _ table: String, _ keys: [String], _ column: String, _ type: (some Decodable).Type, in db: Database
    ) throws {
        var damaged: [[DatabaseValue]] = []
        let rows = try Row.fetchCursor(db, sql: "SELECT \(keys.joined(separator: ", ")), \(column) FROM \(table)")
        while let row = try rows.next() {
            let text = String.fromDatabaseValue(row[column]) ?? ""
            if (try? JSONDecoder().decode(type, from: Data(text.utf8))) == nil { damaged.append(keys.map { row[$0] }) }
        }
        let sql = "DELETE FROM \(table) WHERE " + keys.map { "\($0) = ?" }.joined(separator: " AND ")
        for key in damaged { try db.execute(sql: sql, arguments: StatementArguments(key)) }
    }

    private func encoded(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
    private func decoded<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        try JSONDecoder().decode(type, from: Data(text.utf8))
    }
}
