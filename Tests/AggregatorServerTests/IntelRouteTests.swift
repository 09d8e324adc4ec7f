import API
import Enrichment
import FlowModel
import Foundation
import HTTPTypes
import Identity
import Intelligence
import Knowledge
import Tenancy
import TestKit
import Testing

@Suite("Looking up indicators")
struct IntelRouteTests {
    private let world: APIWorld

    /// Acme's feed lists the address that its hosts called; both tenants know a shared one.
    init() async throws {
        var world = try await APIWorld()
        let time = APIWorld.now, context = IndicatorContext(labels: ["c2"], malwareFamily: "Example")
        func set(_ name: String, _ subject: String) throws -> IndicatorSet {
            var source = FeedSource(name: name)
            source.weight = 1
            let indicator = Indicator(
                try #require(IndicatorSubject(subject)), confidence: 80, lastSeen: time, context: context)
            return IndicatorSet([(source, [indicator])])
        }
        let knowledge = KnowledgeSources(
            enrichment: CurrentEnrichment(
                Enrichment(
                    sources: [.ranges(AddressRanges(lists: [Array("3325256704,3325256959,CH\n".utf8)]))],
                    assets: .none, generation: 1)),
            assets: [
                world.acme: AssetNetworks([
                    AssetNetwork(network: try #require(IPNetwork("10.0.0.0/8")), name: "Zurich", tags: ["office"])
                ])
            ])
        let shared = try set("everybody", "203.0.113.0/24")
        knowledge.intelligence.replace(
            shared: Intelligence(indicators: shared, allowed: AllowTable(), rules: ScoreRules()),
            own: [
                world.acme: Intelligence(
                    layers: IndicatorLayers(shared: shared, own: try set("ours", "198.51.100.7")),
                    allowed: AllowTable(), rules: ScoreRules())
            ])
        world.sources.knowledge = knowledge
        self.world = world
    }

    private func veiledKey() throws -> String {
        var chance = SystemRandomNumberGenerator()
        return try world.sources.control.createKey(
            tenant: world.acme, name: "v", scopes: [.readPseudonyms], by: "test", at: APIWorld.now, using: &chance
        ).key.secret
    }
    private func items(_ json: [String: Any]) throws -> [[String: Any]] {
        try #require(json["items"] as? [[String: Any]])
    }

    @Test("an answer has what feeds say, the score and why, where it is, and who met it") func lookup() async throws {
        let answer = try await world.get("/v1/intel/lookup?indicator=198.51.100.7", key: world.acmeKey)
        #expect(answer.status == 200)
        let item = try #require(try items(answer.json).first)
        let known = try #require((item["known"] as? [[String: Any]])?.first)
        #expect(known["feed"] as? String == "ours" && known["malwareFamily"] as? String == "Example")
        #expect(known["lastSeen"] as? String == "2023-11-14T22:13:20.000Z")
        let score = try #require(item["score"] as? [String: Any])
        #expect(score["value"] as? Double == 80)
        #expect((item["origin"] as? [String: Any])?["country"] as? String == "CH")
        let seen = try #require(item["sighting"] as? [String: Any])
        #expect(seen["hosts"] as? Int == 2 && seen["octets"] as? Int == 10_000)
        #expect(seen["firstSeen"] as? String == "2023-11-14T22:13:18.000Z")
        let own = try await world.get("/v1/intel/lookup?indicator=10.0.0.1&sightings=false", key: world.acmeKey)
        let origin = try #require(try items(own.json).first?["origin"] as? [String: Any])
        #expect(origin["network"] as? String == "Zurich" && origin["tags"] as? [String] == ["office"])
        #expect(try items(own.json).first?["sighting"] == nil)
    }

    @Test("another tenant's feed, networks and flows are not in an answer") func isolation() async throws {
        let answer = try await world.get("/v1/intel/lookup?indicator=198.51.100.7,10.0.0.1", key: world.globexKey)
        for item in try items(answer.json) {
            #expect((item["known"] as? [Any])?.isEmpty == true)
            #expect(item["sighting"] == nil && item["score"] == nil)
            #expect((item["origin"] as? [String: Any])?["network"] == nil)
        }
        let shared = try await world.get("/v1/intel/lookup?indicator=203.0.113.9", key: world.globexKey)
        #expect((try items(shared.json).first?["known"] as? [Any])?.count == 1)
    }

    @Test("several are asked at once, networks have what lies in them, and what is none says so") func several()
        async throws
    {
        let answer = try await world.get(
            "/v1/intel/lookup?indicator=198.51.100.0/24,AS64496,example.com", key: world.acmeKey)
        let all = try items(answer.json)
        #expect(all.count == 3)
        #expect(all[0]["within"] as? Int == 1 && (all[0]["sighting"] as? [String: Any])?["hosts"] as? Int == 2)
        #expect(all[1]["subject"] as? String == "AS64496" && all[1]["fault"] == nil)
        #expect((all[2]["fault"] as? String)?.contains("neither an address") == true)
    }

    @Test("a CSV file is answered row by row, and one without rows refused") func list() async throws {
        let answer = try await world.ask(
            .post, "/v1/intel/lookup", key: world.acmeKey,
            body: "note,ip\nfirst,198.51.100.7\nagain,198.51.100.7\nbad,nonsense\n")
        let all = try items(answer.json)
        #expect(all.map { $0["place"] as? String } == ["line 2", "line 3", "line 4"])
        #expect((all[0]["sighting"] as? [String: Any])?["flows"] as? Int == 2)
        #expect(all[1]["fault"] as? String == "the same as in line 2")
        let empty = try await world.ask(.post, "/v1/intel/lookup", key: world.acmeKey, body: "")
        #expect(empty.status == 400)
    }

    @Test("keys need intel:read, and flows:read for sightings") func scopes() async throws {
        var chance = SystemRandomNumberGenerator()
        let lesser = try world.sources.control.createKey(
            tenant: world.acme, name: "l", scopes: [.readIntelligence], by: "test", at: APIWorld.now, using: &chance
        ).key.secret
        for uri in ["/v1/intel/lookup?indicator=198.51.100.7", "/v1/intel/feeds"] {
            #expect(try await world.get(uri, key: nil).status == 401)
            #expect(try await world.get(uri, key: world.incidentsOnlyKey).status == 403)
            #expect(try await world.get(uri, key: lesser).status == 200)
        }
        #expect(try await world.ask(.post, "/v1/intel/lookup", key: world.incidentsOnlyKey, body: "a").status == 403)
        let answer = try await world.get("/v1/intel/lookup?indicator=198.51.100.7", key: lesser)
        let item = try #require(try items(answer.json).first)
        #expect(item["sighting"] == nil)
        #expect((item["sightingsFault"] as? String)?.contains("flows:read") == true)
        #expect(try await world.get("/v1/intel/lookup", key: world.acmeKey).status == 400)
    }

    @Test("filters know countries where a table of them is loaded") func countries() async throws {
        for (filter, count) in [("dst%20country%20CH", 2), ("src%20country%20CH", 0), ("not%20country%20ch", 0)] {
            let answer = try await world.get("/v1/flows?filter=\(filter)", key: world.acmeKey)
            #expect((answer.json["items"] as? [Any])?.count == count, "\(filter) \(answer.json)")
        }
        let top = try await world.get("/v1/flows/top?by=sourceCountry,destinationCountry", key: world.acmeKey)
        let group = try #require(try items(top.json).first)
        #expect(group["keys"] as? [String: String] == ["sourceCountry": "", "destinationCountry": "CH"])
        #expect(group["octetDeltaCount"] as? Int == 10_000)
        let veiled = try await world.get("/v1/flows/top?by=sourceSystem", key: try veiledKey())
        #expect(veiled.status == 403)
        let unknown = try await world.get("/v1/flows?filter=country%20ZZ", key: world.acmeKey)
        #expect(unknown.status == 400)
    }
}
