/// Incidents of all tenants, event-sourced in one SQLite file, `incidents.sqlite`.
///
/// Invariants: what is recorded is an event, and the projection changes in the same transaction, so the events alone
/// give the projection again (`Incident.init(replaying:)`); a finding that is already there changes nothing, so a
/// replayed log leaves no trace; nothing is read or written without a tenant; a change by a person names the revision
/// it saw. One connection writes; WAL; `synchronous=FULL`, because the detector's checkpoint moves on after `record`.
/// Not here: which finding goes where (`IncidentGrouping`), who may ask (`API`).
package import Detect
internal import Foundation
internal import GRDB
package import Identity

/// Why the log did not do what it was asked.
package enum IncidentError: Error, Equatable, Sendable {
    /// This tenant has no such incident.
    case unknown
    /// The incident has moved on since the caller looked: read it again.
    case conflict(current: Int)
    case badCursor
    /// Comments have 1 to `IncidentLog.commentOctetsMax` octets.
    case badComment
    /// No room on the disk. Nothing was written; later.
    case full
    case storage(String)
}

/// Which incidents a list holds. Empty sets and nils do not restrict.
package struct IncidentFilter: Equatable, Sendable {
    package var statuses: Set<IncidentStatus> = []
    package var severities: Set<Severity> = []
    /// `RuleInfo.id` of the incident's leading rule.
    package var rule: String?
    /// Incidents that end at or after `from`, or start before `to`; ms since 1970 UTC.
    package var from: Int64?, to: Int64?
    package init() {}
}

/// One page of a list, newest first, and where the next one starts; nil at the end.
package struct IncidentPage: Equatable, Sendable {
    package var incidents: [Incident]
    package var next: String?
}

/// What recording a finding did.
package struct IncidentChange: Equatable, Sendable {
    package var incident: Incident
    package var isNew: Bool
}

