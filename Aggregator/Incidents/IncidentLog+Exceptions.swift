/// Exceptions, what they hide, and what one would have hidden.
internal import Detect
internal import GRDB
package import Identity

extension IncidentLog {
    /// - Parameter expires: in ms since 1970 UTC; at most `IncidentException.lifetimeMax` from now.
    package func addException(
        _ scope: IncidentException.Scope, reason: String, owner: String, expires: Int64, tenant: TenantID,
        by actor: String, at now: Int64
    ) throws(IncidentError) -> IncidentException {
        try scope.check()
        guard expires > now, expires <= now &+ IncidentException.lifetimeMax else {
            throw .badEdit("an exception ends within \(IncidentException.lifetimeMax / 86_400_000) days from now")
        }
        guard (1...IncidentException.reasonOctetsMax).contains(reason.utf8.count) else {
            throw .badEdit("a reason has 1 to \(IncidentException.reasonOctetsMax) octets")
        }
        guard (1...IncidentEdit.assigneeOctetsMax).contains(owner.utf8.count) else {
            throw .badEdit("an owner has 1 to \(IncidentEdit.assigneeOctetsMax) octets")
        }
        return try change { db in
            let rows = IncidentRows(db: db, tenant: tenant, policy: policy)
            guard try rows.activeExceptions(at: now).count < IncidentException.activeMax else {
                throw IncidentError.badEdit("there are \(IncidentException.activeMax) exceptions already")
            }
            let count = try Int.fetchOne(
                db, sql: "SELECT count(*) FROM exception WHERE tenant = ?", arguments: [tenant.rawValue])
            let id = "exc_" + Digest128.hex("exception", tenant.rawValue, String(now), String(count ?? 0))
            let exception = IncidentException(
                id: id, scope: scope, reason: reason, owner: owner, createdBy: actor, createdAt: EventTime(now),
                expiresAt: EventTime(expires))
            try rows.write(exception, "added", revision: 1, by: actor, at: now)
            return exception
        }
    }

    /// Ends one before its time; what it hid stays hidden.
    /// - Returns: it, as it is now. Ended again it stays as it was.
    @discardableResult
    package func endException(
        _ id: String, tenant: TenantID, by actor: String, at now: Int64
    ) throws(IncidentError) -> IncidentException {
        try change { db in
            let rows = IncidentRows(db: db, tenant: tenant, policy: policy)
            guard var exception = try rows.exception(id) else { throw IncidentError.unknown }
            guard exception.isActive(at: now) else { return exception }
            (exception.endedAt, exception.endedBy) = (EventTime(now), actor)
            try rows.write(exception, "ended", revision: 2, by: actor, at: now)
            return exception
        }
    }

    /// Newest first; those that are over too.
    package func exceptions(tenant: TenantID) throws(IncidentError) -> [IncidentException] {
        try read { try IncidentRows(db: $0, tenant: tenant, policy: policy).exceptions(where: "1", []) }
    }
    package func exception(_ id: String, tenant: TenantID) throws(IncidentError) -> IncidentException {
        try read { db in
            guard let found = try IncidentRows(db: db, tenant: tenant, policy: policy).exception(id) else {
                throw IncidentError.unknown
            }
            return found
        }
    }

    /// The findings that an exception hid, newest first; only the latest `hiddenKeptMax` are kept.
    package func hidden(by id: String, tenant: TenantID, limit: Int = 100) throws(IncidentError) -> [HiddenFinding] {
        try read { db in
            let rows = IncidentRows(db: db, tenant: tenant, policy: policy)
            guard try rows.exception(id) != nil else { throw IncidentError.unknown }
            return try String.fetchAll(
                db,
                sql: """
                    SELECT json FROM hidden WHERE tenant = ? AND exception = ?
                    ORDER BY at_ms DESC, finding LIMIT ?
                    """, arguments: [tenant.rawValue, id, min(max(limit, 1), Self.pageMax)]
            ).map { try rows.decoded(HiddenFinding.self, $0) }
        }
    }

