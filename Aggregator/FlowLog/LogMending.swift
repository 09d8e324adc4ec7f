internal import Foundation
internal import GRDB

/// What is done about a log whose file is damaged: it is renamed, and all that can be read goes to a new one.
///
/// A key without its body, of a batch that nobody has taken from the log yet, is not copied, so that its sensor can
/// send the batch again: it keeps what was answered for a day, and a log that was mended lately asks for it, as one
/// does that is young (`bornMilliseconds`). Damage that shows only later ends the log, as a failed sync does; a note
/// beside the file has the next start mend it.
struct LogMending {
    let path: String

    private static let companions = ["", "-wal", "-shm"]
    private var note: String { path + ".suspect" }

    static func isDamage(_ error: any Error) -> Bool {
        if error is RowDecodingError { return true }
        return [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains((error as? DatabaseError)?.resultCode)
    }

    /// Whether an earlier process found damage.
    var isSuspect: Bool { FileManager.default.fileExists(atPath: note) }
    /// Best effort: without the note the next process finds the damage as this one did.
    func suspect() { _ = FileManager.default.createFile(atPath: note, contents: Data()) }

    /// - Returns: what was lost.
    func mend() throws -> LogDamage {
        let manager = FileManager.default
        var number = 1
        while manager.fileExists(atPath: "\(path).damaged-\(number)") { number += 1 }
        let aside = "\(path).damaged-\(number)", draft = path + ".mending", examined = path + ".examined"
        func remove(_ file: String) {
            for suffix in Self.companions + ["-journal"] { try? manager.removeItem(atPath: file + suffix) }
        }
        // Copies first and names last: a crash on the way begins it all again, with the note.
        suspect()
        remove(draft)
        remove(examined)
        defer { remove(examined) }
        for suffix in Self.companions where manager.fileExists(atPath: path + suffix) {
            try manager.copyItem(atPath: path + suffix, toPath: examined + suffix)
        }
        let damage = try copy(examined, to: draft)
        for suffix in Self.companions where manager.fileExists(atPath: path + suffix) {
            try manager.moveItem(atPath: path + suffix, toPath: aside + suffix)
        }
        try manager.moveItem(atPath: draft, toPath: path)
        let folder = try FileHandle(forReadingFrom: URL(fileURLWithPath: path).deletingLastPathComponent())
        defer { try? folder.close() }
        try folder.synchronize()
        try? manager.removeItem(atPath: note)
        return LogDamage(file: URL(fileURLWithPath: aside).lastPathComponent, batches: damage)
    }

    /// - Returns: batches that are lost here; nil: who knows.
    private func copy(_ examined: String, to draft: String) throws -> UInt64? {
        var configuration = Configuration()
        configuration.foreignKeysEnabled = false
        configuration.prepareDatabase { db in
            try FlowLogSchema.prepare(db)
            try db.execute(sql: "PRAGMA synchronous = OFF")
        }
        let target = try DatabaseQueue(path: draft, configuration: configuration)
        try FlowLogSchema.migrator.migrate(target)
        var lost: UInt64?
        if let source = try? DatabaseQueue(path: examined, configuration: configuration) {
            defer { try? source.close() }
            let isKnown = (try? FlowLogSchema.migrator.migrate(source)) != nil
            if isKnown { lost = try LogSalvage(source: source, target: target).run() }
        }
        try target.close()
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: draft))
        defer { try? file.close() }
        try file.synchronize()
        return lost
    }
}

/// What damage to a log's file has cost.
package struct LogDamage: Equatable, Sendable {
    /// The damaged file's name now.
    package let file: String
    /// Batches that had been answered for and were still to be taken from the log: asked for again. Nil: nothing of the
    /// file could be read, so nobody knows.
    package let batches: UInt64?

    package init(file: String, batches: UInt64?) {
        self.file = file
        self.batches = batches
    }
}

/// Copies the rows that can be read: each table from both ends up to the damage, bodies one by one between.
private struct LogSalvage {
    let source: DatabaseQueue, target: DatabaseQueue

    /// Rows of a transaction, and those that are asked for one by one.
    private static let rowsAtOnce = 64
    private static let gapMax: Int64 = 1 << 20

