internal import Foundation
internal import GRDB
internal import Identity

/// The wrapped keys of a node, in `keys.sqlite`.
///
/// `secure_delete` overwrites what is deleted. A rollback journal instead of a WAL, because the command line writes
/// beside the service and a WAL must not have two processes that checkpoint. The journal is kept and reused from its
/// start (`PERSIST`), and a key is overwritten twice before it is deleted: the second time the journal's copy of the
/// page is the overwritten one, so neither file has the wrapped key any more.
package final class KeyFile: Sendable {
    /// One version of an owner's key, as kept.
    package struct Row: Hashable, Sendable, Codable {
        package var owner: String
        package var version: UInt32
        package var wrapped: WrappedKey
        /// In ms since 1970 UTC.
        package var madeMilliseconds: Int64
        /// Nonces given out at most, in reservations of many.
        package var seals: Int64
    }
    private let database: DatabaseQueue
    package static let name = "keys.sqlite"

    /// Opens `keys.sqlite` in `directory`, which must exist, making or migrating it as needed.
    package init(directory: String) throws(DataKeyError) {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { db in
            try db.execute(
                sql: """
                    PRAGMA journal_mode = PERSIST; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
                    """)
        }
        let file = URL(fileURLWithPath: directory).appendingPathComponent(Self.name).path
        if !FileManager.default.fileExists(atPath: file) {
            _ = FileManager.default.createFile(
                atPath: file, contents: Data(), attributes: [.posixPermissions: 0o600])
        }
        do {
            database = try DatabaseQueue(path: file, configuration: configuration)
            try Self.migrator.migrate(database)
        } catch {
            throw .storage("\(file): \(error)")
        }
    }
    package func close() { try? database.close() }

    /// Migrations only go forward and are never edited after a release.
    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 keys") { db in
            try db.execute(
                sql: """
                    CREATE TABLE key (
                        owner TEXT NOT NULL, version INTEGER NOT NULL, wrapped_by TEXT NOT NULL, wrapped BLOB NOT NULL,
                        made_ms INTEGER NOT NULL, seals INTEGER NOT NULL, PRIMARY KEY (owner, version)) STRICT;
                    CREATE TABLE destroyed (owner TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT;
                    """)
        }
        return migrator
    }

    // MARK: Reading

    /// All versions of all keys, by owner and version.
    package func rows() throws(DataKeyError) -> [Row] { try read { try Self.rows(nil, in: $0) } }

    /// The versions of `owner`, rising; none when it never had one.
    /// - Throws: `.destroyed`.
    package func rows(of owner: KeyOwner) throws(DataKeyError) -> [Row] {
        try read { db in
            try Self.checkAlive(owner, in: db)
            return try Self.rows(owner, in: db)
        }
    }

    /// Owners whose keys were destroyed, with the time in ms since 1970 UTC.
    package func destroyed() throws(DataKeyError) -> [String: Int64] {
        try read { db in
            let rows = try GRDB.Row.fetchAll(db, sql: "SELECT owner, at_ms FROM destroyed")
            return Dictionary(rows.map { ($0["owner"], $0["at_ms"]) }) { first, _ in first }
        }
    }

    private static func rows(_ owner: KeyOwner?, in db: Database) throws -> [Row] {
        try GRDB.Row.fetchAll(
            db, sql: "SELECT * FROM key WHERE ?1 IS NULL OR owner = ?1 ORDER BY owner, version",
            arguments: [owner?.description]
        ).map { row in
            Row(
                owner: row["owner"], version: UInt32(truncatingIfNeeded: row["version"] as Int64),
                wrapped: WrappedKey(by: row["wrapped_by"], octets: [UInt8](row["wrapped"] as Data)),
                madeMilliseconds: row["made_ms"], seals: row["seals"])
        }
    }
    private static func checkAlive(_ owner: KeyOwner, in db: Database) throws {
        let found = try Bool.fetchOne(
            db, sql: "SELECT EXISTS (SELECT 1 FROM destroyed WHERE owner = ?)", arguments: [owner.description])
        if found == true { throw DataKeyError.destroyed(owner: owner.description) }
    }

    // MARK: Writing

    /// Adds a version unless one as new is there already, made by another process meanwhile.
    /// - Throws: `.destroyed`.
    package func add(_ row: Row, owner: KeyOwner) throws(DataKeyError) {
        try write { db in
            try Self.checkAlive(owner, in: db)
            let newest = try Int64.fetchOne(
                db, sql: "SELECT MAX(version) FROM key WHERE owner = ?", arguments: [owner.description])
            guard (newest ?? 0) < Int64(row.version) else { return }
            try Self.insert(row, in: db)
        }
    }

    /// Puts back keys of a backup, except those whose owners are destroyed here.
    package func restore(_ rows: [Row]) throws(DataKeyError) {
        try write { db in
            for row in rows {
                guard let owner = KeyOwner(row.owner) else { continue }
                do { try Self.checkAlive(owner, in: db) } catch DataKeyError.destroyed { continue }
                try Self.insert(row, in: db)
            }
        }
    }

    /// Notes that so many more nonces may be used.
    /// - Returns: the number that had been given out before.
    func reserve(_ count: Int64, owner: KeyOwner, version: UInt32) throws(DataKeyError) -> Int64 {
        try write { db in
            try Self.checkAlive(owner, in: db)
            let key: StatementArguments = [owner.description, Int64(version)]
            let before = try Int64.fetchOne(
                db, sql: "SELECT seals FROM key WHERE owner = ? AND version = ?", arguments: key)
            guard let before else { throw DataKeyError.unknownVersion(owner: "\(owner)", version: version) }
            try db.execute(
                sql: "UPDATE key SET seals = seals + ? WHERE owner = ? AND version = ?", arguments: [count] + key)
            return before
        }
    }

    /// Exchanges how keys are wrapped, all or none.
    func replace(_ rows: [Row]) throws(DataKeyError) {
        try write { db in
            for row in rows {
                try db.execute(
                    sql: "UPDATE key SET wrapped_by = ?, wrapped = ? WHERE owner = ? AND version = ?",
                    arguments: [row.wrapped.by, Data(row.wrapped.octets), row.owner, Int64(row.version)])
            }
        }
    }

    /// Deletes versions below `version`: nothing may be sealed under them any more.
    package func retire(owner: KeyOwner, below version: UInt32) throws(DataKeyError) {
        try overwrite("owner = ? AND version < ?", [owner.description, Int64(version)])
        try write { db in
            try db.execute(
                sql: "DELETE FROM key WHERE owner = ? AND version < ?",
                arguments: [owner.description, Int64(version)])
        }
    }

    /// Overwrites and deletes all versions of the owner's key and remembers that it is destroyed. Needs no wrapping
    /// key. Repeating it changes nothing.
    /// - Returns: how many versions there were.
    @discardableResult
    package func destroy(_ owner: KeyOwner, at now: Int64) throws(DataKeyError) -> Int {
        // First the mark: if this ends half way, nobody makes or uses a key any more.
        try write { db in
            try db.execute(sql: "INSERT OR IGNORE INTO destroyed VALUES (?, ?)", arguments: [owner.description, now])
        }
        try overwrite("owner = ?", [owner.description])
        let count = try write { db in
            try db.execute(sql: "DELETE FROM key WHERE owner = ?", arguments: [owner.description])
            return db.changesCount
        }
        // Empty pages at the end go back to the system, overwritten by `secure_delete`.
        do { try database.vacuum() } catch { throw .storage("\(error)") }
        return count
    }

    /// Twice: see the head of this type.
    private func overwrite(_ condition: String, _ arguments: StatementArguments) throws(DataKeyError) {
        for _ in 0..<2 {
            try write { db in
                try db.execute(
                    sql: "UPDATE key SET wrapped = randomblob(length(wrapped)) WHERE \(condition)",
                    arguments: arguments)
            }
        }
    }

    private static func insert(_ row: Row, in db: Database) throws {
        try db.execute(
            sql: "INSERT OR IGNORE INTO key VALUES (?, ?, ?, ?, ?, ?)",
            arguments: [
                row.owner, Int64(row.version), row.wrapped.by, Data(row.wrapped.octets), row.madeMilliseconds,
                row.seals,
            ])
    }

    private func read<Value>(_ body: (Database) throws -> Value) throws(DataKeyError) -> Value {
        do { return try database.read(body) } catch { throw error as? DataKeyError ?? .storage("\(error)") }
    }
    @discardableResult
    private func write<Value>(_ body: (Database) throws -> Value) throws(DataKeyError) -> Value {
        do { return try database.write(body) } catch { throw error as? DataKeyError ?? .storage("\(error)") }
    }
}
