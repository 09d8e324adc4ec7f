internal import GRDB
package import Identity

/// Incidents that are to be known no more: overwritten in the file, and then gone from the WAL too.
extension IncidentLog {
    /// What can be said of an address, and what of that can go.
    package struct Traces: Equatable, Sendable {
        /// Incidents that it takes part in: open ones, which somebody works on, and closed ones.
        package var open: [String] = [], closed: [String] = []
    }

    /// - Parameter address: as incidents write it.
    package func traces(of address: String, tenant: TenantID) throws(IncidentError) -> Traces {
        try read { db in
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT incident.id AS id, incident.status AS status FROM incident_entity JOIN incident
                        ON incident.tenant = incident_entity.tenant AND incident.id = incident_entity.incident
                    WHERE incident_entity.tenant = ? AND incident_entity.value = ? ORDER BY incident.id
                    """, arguments: [tenant.rawValue, address])
            var traces = Traces()
            for row in rows {
                let isClosed = IncidentStatus(rawValue: row["status"])?.isClosed == true
                if isClosed { traces.closed.append(row["id"]) } else { traces.open.append(row["id"]) }
            }
            return traces
        }
    }
    /// What somebody did to incidents: their ids, and how often.
    package func work(of actor: String, tenant: TenantID) throws(IncidentError) -> [String: Int] {
        try read { db in
            let rows = try Row.fetchAll(
                db, sql: "SELECT incident, count(*) AS n FROM event WHERE tenant = ? AND actor = ? GROUP BY incident",
                arguments: [tenant.rawValue, actor])
            return Dictionary(rows.map { ($0["incident"], $0["n"]) }) { first, _ in first }
        }
    }

    /// Erases closed incidents, with what was merged into them, their history, and the findings that made them.
    /// - Returns: how many there were; one that is open again, or gone, is passed over.
    @discardableResult
    package func erase(_ ids: [String], tenant: TenantID) throws(IncidentError) -> Int {
        let count = try write { db in
            var count = 0
            for id in ids {
                let row = try Row.fetchOne(
                    db, sql: "SELECT status FROM incident WHERE tenant = ? AND id = ?",
                    arguments: [tenant.rawValue, id])
                guard let row, IncidentStatus(rawValue: row["status"])?.isClosed == true else { continue }
                let merged = try String.fetchAll(
                    db, sql: "SELECT id FROM incident WHERE tenant = ? AND merged_into = ?",
                    arguments: [tenant.rawValue, id])
                for id in merged + [id] { try Self.erase(id, tenant, in: db) }
                count += 1
            }
            return count
        }
        try emptyWAL()
        return count
    }
    /// Erases closed incidents that ended before a time.
    /// - Parameter time: in ms since 1970 UTC.
    @discardableResult
    package func eraseClosed(
        endedBefore time: Int64, tenant: TenantID, limit: Int = 1_000
    ) throws(IncidentError) -> Int {
        let closed = IncidentStatus.allCases.filter(\.isClosed).map { "'\($0.rawValue)'" }.joined(separator: ", ")
        let ids = try read { db in
            try String.fetchAll(
                db,
                sql: """
                    SELECT id FROM incident WHERE tenant = ? AND end_ms < ? AND status IN (\(closed))
                        AND merged_into IS NULL LIMIT ?
                    """, arguments: [tenant.rawValue, time, limit])
        }
        guard !ids.isEmpty else { return 0 }
        return try erase(ids, tenant: tenant)
    }

    private static func erase(_ id: String, _ tenant: TenantID, in db: Database) throws {
        for table in ["event", "finding", "feed", "incident_tag", "incident_entity", "mitigation", "live"] {
            try db.execute(
                sql: "DELETE FROM \(table) WHERE tenant = ? AND incident = ?", arguments: [tenant.rawValue, id])
        }
        try db.execute(sql: "DELETE FROM incident WHERE tenant = ? AND id = ?", arguments: [tenant.rawValue, id])
    }
}
