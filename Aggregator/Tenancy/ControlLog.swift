internal import Foundation
internal import GRDB
package import Identity
internal import Synchronization

/// Tenants, their API keys and people: a table of events, and projections of it that answer questions.
///
/// Invariants: every change is one event and its projection in one transaction; nothing is updated or deleted in
/// `event`; no secret is stored; every question about a tenant's things names the tenant.
/// The file is `control.sqlite`, in rollback-journal mode: the command line may write while the service runs, and a
/// WAL must not have two processes that checkpoint. Writes are rare, so the slower journal costs nothing.
/// Not here: sessions, and what a scope permits (`API`).
package final class ControlLog: Sendable {
    private let database: DatabaseQueue
    let known = KnownDirectory()
    private let oneChange = Mutex(())

    /// Opens `control.sqlite` in `folder`, making or migrating it as needed.
    package init(folder: String) throws(ControlError) {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.journalMode = .default
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        let file = URL(fileURLWithPath: folder).appendingPathComponent("control.sqlite").path
        do {
            database = try DatabaseQueue(path: file, configuration: configuration)
            try ControlSchema.migrator.migrate(database)
        } catch {
            throw .storage("\(file): \(error)")
        }
    }

    // MARK: Tenants

    package func createTenant(_ tenant: TenantID, by actor: String, at now: Int64) throws(ControlError) {
        try write { db in
            guard try Self.tenantID(tenant, in: db) == nil else { throw ControlError.tenantExists(tenant) }
            try Self.note("tenantCreated", tenant: tenant, subject: tenant.rawValue, by: actor, at: now, in: db)
            try db.execute(
                sql: "INSERT INTO tenant (name, createdMilliseconds) VALUES (?, ?)", arguments: [tenant.rawValue, now])
        }
    }

    package func tenants() throws(ControlError) -> [TenantID] {
        try read { try String.fetchAll($0, sql: "SELECT name FROM tenant ORDER BY name").compactMap { TenantID($0) } }
    }

    /// Nobody else's `changing` of this process runs meanwhile: for a change that is to count only if what it changes
    /// is as the caller saw it.
    package func changing<Result: Sendable>(_ body: () throws -> Result) throws -> Result {
        try oneChange.withLock { _ in try body() }
    }

    // MARK: Database

    var path: String { database.path }

    func read<Result>(_ body: (Database) throws -> Result) throws(ControlError) -> Result {
        do { return try database.read(body) } catch { throw Self.wrapped(error) }
    }
    func write<Result>(_ body: (Database) throws -> Result) throws(ControlError) -> Result {
        do { return try database.write(body) } catch { throw Self.wrapped(error) }
    }
    private static func wrapped(_ error: any Error) -> ControlError {
        if let refusal = error as? DirectoryRefusal { return .refused(refusal) }
        return error as? ControlError ?? .storage("\(error)")
    }
    static func tenantID(_ tenant: TenantID, in db: Database) throws -> String? {
        try String.fetchOne(db, sql: "SELECT name FROM tenant WHERE name = ?", arguments: [tenant.rawValue])
    }
    static func note(
        _ kind: String, tenant: TenantID, subject: String, by actor: String, at now: Int64, in db: Database
    ) throws {
        try note(kind, tenant: tenant.rawValue, subject: subject, detail: "", by: actor, at: now, in: db)
    }
}
