internal import Foundation
internal import GRDB
internal import Identity

/// The rollups of a day whose records have gone: `<day>.rollup.sqlite`.
///
/// Invariant: a day's file is removed only after its rollups are durable here. Their ids are never used again (see
/// `SegmentRow.nextID`), so a removal that a crash interrupted takes them only once.
struct RollupFile: Sendable {
    let path: String

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 rollups") { db in
            try db.execute(
                sql: """
                    CREATE TABLE rollup (
                        id INTEGER PRIMARY KEY, start_min INTEGER NOT NULL, start_max INTEGER NOT NULL,
                        octets BLOB NOT NULL) STRICT;
                    CREATE TABLE owner (id INTEGER PRIMARY KEY CHECK (id = 1), tenant TEXT NOT NULL) STRICT;
                    """)
        }
        return migrator
    }

    private func open() throws -> DatabaseQueue {
        var configuration = Configuration()
        // A backup may be reading the file.
        configuration.busyMode = .timeout(60)
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try Self.migrator.migrate(queue)
        return queue
    }

    /// Adds the rollups of a day's file.
    func add(_ rollups: [RollupTable.Stored], tenant: TenantID) async throws {
        let queue = try open()
        defer { try? queue.close() }
        try await queue.write { db in
            try db.execute(sql: "INSERT OR IGNORE INTO owner VALUES (1, ?)", arguments: [tenant.rawValue])
            for rollup in rollups {
                // One that is there came with an earlier try to remove the same file.
                try db.execute(
                    sql: "INSERT OR IGNORE INTO rollup VALUES (?, ?, ?, ?)",
                    arguments: [rollup.id, rollup.startMin, rollup.startMax, rollup.octets])
            }
        }
    }
    func read(_ question: RollupQuestion) async throws -> [RollupTable.Stored] {
        let queue = try open()
        defer { try? queue.close() }
        return try await queue.read { db in
            guard try String.fetchOne(db, sql: "SELECT tenant FROM owner") == question.tenant.rawValue else {
                throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "the file is another tenant's")
            }
            return try RollupTable.read(question.kind, question.period, from: question.from, to: question.to, in: db)
        }
    }
}