    /// What a scope would have hidden of the incidents that ended since `from`.
    package func preview(
        _ scope: IncidentException.Scope, tenant: TenantID, from: Int64
    ) throws(IncidentError) -> ExceptionPreview {
        try scope.check()
        return try read { db in
            let rows = IncidentRows(db: db, tenant: tenant, policy: policy)
            var preview = ExceptionPreview(from: EventTime(from)), seen = 0
            let cursor = try String.fetchCursor(
                db,
                sql: """
                    SELECT json FROM incident WHERE tenant = ? AND end_ms >= ? AND merged_into IS NULL
                    ORDER BY start_ms DESC LIMIT ?
                    """, arguments: [tenant.rawValue, from, ExceptionPreview.incidentsMax + 1])
            while let json = try cursor.next() {
                seen += 1
                guard seen <= ExceptionPreview.incidentsMax else {
                    preview.isPartial = true
                    break
                }
                preview.count(try rows.decoded(Incident.self, json), scope)
            }
            return preview
        }
    }
}

extension ExceptionPreview {
    fileprivate mutating func count(_ incident: Incident, _ scope: IncidentException.Scope) {
        let gone = incident.findings.count { scope.matches($0) }
        guard gone > 0 else { return }
        findings += gone
        guard gone == incident.findings.count else {
            partIncidents += 1
            return
        }
        wholeIncidents += 1
        bySeverity[incident.severity.rawValue, default: 0] += 1
        if examples.count < Self.examplesMax { examples.append(incident.id) }
    }
}

extension IncidentRows {
    /// Puts a finding with those that an exception hides.
    /// - Returns: whether one does.
    func hide(_ finding: Finding, at now: Int64) throws -> Bool {
        let active = try activeExceptions(at: now)
        guard var exception = active.first(where: { $0.scope.matches(finding) }) else { return false }
        let isKnown = try Bool.fetchOne(
            db, sql: "SELECT EXISTS (SELECT 1 FROM hidden WHERE tenant = ? AND finding = ?)",
            arguments: [tenant.rawValue, finding.id])
        let hidden = HiddenFinding(exception: exception.id, at: EventTime(now), finding: finding)
        try db.execute(
            sql: "INSERT OR REPLACE INTO hidden (tenant, finding, exception, at_ms, json) VALUES (?, ?, ?, ?, ?)",
            arguments: [tenant.rawValue, finding.id, exception.id, now, try encoded(hidden)])
        guard isKnown != true else { return true }
        exception.hidden += 1
        try project(exception)
        if exception.hidden > IncidentException.hiddenKeptMax {
            try db.execute(
                sql: """
                    DELETE FROM hidden WHERE tenant = ?1 AND finding IN (
                        SELECT finding FROM hidden WHERE tenant = ?1 AND exception = ?2
                        ORDER BY at_ms DESC, finding LIMIT -1 OFFSET ?3)
                    """, arguments: [tenant.rawValue, exception.id, IncidentException.hiddenKeptMax])
        }
        return true
    }

    func activeExceptions(at now: Int64) throws -> [IncidentException] {
        try exceptions(where: "expires_ms > ?", [now]).filter { $0.isActive(at: now) }.reversed()
    }
    func exception(_ id: String) throws -> IncidentException? { try exceptions(where: "id = ?", [id]).first }

    func exceptions(where condition: String, _ values: [any DatabaseValueConvertible]) throws -> [IncidentException] {
        let arguments: [any DatabaseValueConvertible] = [tenant.rawValue] + values
        return try Row.fetchAll(
            db,
            sql: """
                SELECT json, hidden FROM exception WHERE tenant = ? AND \(condition)
                ORDER BY created_ms DESC, id LIMIT 10000
                """, arguments: StatementArguments(arguments)
        ).compactMap { row in
            guard let json = String.fromDatabaseValue(row["json"]) else { return nil }
            return try decoded(IncidentException.self, json)
        }
    }

    func write(_ exception: IncidentException, _ kind: String, revision: Int, by actor: String, at now: Int64) throws {
        try db.execute(
            sql: """
                INSERT INTO exception_event (tenant, exception, revision, kind, actor, at_ms, payload)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [tenant.rawValue, exception.id, revision, kind, actor, now, try encoded(exception)])
        try project(exception)
    }
    private func project(_ exception: IncidentException) throws {
        try db.execute(
            sql: """
                INSERT OR REPLACE INTO exception (tenant, id, created_ms, expires_ms, hidden, json)
                VALUES (?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                tenant.rawValue, exception.id, exception.createdAt.milliseconds, exception.expiresAt.milliseconds,
                exception.hidden, try encoded(exception),
            ])
    }
}
