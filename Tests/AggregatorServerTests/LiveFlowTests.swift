import API
import BatchFormat
import Delivery
import FlowLog
import FlowModel
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Identity
import Ingest
import Tenancy
import TestKit
import Testing

@Suite("Live flows and sensors") struct LiveFlowTests {
    private var world: APIWorld

    init() async throws {
        world = try await APIWorld()
        world.sources.live.interval = .milliseconds(50)
        world.sources.live.lasts = .seconds(60)
    }

    /// Into the log, as a sensor's batch comes.
    private func log(_ tenant: TenantID, site: String = "hq", ports: [UInt16], sequence: UInt64) async throws {
        var columns = FlowColumns(), encoder = BatchEncoder()
        let exporter = ExporterKey(address: IPAddress(v4: 0x0A00_00FE), observationDomain: 0, exportProtocol: .ipfix)
        for port in ports {
            var flow = FlowRecord()
            flow.exporter = columns.intern(exporter) ?? 0
            (flow.sourceIPAddress, flow.destinationIPAddress) = (IPAddress(v4: 0x0A00_0001), IPAddress(v4: 0xC633_6407))
            (flow.destinationTransportPort, flow.protocolIdentifier) = (port, 6)
            (flow.octetDeltaCount, flow.packetDeltaCount) = (100, 1)
            (flow.flowStartMilliseconds, flow.flowEndMilliseconds) = (APIWorld.now - 2_000, APIWorld.now - 1_000)
            columns.append(flow)
        }
        let body = try encoder.encode(columns, fidelity: .full)
        let log = try #require(world.sources.log as? any FlowLog)
        _ = try await log.append(
            LogAppend(
                sensor: SensorIdentity(tenant: tenant, site: site, name: "edge1"),
                key: BatchKey(epoch: Epoch(high: 1, low: 2), sequence: sequence), digest: BatchDigest(of: body),
                receivedMilliseconds: APIWorld.now, rows: ports.count, tally: columns.tally, body: body))
    }
    /// All that comes on a stream while `body` runs, as (event, data).
    private func hear(
        _ uri: String, key: String, _ body: @escaping @Sendable () async throws -> Void
    ) async throws -> [(event: String, data: [String: Any])] {
        let world = world
        return try await withThrowingTaskGroup(of: [UInt8].self) { group in
            group.addTask { try await world.ask(.get, uri, key: key).octets }
            // It has begun to listen by then, on a machine that has other work too.
            try await Task.sleep(for: .seconds(2))
            try await body()
            // The next look is due.
            world.time.advance(by: .milliseconds(100))
            try await Task.sleep(for: .seconds(2))
            // The stream's end, whenever it began.
            group.addTask {
                while !Task.isCancelled {
                    world.time.advance(by: .seconds(60))
                    try? await Task.sleep(for: .milliseconds(500))
                }
                return []
            }
            let octets = try #require(try await group.next())
            group.cancelAll()
            return try String(decoding: octets, as: UTF8.self).components(separatedBy: "\n\n").compactMap { block in
                let lines = block.split(separator: "\n")
                guard let event = lines.first(where: { $0.hasPrefix("event: ") }),
                    let data = lines.first(where: { $0.hasPrefix("data: ") })
                else { return nil }
                let json = try JSONSerialization.jsonObject(with: Data(data.dropFirst(6).utf8)) as? [String: Any]
                return (String(event.dropFirst(7)), json ?? [:])
            }
        }
    }

    @Test("records that a filter lets through come as batches do, of the own tenant only") func filtered() async throws
    {
        try await log(world.acme, ports: [443], sequence: 1)
        let events = try await hear("/v1/live/flows?filter=dst+port+443", key: world.acmeKey) {
            try await log(world.globex, ports: [443, 443], sequence: 1)
            try await log(world.acme, ports: [443, 80, 443], sequence: 2)
        }
        #expect(events.map(\.event) == ["flows"], "what came before nobody listened is not shown: \(events)")
        let data = try #require(events.first?.data)
        #expect(data["matched"] as? Int == 2 && data["each"] as? Int == 1)
        let items = try #require(data["items"] as? [[String: Any]])
        #expect(items.map { $0["destinationTransportPort"] as? Int } == [443, 443])
        let back = try await hear("/v1/live/flows?after=1", key: world.acmeKey) {}
        #expect(back.map(\.event) == ["reset"], "what was missed is not kept, and that is told")
        #expect(try await world.get("/v1/live/flows?from=1", key: world.acmeKey).status == 400)
        #expect(try await world.get("/v1/live/flows?filter=x", key: world.acmeKey).status == 400)
    }

    @Test("however much comes in, a look shows a hundred records and says of how many") func capped() async throws {
        let events = try await hear("/v1/live/flows", key: world.acmeKey) {
            try await log(world.acme, ports: [UInt16](repeating: 443, count: 60_000), sequence: 1)
        }
        let data = try #require(events.first?.data)
        #expect((data["items"] as? [Any])?.count == 100)
        #expect(data["each"] as? Int == 2 && data["matched"] as? Int == 30_000)
    }

    @Test("who sees one site hears its records only, and its sensors only") func reach() async throws {
        var chance = SystemRandomNumberGenerator()
        let key = try world.sources.control.createKey(
            tenant: world.acme, name: "lab", reach: Reach(sites: ["lab"]), by: "test", at: APIWorld.now, using: &chance
        ).key.secret
        let events = try await hear("/v1/live/flows", key: key) {
            try await log(world.acme, site: "hq", ports: [1], sequence: 1)
            try await log(world.acme, site: "lab", ports: [2], sequence: 2)
        }
        let items = events.flatMap { $0.data["items"] as? [[String: Any]] ?? [] }
        #expect(items.map { $0["destinationTransportPort"] as? Int } == [2])
        for site in ["hq", "lab"] { try beat(site, deadLetters: 0) }
        let sensors = try await hear("/v1/live/sensors", key: key) {}
        #expect(sensors.map { $0.data["id"] as? String } == ["lab:edge1"])
    }

    private func beat(_ site: String, deadLetters: Int) throws {
        let json = #"""
            {"version":"1","fidelity":"full","spool":{"batches":0,"bytes":0,"bytesMax":1},
            "deadLetters":\#(deadLetters),"ledger":[]}
            """#
        let heartbeat = try #require(Heartbeat(json: Array(json.utf8)))
        let sensor = SensorIdentity(tenant: world.acme, site: site, name: "edge1")
        world.sources.sensors.heard(heartbeat, from: sensor, at: APIWorld.now)
    }

    @Test("a stream of sensors begins with all, and tells each again when it changes, not more than once in 2 s")
    func sensors() async throws {
        for site in ["hq", "lab"] { try beat(site, deadLetters: 0) }
        let events = try await hear("/v1/live/sensors", key: world.acmeKey) {
            world.time.advance(by: .seconds(1))
            try beat("hq", deadLetters: 1)
            try await Task.sleep(for: .milliseconds(500))
            try beat("hq", deadLetters: 2)
            try await Task.sleep(for: .milliseconds(500))
            world.time.advance(by: .seconds(2))
        }
        #expect(events.map { $0.data["id"] as? String } == ["hq:edge1", "lab:edge1", "hq:edge1"])
        #expect(events.last?.data["deadLetters"] as? Int == 2)
        #expect(try await hear("/v1/live/sensors", key: world.globexKey) {}.isEmpty)
    }
}
