import API
import BatchFormat
import Delivery
import Detect
import FlowModel
import FlowStore
import Foundation
import HTTPTypes
import Identity
import ModelRegister
import Models
import Query
import Tenancy
import TestKit
import Testing

@Suite("Anomaly models over the API") struct ModelRouteTests {
    private static let day: Int64 = 86_400_000, start = APIWorld.now - APIWorld.now % (2 * 86_400_000) - 4 * 86_400_000

    /// Tenant acme with four days of four hosts' calls, a call every five minutes each.
    private static func world() async throws -> APIWorld {
        var world = try await APIWorld()
        let store = try SQLiteFlowStore(directory: world.folder.file("history").path)
        var columns = FlowColumns(), encoder = BatchEncoder()
        let interned = columns.intern(
            ExporterKey(address: IPAddress(v4: 0x0A00_00FE), observationDomain: 0, exportProtocol: .ipfix))
        let exporter = try #require(interned)
        for time in stride(from: start, to: start + 4 * day, by: 300_000) {
            for host in 1...4 as ClosedRange<UInt32> {
                var flow = FlowRecord()
                flow.exporter = exporter
                flow.sourceIPAddress = IPAddress(v4: 0x0A00_0000 + host)
                flow.destinationIPAddress = IPAddress(v4: 0xC633_6407)
                (flow.sourceTransportPort, flow.destinationTransportPort, flow.protocolIdentifier) = (40_000, 443, 6)
                (flow.octetDeltaCount, flow.packetDeltaCount) = (9_000 + UInt64(time / 300_000 % 7) * 200, 10)
                (flow.flowStartMilliseconds, flow.flowEndMilliseconds) = (time, time + 50)
                columns.append(flow)
            }
        }
        let body = try encoder.encode(columns, fidelity: .full)
        try await store.store([
            StoredBatch(
                sensor: SensorIdentity(tenant: world.acme, site: "hq", name: "edge1"),
                key: BatchKey(epoch: Epoch(high: 1, low: 2), sequence: 0), logOffset: 1,
                receivedMilliseconds: APIWorld.now, flowStartMin: start, flowEndMax: start + 4 * day,
                rows: columns.count, tally: columns.tally, body: body)
        ])
        world.sources.query = FlowQuery(store: store, time: world.time)
        world.sources.models = ModelDesk(try ModelRegister(folder: world.folder.path))
        return world
    }
    private static let training = "/v1/models?from=\(start)&to=\(start + 3 * day)"

    @Test("a model is made, evaluated, promoted and taken back; each step has its actor, and is the tenant's own")
    func life() async throws {
        let world = try await Self.world()
        let made = try await world.ask(.post, Self.training, key: world.acmeKey)
        #expect(made.status == 200 && made.json["complete"] as? Bool == true, "\(made.json)")
        let model = try #require(made.json["model"] as? [String: Any])
        #expect(model["version"] as? Int == 1 && model["promoted"] as? Bool == false && model["hosts"] as? Int == 4)
        #expect(made.json["records"] as? Int == 3 * 288 * 4 && model["windowMinutes"] as? Int == 10)
        let tested = try await world.ask(
            .post, "/v1/models/1/evaluate?to=\(Self.start + 4 * Self.day)", key: world.acmeKey)
        let evaluation = try #require(tested.json["evaluation"] as? [String: Any], "\(tested.json)")
        #expect(evaluation["heldOut"] as? Bool == true && evaluation["windows"] as? Int == 144 * 4)
        #expect((evaluation["anomalies"] as? [Any])?.count == MadeAnomaly.allCases.count)
        #expect((evaluation["flaggedShare"] as? Double ?? 1) < 0.02 && (evaluation["recall"] as? Double ?? 0) > 0.5)
        let promoted = try await world.ask(.post, "/v1/models/1/promote", key: world.acmeKey)
        #expect(promoted.status == 200 && promoted.json["promoted"] as? Bool == true)
        let list = try await world.get("/v1/models", key: world.acmeKey)
        let events = try #require(list.json["events"] as? [[String: Any]])
        #expect(events.map { $0["kind"] as? String } == ["promoted", "evaluated", "trained"])
        #expect(events.allSatisfy { $0["actor"] as? String == world.acmeKeyID })
        #expect(list.json["promoted"] as? Int == 1 && (list.json["items"] as? [Any])?.count == 1)
        let shown = try await world.get("/v1/models/1", key: world.acmeKey)
        #expect((shown.json["evaluations"] as? [Any])?.count == 1)
        let back = try await world.ask(.post, "/v1/models/rollback", key: world.acmeKey)
        #expect(back.status == 200 && back.json["promoted"] is NSNull)
        #expect(try await world.ask(.post, "/v1/models/rollback", key: world.acmeKey).status == 409)
    }

    @Test("other tenants see nothing of it, and have too little history of their own") func tenants() async throws {
        let world = try await Self.world()
        #expect(try await world.ask(.post, Self.training, key: world.acmeKey).status == 200)
        for (method, path) in [
            (HTTPRequest.Method.get, "/v1/models/1"), (.post, "/v1/models/1/promote"),
            (.post, "/v1/models/1/evaluate"), (.get, "/v1/models/x"), (.get, "/v1/models/2"),
        ] {
            #expect(try await world.ask(method, path, key: world.globexKey).status == 404, "\(path)")
        }
        let list = try await world.get("/v1/models", key: world.globexKey)
        #expect((list.json["items"] as? [Any])?.isEmpty == true && (list.json["events"] as? [Any])?.isEmpty == true)
        let little = try await world.ask(.post, Self.training, key: world.globexKey)
        #expect(little.status == 422 && little.json["type"] as? String == "urn:weir:problem:too-little-history")
    }

    @Test("each route asks for its scope; wrong periods are refused; without a register there are no models")
    func refusals() async throws {
        var world = try await Self.world()
        for (method, path) in [
            (HTTPRequest.Method.get, "/v1/models"), (.post, "/v1/models"), (.get, "/v1/models/1"),
            (.post, "/v1/models/1/evaluate"), (.post, "/v1/models/1/promote"), (.post, "/v1/models/rollback"),
        ] {
            #expect(try await world.ask(method, path, key: world.incidentsOnlyKey).status == 403, "\(path)")
            #expect(try await world.ask(method, path, key: nil).status == 401)
        }
        for query in ["from=5&to=5", "from=9&to=1", "from=0&to=\(APIWorld.now)", "windowMinutes=7", "seed=-1", "a=b"] {
            #expect(try await world.ask(.post, "/v1/models?\(query)", key: world.acmeKey).status == 400, "\(query)")
        }
        world.sources.models = nil
        #expect(try await world.get("/v1/models", key: world.acmeKey).status == 503)
    }
}
