/// `models.sqlite`: versions, and what happened to them.
internal import Foundation
internal import GRDB

enum ModelFile {
    static let name = "models.sqlite"

    /// Opens it in `folder`, which must exist, making or migrating it as needed. A damaged file is set aside, so that
    /// the node starts: models can be trained again.
    static func open(in folder: String) throws -> (database: DatabaseQueue, wasDamaged: Bool) {
        let path = URL(fileURLWithPath: folder).appendingPathComponent(name).path
        do {
            return (try open(path), false)
        } catch  where isDamage(error) {
            try setAside(path)
            return (try open(path), true)
        }
    }
    private static func open(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        // A backup may be reading the file.
        configuration.busyMode = .timeout(60)
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        let database = try DatabaseQueue(path: path, configuration: configuration)
        try migrator.migrate(database)
        _ = try database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM model") }
        return database
    }
    /// Migrations only go forward and are never edited after a release.
    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 models and events") { db in
            try db.execute(
                sql: """
                    CREATE TABLE model (
                        tenant TEXT NOT NULL, version INTEGER NOT NULL, card TEXT NOT NULL, sealed BLOB NOT NULL,
                        atMilliseconds INTEGER NOT NULL, actor TEXT NOT NULL, PRIMARY KEY (tenant, version)) STRICT;
                    CREATE TABLE evaluation (
                        id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL)
                        STRICT;
                    CREATE INDEX evaluationOfVersion ON evaluation (tenant, version);
                    CREATE TABLE event (
                        id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, kind TEXT NOT NULL, version INTEGER NOT NULL,
                        atMilliseconds INTEGER NOT NULL, actor TEXT NOT NULL) STRICT;
                    CREATE INDEX eventOfTenant ON event (tenant, id);
                    """)
        }
        return migrator
    }
    private static func isDamage(_ error: any Error) -> Bool {
        [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains((error as? DatabaseError)?.resultCode)
    }
    private static func setAside(_ path: String) throws {
        var number = 1
        while FileManager.default.fileExists(atPath: "\(path).damaged-\(number)") { number += 1 }
        try FileManager.default.moveItem(atPath: path, toPath: "\(path).damaged-\(number)")
        try? FileManager.default.moveItem(atPath: "\(path)-journal", toPath: "\(path).damaged-\(number)-journal")
    }
}
