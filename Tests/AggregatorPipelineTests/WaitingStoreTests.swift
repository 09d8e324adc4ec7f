import AggregatorPipeline
import FlowLog
import FlowModel
import FlowStore
import Identity
import Logging
import Platform
import Telemetry
import TestKit
import Testing

@Suite("A store elsewhere")
struct WaitingStoreTests {
    private func waiting(
        _ node: World.Node, _ store: AwayStore, _ folder: TemporaryFolder, bytesMax: Int = 1 << 30
    ) throws -> WaitingStore {
        WaitingStore(
            store, log: try SQLiteFlowLog(directory: folder.path), bytesMax: bytesMax, pause: .milliseconds(10),
            registry: node.registry, logger: Logger(label: "store"))
    }

    @Test("while it is away detection goes on and answers lack something; afterwards it has all, once")
    func away() async throws {
        let world = try World(), node = try world.open(), folder = try TemporaryFolder("weir-waiting")
        let away = AwayStore(inner: node.store), waiting = try waiting(node, away, folder)
        let tenant = try #require(try World.traffic().first?.sensor.tenant)
        // What a process before has left nobody knows until it was looked for.
        #expect(waiting.isBehind(tenant))
        var offset = try await waiting.catchUp()
        #expect(!waiting.isBehind(tenant))
        away.isAway.with { $0 = true }
        for batch in try World.traffic() { _ = try await node.log.append(batch) }
        try await world.pipeline(node, store: waiting).drain()
        #expect(waiting.isBehind(tenant))
        #expect(try await node.store.totals(of: tenant) == StoreTotals())
        let page = node.registry.prometheusText()
        #expect(page.contains("\nweir_store_waiting_batches 24\n"))
        #expect(!page.contains("\nweir_store_unavailable_total 0\n"))
        away.isAway.with { $0 = false }
        offset = try await waiting.catchUp(after: offset)
        #expect(offset > 0 && !waiting.isBehind(tenant))
        #expect(try await World.result(node) == World.reference())
        #expect(node.registry.prometheusText().contains("\nweir_store_delivered_batches_total 24\n"))
        // Nothing is given twice, and what comes now goes there at once.
        let calls = away.calls.with { $0 }
        #expect(try await waiting.catchUp() == offset && away.calls.with { $0 } == calls)
        let batch = try World.traffic()[3]
        _ = try await node.log.append(batch)
        try await world.pipeline(node, store: waiting).drain()
        #expect(!waiting.isBehind(tenant))
    }

    @Test("what waited is there after a restart; when there is no more room the pipeline is told to wait")
    func restart() async throws {
        let world = try World(), node = try world.open(), folder = try TemporaryFolder("weir-waiting")
        let away = AwayStore(inner: node.store)
        away.isAway.with { $0 = true }
        for batch in try World.traffic() { _ = try await node.log.append(batch) }
        let first = try waiting(node, away, folder)
        try await world.pipeline(node, store: first).drain()
        away.isAway.with { $0 = false }
        let second = try waiting(node, away, folder)
        let tenant = try #require(try World.traffic().first?.sensor.tenant)
        #expect(second.isBehind(tenant))
        _ = try await second.catchUp()
        #expect(!second.isBehind(tenant))
        #expect(try await World.result(node) == World.reference())
        away.isAway.with { $0 = true }
        let small = try waiting(node, away, try TemporaryFolder("weir-small"), bytesMax: 1)
        let sensor = SensorIdentity(tenant: tenant, site: "hq", name: "edge-1")
        let batch = StoredBatch(
            sensor: sensor, key: try World.traffic()[0].key, logOffset: 1, receivedMilliseconds: 0, flowStartMin: 0,
            flowEndMax: 0, rows: 0, tally: .init(), body: [1, 2])
        await #expect(throws: FlowStoreError.unavailable("1 octets wait for the store already")) {
            try await small.store([batch])
        }
    }
}

/// Can be away.
private struct AwayStore: FlowStore {
    let inner: SQLiteFlowStore
    let isAway = Locked(false), calls = Locked(0)
    let quarantinedFiles = 0

    func store(_ batches: [StoredBatch]) async throws(FlowStoreError) -> StoreTotals {
        calls.with { $0 += 1 }
        if isAway.with({ $0 }) { throw .unavailable("it is away") }
        return try await inner.store(batches)
    }
    func totals(of tenant: TenantID) async throws(FlowStoreError) -> StoreTotals { try await inner.totals(of: tenant) }
}
