import FlowModel
import FlowStore
import Foundation
import Identity
import Platform
import TestKit
import Testing

@Suite("A day's file with changed octets")
struct MutationTests {
    /// A file with segments, replaced batches, rollups and batches that wait; its octets and what is in it.
    private func original(_ folder: TemporaryFolder) async throws -> (octets: Data, records: [KeptRecord: Int]) {
        var real = RealBatches(seed: 61)
        try real.add(24, rows: 60, span: 60_000, hosts: 4)
        do {
            let store = try SQLiteFlowStore(directory: folder.path, recentBytes: 0)
            try await store.store(Array(real.batches[..<16]))
            _ = try await store.compact(now: later, policy: eager(rows: 240))
            _ = try await store.compact(now: later + 200_000, policy: eager(rows: 240))
            try await store.store(Array(real.batches[16...]))
        }
        let store = try SQLiteFlowStore(directory: folder.path, recentBytes: 0)
        #expect(try await store.allRecords() == real.records)
        return (try Data(contentsOf: folder.file("acme/2026-11-21.sqlite")), real.records)
    }

    @Test("wherever octets change, reads end, what is read was written, and the totals are what is read")
    func anywhere() async throws {
        let clean = try TemporaryFolder("weir-store", inMemory: true), (octets, records) = try await original(clean)
        let used = stride(from: 0, to: octets.count, by: 512).filter { start in
            octets[start..<min(start + 512, octets.count)].contains { $0 != 0 }
        }
        var damagedFiles = 0, losses = 0, changes = 0
        try await run(40) { generator, seed in
            let folder = try TemporaryFolder("weir-store", inMemory: true)
            try FileManager.default.createDirectory(at: folder.file("acme"), withIntermediateDirectories: true)
            var changed = octets
            // Few octets, or a whole sector, of those that are in use: the room between is zero.
            let place = try #require(used.randomElement(using: &generator)) + Int.random(in: 0..<512, using: &generator)
            let length = [1, 4, 512][Int.random(in: 0..<3, using: &generator)]
            for at in place..<min(place + length, octets.count) {
                changed[at] = UInt8.random(in: 0...255, using: &generator)
            }
            try changed.write(to: folder.file("acme/2026-11-21.sqlite"))
            let store = try SQLiteFlowStore(directory: folder.path, recentBytes: 0)
            _ = try await store.allRecords()
            let found = try await store.allRecords()
            for (record, count) in found { #expect(count <= records[record] ?? 0, "SEED=\(seed)") }
            let totals = try await store.totals(of: try tenant())
            #expect(totals.rows == UInt64(found.rows), "SEED=\(seed)")
            let damage = await store.damage
            // The first page says where everything is: without it nothing can be told, not even how much there was.
            if !found.isEmpty || damage.files == 0 {
                #expect(UInt64(records.rows) == totals.rows + damage.rows, "SEED=\(seed) \(damage)")
            }
            // The service goes on.
            _ = try await store.compact(now: later + 400_000, policy: eager())
            try await store.store([try stored(999)])
            _ = try await store.rollup(
                RollupQuestion(tenant: try tenant(), kind: .hostPair, period: .minute, from: .min, to: .max))
            changes += 1
            damagedFiles += damage.files
            losses += damage.rows > 0 ? 1 : 0
        }
        // The test sees something: most changes hit what is used.
        #expect(damagedFiles > 2 && losses > changes / 6, "\(damagedFiles) \(losses) of \(changes)")
    }

    private func run(
        _ runs: Int, _ body: (inout SeededGenerator, UInt64) async throws -> Void
    ) async throws {
        let environment = ProcessInfo.processInfo.environment
        let first = environment["SEED"].flatMap { UInt64($0) }
        for run in 0..<(first == nil ? runs : 1) {
            let seed = first ?? UInt64(run) + 1
            var generator = SeededGenerator(seed: seed)
            try await body(&generator, seed)
        }
    }
}
