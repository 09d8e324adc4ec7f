import Delivery
import FlowLog
import Foundation
import GRDB
import Identity
import TestKit
import Testing

/// The log as each released schema has it. Never edited: a new schema gets a new entry.
private enum Released {
    static let schema1 = """
        CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
        INSERT INTO grdb_migrations VALUES ('1 batches and keys');
        CREATE TABLE sensor (
            id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, site TEXT NOT NULL, name TEXT NOT NULL,
            batches INTEGER NOT NULL, rows INTEGER NOT NULL, flows INTEGER NOT NULL,
            octets INTEGER NOT NULL, packets INTEGER NOT NULL, UNIQUE (tenant, site, name)) STRICT;
        CREATE TABLE batch_key (
            sensor INTEGER NOT NULL REFERENCES sensor(id), epoch BLOB NOT NULL, sequence INTEGER NOT NULL,
            sha256 BLOB NOT NULL, "offset" INTEGER NOT NULL,
            PRIMARY KEY (sensor, epoch, sequence)) STRICT, WITHOUT ROWID;
        CREATE TABLE batch (
            "offset" INTEGER PRIMARY KEY, sensor INTEGER NOT NULL REFERENCES sensor(id),
            epoch BLOB NOT NULL, sequence INTEGER NOT NULL, sha256 BLOB NOT NULL,
            received_ms INTEGER NOT NULL, rows INTEGER NOT NULL, flows INTEGER NOT NULL,
            octets INTEGER NOT NULL, packets INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
        CREATE TABLE log_head (id INTEGER PRIMARY KEY CHECK (id = 1), "offset" INTEGER NOT NULL) STRICT;
        INSERT INTO log_head VALUES (1, 0);
        """
    static let schema2 = """
        INSERT INTO grdb_migrations VALUES ('2 birth');
        ALTER TABLE log_head ADD COLUMN born_ms INTEGER;
        """
}

@Suite("A flow log of each released schema goes on, and one with a million keys opens in time")
struct UpgradeTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-log") }
    private func queue() throws -> DatabaseQueue { try DatabaseQueue(path: folder.file("log.sqlite").path) }
    /// 16 octets, most significant first.
    private let epochBytes = Data([0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9])

    @Test("schema 1: batches, keys, offsets and totals are what they were; its age is unknown") func schema1()
        async throws
    {
        let sent = batch(3, from: try sensor())
        do {
            let queue = try queue()
            try await queue.write { [epochBytes] db in
                try db.execute(sql: Released.schema1)
                try db.execute(sql: "INSERT INTO sensor VALUES (5, 'acme', 'hq', 'edge-1', 1, 4, 4, 300, 9)")
                let digest = Data(sent.digest.octets)
                try db.execute(
                    sql: "INSERT INTO batch_key VALUES (5, ?, 3, ?, 4194305)", arguments: [epochBytes, digest])
                try db.execute(
                    sql: "INSERT INTO batch VALUES (4194305, 5, ?, 3, ?, 77, 4, 4, 300, 9, ?)",
                    arguments: [epochBytes, digest, Data(sent.body)])
                try db.execute(sql: #"UPDATE log_head SET "offset" = 4194305"#)
            }
            try queue.close()
        }
        let log = try SQLiteFlowLog(directory: folder.path)
        let back = try await log.read(after: 0, limit: 9)
        #expect(back.map(\.key) == [sent.key] && back.first?.body == sent.body)
        let repeated = try await log.append(sent), next = try await log.append(batch(4, from: try sensor()))
        #expect(repeated == .repeated(offset: 4_194_305, digest: sent.digest))
        #expect(next == .appended(offset: 4_194_306))
        let total = try await log.totals(of: sent.sensor.tenant)
        #expect(total.first?.batches == 2 && log.bornMilliseconds == nil)
    }

    @Test("schema 2: what was given up is known, so that only what is missing counts as lost") func schema2()
        async throws
    {
        let first = batch(3, from: try sensor()), second = batch(4, from: try sensor())
        do {
            let queue = try queue()
            try await queue.write { [epochBytes] db in
                try db.execute(sql: Released.schema1)
                try db.execute(sql: Released.schema2)
                try db.execute(sql: "INSERT INTO sensor VALUES (5, 'acme', 'hq', 'edge-1', 2, 4, 4, 300, 9)")
                for (offset, sent) in [(4_194_305, first), (4_194_306, second)] {
                    try db.execute(
                        sql: "INSERT INTO batch_key VALUES (5, ?, ?, ?, ?)",
                        arguments: [
                            epochBytes, Int64(sent.key.sequence), Data(sent.digest.octets), offset,
                        ])
                }
                try db.execute(
                    sql: "INSERT INTO batch VALUES (4194306, 5, ?, 4, ?, 77, 4, 4, 300, 9, ?)",
                    arguments: [epochBytes, Data(second.digest.octets), Data(second.body)])
                try db.execute(sql: #"UPDATE log_head SET "offset" = 4194306"#)
            }
            try queue.close()
        }
        try SQLiteFlowLog(directory: folder.path).close()
        try Data().write(to: folder.file("log.sqlite.suspect"))
        let log = try SQLiteFlowLog(directory: folder.path)
        #expect(log.damage == LogDamage(file: "log.sqlite.damaged-1", batches: 0))
        #expect(try await log.read(after: 0, limit: 9).map(\.key) == [second.key])
        #expect(try await log.append(first) == .repeated(offset: 4_194_305, digest: first.digest))
        #expect(log.bornMilliseconds == 77)
    }

    @Test("a new log knows when it took its first batch") func birth() async throws {
        do {
            let log = try SQLiteFlowLog(directory: folder.path)
            #expect(log.bornMilliseconds == 0)
            _ = try await log.append(batch(1, from: try sensor(), receivedMilliseconds: 1_700_000_000_123))
            _ = try await log.append(batch(2, from: try sensor(), receivedMilliseconds: 1_800_000_000_000))
            try log.close()
        }
        let log = try SQLiteFlowLog(directory: folder.path)
        #expect(log.bornMilliseconds == 1_700_000_000_123)
    }

    @Test("a log with a million keys opens within 5 s, and knows them") func millionKeys() async throws {
        do {
            let log = try SQLiteFlowLog(directory: folder.path)
            _ = try await log.append(batch(0, from: try sensor()))
            try log.close()
            let queue = try queue()
            try await queue.write { [epochBytes] db in
                try db.execute(
                    sql: """
                        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
                        INSERT INTO batch_key SELECT 1, ?, i, zeroblob(32), 1000 + i FROM n
                        """, arguments: [epochBytes])
            }
            try queue.close()
        }
        let start = ContinuousClock.now
        let log = try SQLiteFlowLog(directory: folder.path)
        let answer = try await log.append(batch(999_999, from: try sensor()))
        let took = ContinuousClock.now - start
        #expect(took < .seconds(5), "\(took)")
        #expect(answer == .conflict(stored: try #require(BatchDigest(octets: [UInt8](repeating: 0, count: 32)))))
    }
}
