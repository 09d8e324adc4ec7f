import Delivery
import FlowModel
import FlowStore
import Foundation
import GRDB
import Identity
import TestKit
import Testing

/// Files as earlier releases made them. The SQL is theirs, not the present schema's.
@Suite("Day files of earlier releases")
struct StoreMigrationTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-store") }

    /// A file of version 1 with `batches`, which go to one day.
    private func makeVersion1(_ batches: [StoredBatch]) throws {
        try FileManager.default.createDirectory(at: folder.file("acme"), withIntermediateDirectories: true)
        var configuration = Configuration()
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA page_size = 65536") }
        let queue = try DatabaseQueue(path: folder.file("acme/2026-11-21.sqlite").path, configuration: configuration)
        try queue.write { db in
            try db.execute(
                sql: """
                    CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
                    INSERT INTO grdb_migrations VALUES ('1 segments');
                    CREATE TABLE segment (
                        id INTEGER PRIMARY KEY, log_offset INTEGER NOT NULL, site TEXT NOT NULL, sensor TEXT NOT NULL,
                        epoch BLOB NOT NULL, sequence INTEGER NOT NULL, received_ms INTEGER NOT NULL,
                        flow_start_min INTEGER NOT NULL, flow_end_max INTEGER NOT NULL, rows INTEGER NOT NULL,
                        flows INTEGER NOT NULL, octets INTEGER NOT NULL, packets INTEGER NOT NULL,
                        body_bytes INTEGER NOT NULL, body BLOB NOT NULL,
                        UNIQUE (site, sensor, epoch, sequence)) STRICT;
                    CREATE INDEX segment_newest ON segment (flow_end_max, log_offset, flow_start_min);
                    CREATE TABLE summary (
                        id INTEGER PRIMARY KEY CHECK (id = 1), tenant TEXT NOT NULL, flow_start_min INTEGER NOT NULL,
                        flow_end_max INTEGER NOT NULL, batches INTEGER NOT NULL, rows INTEGER NOT NULL,
                        flows INTEGER NOT NULL, octets INTEGER NOT NULL, packets INTEGER NOT NULL,
                        body_bytes INTEGER NOT NULL) STRICT;
                    """)
            var totals = StoreTotals()
            for batch in batches {
                let epoch = Data([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2])
                try db.execute(
                    sql: "INSERT INTO segment VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    arguments: [
                        batch.logOffset, batch.sensor.site, batch.sensor.name, epoch, Int64(batch.key.sequence),
                        batch.receivedMilliseconds, batch.flowStartMin, batch.flowEndMax, batch.rows,
                        Int64(batch.tally.flows), Int64(batch.tally.octets), Int64(batch.tally.packets),
                        batch.body.count, Data(batch.body),
                    ])
                totals.rows += UInt64(batch.rows)
                totals.tally += batch.tally
                totals.bodyBytes += UInt64(batch.body.count)
            }
            try db.execute(
                sql: "INSERT INTO summary VALUES (1, 'acme', ?, ?, ?, ?, ?, ?, ?, ?)",
                arguments: [
                    batches.map(\.flowStartMin).min(), batches.map(\.flowEndMax).max(), batches.count,
                    Int64(totals.rows), Int64(totals.tally.flows), Int64(totals.tally.octets),
                    Int64(totals.tally.packets), Int64(totals.bodyBytes),
                ])
        }
        try queue.close()
    }

    @Test("a file of version 1 is read, knows its keys, takes more and is compacted") func version1() async throws {
        var real = RealBatches(seed: 51)
        try real.add(10)
        try makeVersion1(real.batches)
        let store = try SQLiteFlowStore(directory: folder.path)
        #expect(try await store.totals(of: try tenant()) == real.totals(bodies: true))
        try await store.expect(real.records)
        #expect(try await store.store(real.batches) == StoreTotals())
        let old = real.batches.count
        try real.add(5)
        #expect(try await store.store(real.batches).batches == UInt64(real.batches.count - old))
        #expect(try await store.compact(now: later, policy: eager()).replaced.batches == 15)
        #expect(try await store.compact(now: later + 200_000).deletedBatches == 15)
        try await store.expect(real.records)
        #expect(try await store.store(real.batches) == StoreTotals())
        #expect(await store.damage == StoreDamage())
    }

    /// Version 2 had all but the archive's table.
    @Test("a file of version 2 with segments is read, takes more and is archived") func version2() async throws {
        var real = RealBatches(seed: 52)
        try real.add(10)
        do {
            let store = try SQLiteFlowStore(directory: folder.path)
            try await store.store(real.batches)
            _ = try await store.compact(now: later, policy: eager())
            _ = try await store.compact(now: later + 200_000)
        }
        let queue = try DatabaseQueue(path: folder.file("acme/2026-11-21.sqlite").path)
        try await queue.write { db in
            try db.execute(sql: "DROP TABLE archived; DELETE FROM grdb_migrations WHERE identifier = '3 archive'")
        }
        try queue.close()
        let store = try SQLiteFlowStore(directory: folder.path, archive: PlannedArchive())
        try await store.expect(real.records)
        try real.add(2)
        #expect(try await store.store(real.batches).batches == 2)
        var policy = ArchivePolicy()
        policy.afterDays = 1
        #expect(try await store.archive(now: later, policy: policy).segments == 1)
        try await store.expect(real.records)
        #expect(await store.damage == StoreDamage())
    }
}
