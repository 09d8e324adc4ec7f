import FlowModel
import Foundation
import Identity
import TestKit
import Testing

@testable import FlowStore

@Suite("Bodies that the store keeps in memory") struct RecentBodiesTests {
    @Test(
        "a compaction makes the same of bodies in memory as of those in the file, of few or all, sealed or not",
        arguments: [0, 2_000, 1 << 20], [false, true])
    func same(recentBytes: Int, isSealed: Bool) async throws {
        let folder = try TemporaryFolder("weir-store")
        var real = RealBatches(seed: 5)
        try real.add(30)
        let sealer = isSealed ? ToySealer() : nil
        let store = try SQLiteFlowStore(directory: folder.path, sealer: sealer, recentBytes: recentBytes)
        try await store.store(real.batches)
        try await store.store(Array(real.batches.prefix(7)))  // again
        let report = try await store.compact(now: noon, policy: eager(rows: 500))
        #expect(report.segments == 3 && report.replaced.batches == 30 && report.damage == StoreDamage())
        try await store.expect(real.records)
    }

    @Test("a compaction needs no body in the file that is in memory; a destroyed key ends it all the same")
    func unread() async throws {
        for isSealed in [false, true] {
            let folder = try TemporaryFolder("weir-store"), sealer = isSealed ? ToySealer() : nil
            var real = RealBatches(seed: 6)
            try real.add(10)
            let store = try SQLiteFlowStore(directory: folder.path, sealer: sealer)
            try await store.store(real.batches)
            try await exchangeBodies(1, 2, in: folder)
            let report = try await store.compact(now: later, policy: eager())
            #expect(report.replaced.batches == 10 && report.damage == StoreDamage())
            try await store.expect(real.records)
        }
        let folder = try TemporaryFolder("weir-store"), sealer = ToySealer()
        var real = RealBatches(seed: 7)
        try real.add(10)
        let store = try SQLiteFlowStore(directory: folder.path, sealer: sealer)
        try await store.store(real.batches)
        sealer.destroy(try tenant())
        let report = try? await store.compact(now: later, policy: eager())
        #expect(report?.segments ?? 0 == 0)
    }

    @Test("the newest are kept, once, until they are taken") func bounds() throws {
        var real = RealBatches(seed: 8)
        try real.add(6)
        let recent = RecentBodies(bytesMax: 300), body = Data(repeating: 1, count: 100)
        func taken(_ number: Int) -> Data? {
            recent.take(real.batches[number].sensor.tenant, logOffset: real.batches[number].logOffset)
        }
        for batch in real.batches.prefix(5) + real.batches.prefix(5).suffix(1) { recent.keep(body, of: batch) }
        #expect(taken(0) == nil && taken(1) == nil)
        #expect(taken(3) == body && taken(3) == nil)
        recent.keep(Data(repeating: 2, count: 301), of: real.batches[5])
        #expect(taken(5) == nil && taken(2) == body && taken(4) == body)
        recent.keep(Data(repeating: 2, count: 300), of: real.batches[5])
        #expect(taken(5)?.count == 300)
        let none = RecentBodies(bytesMax: 0)
        none.keep(body, of: real.batches[0])
        #expect(none.take(real.batches[0].sensor.tenant, logOffset: real.batches[0].logOffset) == nil)
    }
}
