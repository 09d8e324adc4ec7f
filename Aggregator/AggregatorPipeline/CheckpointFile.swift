internal import Foundation
internal import GRDB
internal import Identity

/// How far the pipeline is, and its detectors' states at that point: `checkpoint.sqlite`, replaced in one transaction.
///
/// Invariant: the states are those after exactly the batches up to the offset. Durable on return, so that the log may
/// be trimmed. A damaged file is set aside, and the pipeline starts with what the log still has.
final class CheckpointFile: CheckpointStore {
    typealias Checkpoint = PipelineCheckpoint
    private let database: DatabaseQueue
    private let sealing: TenantSealing
    /// Whether a damaged file was found and renamed.
    let wasDamaged: Bool

    /// Opens `checkpoint.sqlite` in `directory`, which must exist, making or migrating it as needed.
    init(directory: String, sealing: TenantSealing = .none) throws {
        self.sealing = sealing
        let path = URL(fileURLWithPath: directory).appendingPathComponent("checkpoint.sqlite").path
        do {
            database = try Self.open(path)
            wasDamaged = false
        } catch  where Self.isDamage(error) {
            try Self.setAside(path)
            database = try Self.open(path)
            wasDamaged = true
        }
    }

    private static func open(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        // A backup may be reading the file.
        configuration.busyMode = .timeout(60)
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        let database = try DatabaseQueue(path: path, configuration: configuration)
        try migrator.migrate(database)
        _ = try database.read { try read($0, .none) }
        return database
    }
    /// Migrations only go forward and are never edited after a release.
    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 offset and snapshots") { db in
            try db.execute(
                sql: """
                    CREATE TABLE position (id INTEGER PRIMARY KEY CHECK (id = 1), "offset" INTEGER NOT NULL) STRICT;
                    INSERT INTO position VALUES (1, 0);
                    CREATE TABLE detectors (tenant TEXT PRIMARY KEY, snapshot BLOB NOT NULL) STRICT;
                    """)
        }
        migrator.registerMigration("2 rules") { db in
            try db.execute(sql: "CREATE TABLE sigma (tenant TEXT PRIMARY KEY, snapshot BLOB NOT NULL) STRICT")
        }
        migrator.registerMigration("3 models") { db in
            try db.execute(sql: "CREATE TABLE models (tenant TEXT PRIMARY KEY, snapshot BLOB NOT NULL) STRICT")
        }
        migrator.registerMigration("4 programs") { db in
            try db.execute(sql: "CREATE TABLE programs (tenant TEXT PRIMARY KEY, snapshot BLOB NOT NULL) STRICT")
        }
        return migrator
    }

    /// The file's log keeps the index of keys by itself.
    let keepsKeys = false
    func load() throws -> Checkpoint { try database.read { try Self.read($0, sealing) } }

    /// - Parameter checkpoint: with the snapshots of those tenants only whose states have changed.
    func save(_ checkpoint: Checkpoint) async throws {
        try await database.write { [sealing] db in
            try db.execute(sql: "INSERT OR REPLACE INTO position VALUES (1, ?)", arguments: [checkpoint.offset])
            for part in Part.allCases {
                for (tenant, snapshot) in checkpoint[keyPath: part.snapshots] {
                    try Self.save(snapshot, of: tenant, part, sealing, in: db)
                }
            }
        }
    }
    private static func save(
        _ snapshot: [UInt8], of tenant: TenantID, _ part: Part, _ sealing: TenantSealing, in db: Database
    ) throws {
        let sealed: [UInt8]
        do throws(TenantSealing.Fault) {
            sealed = try sealing.seal(snapshot, tenant, part.context)
        } catch .keyDestroyed {
            return try db.execute(sql: "DELETE FROM \(part.rawValue) WHERE tenant = ?", arguments: [tenant.rawValue])
        }
        try db.execute(
            sql: "INSERT OR REPLACE INTO \(part.rawValue) VALUES (?, ?)", arguments: [tenant.rawValue, Data(sealed)])
    }

    /// A table, and where its rows are in a checkpoint.
    private enum Part: String, CaseIterable {
        case detectors, sigma, models, programs

        var snapshots: WritableKeyPath<Checkpoint, [TenantID: [UInt8]]> {
            switch self {
            case .detectors: \.snapshots
            case .sigma: \.sigma
            case .models: \.models
            case .programs: \.programs
            }
        }
        /// What sealed octets are bound to.
        var context: String {
            switch self {
            case .detectors: "checkpoint"
            case .sigma: "checkpoint of rules"
            case .models: "checkpoint of models"
            case .programs: "checkpoint of programs"
            }
        }
    }

    private static func read(_ db: Database, _ sealing: TenantSealing) throws -> Checkpoint {
        var checkpoint = Checkpoint()
        checkpoint.offset = try Int64.fetchOne(db, sql: #"SELECT "offset" FROM position"#) ?? 0
        for part in Part.allCases { try read(part, db, sealing, into: &checkpoint) }
        return checkpoint
    }
    private static func read(
        _ part: Part, _ db: Database, _ sealing: TenantSealing, into checkpoint: inout Checkpoint
    ) throws {
        let rows = try Row.fetchCursor(db, sql: "SELECT tenant, snapshot FROM \(part.rawValue)")
        while let row = try rows.next() {
            guard let name = String.fromDatabaseValue(row["tenant"]),
                let sealed = Data.fromDatabaseValue(row["snapshot"])
            else {
                throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "a row of \(part.rawValue) is damaged")
            }
            guard let tenant = TenantID(name) else { continue }
            do throws(TenantSealing.Fault) {
                checkpoint[keyPath: part.snapshots][tenant] = try sealing.open(
                    [UInt8](sealed), tenant, part.context)
            } catch {
                // The tenant's detectors begin anew with nothing, or say that they do.
                if case .unavailable(let reason) = error { throw DatabaseError(message: "\(tenant): \(reason)") }
                if error == .damaged { checkpoint[keyPath: part.snapshots][tenant] = [] }
            }
        }
    }

    private static func isDamage(_ error: any Error) -> Bool {
        // SQLite looks at the kinds of values when it writes, not when it reads what the disk has made of them.
        if error is RowDecodingError { return true }
        return [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains((error as? DatabaseError)?.resultCode)
    }
    private static func setAside(_ path: String) throws {
        var number = 1
        while FileManager.default.fileExists(atPath: "\(path).damaged-\(number)") { number += 1 }
        try FileManager.default.moveItem(atPath: path, toPath: "\(path).damaged-\(number)")
        try? FileManager.default.moveItem(atPath: "\(path)-journal", toPath: "\(path).damaged-\(number)-journal")
    }
}
