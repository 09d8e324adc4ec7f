import AggregatorPipeline
import Cluster
import Delivery
import FlowLog
import Foundation
import Identity
import JetStream
import Logging
import TestKit
import Testing

@Suite("Who works on a group", .serialized, .enabled(if: NATSServers.isInstalled, "nats-server is not installed"))
struct OwnershipTests {
    let servers: NATSServers, api: JetStreamAPI
    private let acme: TenantID, globex: TenantID

    init() async throws {
        servers = try NATSServers(1, isSecure: false)
        var random = SystemRandomNumberGenerator()
        let client = NATSClient(
            NATSOptions(servers: [try #require(NATSOptions.Server(servers.addresses[0]))], name: "test"),
            random: &random, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await client.waitUntilConnected(.seconds(10))
        api = JetStreamAPI(client)
        acme = try #require(TenantID("acme"))
        globex = try #require(TenantID("globex"))
        try await JetStreamCheckpoints.prepare(api, replicas: 1)
    }
    private func store(_ node: String, group: Int = 0) -> JetStreamCheckpoints {
        JetStreamCheckpoints(api, group: group, node: node)
    }
    private func pieces() async throws -> Int {
        try await api.subjects("WEIR_CHECKPOINTS", matching: "weir.snapshot.>").count
    }

    @Test("a checkpoint is taken up by another node as it was saved, large ones in pieces; what was replaced is gone")
    func takenUp() async throws {
        let first = store("a")
        #expect(try await first.load() == PipelineCheckpoint())
        let large = (0..<2_500_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var checkpoint = PipelineCheckpoint(
            offset: 77, snapshots: [acme: large, globex: [1]], sigma: [acme: [2]], keys: KeyIndex().snapshot())
        try await first.save(checkpoint)
        #expect(try await store("b", group: 1).load() == PipelineCheckpoint(), "another group's is its own")
        let second = store("b")
        #expect(try await second.load() == checkpoint)
        // Only what has changed is saved, and the rest stays.
        try await second.save(PipelineCheckpoint(offset: 78, snapshots: [acme: [3]], keys: checkpoint.keys))
        checkpoint.offset = 78
        checkpoint.snapshots[acme] = [3]
        #expect(try await store("c").load() == checkpoint)
        #expect(try await pieces() == 4, "acme's, globex', rules, keys")
    }

    @Test("of two nodes that believe to own a group, the one before can't save, and nothing of it is left")
    func fence() async throws {
        let old = store("a")
        _ = try await old.load()
        try await old.save(PipelineCheckpoint(offset: 5, snapshots: [acme: [1]]))
        let new = store("b")
        _ = try await new.load()
        await #expect(throws: OwnershipLost()) {
            try await old.save(PipelineCheckpoint(offset: 6, snapshots: [acme: [2]]))
        }
        await #expect(throws: OwnershipLost()) { try await old.save(PipelineCheckpoint(offset: 7)) }
        try await new.save(PipelineCheckpoint(offset: 8, snapshots: [globex: [9]]))
        let kept = try await store("c").load()
        #expect(kept.offset == 8 && kept.snapshots == [acme: [1], globex: [9]])
        #expect(try await pieces() == 3, "acme's, globex', keys: what the old one had put there is removed")
        await #expect(throws: OwnershipLost()) {
            try await store("d").save(PipelineCheckpoint(offset: 9))
        }
    }

    @Test("one that waits is pinned, another not; silence for three seconds, or a release, gives it to the other")
    func pins() async throws {
        let pins = OwnerPins(api)
        try await pins.prepare(groups: 2, replicas: 1)
        try await pins.prepare(groups: 2, replicas: 1)
        guard case .pinned(let first) = await pins.ask(0, pin: nil) else {
            Issue.record("nobody is pinned")
            return
        }
        #expect(await pins.ask(0, pin: nil) == .nothing, "there is one already")
        for _ in 0..<4 {
            let kept = await pins.ask(0, pin: first)
            #expect(kept == .pinned(first) || kept == .nothing)
        }
        await pins.release(0)
        guard case .pinned(let second) = await pins.ask(0, pin: nil) else {
            Issue.record("the released one is nobody's")
            return
        }
        #expect(second != first)
        #expect(await pins.ask(0, pin: first) == .lost)
        // Silence.
        var third: String?
        for _ in 0..<8 where third == nil {
            if case .pinned(let pin) = await pins.ask(0, pin: nil) { third = pin }
        }
        #expect(third != nil && third != second)
        #expect(await pins.ask(0, pin: second) == .lost)
        if case .pinned = await pins.ask(1, pin: nil) {} else { Issue.record("the other group is free") }
    }

    @Test("nodes that are there share the groups, and who is silent is forgotten") func roster() async throws {
        let one = NodeRoster(api, node: "a", groups: 3), two = NodeRoster(api, node: "b", groups: 3)
        try await one.prepare(replicas: 1)
        #expect(one.nodes == 1 && one.mayTake)
        try await two.prepare(replicas: 1)
        try await one.beat()
        #expect(one.nodes == 2 && two.nodes == 2)
        await two.leave()
        try await one.beat()
        #expect(one.nodes == 1)
        try await two.beat()
        for _ in 0..<5 {
            try await Task.sleep(for: .seconds(2))
            try await one.beat()
        }
        #expect(one.nodes == 1)
    }
}
