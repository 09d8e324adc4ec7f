import FlowModel
import FlowStore
import Foundation
import GRDB
import Identity
import TestKit
import Testing

/// Two days after `noon`, when the day is over and everything in it is late.
let later = noon + 2 * day

@Suite("Compaction")
struct CompactionTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-store") }

    private func open() throws -> SQLiteFlowStore { try SQLiteFlowStore(directory: folder.path, recentBytes: 0) }
    private func fileBytes() throws -> Int {
        let path = folder.file("acme/2026-11-21.sqlite").path
        return try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
    }

    @Test("segments hold every record of their batches once, and the totals stay") func keepsRecords() async throws {
        var real = RealBatches(seed: 1)
        try real.add(30)
        let store = try open()
        try await store.store(real.batches)
        let before = try await store.totals(of: try tenant())
        let report = try await store.compact(now: noon, policy: eager(rows: 500))
        #expect(report.segments == 3)
        #expect(report.replaced.batches == 30)
        #expect(report.damage == StoreDamage())
        let segments = try await store.all(limit: .max)
        #expect(segments.count == 3)
        #expect(segments.allSatisfy { $0.kind == .compacted && $0.rows == 500 && $0.sensor == nil })
        let records = try await store.allRecords()
        #expect(records == real.records, "\(records.difference(from: real.records))")
        var after = try await store.totals(of: try tenant())
        #expect(after.bodyBytes == segments.reduce(0) { $0 + UInt64($1.bodyBytes) })
        after.bodyBytes = before.bodyBytes
        #expect(after == before)
        // The same to who opens the store anew.
        let again = try await open().allRecords()
        #expect(again == real.records)
    }

    @Test("what is stored again after compaction changes nothing, before and after the batches are gone")
    func keysStay() async throws {
        var real = RealBatches(seed: 2)
        try real.add(12)
        let store = try open()
        try await store.store(real.batches)
        _ = try await store.compact(now: later, policy: eager())
        #expect(try await store.store(real.batches) == StoreTotals())
        let report = try await store.compact(now: later + 121_000)
        #expect(report.deletedBatches == 12)
        #expect(try await store.store(real.batches) == StoreTotals())
        #expect(try await open().store(Array(real.batches.reversed())) == StoreTotals())
        try await store.expect(real.records)
        // A key between and beyond those that were compacted is new.
        var more = real
        try more.add(1)
        #expect(try await store.store(more.batches).batches == 1)
    }

    @Test("who listed batches reads them for two minutes after; then they go, and their room is given back")
    func replacedBatches() async throws {
        var real = RealBatches(seed: 3)
        try real.add(40, rows: 1_500, span: 60_000, hosts: 2)
        let store = try open()
        try await store.store(real.batches)
        let listed = try await store.all()
        _ = try await store.compact(now: later, policy: eager())
        // Of which some are in the write-ahead log yet.
        let full = try await DatabaseQueue(path: folder.file("acme/2026-11-21.sqlite").path).read { db in
            65_536 * (try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0)
        }
        for segment in listed {
            let body = try await store.body(of: segment, tenant: try tenant())
            #expect(body == real.batches.first { $0.logOffset == segment.position.logOffset }?.body)
        }
        #expect(try await store.compact(now: later + 119_000).deletedBatches == 0)
        #expect(try await store.compact(now: later + 120_000).deletedBatches == 40)
        let gone = try await store.body(of: listed[0], tenant: try tenant())
        #expect(gone == nil)
        try await store.expect(real.records)
        // A quarter of what is left stays free: the next batches go there.
        #expect(try fileBytes() < full)
        let left = try await DatabaseQueue(path: folder.file("acme/2026-11-21.sqlite").path).read { db in
            (
                free: try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0,
                pages: try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            )
        }
        #expect(left.free > 0 && left.free * 4 <= left.pages)
    }

    @Test("a day is left alone until it has enough rows, or is over and its batches have waited") func due()
        async throws
    {
        var real = RealBatches(seed: 4)
        try real.add(3)
        let store = try open()
        try await store.store(real.batches)
        let midnight = noon + day / 2
        #expect(try await store.compact(now: midnight + 3_599_000).segments == 0)
        var policy = CompactionPolicy()
        policy.rowsMax = 151
        #expect(try await store.compact(now: noon, policy: policy).segments == 0)
        policy.rowsMax = 150
        #expect(try await store.compact(now: noon, policy: policy).segments == 1)
        var late = RealBatches(seed: 5)
        try late.add(5)
        late.batches.removeFirst(3)
        for index in late.batches.indices { late.batches[index].receivedMilliseconds = midnight + 3_600_000 }
        try await store.store(late.batches)
        #expect(try await store.compact(now: midnight + 7_199_000).segments == 0)
        #expect(try await store.compact(now: midnight + 7_200_000).segments == 1)
    }

    @Test("dying at any step loses and doubles nothing", arguments: CompactionStep.allCases)
    func crash(step: CompactionStep) async throws {
        struct Died: Error {}
        var real = RealBatches(seed: 6)
        try real.add(20)
        do {
            let store = try open()
            try await store.store(real.batches)
            for now in [later, later + 200_000] {
                do {
                    _ = try await store.compact(now: now, policy: eager(rows: 400)) { if $0 == step { throw Died() } }
                } catch {
                    #expect("\(error)".contains("Died"))
                }
            }
        }
        let store = try open()
        try await store.expect(real.records)
        #expect(try await store.totals(of: try tenant()).rows == real.totals.rows)
        _ = try await store.compact(now: later + 400_000, policy: eager(rows: 400))
        let report = try await store.compact(now: later + 600_000, policy: eager(rows: 400))
        try await store.expect(real.records)
        #expect(try await store.all().allSatisfy { $0.kind == .compacted })
        #expect(try await store.store(real.batches) == StoreTotals())
        #expect(report.damage == StoreDamage())
        let left = try await DatabaseQueue(path: folder.file("acme/2026-11-21.sqlite").path).read { db in
            try Int.fetchOne(db, sql: "SELECT count(*) FROM batch")
        }
        #expect(left == 0)
    }

    @Test("a batch that does not decode is set aside with its octets, and the rest is compacted") func damagedBatch()
        async throws
    {
        var real = RealBatches(seed: 7)
        try real.add(10)
        var batches = real.batches
        batches[4].body[batches[4].body.count / 2] ^= 0x40
        let store = try open()
        try await store.store(batches)
        let report = try await store.compact(now: later, policy: eager())
        #expect(report.segments == 1)
        #expect(report.replaced.batches == 9)
        #expect(report.damage.batches == 1)
        #expect(report.damage.rows == 50)
        #expect(await store.damage.batches == 1)
        #expect(try await store.allRecords().rows == 450)
        #expect(try await store.totals(of: try tenant()).rows == 450)
        let kept = try await DatabaseQueue(path: folder.file("acme/2026-11-21.sqlite").path).read { db in
            try Data.fetchOne(db, sql: "SELECT octets FROM damaged_piece WHERE name = 'body'")
        }
        #expect(kept?.dropFirst() == Data(batches[4].body))
        // The sensor may still have the batch as it was.
        #expect(try await store.store(real.batches).batches == 1)
        try await store.expect(real.records)
    }

    @Test("a segment that does not read back as it was written gives its place back to its batches")
    func damagedBeforePurge() async throws {
        var real = RealBatches(seed: 8)
        try real.add(10)
        do {
            let store = try open()
            try await store.store(real.batches)
            _ = try await store.compact(now: later, policy: eager())
        }
        try await damageAPiece()
        let store = try open()
        let report = try await store.compact(now: later + 200_000)
        #expect(report.damage.segments == 1)
        #expect(report.deletedBatches == 0)
        try await store.expect(real.records)
        #expect(try await store.totals(of: try tenant()) == real.totals(bodies: true))
    }

    @Test("a segment that is found damaged later is set aside with its octets and costs its own records")
    func damagedLater() async throws {
        var real = RealBatches(seed: 9)
        try real.add(20)
        do {
            let store = try open()
            try await store.store(real.batches)
            _ = try await store.compact(now: later, policy: eager(rows: 500))
            _ = try await store.compact(now: later + 200_000)
        }
        try await damageAPiece()
        let store = try open()
        // Not what a reader says, but what the checksums say, decides.
        let sound = try #require(try await store.all().last)
        try await store.reportDamage(of: sound, tenant: try tenant(), reason: "a careless reader")
        #expect(try await store.all().count == 2)
        #expect(try await store.allRecords().rows == 500)
        #expect(try await store.all().count == 1)
        #expect(await store.damage.segments == 1)
        #expect(await store.damage.rows == 500)
        #expect(try await store.totals(of: try tenant()).rows == 500)
        let pieces = try await DatabaseQueue(path: folder.file("acme/2026-11-21.sqlite").path).read { db in
            try Int.fetchOne(db, sql: "SELECT count(*) FROM damaged_piece WHERE name LIKE 'piece %'") ?? 0
        }
        #expect(pieces > 10)
    }

    /// Changes an octet in the newest segment's piece with the most octets.
    private func damageAPiece() async throws {
        try await DatabaseQueue(path: folder.file("acme/2026-11-21.sqlite").path).write { db in
            let newest = "(SELECT id FROM segment ORDER BY flow_end_max DESC, log_offset DESC LIMIT 1)"
            let row = try #require(
                try Row.fetchOne(
                    db,
                    sql: "SELECT id, octets FROM piece WHERE id >> 24 = \(newest) ORDER BY length(octets) DESC LIMIT 1")
            )
            var octets: Data = row["octets"]
            octets[octets.count / 2] ^= 1
            try db.execute(sql: "UPDATE piece SET octets = ? WHERE id = ?", arguments: [octets, row["id"] as Int64])
        }
    }
}

extension RealBatches {
    func totals(bodies: Bool) -> StoreTotals {
        var totals = totals
        totals.bodyBytes = batches.reduce(0) { $0 + UInt64($1.body.count) }
        return totals
    }
}