package final class IncidentLog: Sendable {
    package static let pageMax = 1_000, commentOctetsMax = 16_384
    /// The actor of what detection records.
    package static let detector = "detector"

    /// Whether the file was damaged: it was set aside, and what could be read of it is here.
    package let wasMended: Bool
    private let file: MendableFile, pool: DatabasePool
    private let grouping: IncidentGrouping

    /// Opens `incidents.sqlite` in `directory`, which must exist, making or migrating the file as needed.
    package init(directory: String, grouping: IncidentGrouping = .init()) throws(IncidentError) {
        self.grouping = grouping
        let path = URL(fileURLWithPath: directory).appendingPathComponent("incidents.sqlite").path
        file = MendableFile(path, migrator: { IncidentSchema.migrator }, clean: IncidentRows.dropDamaged)
        do {
            (pool, wasMended) = try file.opened { try Self.open(path) }
        } catch {
            throw .storage("\(path): \(error)")
        }
    }
    private static func open(_ path: String) throws -> DatabasePool {
        var configuration = Configuration()
        // A backup may be reading the file.
        configuration.busyMode = .timeout(60)
        let pool = try DatabasePool(path: path, configuration: configuration)
        // After the pool's own setting, which is NORMAL.
        try pool.writeWithoutTransaction {
            try $0.execute(sql: "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON")
        }
        try IncidentSchema.migrator.migrate(pool)
        // What a killed process left in the WAL may be in the page cache only, and a known finding writes nothing.
        try pool.writeWithoutTransaction { _ = try $0.checkpoint(.full) }
        return pool
    }

    /// Closes the file. Later calls throw.
    package func close() throws(IncidentError) {
        do { try pool.close() } catch { throw .storage("\(error)") }
    }

    // MARK: Writing

    /// Puts findings into incidents, all in one transaction; durable on return.
    /// - Parameter now: when they were found, in ms since 1970 UTC, by the caller's clock.
    /// - Returns: what changed, each incident once, as it is now; empty when every finding was known.
    @discardableResult
    package func record(
        _ findings: [Finding], tenant: TenantID, at now: Int64
    ) throws(IncidentError) -> [IncidentChange] {
        if findings.isEmpty { return [] }
        let grouping = grouping
        return try write { db in
            var rows = IncidentRows(db: db, tenant: tenant)
            for finding in findings { try rows.place(finding, grouping: grouping, at: now) }
            return rows.changes
        }
    }

    /// - Parameter revision: the one that the caller saw.
    /// - Returns: the incident as it is now. Setting the status it has is no event.
    @discardableResult
    package func changeStatus(
        of id: String, to status: IncidentStatus, tenant: TenantID, expecting revision: Int, by actor: String,
        at now: Int64
    ) throws(IncidentError) -> Incident {
        try change(id, tenant: tenant, expecting: revision, by: actor, at: now) {
            $0.status == status ? nil : .statusChanged(from: $0.status, to: status)
        }
    }

    /// See `changeStatus`. The text is in `events`, not in the incident.
    @discardableResult
    package func comment(
        on id: String, _ text: String, tenant: TenantID, expecting revision: Int, by actor: String, at now: Int64
    ) throws(IncidentError) -> Incident {
        guard (1...Self.commentOctetsMax).contains(text.utf8.count) else { throw .badComment }
        return try change(id, tenant: tenant, expecting: revision, by: actor, at: now) { _ in .commented(text) }
    }

    private func change(
        _ id: String, tenant: TenantID, expecting revision: Int, by actor: String, at now: Int64,
        _ change: @Sendable (Incident) -> IncidentEvent.Change?
    ) throws(IncidentError) -> Incident {
        try write { db in
            var rows = IncidentRows(db: db, tenant: tenant)
            guard var incident = try rows.incident(id) else { throw IncidentError.unknown }
            guard incident.revision == revision else { throw IncidentError.conflict(current: incident.revision) }
            guard let change = change(incident) else { return incident }
            incident.apply(change)
            try rows.write(change, to: incident, by: actor, at: now)
            return incident
        }
    }

    /// Deletes all that is known of a tenant: overwritten in the file, and then gone from the WAL too. May be called
    /// beside a running service. What is not here any more is no error.
    /// - Returns: how many incidents there were.
    @discardableResult
    package func forget(_ tenant: TenantID) throws(IncidentError) -> Int {
        let count = try write { db in
            let count = try Int.fetchOne(
                db, sql: "SELECT count(*) FROM incident WHERE tenant = ?", arguments: [tenant.rawValue])
            for table in ["event", "incident", "finding"] {
                try db.execute(sql: "DELETE FROM \(table) WHERE tenant = ?", arguments: [tenant.rawValue])
            }
            return count ?? 0
        }
        do { try pool.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) } } catch {
            throw .storage("what was deleted is still in the WAL: \(error)")
        }
        return count
    }

    // MARK: Reading

    /// - Parameters:
    ///   - limit: 1 to `pageMax`; what lies outside is taken as the nearest.
    ///   - cursor: a page's `next`, for the page after it, with the same filter.
    package func list(
        tenant: TenantID, filter: IncidentFilter = .init(), limit: Int = 50, cursor: String? = nil
    ) throws(IncidentError) -> IncidentPage {
        var place: IncidentCursor?
        if let cursor {
            place = IncidentCursor(cursor)
            guard place != nil else { throw .badCursor }
        }
        let after = place, rowsMax = min(max(limit, 1), Self.pageMax)
        return try read { db in
            try IncidentRows(db: db, tenant: tenant).page(filter, after: after, limit: rowsMax)
        }
    }

    /// - Throws: `.unknown` for another tenant's incident as for none at all.
    package func get(tenant: TenantID, id: String) throws(IncidentError) -> Incident {
        try read { db in
            guard let incident = try IncidentRows(db: db, tenant: tenant).incident(id) else {
                throw IncidentError.unknown
            }
            return incident
        }
    }

    /// The history of one incident, in order. See `get`.
    package func events(tenant: TenantID, id: String) throws(IncidentError) -> [IncidentEvent] {
        try read { db in
            let events = try IncidentRows(db: db, tenant: tenant).events(id)
            guard !events.isEmpty else { throw IncidentError.unknown }
            return events
        }
    }

    private func read<Value: Sendable>(_ body: (Database) throws -> Value) throws(IncidentError) -> Value {
        do { return try pool.read(body) } catch let error as IncidentError { throw error } catch {
            file.suspect(error)
            throw .storage("\(error)")
        }
    }
    private func write<Value: Sendable>(_ body: (Database) throws -> Value) throws(IncidentError) -> Value {
        do { return try pool.write(body) } catch let error as IncidentError { throw error } catch {
            file.suspect(error)
            throw (error as? DatabaseError)?.resultCode == .SQLITE_FULL ? .full : .storage("\(error)")
        }
    }
}

/// Where a page ended: `<start in ms>.<id>`.
struct IncidentCursor: Sendable {
    let start: Int64, id: String
    init(start: Int64, id: String) {
        self.start = start
        self.id = id
    }
    init?(_ text: String) {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let start = Int64(parts[0]), parts[1].utf8.count == 32 else { return nil }
        self.init(start: start, id: String(parts[1]))
    }
    var description: String { "\(start).\(id)" }
}
