import GRDB
package import Identity

/// One event as who follows a tenant's incidents gets it.
package struct LiveEntry: Equatable, Sendable {
    /// From 1 on, in the order of recording; the tenant's own count.
    package var position: Int64
    package var event: IncidentEvent, incident: Incident
}

/// What came after a position.
package struct LivePage: Equatable, Sendable {
    package var entries: [LiveEntry]
    /// Where to go on.
    package var through: Int64
    /// Some of what came between is not kept any more, or the position was never given: what was seen before does not
    /// go together with what comes.
    package var hasGap: Bool

    package init(entries: [LiveEntry], through: Int64, hasGap: Bool) {
        (self.entries, self.through, self.hasGap) = (entries, through, hasGap)
    }
}

extension IncidentLog {
    /// The position of a tenant's newest event; 0 before the first.
    package func liveHead(of tenant: TenantID) throws(IncidentError) -> Int64 {
        try read { try IncidentRows(db: $0, tenant: tenant, policy: policy).livePositions().last }
    }

    /// A tenant's events after a position, oldest first. An event whose incident is not there any more is left out.
    package func live(of tenant: TenantID, after position: Int64, limit: Int) throws(IncidentError) -> LivePage {
        try read { db in
            let rows = IncidentRows(db: db, tenant: tenant, policy: policy), kept = try rows.livePositions()
            guard position <= kept.last, position >= kept.first - 1 else {
                return LivePage(entries: [], through: kept.last, hasGap: true)
            }
            let found = try Row.fetchAll(
                db,
                sql: """
                    SELECT position, incident, revision FROM live WHERE tenant = ? AND position > ?
                    ORDER BY position LIMIT ?
                    """, arguments: [tenant.rawValue, position, limit])
            var page = LivePage(entries: [], through: position, hasGap: false)
            for row in found {
                guard let place = Int64.fromDatabaseValue(row["position"]),
                    let id = String.fromDatabaseValue(row["incident"]),
                    let revision = Int.fromDatabaseValue(row["revision"])
                else { continue }
                page.through = place
                guard let event = try rows.event(id, revision), let incident = try rows.incident(id, at: revision)
                else {
                    continue
                }
                page.entries.append(LiveEntry(position: place, event: event, incident: incident))
            }
            return page
        }
    }
}

extension IncidentRows {
    /// The oldest that is kept and the newest; 1 and 0 before the first.
    func livePositions() throws -> (first: Int64, last: Int64) {
        let row = try Row.fetchOne(
            db, sql: "SELECT MIN(position), MAX(position) FROM live WHERE tenant = ?", arguments: [tenant.rawValue])
        guard let row, let first = Int64.fromDatabaseValue(row[0]), let last = Int64.fromDatabaseValue(row[1]) else {
            return (1, 0)
        }
        return (first, last)
    }
    func addLive(_ event: IncidentEvent) throws {
        let position = try livePositions().last + 1
        try db.execute(
            sql: "INSERT INTO live (tenant, position, incident, revision) VALUES (?, ?, ?, ?)",
            arguments: [tenant.rawValue, position, event.incident, event.revision])
        // Not at each event: many go at once for hardly more.
        guard position % 256 == 0 else { return }
        try db.execute(
            sql: "DELETE FROM live WHERE tenant = ? AND position <= ?",
            arguments: [tenant.rawValue, position - policy.liveKept])
    }
}
