import API
import FlowModel
import Foundation
import HTTPTypes
import Identity
import Intelligence
import Platform
import ReverseNames
import Telemetry
import Tenancy
import TestKit
import Testing

/// Calls every address by its last number, and keeps what was asked.
private final class CountingTransport: NameTransport {
    let asked = Locked<[[UInt8]]>([])

    func exchange(
        _ question: [UInt8], with server: NameServer, timeout: Duration,
        read: @escaping @Sendable ([UInt8]) -> PointerReply?, done: @escaping @Sendable (NameOutcome) -> Void
    ) {
        asked.with { $0.append(question) }
        let digits = String(decoding: question[13..<(13 + Int(question[12]))], as: UTF8.self)
        done(.answered(.named("host-\(digits).example", seconds: 600)))
    }
}

@Suite("Names in answers to people") struct NameRouteTests {
    private let world: APIWorld, transport = CountingTransport()

    init() async throws {
        var world = try await APIWorld(), settings = NameSettings()
        (settings.isEnabled, settings.asksPrivate) = (true, true)
        settings.servers = [try #require(NameServer("192.0.2.53"))]
        world.sources.knowledge.names = NameDesk(
            settings, transport: transport, time: world.time, registry: MetricRegistry(), chance: { 1 })
        self.world = world
    }
    private func asked() -> Int { transport.asked.with { $0.count } }
    private func name(_ item: [String: Any]?) -> String? { (item?["origin"] as? [String: Any])?["name"] as? String }

    @Test("a lookup has what DNS calls an address") func lookup() async throws {
        let answer = try await world.get(
            "/v1/intel/lookup?indicator=198.51.100.7,203.0.113.0/24,AS64496", key: world.acmeKey)
        let items = try #require(answer.json["items"] as? [[String: Any]])
        #expect(items.map(name) == ["host-7.example", nil, nil])
        #expect(asked() == 1, "networks and systems have no name")
    }

    @Test("a list's addresses are those that its own rule finds: quotes, a header, nothing beside the column")
    func list() async throws {
        let csv = """
            note,"ip",seen\r
            "first, of 192.0.2.1",198.51.100.7,192.0.2.2\r
            # 192.0.2.3\r
            "a ""quoted"" note","198.51.100.8",\r
            ,"198.51.100.7",\r
            x," 198.51.100.9/32",

            """
        let answer = try await world.ask(.post, "/v1/intel/lookup", key: world.acmeKey, body: csv)
        let items = try #require(answer.json["items"] as? [[String: Any]])
        #expect(
            items.map { $0["query"] as? String ?? "" }.prefix(3) == ["198.51.100.7", "198.51.100.8", "198.51.100.7"])
        #expect(items.map(name).prefix(3) == ["host-7.example", "host-8.example", nil])
        #expect(items[2]["fault"] as? String == "the same as in line 2")
        #expect(asked() == items.compactMap(name).count, "\(items)")
    }

    @Test("an incident that is read has its addresses' names, a list of incidents asks nobody") func incident()
        async throws
    {
        _ = try await world.get("/v1/incidents", key: world.acmeKey)
        #expect(asked() == 0)
        let answer = try await world.get("/v1/incidents/\(world.incidentID)", key: world.acmeKey)
        #expect(
            answer.json["names"] as? [String: String] == [
                "203.0.113.9": "host-9.example", "198.51.100.7": "host-7.example",
            ])
        #expect(answer.json["id"] as? String == world.incidentID && answer.fields[.eTag] == "\"1\"")
        #expect(try await world.get("/v1/incidents/\(world.incidentID)", key: world.globexKey).status == 404)
        #expect(asked() == 2)
    }

    @Test("a top list has names where they are asked for, and never behind pseudonyms") func top() async throws {
        let uri = "/v1/flows/top?by=sourceAddress,destinationAddress"
        let plain = try await world.get(uri, key: world.acmeKey)
        #expect(plain.status == 200 && plain.json["names"] == nil && asked() == 0)
        let named = try await world.get(uri + "&names=true", key: world.acmeKey)
        #expect(
            named.json["names"] as? [String: String] == [
                "10.0.0.1": "host-1.example", "10.0.0.2": "host-2.example", "198.51.100.7": "host-7.example",
            ])
        var chance = SystemRandomNumberGenerator()
        let veiled = try world.sources.control.createKey(
            tenant: world.acme, name: "v", scopes: [.readPseudonyms], by: "test", at: APIWorld.now, using: &chance
        ).key.secret
        #expect(try await world.get(uri + "&names=true", key: veiled).status == 403)
        #expect(try await world.get(uri, key: veiled).json["names"] == nil)
    }

    @Test("without names nothing is asked, and nothing shown") func off() async throws {
        var world = self.world
        world.sources.knowledge.names = nil
        let incident = try await world.get("/v1/incidents/\(world.incidentID)", key: world.acmeKey)
        #expect(incident.status == 200 && incident.json["names"] == nil)
        let top = try await world.get("/v1/flows/top?names=true", key: world.acmeKey)
        #expect(top.status == 200 && top.json["names"] == nil)
        let lookup = try await world.get("/v1/intel/lookup?indicator=192.0.2.200", key: world.acmeKey)
        #expect(name((lookup.json["items"] as? [[String: Any]])?.first) == nil)
        #expect(asked() == 0)
    }
}
