/// Incidents of all tenants, event-sourced in one SQLite file, `incidents.sqlite`.
///
/// Invariants: what is recorded is an event, and the projection changes in the same transaction, so the events alone
/// give the projection again (`Incident.init(replaying:)`); a finding that is already there changes nothing, so a
/// replayed log leaves no trace; nothing is read or written without a tenant; a change by a person names the revision
/// it saw. One connection writes; WAL; `synchronous=FULL`, because the detector's checkpoint moves on after `record`.
/// Not here: which finding goes where (`IncidentGrouping`), what an edit means (`IncidentEdit`), who may ask (`API`).
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
    /// What was asked for can't be: says why.
    case badEdit(String)
    /// That event can't be taken back.
    case notUndoable
    /// No room on the disk. Nothing was written; later.
    case full
    /// This node's incidents follow a cluster's: it can't change them by itself.
    case follows
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
    package var assignee: String?, isUnassigned = false
    package var tag: String?
    /// One that takes part, as the incident writes it.
    package var address: String?
    /// With those whose findings are another's now.
    package var hasMerged = false
    package init() {}
}

/// One page of a list, newest first, and where the next one starts; nil at the end.
package struct IncidentPage: Equatable, Sendable {
    package var incidents: [Incident]
    package var next: String?
}

/// The same, each incident as the text that is kept of it: its JSON of today, keys sorted, since rows of another
/// version of the fold are made anew when the file is opened.
package struct IncidentTextPage: Equatable, Sendable {
    package var incidents: [String]
    package var next: String?
}

/// What recording a finding did.
package struct IncidentChange: Equatable, Sendable {
    package var incident: Incident
    package var isNew: Bool
}

