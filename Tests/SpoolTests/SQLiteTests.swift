import Foundation
import SQLite
import TestKit
import Testing

@Suite("SQLite through its thin wrapper")
struct SQLiteTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-sqlite") }
    private var path: String { folder.file("a.sqlite").path }

    @Test("values of every kind come back as they went in") func values() throws {
        let connection = try SQLiteConnection(path: path)
        try connection.execute("CREATE TABLE t (a, b, c, d)")
        let insert = try connection.prepare("INSERT INTO t VALUES (?1, ?2, ?3, ?4)")
        try insert.run(.integer(.min), .text("grüße \u{1F600}"), .blob([0, 1, 255]), .null)
        try insert.run(.unsigned(.max), .text(""), .blob([]), .null)
        #expect(connection.changes == 1 && connection.lastInsertRowID == 2)
        var rows: [(UInt64, String, [UInt8], Bool)] = []
        try connection.prepare("SELECT a, b, c, d FROM t").rows {
            rows.append(($0.unsigned(0), $0.text(1), $0.blob(2), $0.isNull(3)))
        }
        #expect(rows.count == 2)
        #expect(rows[0] == (UInt64(bitPattern: .min), "grüße \u{1F600}", [0, 1, 255], true))
        #expect(rows[1] == (.max, "", [], true))
        let kind = try connection.prepare("SELECT typeof(c) FROM t WHERE rowid = 2")
        let isRow = try kind.step()
        #expect(isRow && kind.text(0) == "blob")
    }

    @Test("a transaction is all or nothing, and passes on why") func transactions() throws {
        let connection = try SQLiteConnection(path: path)
        try connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        let insert = try connection.prepare("INSERT INTO t VALUES (?1)")
        #expect(throws: SQLiteError.self) {
            try connection.transaction { () throws(SQLiteError) in
                try insert.run(.integer(1))
                try insert.run(.integer(1))
            }
        }
        let none = try connection.integer("SELECT count(*) FROM t")
        #expect(none == 0)
        try connection.transaction { () throws(SQLiteError) in try insert.run(.integer(1)) }
        let one = try connection.integer("SELECT count(*) FROM t WHERE a = ?1", .integer(1))
        #expect(one == 1)
    }

    @Test("errors say what SQLite says") func errors() throws {
        let connection = try SQLiteConnection(path: path)
        do {
            try connection.execute("SELEKT 1")
            Issue.record("that is no SQL")
        } catch {
            #expect(error.message.contains("SELEKT") && !error.isFileFault && !error.isDiskFull)
        }
        #expect(throws: SQLiteError.self) { try connection.prepare("  ") }
        do {
            _ = try SQLiteConnection(path: folder.path + "/none/x.sqlite")
            Issue.record("there is no such folder")
        } catch {
            #expect(error.isFileFault && !error.isCorruption)
        }
        #expect(throws: SQLiteError.self) { try SQLiteConnection(path: folder.file("b").path, mode: .readWrite) }
        #expect(SQLiteError(code: 10 | 4 << 8, message: "").isFileFault)
        #expect(SQLiteError(code: 13, message: "").isDiskFull)
        #expect(SQLiteError(code: 5, message: "").isBusy)
    }
}
