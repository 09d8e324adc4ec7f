/// A SQLite file that is opened in whatever state its disk has left it in.
///
/// Invariants: a damaged file is never written to again: it is set aside whole, as `<path>.damaged-<n>`, and a new one
/// takes its place with every row that can still be read; that takes place once the copy is durable, so a crash on the
/// way costs nothing. SQLite says that a page is damaged when it comes to it: who meets that says `suspect`, and the
/// next opening mends.
/// Not here: what is missing afterwards, and who has it.
internal import Foundation
internal import GRDB

struct MendableFile: Sendable {
    let path: String
    private let migrator: @Sendable () -> DatabaseMigrator, clean: @Sendable (Database) throws -> Void

    /// - Parameters:
    ///   - migrator: makes the tables of a new file.
    ///   - clean: takes out of the copy what could be read and is damaged nevertheless.
    init(
        _ path: String, migrator: @escaping @Sendable () -> DatabaseMigrator,
        clean: @escaping @Sendable (Database) throws -> Void
    ) {
        self.path = path
        self.migrator = migrator
        self.clean = clean
    }

    static func isDamage(_ error: any Error) -> Bool {
        if error is RowDecodingError || error is DecodingError { return true }
        return [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains((error as? DatabaseError)?.resultCode)
    }

    /// Has the next opening mend the file if `error` says that it is damaged.
    func suspect(_ error: any Error) {
        if Self.isDamage(error) { _ = FileManager.default.createFile(atPath: mark, contents: nil) }
    }
    private var mark: String { path + ".suspect" }
    private var copy: String { path + ".mending" }

    /// Calls `open`; what it finds damaged, or what was suspected, is mended and opened again.
    /// - Returns: whether it was mended: rows may be missing, of any table.
    func opened<Value>(_ open: () throws -> Value) throws -> (value: Value, wasMended: Bool) {
        try finishMoving()
        if FileManager.default.fileExists(atPath: mark) {
            try mend()
            return (try open(), true)
        }
        do {
            return (try open(), false)
        } catch  where Self.isDamage(error) {
            try mend()
            return (try open(), true)
        }
    }

    // MARK: Mending

    /// A crash came between the old file's move and the new one's.
    private func finishMoving() throws {
        let files = FileManager.default
        guard files.fileExists(atPath: copy) else { return }
        if files.fileExists(atPath: path) {
            try files.removeItem(atPath: copy)
        } else {
            try files.moveItem(atPath: copy, toPath: path)
        }
        try? files.removeItem(atPath: copy + "-journal")
    }

    private func mend() throws {
        let files = FileManager.default
        if files.fileExists(atPath: path) {
            try? files.removeItem(atPath: copy)
            try copyRows()
            try sync(copy)
            var number = 1
            while files.fileExists(atPath: "\(path).damaged-\(number)") { number += 1 }
            for end in ["-wal", "-journal", ""] where files.fileExists(atPath: path + end) {
                try files.moveItem(atPath: path + end, toPath: "\(path).damaged-\(number)\(end)")
            }
            try? files.removeItem(atPath: path + "-shm")
            try files.moveItem(atPath: copy, toPath: path)
            try sync((path as NSString).deletingLastPathComponent)
        }
        try? files.removeItem(atPath: mark)
    }
    private func sync(_ path: String) throws {
        guard let handle = FileHandle(forReadingAtPath: path) else { throw CocoaError(.fileReadUnknown) }
        try handle.synchronize()
        try handle.close()
    }

    private func copyRows() throws {
        var configuration = Configuration()
        configuration.foreignKeysEnabled = false
        let source = try? DatabaseQueue(path: path, configuration: configuration)
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = OFF") }  // synced once, at the end
        let target = try DatabaseQueue(path: copy, configuration: configuration)
        try migrator().migrate(target)
        if let source {
            let tables = try target.read { db in
                try String.fetchAll(
                    db,
                    sql: """
                        SELECT name FROM sqlite_master
                        WHERE type = 'table' AND name NOT LIKE 'grdb_%' AND name NOT LIKE 'sqlite_%'
                        """)
            }
            for table in tables { try TableCopy(table: table, source: source, target: target).run() }
            try? source.close()
        }
        try target.write(clean)
        try target.close()
    }
}

/// The rows of one table, from both ends up to the damage.
private struct TableCopy {
    let table: String, source: DatabaseQueue, target: DatabaseQueue
    private static let rowsAtOnce = 64

    struct TargetFailure: Error {}

    func run() throws {
        let columns = try columns()
        let keys = try target.read { try $0.primaryKey(table).columns.map { "\"\($0)\"" } }
        for direction in ["ASC", "DESC"] {
            let order = keys.map { "\($0) \(direction)" }.joined(separator: ", ")
            let names = columns.joined(separator: ", ")
            if try copy("SELECT \(names) FROM \"\(table)\" ORDER BY \(order)", columns) { return }
        }
    }

    /// Those of the new table that the old one has: it may be of an earlier version.
    private func columns() throws -> [String] {
        let names = try target.read { try $0.columns(in: table).map(\.name) }
        let old = (try? source.read { try $0.columns(in: table).map(\.name) }) ?? names
        return names.filter(old.contains).map { "\"\($0)\"" }
    }

    /// - Returns: whether all was read.
    private func copy(_ sql: String, _ columns: [String]) throws -> Bool {
        var rows: [[DatabaseValue]] = []
        do {
            try source.read { db in
                let cursor = try Row.fetchCursor(db, sql: sql)
                while let row = try cursor.next() {
                    rows.append(Array(row.databaseValues))
                    if rows.count >= Self.rowsAtOnce { try insert(&rows, columns) }
                }
            }
        } catch let failure as TargetFailure {
            throw failure
        } catch {
            try insert(&rows, columns)
            return false
        }
        try insert(&rows, columns)
        return true
    }

    private func insert(_ rows: inout [[DatabaseValue]], _ columns: [String]) throws {
        let batch = rows, names = columns.joined(separator: ", ")
        rows.removeAll(keepingCapacity: true)
        let places = columns.map { _ in "?" }.joined(separator: ", ")
        do {
            try target.write { db in
                let statement = try db.cachedStatement(
                    sql: "INSERT OR REPLACE INTO \"\(table)\" (\(names)) VALUES (\(places))")
                for row in batch {
                    // A row that breaks the table's rules is damaged.
                    do {
                        try statement.execute(arguments: StatementArguments(row))
                    } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {}
                }
            }
        } catch {
            throw TargetFailure()
        }
    }
}