package final class IncidentLog: Sendable {
    package static let pageMax = 1_000, commentOctetsMax = 16_384, mitigationsMax = 100_000
    /// The actors of what nobody asked for: detection, clocks, and playbooks with their name behind it.
    package static let detector = "detector", clock = "clock", playbookActor = "playbook:"
    static func isMachine(_ actor: String) -> Bool {
        actor == detector || actor == clock || actor.hasPrefix(playbookActor)
    }

    /// Whether the file was damaged: it was set aside, and what could be read of it is here.
    package let wasMended: Bool
    private let file: MendableFile, pool: DatabasePool
    private let grouping: IncidentGrouping
    private let sound = IncidentTexts()
    package let policy: IncidentPolicy
    /// Whether this is one of several copies that are all made from the same findings in the same order. Then whatever
    /// else would change it is refused, so that the copies stay the same.
    package let isFollower: Bool

    /// Opens `incidents.sqlite` in `directory`, which must exist, making or migrating the file as needed.
    package init(
        directory: String, grouping: IncidentGrouping = .init(), policy: IncidentPolicy = .init(),
        isFollower: Bool = false
    ) throws(IncidentError) {
        self.isFollower = isFollower
        self.grouping = grouping
        self.policy = policy
        let path = URL(fileURLWithPath: directory).appendingPathComponent("incidents.sqlite").path
        file = MendableFile(path, migrator: { IncidentSchema.migrator }, clean: IncidentRows.dropDamaged)
        do {
            (pool, wasMended) = try file.opened { try Self.open(path, policy) }
        } catch {
            throw .storage("\(path): \(error)")
        }
    }
    private static func open(_ path: String, _ policy: IncidentPolicy) throws -> DatabasePool {
        var configuration = Configuration()
        // A backup may be reading the file.
        configuration.busyMode = .timeout(60)
        let pool = try DatabasePool(path: path, configuration: configuration)
        // After the pool's own setting, which is NORMAL.
        try pool.writeWithoutTransaction {
            try $0.execute(sql: "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON")
        }
        try IncidentSchema.migrator.migrate(pool)
        try pool.write { try IncidentRows.refold(in: $0, policy: policy) }
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
            var rows = IncidentRows(db: db, tenant: tenant, policy: policy)
            for finding in findings { try rows.place(finding, grouping: grouping, at: now) }
            return rows.changes
        }
    }

    /// Does all that is asked for, or nothing.
    /// - Parameter revision: the one that the caller saw.
    /// - Returns: the incident as it is now. What is so already is no event.
    @discardableResult
    package func edit(
        _ id: String, _ edits: [IncidentEdit], tenant: TenantID, expecting revision: Int, by actor: String,
        at now: Int64
    ) throws(IncidentError) -> Incident {
        // One tenant's playbooks, and their channels, are none of another's business.
        let playbooks = policy.playbooks.filter { $0.isOf(tenant) }
        return try change { db in
            var rows = IncidentRows(db: db, tenant: tenant, policy: policy)
            var incident = try rows.unmerged(id, expecting: revision)
            for edit in edits {
                for change in try edit.changes(of: incident, playbooks: playbooks) {
                    try rows.record(change, in: &incident, by: actor, at: now)
                }
            }
            return incident
        }
    }

    /// Records clocks that have run out, of all tenants.
    /// - Returns: how many; call again while there are `limit`. None of a follower's: its copies have other clocks.
    package func noteBreaches(at now: Int64, limit: Int = 1_000) throws(IncidentError) -> Int {
        if isFollower { return 0 }
        return try write { try IncidentRows.ranOut(in: $0, policy: policy, at: now, limit: limit) }
    }

    /// Deletes all that is known of a tenant: overwritten in the file, and then gone from the WAL too. May be called
    /// beside a running service. What is not here any more is no error.
    /// - Returns: how many incidents there were.
    @discardableResult
    package func forget(_ tenant: TenantID) throws(IncidentError) -> Int {
        defer { sound.forget() }
        let count = try write { db in
            let count = try Int.fetchOne(
                db, sql: "SELECT count(*) FROM incident WHERE tenant = ?", arguments: [tenant.rawValue])
            for table in IncidentSchema.tenantTables {
                try db.execute(sql: "DELETE FROM \(table) WHERE tenant = ?", arguments: [tenant.rawValue])
            }
            return count ?? 0
        }
        try emptyWAL()
        return count
    }
    func emptyWAL() throws(IncidentError) {
        do { try pool.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) } } catch {
            throw .storage("what was deleted is still in the WAL: \(error)")
        }
    }

    // MARK: Reading

    /// Whether anything is kept of a tenant.
    package func hasAny(of tenant: TenantID) throws(IncidentError) -> Bool {
        try read { db in
            let tables = ["incident", "exception", "hidden"].map { "SELECT 1 FROM \($0) WHERE tenant = ?1" }
            let sql = "SELECT EXISTS (\(tables.joined(separator: " UNION ALL ")))"
            return try Bool.fetchOne(db, sql: sql, arguments: [tenant.rawValue]) ?? false
        }
    }

    /// - Parameters:
    ///   - limit: 1 to `pageMax`; what lies outside is taken as the nearest.
    ///   - cursor: a page's `next`, for the page after it, with the same filter.
    package func list(
        tenant: TenantID, filter: IncidentFilter = .init(), limit: Int = 50, cursor: String? = nil
    ) throws(IncidentError) -> IncidentPage {
        let after = try Self.place(cursor), rowsMax = min(max(limit, 1), Self.pageMax)
        return try read { db in
            try IncidentRows(db: db, tenant: tenant, policy: policy).page(filter, after: after, limit: rowsMax)
        }
    }
    /// See `list`. For who passes incidents on: reading and writing a hundred takes longer than finding them.
    package func texts(
        tenant: TenantID, filter: IncidentFilter = .init(), limit: Int = 50, cursor: String? = nil
    ) throws(IncidentError) -> IncidentTextPage {
        let after = try Self.place(cursor), rowsMax = min(max(limit, 1), Self.pageMax)
        return try read { db in
            let rows = IncidentRows(db: db, tenant: tenant, policy: policy)
            let page = try rows.texts(filter, after: after, limit: rowsMax)
            for text in page.incidents { try sound.check(text) { _ = try rows.decoded(Incident.self, $0) } }
            return page
        }
    }
    private static func place(_ cursor: String?) throws(IncidentError) -> IncidentCursor? {
        guard let cursor else { return nil }
        guard let place = IncidentCursor(cursor) else { throw .badCursor }
        return place
    }

    /// - Throws: `.unknown` for another tenant's incident as for none at all.
    package func get(tenant: TenantID, id: String) throws(IncidentError) -> Incident {
        try read { db in
            guard let incident = try IncidentRows(db: db, tenant: tenant, policy: policy).incident(id) else {
                throw IncidentError.unknown
            }
            return incident
        }
    }

    /// The history of one incident, in order. See `get`.
    package func events(tenant: TenantID, id: String) throws(IncidentError) -> [IncidentEvent] {
        try read { db in
            let events = try IncidentRows(db: db, tenant: tenant, policy: policy).events(id)
            guard !events.isEmpty else { throw IncidentError.unknown }
            return events
        }
    }

    func read<Value: Sendable>(_ body: (Database) throws -> Value) throws(IncidentError) -> Value {
        do { return try pool.read(body) } catch let error as IncidentError { throw error } catch {
            file.suspect(error)
            throw .storage("\(error)")
        }
    }
    /// What is not a finding: refused where the copies would differ by it.
    func change<Value: Sendable>(_ body: (Database) throws -> Value) throws(IncidentError) -> Value {
        if isFollower { throw .follows }
        return try write(body)
    }
    func write<Value: Sendable>(_ body: (Database) throws -> Value) throws(IncidentError) -> Value {
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
