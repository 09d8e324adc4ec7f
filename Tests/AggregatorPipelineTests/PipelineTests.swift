import AggregatorPipeline
import Delivery
import Detect
import FlowLog
import FlowModel
import FlowStore
import Foundation
import Identity
import Incidents
import Logging
import ServiceLifecycle
import Telemetry
import TestKit
import Testing

@Suite("The aggregator's pipeline")
struct PipelineTests {
    @Test("batches become history and incidents, each tenant its own, and leave the log") func endToEnd() async throws {
        let world = try World(), node = try world.open(), traffic = try World.traffic()
        for batch in traffic { _ = try await node.log.append(batch) }
        try await world.pipeline(node).drain()
        let result = try await World.result(node)
        for name in ["acme", "globex"] {
            let sent = traffic.filter { $0.sensor.tenant.rawValue == name }
            var tally = Tally()
            for batch in sent { tally += batch.tally }
            #expect(result.totals[name]?.tally == tally)
            #expect(result.totals[name]?.rows == UInt64(sent.reduce(0) { $0 + $1.rows }))
            let incidents = try #require(result.incidents[name])
            #expect(incidents.map(\.rule) == ["port-scan-vertical"])
            #expect(incidents.first?.entities.map(\.value).contains("203.0.113.7") == true)
        }
        #expect(result.incidents["acme"]?.first?.id != result.incidents["globex"]?.first?.id)
        #expect(try await node.log.read(after: 0, limit: 100).isEmpty)
        let page = node.registry.prometheusText()
        for line in [
            "weir_pipeline_batches_total 24", "weir_pipeline_rows_total 96", "weir_store_batches_total 24",
            "weir_incidents_opened_total 2", "weir_pipeline_lag_batches 0", "weir_pipeline_undecodable_batches_total 0",
        ] {
            #expect(page.contains("\n\(line)\n"), "\(line)")
        }
    }

    @Test("bodies in the store are those that were logged, byte for byte") func bodies() async throws {
        let world = try World(), node = try world.open(), traffic = try World.traffic()
        for batch in traffic { _ = try await node.log.append(batch) }
        try await world.pipeline(node).drain()
        let tenant = traffic[0].sensor.tenant
        var digests: Set<BatchDigest> = []
        for segment in try await node.store.segments(tenant: tenant, from: .min, to: .max, before: nil, limit: 100) {
            let body = try #require(try await node.store.body(of: segment, tenant: tenant))
            digests.insert(BatchDigest(of: body))
        }
        #expect(digests == Set(traffic.filter { $0.sensor.tenant == tenant }.map(\.digest)))
    }

    @Test(
        "stopped at any moment and started again, it ends up where an undisturbed run does", arguments: [false, true])
    func crashes(after: Bool) async throws {
        let reference = try await World.reference()
        #expect(reference.incidents["acme"]?.isEmpty == false)
        var crashes = 0
        for call in 0..<6 {
            let world = try World()
            for place in ["store", "trim", "store"] {
                let node = try world.open(), crash = Crash(at: call, after: after)
                for batch in try World.traffic() { _ = try await node.log.append(batch) }
                let pipeline =
                    place == "store"
                    ? try world.pipeline(node, store: CrashingStore(inner: node.store, crash: crash))
                    : try world.pipeline(node, log: CrashingLog(inner: node.log, crash: crash))
                do { try await pipeline.drain() } catch { crashes += 1 }
                try node.log.close()
                try node.incidents.close()
            }
            let node = try world.open()
            try await world.pipeline(node).drain()
            let result = try await World.result(node)
            #expect(result == reference, "call \(call) after \(after)")
        }
        #expect(crashes >= 6)
    }

    @Test("a batch that can't be decoded is counted and skipped, and the rest is worked off") func undecodable()
        async throws
    {
        let world = try World(), node = try world.open()
        var traffic = try World.traffic()
        traffic[7].body = [1, 2, 3]
        traffic[7].digest = BatchDigest(of: [1, 2, 3])
        for batch in traffic { _ = try await node.log.append(batch) }
        try await world.pipeline(node).drain()
        try await world.pipeline(node).drain()
        #expect(node.registry.prometheusText().contains("\nweir_pipeline_undecodable_batches_total 1\n"))
        #expect(try await World.result(node).totals["globex"]?.batches == 11)
        #expect(try await World.result(node).totals["acme"]?.batches == 12)
    }

