import Delivery
import FlowLog
import FlowModel
import HTTP2Client
import Identity
import Ingest
import Telemetry
import Testing

@Suite("POST /v1/heartbeat and the registry") struct IngestRegistryTests {
    static let heartbeat = """
        {"version":"0.1.0","startedMilliseconds":5,"fidelity":"service",
        "spool":{"batches":3,"bytes":400,"bytesMax":500},
        "deadLetters":1,"ledger":[{"exporter":"10.0.0.1","observationDomain":0,"exportProtocol":"netflow9",
        "datagramsReceived":9,"datagramsDecoded":8,"decoded":{"flows":80,"octets":800,"packets":90},
        "sealed":{"flows":79,"octets":790,"packets":89},"sealedRows":40,"counts":{"malformed":1},
        "records":{"duplicate":{"flows":1,"octets":10,"packets":1}}}],"ledgerOmitted":0}
        """

    @Test("a heartbeat is shown to the sensor's own tenant and to no other")
    func heartbeat() async throws {
        let world = try IngestWorld()
        let status = try await world.connected { client, _ in
            let response = try client.post(IngestWire.heartbeatPath, [], Array(Self.heartbeat.utf8))
            let state = try require(world.registry.sensors(of: world.acme).first)
            #expect(state.isConnected)
            #expect(state.lastHeartbeatMilliseconds != nil)
            #expect(state.certificateExpiryMilliseconds ?? 0 > 1_700_000_000_000)
            #expect(state.heartbeat?.spool.batches == 3)
            #expect(state.heartbeat?.fidelity == "service")
            #expect(state.heartbeat?.ledger.first?.records["duplicate"]?.octets == 10)
            return response.status
        }
        #expect(status == 204)
        #expect(world.registry.sensors(of: try require(TenantID("globex"))).isEmpty)
        // The connection's end is noted on its event loop, which may come after the server's stop has returned.
        #expect(await eventually { world.registry.sensors(of: world.acme).first?.isConnected == false })
    }

    @Test("a program whose start comes back after another one's runs beside it, and that is counted")
    func clones() async throws {
        let world = try IngestWorld()
        _ = try await world.connected { client, _ in
            for start in [5, 5, 9, 9, 5, 5, 9, 11] {
                let text = Self.heartbeat.replacing(
                    "\"startedMilliseconds\":5", with: "\"startedMilliseconds\":\(start)")
                _ = try client.post(IngestWire.heartbeatPath, [], Array(text.utf8))
            }
        }
        let text = world.metrics.prometheusText()
        #expect(text.contains("weir_ingest_clones_total 2"), "back at the fifth and the seventh")
    }

    @Test("a heartbeat that is no heartbeat, or too large, changes nothing")
    func badHeartbeats() async throws {
        let world = try IngestWorld(), large = [UInt8](repeating: 0x20, count: (1 << 20) + 1)
        let statuses = try await world.connected { client, _ in
            try [[], Array("{}".utf8), Array("[1]".utf8), large].map {
                try client.post(IngestWire.heartbeatPath, [], $0).status
            }
        }
        #expect(statuses == [400, 400, 400, 413])
        #expect(world.registry.sensors(of: world.acme).first?.heartbeat == nil)
    }

    @Test("stored sums come from the log, so they survive a restart")
    func totalsSurvive() async throws {
        let world = try IngestWorld(), batch = try SentBatch()
        _ = try await world.connected { client, _ in try client.send(batch).status }
        let states = try await SensorRegistry().sensors(of: world.acme, totals: world.flowLog)
        #expect(states.map(\.stored.batches) == [1])
        #expect(states.map(\.stored.tally.octets) == [10_000])
        #expect(states.first?.isConnected == false)
        let others = try await SensorRegistry().sensors(of: try require(TenantID("globex")), totals: world.flowLog)
        #expect(others.isEmpty)
    }
}
