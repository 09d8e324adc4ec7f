import Delivery
import FlowModel
import Foundation
import SQLite
import Spool
import TestKit
import Testing

/// Files as each released schema has them. Never edited: a new schema gets a new entry.
private enum Released {
    static let schema1 = """
        PRAGMA page_size = 65536; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;
        CREATE TABLE epoch (
            id INTEGER PRIMARY KEY, high INTEGER NOT NULL, low INTEGER NOT NULL, started_ms INTEGER NOT NULL,
            UNIQUE (high, low)) STRICT;
        CREATE TABLE batch (
            id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL REFERENCES epoch, sequence INTEGER NOT NULL,
            sealed_ms INTEGER NOT NULL, sha256 BLOB NOT NULL, rows INTEGER NOT NULL, flows INTEGER NOT NULL,
            octets INTEGER NOT NULL, packets INTEGER NOT NULL, bytes INTEGER NOT NULL,
            UNIQUE (epoch, sequence)) STRICT;
        CREATE TABLE body (batch INTEGER PRIMARY KEY REFERENCES batch, content BLOB NOT NULL) STRICT;
        CREATE TABLE abandoned (
            high INTEGER NOT NULL, low INTEGER NOT NULL, sequence INTEGER NOT NULL,
            PRIMARY KEY (high, low, sequence)) STRICT, WITHOUT ROWID;
        PRAGMA application_id = 1464158546;
        PRAGMA user_version = 1;
        """
}

@Suite("A spool of each released schema is brought over, whole and once")
struct SpoolUpgradeTests {
    private let folder: TemporaryFolder
    private let epochs = Epochs()
    init() throws { folder = try TemporaryFolder("weir-upgrade") }
    private func open() throws(SpoolError) -> Spool {
        try Spool(directory: folder.path, bytesMax: 1 << 20, epoch: epochs.make)
    }
    private func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: folder.file(name).path) }
    private static let first = Epoch(high: .max, low: 7)

    @discardableResult
    private func makeDatabase(
        _ name: String = "spool.sqlite", batches: Int = 5, from number: Int = 0, epoch: Epoch = first,
        abandoned: BatchKey? = nil
    ) throws -> [BatchKey] {
        let connection = try SQLiteConnection(path: folder.file(name).path)
        try connection.execute(Released.schema1)
        try connection.prepare("INSERT INTO epoch VALUES (1, ?1, ?2, 1)").run(
            .unsigned(epoch.high), .unsigned(epoch.low))
        var keys: [BatchKey] = []
        for index in 0..<batches {
            let bytes = body(number + index, bytes: 5_000)
            try connection.prepare("INSERT INTO batch VALUES (?1, 1, ?2, 77, ?3, 5, 10, 2000, -1, 5000)").run(
                .integer(Int64(index + 1)), .integer(Int64(index)), .blob(BatchDigest(of: bytes).octets))
            try connection.prepare("INSERT INTO body VALUES (?1, ?2)").run(.integer(Int64(index + 1)), .blob(bytes))
            keys.append(BatchKey(epoch: epoch, sequence: UInt64(index)))
        }
        if let abandoned {
            try connection.prepare("INSERT INTO abandoned VALUES (?1, ?2, ?3)").run(
                .unsigned(abandoned.epoch.high), .unsigned(abandoned.epoch.low), .unsigned(abandoned.sequence))
        }
        return keys
    }

    @Test("schema 1: every batch comes over under its key with its bytes and tally, and the old file goes")
    func schema1()
        throws
    {
        let keys = try makeDatabase()
        for _ in 0..<2 {
            let spool = try open(), waiting = try spool.waiting(limit: 100)
            #expect(waiting.map(\.key) == keys)
            #expect(waiting.allSatisfy { $0.tally == tally && $0.rows == 5 && $0.sealedMilliseconds == 77 })
            let bodies = try keys.map { try spool.body(of: $0) }
            #expect(bodies == (0..<5).map { body($0, bytes: 5_000) })
        }
        #expect(!exists("spool.sqlite") && !exists("spool.sqlite-wal"))
    }

    @Test("schema 1, two files: what the newer one says must not be sent is not") func abandoned() throws {
        let old = try makeDatabase(batches: 3)
        let new = try makeDatabase(
            "spool-1.sqlite", batches: 1, from: 50, epoch: Epoch(high: 1, low: 1), abandoned: old[2])
        let spool = try open(), waiting = try spool.waiting(limit: 100)
        #expect(Set(waiting.map(\.key)) == Set(old[..<2] + new))
    }

    @Test("schema 1, a crash while it is brought over: nothing comes twice") func crashInBetween() throws {
        let keys = try makeDatabase()
        let copy = try Data(contentsOf: folder.file("spool.sqlite"))
        do { _ = try open() }
        try copy.write(to: folder.file("spool.sqlite"))
        let spool = try open(), waiting = try spool.waiting(limit: 100)
        #expect(waiting.map(\.key) == keys && spool.usage.batches == 5 && !exists("spool.sqlite"))
    }

    @Test("schema 1, damaged: the sound batches come over, the file is moved aside, the others are counted")
    func damaged()
        throws
    {
        let keys = try makeDatabase()
        do {
            let connection = try SQLiteConnection(path: folder.file("spool.sqlite").path)
            try connection.execute("UPDATE body SET content = x'00' WHERE batch = 2")
        }
        let spool = try open(), waiting = try spool.waiting(limit: 100)
        #expect(waiting.map(\.key) == [keys[0]] + keys[2...])
        #expect(spool.usage.damagedBatches == 1 && exists("quarantine/1-spool.sqlite") && !exists("spool.sqlite"))
    }

    @Test("a file that is no database is moved aside; one of a later version is left alone") func foreign() throws {
        try Data(repeating: 1, count: 70_000).write(to: folder.file("spool-3.sqlite"))
        do {
            let spool = try open()
            #expect(spool.usage.quarantinedFiles == 1 && !exists("spool-3.sqlite"))
        }
        do {
            let connection = try SQLiteConnection(path: folder.file("spool.sqlite").path)
            try connection.execute("PRAGMA user_version = 2")
        }
        #expect(throws: SpoolError.self) { try open() }
        #expect(exists("spool.sqlite"))
    }
}
