import Detect
import Foundation
import GRDB
import Identity

/// What is done to all tenants' rows when a file is opened.
extension IncidentRows {
    /// Deletes, of all tenants, incidents and events that don't decode, and what belongs to an incident that is not
    /// there: it may be opened again under its id.
    static func dropDamaged(in db: Database) throws {
        try drop("incident", ["tenant", "id"], "json", Incident.self, in: db)
        try drop("event", ["tenant", "incident", "revision"], "payload", IncidentEvent.self, in: db)
        try drop("exception", ["tenant", "id"], "json", IncidentException.self, in: db)
        try drop("hidden", ["tenant", "finding"], "json", HiddenFinding.self, in: db)
        for table in ["event", "finding", "feed", "incident_tag", "incident_entity", "mitigation"] {
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

    /// Makes rows anew that another version of the fold made, from their events, and sets the clocks of open incidents
    /// by the policy of now. Without clocks in the policy those in the rows stay: who opens the file beside a running
    /// service has none.
    static func refold(in db: Database, policy: IncidentPolicy) throws {
        let open = IncidentStatus.open.map { "'\($0.rawValue)'" }.joined(separator: ", ")
        let keys = try Row.fetchAll(
            db,
            sql: """
                SELECT tenant, id, fold FROM incident WHERE fold <> ?
                    OR (? AND status IN (\(open)) AND merged_into IS NULL)
                """, arguments: [IncidentFold.version, !policy.serviceLevels.isEmpty])
        for key in keys {
            guard let name = String.fromDatabaseValue(key["tenant"]), let tenant = TenantID(name),
                let id = String.fromDatabaseValue(key["id"]), let fold = Int.fromDatabaseValue(key["fold"])
            else { continue }
            let rows = IncidentRows(db: db, tenant: tenant, policy: policy)
            let isOld = fold != IncidentFold.version
            let folded = isOld ? Incident(replaying: try rows.events(id)) : nil
            // Without its whole history it stays as it was known.
            guard let incident = try folded ?? rows.incident(id) else { continue }
            try rows.project(incident)
            if isOld { try rows.index(incident, after: nil) }
        }
    }

    /// Records the clocks that have run out by now, of all tenants.
    static func ranOut(in db: Database, policy: IncidentPolicy, at now: Int64, limit: Int) throws -> Int {
        let keys = try Row.fetchAll(
            db, sql: "SELECT tenant, id FROM incident WHERE due_ms <= ? ORDER BY due_ms LIMIT ?",
            arguments: [now, limit])
        var count = 0
        for key in keys {
            guard let name = String.fromDatabaseValue(key["tenant"]), let tenant = TenantID(name),
                let id = String.fromDatabaseValue(key["id"])
            else { continue }
            var rows = IncidentRows(db: db, tenant: tenant, policy: policy)
            guard var incident = try rows.incident(id) else { continue }
            let before = count
            while let next = policy.nextDue(of: incident), next.at <= now {
                try rows.record(.clockRanOut(next.clock), in: &incident, by: IncidentLog.clock, at: now)
                count += 1
            }
            // By another policy it was due.
            if count == before { try rows.project(incident) }
        }
        return count
    }
}