    func run() throws -> UInt64 {
        try copy("sensor", ["id"])
        // By the index, those whose rows are damaged; what they have sent is not known then.
        try copy(
            "SELECT 0, id, tenant, site, name, 0, 0, 0, 0, 0 FROM sensor INDEXED BY sqlite_autoindex_sensor_1",
            to: "sensor")
        try copyBodies()
        try copy("batch_key", ["sensor", "epoch", "sequence"])
        let known = try? source.read { db in
            try Row.fetchOne(db, sql: #"SELECT "offset", trimmed FROM log_head"#)
                .map { (head: try $0.decode(Int64.self, atIndex: 0), trimmed: try $0.decode(Int64.self, atIndex: 1)) }
        }
        return try target.write { try finish(known ?? nil, in: $0) }
    }

    private func finish(_ known: (head: Int64, trimmed: Int64)?, in db: Database) throws -> UInt64 {
        // A batch without a sensor can't be said to be anybody's.
        try db.execute(sql: "DELETE FROM batch WHERE sensor NOT IN (SELECT id FROM sensor)")
        try db.execute(sql: "DELETE FROM batch_key WHERE sensor NOT IN (SELECT id FROM sensor)")
        try db.execute(
            sql: #"INSERT OR IGNORE INTO batch_key SELECT sensor, epoch, sequence, sha256, "offset" FROM batch"#)
        let last = try Int64.fetchOne(db, sql: #"SELECT max("offset") FROM batch_key"#) ?? 0
        let first = try Int64.fetchOne(db, sql: #"SELECT min("offset") FROM batch"#)
        let head = max(known?.head ?? 0, last), trimmed = known?.trimmed ?? first.map { $0 - 1 } ?? head
        try db.execute(
            sql: #"DELETE FROM batch_key WHERE "offset" > ? AND "offset" NOT IN (SELECT "offset" FROM batch)"#,
            arguments: [trimmed])
        try db.execute(
            sql: """
                UPDATE log_head
                SET "offset" = ?, trimmed = ?, born_ms = (SELECT coalesce(max(received_ms), 0) FROM batch)
                """, arguments: [head, trimmed])
        let left = try Int64.fetchOne(db, sql: #"SELECT count(*) FROM batch WHERE "offset" > ?"#, arguments: [trimmed])
        // Offsets have no gaps from the first batch on, and the first is not 1.
        let before = trimmed > 0 ? trimmed : (first ?? head + 1) - 1
        return UInt64(max(head - before - (left ?? 0), 0))
    }

    // MARK: Rows

    private func copy(_ table: String, _ key: [String]) throws {
        for order in ["ASC", "DESC"] {
            let order = key.map { "\($0) \(order)" }.joined(separator: ", ")
            guard try copy("SELECT 0, * FROM \(table) ORDER BY \(order)", to: table).isCut else { return }
        }
    }
    private func copyBodies() throws {
        let rows = #"SELECT "offset", * FROM batch"#
        let first = try copy(#"\#(rows) ORDER BY "offset""#, to: "batch")
        guard first.isCut else { return }
        let last = try copy(#"\#(rows) ORDER BY "offset" DESC"#, to: "batch")
        guard let from = first.last, let to = last.last, to > from, to - from <= Self.gapMax else { return }
        for offset in (from + 1)..<to { try copy(#"\#(rows) WHERE "offset" = \#(offset)"#, to: "batch") }
    }

    /// Inserts the rows that a statement gives until it fails, without their first column.
    /// - Returns: the first column of the last one, and whether it failed.
    @discardableResult
    private func copy(_ sql: String, to table: String) throws -> (last: Int64?, isCut: Bool) {
        var rows: [[DatabaseValue]] = [], last: Int64?, isCut = false, failure: (any Error)?
        do {
            try source.read { db in
                let cursor = try Row.fetchCursor(db, sql: sql)
                while let row = try cursor.next() {
                    rows.append(Array(row.databaseValues))
                    guard rows.count >= Self.rowsAtOnce else { continue }
                    do { last = try insert(&rows, table) ?? last } catch {
                        failure = error
                        return
                    }
                }
            }
        } catch {
            isCut = true
        }
        if let failure { throw failure }
        return (try insert(&rows, table) ?? last, isCut)
    }
    private func insert(_ rows: inout [[DatabaseValue]], _ table: String) throws -> Int64? {
        defer { rows.removeAll(keepingCapacity: true) }
        let batch = rows
        try target.write { db in
            for row in batch {
                let places = row.dropFirst().map { _ in "?" }.joined(separator: ", ")
                // A row that breaks the table's rules is damaged.
                do {
                    try db.execute(
                        sql: "INSERT OR IGNORE INTO \(table) VALUES (\(places))",
                        arguments: StatementArguments(Array(row.dropFirst())))
                } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {}
            }
        }
        return batch.last.flatMap { $0.first.flatMap(Int64.fromDatabaseValue) }
    }
}
