import API
import Export
import FlowModel
import Foundation
import HTTPTypes
import Tenancy
import TestKit
import Testing

@Suite("Keys that see pseudonyms")
struct VeilTests {
    private let world: APIWorld, key: String, pseudonyms: Pseudonyms
    private let real = ["10.0.0.1", "10.0.0.2", "198.51.100.7", "10.0.0.254"]

    init() async throws {
        world = try await APIWorld()
        var chance = SystemRandomNumberGenerator()
        key = try world.sources.control.createKey(
            tenant: world.acme, name: "v", scopes: [.readPseudonyms], by: "test", at: APIWorld.now, using: &chance
        ).key.secret
        let secret = try #require(world.sources.pseudonymSecret)
        pseudonyms = try #require(Pseudonyms(key: Pseudonyms.key(secret: secret, tenant: "acme")))
    }
    private func pseudonym(_ text: String) throws -> String {
        pseudonyms.pseudonym(of: try #require(IPAddress(text))).description
    }

    @Test(
        "no answer about flows has an address in it, and all have pseudonyms",
        arguments: [
            "/v1/flows?", "/v1/flows/export?", "/v1/flows/export?format=ndjson&pseudonyms=true&",
            "/v1/flows/top?by=sourceAddress,destinationAddress,exporter&",
            "/v1/flows/top?by=sourceAddress/24,destinationAddress/24&",
            "/v1/flows/series?by=sourceAddress,destinationAddress&", "/v1/flows/percentiles?by=destinationAddress&",
            "/v1/flows/distinct?of=sourceAddress&by=destinationAddress&", "/v1/flows/conversations?",
        ])
    func answers(_ path: String) async throws {
        let period = "from=\(APIWorld.now - 60_000)&to=\(APIWorld.now)"
        let hidden = try await world.ask(.get, path + period, key: key)
        let open = try await world.ask(.get, path + period, key: world.acmeKey)
        #expect(hidden.status == 200 && open.status == 200)
        let text = String(decoding: hidden.octets, as: UTF8.self), plain = String(decoding: open.octets, as: UTF8.self)
        for address in real { #expect(!text.contains(address), "\(text)") }
        if !path.contains("pseudonyms") { #expect(plain.contains("198.51.100.")) }
        let shown = try pseudonym("198.51.100.7")
        let part = path.contains("/24") ? shown.split(separator: ".").prefix(3).joined(separator: ".") : shown
        #expect(text.contains(part), "\(text)")
    }

    @Test("filters and hunts are asked with pseudonyms, networks too, and mean the same hosts") func asking()
        async throws
    {
        let source = try pseudonym("10.0.0.2")
        let found = try await world.get("/v1/flows?filter=src%20ip%20\(source)", key: key)
        let items = try #require(found.json["items"] as? [[String: Any]])
        #expect(items.count == 1 && items.first?["sourceIPv4Address"] as? String == source)
        #expect(items.first?["octetDeltaCount"] as? Int == 9_000)
        let network = source.split(separator: ".").prefix(3).joined(separator: ".") + ".0/24"
        let both = try await world.get(
            "/v1/flows?filter=src%20net%20\(network)%20and%20not%20(dst%20ip%20\(source))", key: key)
        #expect((both.json["items"] as? [Any])?.count == 2)
        let real = try await world.get("/v1/flows?ip=10.0.0.2", key: key)
        #expect(real.status == 200 && (real.json["items"] as? [Any])?.isEmpty == true)
        let met = try pseudonym("198.51.100.7")
        let hunt = try await world.ask(.post, "/v1/hunts", key: key, body: #"{"indicators":["\#(met)"]}"#)
        let sightings = try #require(hunt.json["items"] as? [[String: Any]])
        let hosts = try ["10.0.0.1", "10.0.0.2"].map(pseudonym)
        #expect(Set(sightings.compactMap { $0["host"] as? String }) == Set(hosts))
        #expect(sightings.allSatisfy { $0["indicator"] as? String == "\(met)/32" && $0["met"] as? String == met })
    }

    @Test("questions that would tell whose pseudonym one is are refused") func refusals() async throws {
        try world.sources.control.setNamedNetworks(
            "lan", ["10.0.0.0/8"], of: world.acme, by: "test", at: APIWorld.now)
        let named = try await world.get("/v1/flows?filter=src%20net%20@lan", key: key)
        #expect(named.status == 400)
        let open = try await world.get("/v1/flows?filter=src%20net%20@lan", key: world.acmeKey)
        #expect((open.json["items"] as? [Any])?.count == 2)
        for path in ["/v1/flows/export?pseudonyms=false", "/v1/networks", "/v1/incidents", "/v1/sensors"] {
            let refused = try await world.get(path, key: key)
            #expect(refused.status == 403, "\(path)")
        }
    }

    @Test("a pseudonym leads back to its address, and a pseudonymous network to its network") func back() throws {
        forAll(runs: 200) { generator, seed in
            let isV4 = Bool.random(using: &generator)
            let address =
                isV4
                ? IPAddress(v4: generator.next()) : IPAddress(high: generator.next() | 1 << 40, low: generator.next())
            let network = IPNetwork(address, length: .random(in: 0...(isV4 ? 32 : 128), using: &generator))
            #expect(pseudonyms.original(of: pseudonyms.pseudonym(of: network)) == network, "SEED=\(seed)")
            #expect(pseudonyms.pseudonym(of: network).contains(pseudonyms.pseudonym(of: address)), "SEED=\(seed)")
        }
    }
}