    @Test(
        "without its checkpoint it starts with what the log has, and with a damaged one too", arguments: [false, true])
    func lostCheckpoint(damaged: Bool) async throws {
        let reference = try await World.reference()
        let world = try World(), node = try world.open(), crash = Crash(at: 4, after: true)
        for batch in try World.traffic() { _ = try await node.log.append(batch) }
        var pace = World.small
        pace.checkpointBatches = 1_000
        _ = try? await world.pipeline(node, store: CrashingStore(inner: node.store, crash: crash), pace: pace).drain()
        let file = world.folder.file("checkpoint.sqlite")
        if damaged {
            try Data(repeating: 7, count: 9_000).write(to: file)
        } else {
            try FileManager.default.removeItem(at: file)
        }
        try await world.pipeline(node).drain()
        #expect(try await World.result(node) == reference)
        let aside = world.folder.file("checkpoint.sqlite.damaged-1").path
        #expect(FileManager.default.fileExists(atPath: aside) == damaged)
    }

    @Test("a log that was lost and made anew is read from its beginning") func lostLog() async throws {
        let world = try World(), traffic = try World.traffic()
        do {
            let node = try world.open()
            for batch in traffic.prefix(10) { _ = try await node.log.append(batch) }
            try await world.pipeline(node).drain()
            try node.log.close()
            try node.incidents.close()
        }
        for suffix in ["", "-wal", "-shm"] {
            try? FileManager.default.removeItem(at: world.folder.file("log.sqlite\(suffix)"))
        }
        let node = try world.open()
        // The sensors ship what they still have, some of it known to the store.
        for batch in traffic.dropFirst(6) { _ = try await node.log.append(batch) }
        try await world.pipeline(node).drain()
        let totals = try await World.result(node).totals
        #expect(totals["acme"]?.batches == 12)
        #expect(totals["globex"]?.batches == 12)
    }
}

@Suite("The pipeline as a service")
struct PipelineServiceTests {
    @Test("it takes what comes while it runs, and a graceful stop leaves nothing to repeat") func service() async throws
    {
        let world = try World(), node = try world.open(), traffic = try World.traffic()
        let pipeline = try world.pipeline(node)
        let group = ServiceGroup(
            services: [pipeline], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            for batch in traffic { _ = try await node.log.append(batch) }
            for _ in 0..<500 where try await World.result(node).totals["globex"]?.batches != 12 {
                try await Task.sleep(for: .milliseconds(10))
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        #expect(try await World.result(node) == World.reference())
        #expect(try await node.log.read(after: 0, limit: 100).isEmpty)
    }

    @Test("when the log fails, the service ends with the failure") func logFails() async throws {
        struct DiskGone: Error {}
        let world = try World(), node = try world.open()
        try node.log.close()
        let broken = try SQLiteFlowLog(directory: world.folder.path) { throw DiskGone() }
        let pipeline = try world.pipeline(node, log: broken), batch = try World.traffic()[0]
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { _ = try? await broken.append(batch) }
            await #expect(throws: FlowLogError.self) { try await pipeline.run() }
        }
    }

    @Test("a full disk is waited out") func fullDisk() async throws {
        let world = try World(), node = try world.open()
        for batch in try World.traffic() { _ = try await node.log.append(batch) }
        let pipeline = try world.pipeline(node, store: FullStore(inner: node.store))
        try await pipeline.drain()
        #expect(try await World.result(node) == World.reference())
    }
}

/// Is full at every second call.
struct FullStore: FlowStore {
    let inner: SQLiteFlowStore
    let calls = Locked(0)
    let quarantinedFiles = 0
    func store(_ batches: [StoredBatch]) async throws(FlowStoreError) -> StoreTotals {
        let isFull = calls.with { calls in
            calls += 1
            return calls % 2 == 1
        }
        if isFull { throw .full }
        return try await inner.store(batches)
    }
    func segments(
        tenant: TenantID, from: Int64, to: Int64, before: SegmentPosition?, limit: Int
    ) async throws(FlowStoreError) -> [Segment] { [] }
    func body(of segment: Segment, tenant: TenantID) async throws(FlowStoreError) -> [UInt8]? { nil }
    func totals(of tenant: TenantID) async throws(FlowStoreError) -> StoreTotals { StoreTotals() }
}
