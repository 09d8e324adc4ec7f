import ClusterLog
import Delivery
import FlowLog
import FlowModel
import Foundation
import JetStream
import Platform
import TestKit
import Testing

/// What is the stream's own: its faults are NATS's.
@Suite("The log in a stream", .serialized, .enabled(if: NATSServers.isInstalled, "nats-server is not installed"))
struct StreamLogTests {
    @Test("a full stream takes nothing new, keeps what it has, and still tells a repeat") func full() async throws {
        let world = try await LogWorld(.stream), log = try await world.open(bytesMax: 40_000)
        let body = [UInt8](repeating: 7, count: 10_000)
        var kept = 0
        await #expect(throws: FlowLogError.full) {
            for sequence in UInt64(0)..<10 {
                _ = try await log.append(batch(sequence, from: try sensor(), body: body))
                kept += 1
            }
        }
        let held = try await log.read(after: 0, limit: 100)
        #expect(held.count == kept && kept == 3)
        let again = try await log.append(batch(0, from: try sensor(), body: body))
        #expect(again == .repeated(offset: held[0].offset, digest: held[0].digest))
    }

    @Test("what was trimmed is purged when the window is over, and not before") func purge() async throws {
        let world = try await LogWorld(.stream), client = try #require(world.client)
        let log = try await world.open(), api = JetStreamAPI(client)
        var offsets: [Int64] = []
        for sequence in UInt64(0)..<5 {
            offsets.append(try #require(try await log.append(batch(sequence, from: try sensor())).offset))
        }
        try await log.trim(through: offsets[2])
        #expect(try await api.state(of: "WEIR_LOG_0").messages == 5)
        try await Task.sleep(for: LogWorld.window + .milliseconds(1_200))
        try await log.trim(through: offsets[3])
        #expect(try await api.state(of: "WEIR_LOG_0").firstSequence == UInt64(offsets[3]))
        // Beyond its window a stream takes a key again: the index of keys is for that.
        #expect(try await log.append(batch(0, from: try sensor())).offset != nil)
    }

    @Test("messages of others are passed over, one by one and many together, and counted") func foreign() async throws {
        let world = try await LogWorld(.stream), client = try #require(world.client)
        let log = try #require(try await world.open() as? JetStreamFlowLog), api = JetStreamAPI(client)
        for number in 0..<8 { _ = try await api.publish("weir.log.0.acme.0", payload: [UInt8(number)]) }
        _ = try await api.publish(
            "weir.log.0.acme.0", headers: ["Weir-Batch": "acme/../x/00/1", "Weir-Digest": "zz"])
        let offset = try #require(try await log.append(batch(1, from: try sensor())).offset)
        let found = try await log.read(after: 0, limit: 3)
        #expect(found.map(\.offset) == [offset] && log.foreignMessages == 9)
    }

    @Test("a stream made anew gives no offset twice") func offsetsOutliveTheStream() async throws {
        let world = try await LogWorld(.stream), client = try #require(world.client)
        var log = try await world.open()
        let first = try #require(try await log.append(batch(1, from: try sensor())).offset)
        try await JetStreamAPI(client).delete("WEIR_LOG_0")
        try await Task.sleep(for: .milliseconds(1_100))
        log = try await world.open()
        let second = try #require(try await log.append(batch(1, from: try sensor())).offset)
        #expect(second > first)
    }

    @Test("a server that takes smaller messages than batches may be is refused at the start") func smallMessages()
        async throws
    {
        let servers = try NATSServers(1, isSecure: false, settings: "max_payload: 1MB")
        let client = try LogWorld.client(servers)
        defer { client.close() }
        try await client.waitUntilConnected(.seconds(5))
        let api = JetStreamAPI(client)
        await #expect {
            try await JetStreamFlowLog(api, at: .init(group: 0, replicas: 1), time: SystemTime())
        } throws: { error in
            if case FlowLogError.storage(let reason) = error { reason.contains("max_payload") } else { false }
        }
    }

    @Test("kill -9 of the leader under load, then of two of three: what was answered is there once, nothing else is")
    func leadersDie() async throws {
        let world = try await LogWorld(.threeStreams), servers = try #require(world.servers)
        let log = try await world.open(window: .seconds(120)), identity = try sensor()
        let answered = Locked<Set<UInt64>>([]), isOver = Locked(false), refused = Locked(0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in UInt64(0)..<4 {
                group.addTask {
                    var sequence = lane
                    while !isOver.with({ $0 }) {
                        do throws(FlowLogError) {
                            // As a sensor: the same key until there is an answer.
                            switch try await log.append(batch(sequence, from: identity)) {
                            case .appended, .repeated: break
                            case .conflict: Issue.record("a conflict with itself")
                            }
                            _ = answered.with { $0.insert(sequence) }
                            sequence += 4
                        } catch {
                            guard case .unavailable = error else { throw error }
                            refused.with { $0 += 1 }
                            try await Task.sleep(for: .milliseconds(100))
                        }
                    }
                }
            }
            group.addTask {
                defer { isOver.with { $0 = true } }
                try await Task.sleep(for: .seconds(1))
                let leader = try #require(try servers.leader(of: "WEIR_LOG_0"))
                servers.kill(leader)
                let before = answered.with { $0.count }
                for _ in 0..<300 where answered.with({ $0.count }) < before + 50 {
                    try await Task.sleep(for: .milliseconds(100))
                }
                #expect(answered.with { $0.count } >= before + 50, "the other two go on")
                // Without a majority nothing is answered.
                let second = (leader + 1) % 3
                servers.kill(second)
                try await Task.sleep(for: .seconds(1))
                let alone = answered.with { $0.count }
                try await Task.sleep(for: .seconds(2))
                #expect(answered.with { $0.count } == alone)
                try servers.start(leader)
                for _ in 0..<300 where answered.with({ $0.count }) < alone + 50 {
                    try await Task.sleep(for: .milliseconds(100))
                }
                #expect(answered.with { $0.count } >= alone + 50)
            }
            try await group.waitForAll()
        }
        let held = try await sequences(in: log), told = answered.with { $0 }
        #expect(Set(held).count == held.count, "nothing is there twice")
        #expect(told.subtracting(held) == [], "what was answered is there")
        // What is there without an answer is at most what each lane had under way at the end.
        #expect(Set(held).subtracting(told).count <= 4)
        #expect(refused.with { $0 } > 0)
    }
    private func sequences(in log: any FlowLog) async throws -> [UInt64] {
        var held: [UInt64] = [], offset: Int64 = 0
        while true {  // ends: with the log
            let page = try await log.read(after: offset, limit: 500)
            guard let last = page.last else { return held }
            held += page.map(\.key.sequence)
            offset = last.offset
        }
    }
}
