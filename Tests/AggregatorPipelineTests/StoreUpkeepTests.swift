import AggregatorPipeline
import FlowLog
import FlowStore
import Identity
import Logging
import ObjectStore
import Platform
import ServiceLifecycle
import Telemetry
import TestKit
import Testing

@Suite("The upkeep of the store")
struct StoreUpkeepTests {
    /// Keeps the messages that are logged.
    private struct Messages: LogHandler {
        let kept: Locked<[String]>
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            let fields = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            kept.with { $0.append("\(event.level) \(event.message) \(fields.joined(separator: " "))") }
        }
    }

    private func upkeep(
        _ node: World.Node, _ messages: Locked<[String]>, retention: RetentionPolicy = RetentionPolicy()
    ) -> StoreUpkeep {
        StoreUpkeep(
            store: node.store, retention: retention, time: node.time, registry: node.registry,
            logger: Logger(label: "store") { _ in Messages(kept: messages) })
    }
    private func filled(archive: (any SegmentArchive)? = nil) async throws -> (World, World.Node) {
        let world = try World(), node = try world.open(archive: archive)
        for batch in try World.traffic() { _ = try await node.log.append(batch) }
        try await world.pipeline(node).drain()
        return (world, node)
    }

    @Test("what is late is compacted, once, and counted") func compacts() async throws {
        let (world, node) = try await filled(), messages = Locked<[String]>([])
        defer { withExtendedLifetime(world) {} }
        let upkeep = upkeep(node, messages)
        try await upkeep.pass()
        #expect(node.registry.prometheusText().contains("\nweir_store_segments_total 0\n"))
        node.time.advance(by: .seconds(2 * 86_400))
        for _ in 0..<3 { try await upkeep.pass() }
        let page = node.registry.prometheusText()
        for line in [
            "weir_store_segments_total 2", "weir_store_compacted_batches_total 24",
            "weir_store_compacted_rows_total 96", "weir_store_damaged_rows_total 0",
        ] {
            #expect(page.contains("\n\(line)\n"), "\(line)")
        }
        #expect(messages.with { $0.filter { $0.contains("compacted") }.count } == 1)
    }

    @Test("days that go are counted by reason, and each is announced with its tenant") func retires() async throws {
        let (world, node) = try await filled(), messages = Locked<[String]>([])
        defer { withExtendedLifetime(world) {} }
        var policy = RetentionPolicy()
        policy.bytesMax = 1
        try await upkeep(node, messages, retention: policy).pass()
        let page = node.registry.prometheusText()
        #expect(page.contains("\nweir_store_retired_days_total{reason=\"quota\"} 4\n"))
        #expect(page.contains("\nweir_store_retired_days_total{reason=\"age\"} 0\n"))
        #expect(page.contains("\nweir_store_retired_rows_total{reason=\"quota\"} 96\n"))
        let said = messages.with { $0 }.filter { $0.contains("given up") }
        #expect(said.count == 4)
        let warnings = said.filter { $0.hasPrefix("warning") && $0.contains("day=2026-11-21") }
        #expect(warnings.contains { $0.contains("tenant=globex") } && warnings.contains { $0.contains("tenant=acme") })
    }

    @Test("what is old enough goes to the archive, and its objects with its day; both are counted")
    func archives() async throws {
        let folder = try TemporaryFolder("weir-archive"), messages = Locked<[String]>([])
        let objects = try FolderObjectStore(folder.path)
        let archive = ObjectArchive(objects, cacheBytesMax: 1 << 20, time: ManualTime(), registry: MetricRegistry())
        let (world, node) = try await filled(archive: archive)
        defer { withExtendedLifetime(world) {} }
        let upkeep = upkeep(node, messages)
        func count(_ name: String) -> String? {
            node.registry.prometheusText().split(separator: "\n").first { $0.hasPrefix("\(name) ") }.map(String.init)
        }
        // A day at a time: compacted, read back, and left alone until it is a week old.
        for _ in 0..<5 {
            node.time.advance(by: .seconds(86_400))
            try await upkeep.pass()
            #expect(count("weir_archive_segments_total") == "weir_archive_segments_total 0")
        }
        for _ in 0..<4 {
            node.time.advance(by: .seconds(86_400))
            try await upkeep.pass()
        }
        #expect(count("weir_archive_segments_total") == "weir_archive_segments_total 2")
        #expect(count("weir_archive_failures_total") == "weir_archive_failures_total 0")
        #expect(try await objects.list(prefix: "flows/", after: nil, limit: 10).objects.count == 2)
        for _ in 0..<30 {
            node.time.advance(by: .seconds(86_400))
            try await upkeep.pass()
        }
        #expect(count("weir_archive_deleted_objects_total") == "weir_archive_deleted_objects_total 2")
        #expect(try await objects.list(prefix: "flows/", after: nil, limit: 10).objects.isEmpty)
    }

    @Test("a clock that leaps ahead costs no history until it has kept to it for a day, also across restarts")
    func leaps() async throws {
        let (world, node) = try await filled(), messages = Locked<[String]>([])
        defer { withExtendedLifetime(world) {} }
        func rows() async throws -> UInt64 { try await node.store.totals(of: try #require(TenantID("acme"))).rows }
        let before = try await rows()
        var policy = RetentionPolicy()
        policy.days = 30
        var upkeep = upkeep(node, messages, retention: policy)
        try await upkeep.pass()
        node.time.jumpWall(byMilliseconds: 400 * 86_400_000)
        try await upkeep.pass()
        #expect(try await rows() == before)
        #expect(messages.with { $0.filter { $0.hasPrefix("warning") && $0.contains("leapt") }.count } == 1)
        #expect(node.registry.prometheusText().contains("\nweir_store_clock_doubted 1\n"))
        upkeep = self.upkeep(node, messages, retention: policy)
        node.time.advance(by: .seconds(3_600))
        try await upkeep.pass()
        #expect(try await rows() == before)
        // Set right again: no trace of it.
        node.time.jumpWall(byMilliseconds: -400 * 86_400_000)
        try await upkeep.pass()
        #expect(node.registry.prometheusText().contains("\nweir_store_clock_doubted 0\n"))
        node.time.jumpWall(byMilliseconds: 400 * 86_400_000)
        for _ in 0..<25 {
            #expect(try await rows() == before)
            try await upkeep.pass()
            node.time.advance(by: .seconds(3_600))
        }
        try await upkeep.pass()
        #expect(try await rows() == 0)
    }

    @Test("it ends at a graceful shutdown") func ends() async throws {
        let (world, node) = try await filled(), upkeep = upkeep(node, Locked<[String]>([]))
        defer { withExtendedLifetime(world) {} }
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [.init(service: upkeep)], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await Task.sleep(for: .milliseconds(100))
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }
}
