internal import Foundation
internal import GRDB
package import Identity

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

    // MARK: Keys

    /// Makes a key. The returned secret is its only copy.
    /// - Parameters:
    ///   - name: 1 to 100 characters, for people.
    ///   - account: the service account that it is for: its role and reach bound the key's.
    package func createKey(
        tenant: TenantID, name: String, scopes: Set<Scope> = Scope.usual, reach: Reach = .whole, account: String? = nil,
        expiresMilliseconds: Int64? = nil, by actor: String, at now: Int64,
        using generator: inout some RandomNumberGenerator
    ) throws(ControlError) -> (key: APIKey, record: APIKeyRecord) {
        guard (1...100).contains(name.count) else { throw .badName(name) }
        guard reach.isKeepable else { throw .badReach }
        let key = APIKey(using: &generator)
        let record = APIKeyRecord(
            id: "key-" + String(generator.next(), radix: 36), tenant: tenant, name: name, scopes: scopes,
            reach: reach, account: account, createdMilliseconds: now, expiresMilliseconds: expiresMilliseconds,
            revokedMilliseconds: nil)
        try write { db in
            guard try Self.tenantID(tenant, in: db) != nil else { throw ControlError.unknownTenant(tenant) }
            if let account, try known.upToDate(in: db).accounts[account]?.tenant != tenant {
                throw ControlError.refused(.unknownAccount)
            }
            try Self.note("keyCreated", tenant: tenant, subject: record.id, by: actor, at: now, in: db)
            try db.execute(
                sql: """
                    INSERT INTO apiKey
                        (id, tenant, name, sha256, scopes, createdMilliseconds, expiresMilliseconds, reach,
                        account)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    record.id, tenant.rawValue, name, Data(key.digest),
                    scopes.map(\.rawValue).sorted().joined(separator: " "), now, expiresMilliseconds, reach.text,
                    account,
                ])
        }
        return (key, record)
    }

    package func keys(of tenant: TenantID) throws(ControlError) -> [APIKeyRecord] {
        try read { db in
            try Row.fetchAll(
                db, sql: "SELECT * FROM apiKey WHERE tenant = ? ORDER BY createdMilliseconds, id",
                arguments: [tenant.rawValue]
            ).compactMap(Self.record)
        }
    }

    /// Takes effect with the next request that shows the key.
    package func revokeKey(id: String, by actor: String, at now: Int64) throws(ControlError) {
        try write { db in
            let row = try Row.fetchOne(db, sql: "SELECT * FROM apiKey WHERE id = ?", arguments: [id])
            guard let record = row.flatMap(Self.record) else { throw ControlError.unknownKey(id: id) }
            guard record.revokedMilliseconds == nil else { return }
            try Self.note("keyRevoked", tenant: record.tenant, subject: id, by: actor, at: now, in: db)
            try db.execute(sql: "UPDATE apiKey SET revokedMilliseconds = ? WHERE id = ?", arguments: [now, id])
        }
    }

    /// Who shows this key. Asks the database each time, so a revocation elsewhere counts at once.
    package func authenticate(_ text: String, at now: Int64) throws -> Principal {
        guard let key = APIKey(text) else { throw AuthenticationError.notAKey }
        let (found, directory) = try read { db in
            let row = try Row.fetchOne(db, sql: "SELECT * FROM apiKey WHERE sha256 = ?", arguments: [Data(key.digest)])
            return (row.flatMap(Self.record), try known.upToDate(in: db))
        }
        guard let found else { throw AuthenticationError.unknownKey }
        guard found.revokedMilliseconds == nil else { throw AuthenticationError.revoked(keyID: found.id) }
        if let end = found.expiresMilliseconds, end <= now { throw AuthenticationError.expired(keyID: found.id) }
        guard let account = found.account else {
            return Principal(tenant: found.tenant, keyID: found.id, scopes: found.scopes, reach: found.reach)
        }
        guard let rights = directory.rights(ofAccount: account) else {
            throw AuthenticationError.disabledAccount(keyID: found.id)
        }
        return Principal(
            tenant: found.tenant, keyID: found.id, scopes: found.scopes.intersection(rights.scopes),
            reach: rights.reach)
    }

    // MARK: Database

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
    private static func record(_ row: Row) -> APIKeyRecord? {
        guard let tenant = TenantID(row["tenant"] as String), let reach = Reach(text: row["reach"] as String) else {
            return nil
        }
        let scopes = (row["scopes"] as String).split(separator: " ").compactMap { Scope(rawValue: String($0)) }
        return APIKeyRecord(
            id: row["id"], tenant: tenant, name: row["name"], scopes: Set(scopes), reach: reach,
            account: row["account"], createdMilliseconds: row["createdMilliseconds"],
            expiresMilliseconds: row["expiresMilliseconds"],
            revokedMilliseconds: row["revokedMilliseconds"])
    }
}
