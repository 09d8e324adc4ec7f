import Delivery
import Foundation
import HTTP2Client
import Identity
import Ingest
import Testing

@Suite("Asking sensors for batches again, and what is kept of strange ones") struct IngestReshipTests {
    private let heartbeat = Array(
        #"{"version":"1","fidelity":"full","spool":{"batches":0,"bytes":0,"bytesMax":1},"deadLetters":0,"ledger":[]}"#
            .utf8)

    @Test("a heartbeat's answer asks until the sensor says that it did; each request is a new one")
    func asking() async throws {
        let world = try IngestWorld()
        let registry = world.registry, acme = world.acme
        try await world.connected { [heartbeat] client, _ in
            func beat(done: String? = nil) throws -> ReshipRequest? {
                let fields = done.map { [HTTPField(ReshipRequest.doneField, $0)] } ?? []
                let answer = try client.post(IngestWire.heartbeatPath, fields, heartbeat)
                #expect(answer.status == 204)
                return ReshipRequest(answer.field)
            }
            #expect(try beat() == nil)
            registry.askForAll(sinceMilliseconds: 1_000, id: "a1")
            let first = try require(try beat())
            #expect(first.id == "a1" && first.sinceMilliseconds == 1_000)
            #expect(abs(first.nowMilliseconds - Int64(Date().timeIntervalSince1970 * 1_000)) < 60_000)
            #expect(try beat()?.id == "a1", "its answer may have been lost")
            #expect(try beat(done: "a1") == nil)
            #expect(try beat() == nil)
            registry.ask(
                SensorIdentity(tenant: acme, site: "oslo", name: "edge1"), sinceMilliseconds: 9, id: "c3")
            #expect(try beat() == nil, "another sensor")
            registry.ask(
                SensorIdentity(tenant: acme, site: "rome", name: "edge1"), sinceMilliseconds: 2_000, id: "b2")
            #expect(try beat()?.sinceMilliseconds == 2_000)
            #expect(try beat(done: "b2") == nil)
        }
    }

    @Test("quarantine is bounded by bytes and by files: the oldest go and are counted, also after a restart")
    func quarantine() async throws {
        let world = try IngestWorld(quarantineFilesMax: 3)
        for round in 0..<2 {
            let sent = try (0..<4).map { try SentBatch(octets: UInt64(100 + round * 10 + $0)) }
            let original = try SentBatch()
            let dropped = try await world.connected { client, server in
                _ = try client.send(original)
                for batch in sent {
                    #expect(try client.send(batch).status == 409)
                    usleep(20_000)
                }
                return server.value("weir_ingest_quarantine_dropped_total")
            }
            #expect(dropped == (round == 0 ? 1 : 5))
            let kept = world.quarantined
            #expect(kept.count == 3)
            for batch in sent[1...] { #expect(kept.contains { $0.contains("\(batch.digest)") }) }
        }
    }
}
