import Foundation
import Identity
import TestKit
import Testing

@Suite("SPIFFE IDs")
struct SPIFFEIDTests {
    private func refusal(_ text: String) -> SPIFFEError? {
        do {
            _ = try SPIFFEID(text)
            return nil
        } catch {
            return error
        }
    }
    private static let good = "spiffe://weir.example/tenant/acme/site/berlin/sensor/edge-1"

    @Test("a sensor's and an aggregator's are read and written alike") func roundTrip() throws {
        let sensor = try SPIFFEID(Self.good)
        let acme = try #require(TenantID("acme"))
        #expect(sensor.trustDomain == "weir.example" && sensor.description == Self.good)
        #expect(sensor.sensor == SensorIdentity(tenant: acme, site: "berlin", name: "edge-1"))
        let aggregator = try SPIFFEID("spiffe://weir.example/aggregator/a_1.eu")
        #expect(aggregator.path == .aggregator(name: "a_1.eu") && aggregator.sensor == nil)
        #expect(aggregator.description == "spiffe://weir.example/aggregator/a_1.eu")
        #expect(SPIFFEID(trustDomain: "weir.example", path: sensor.path) == sensor)
    }

    private static let bad: [(String, SPIFFEError)] = [
        ("", .badScheme),
        ("weir.example/aggregator/a", .badScheme),
        ("http://weir.example/aggregator/a", .badScheme),
        ("https://weir.example/tenant/acme/site/s/sensor/n", .badScheme),
        ("SPIFFE://weir.example/aggregator/a", .badScheme),
        ("spiffe:/weir.example/aggregator/a", .badScheme),
        (" spiffe://weir.example/aggregator/a", .badScheme),
        ("spiffe://", .badTrustDomain),
        ("spiffe:///aggregator/a", .badTrustDomain),
        ("spiffe://Weir.example/aggregator/a", .badTrustDomain),
        ("spiffe://weir.example:443/aggregator/a", .badTrustDomain),
        ("spiffe://user@weir.example/aggregator/a", .badTrustDomain),
        ("spiffe://user:secret@weir.example/aggregator/a", .badTrustDomain),
        ("spiffe://weir%2eexample/aggregator/a", .badTrustDomain),
        ("spiffe://wéir.example/aggregator/a", .badTrustDomain),
        ("spiffe://weir.example", .badPath),
        ("spiffe://weir.example/", .badPath),
        ("spiffe://weir.example/aggregator/a/", .badPath),
        ("spiffe://weir.example/aggregator/", .badPath),
        ("spiffe://weir.example//aggregator/a", .badPath),
        ("spiffe://weir.example/aggregator//a", .badPath),
        ("spiffe://weir.example/aggregator/.", .badPath),
        ("spiffe://weir.example/tenant/acme/site/../sensor/n", .badPath),
        ("spiffe://weir.example/aggregator/a%2e", .badPath),
        ("spiffe://weir.example/aggregator/a%2Fb", .badPath),
        ("spiffe://weir.example/aggregator/a?x=1", .badPath),
        ("spiffe://weir.example/aggregator/a#x", .badPath),
        ("spiffe://weir.example/aggregator/A", .badPath),
        ("spiffe://weir.example/aggregator/a b", .badPath),
        ("spiffe://weir.example/aggregator/a\0", .badPath),
        ("spiffe://weir.example/aggregator/a\n", .badPath),
        ("spiffe://weir.example/aggregator/ä", .badPath),
        ("spiffe://weir.example/aggregator/a\u{0301}", .badPath),
        ("spiffe://weir.example/aggregator/" + String(repeating: "a", count: 64), .badPath),
        ("spiffe://weir.example/tenant/acme", .badPath),
        ("spiffe://weir.example/tenant/acme/sensor/n", .badPath),
        ("spiffe://weir.example/tenant/acme/site/s/sensor/n/more", .badPath),
        ("spiffe://weir.example/site/s/tenant/acme/sensor/n", .badPath),
        ("spiffe://weir.example/tenant/acme/site/s/aggregator/n", .badPath),
        ("spiffe://weir.example/tenant/-acme/site/s/sensor/n", .badTenant),
        ("spiffe://weir.example/tenant/acme-/site/s/sensor/n", .badTenant),
        ("spiffe://weir.example/tenant/ac.me/site/s/sensor/n", .badTenant),
        ("spiffe://weir.example/tenant/ac_me/site/s/sensor/n", .badTenant),
        ("spiffe://" + String(repeating: "a", count: 256) + "/aggregator/a", .badTrustDomain),
        ("spiffe://" + String(repeating: "a", count: 2_040), .tooLong),
    ]
    @Test("every other spelling is refused, first fault first") func refused() {
        #expect(Self.bad.count >= 30)
        for (text, error) in Self.bad { #expect(refusal(text) == error, "\(text.prefix(100))") }
    }

    @Test("the longest ID is 2048 octets") func longest() {
        let padding = String(repeating: "a", count: 2_049 - "spiffe://".utf8.count)
        #expect(refusal("spiffe://" + padding) == .tooLong)
        #expect(refusal("spiffe://" + padding.dropLast()) == .badTrustDomain)
    }

    @Test("any change of one octet gives another identity or none") func changes() throws {
        let sound = try SPIFFEID(Self.good)
        forAll(runs: 2_000) { generator, seed in
            var octets = Array(Self.good.utf8)
            let place = Int.random(in: octets.indices, using: &generator)
            octets[place] = UInt8.random(in: 0...127, using: &generator)
            let text = String(decoding: octets, as: UTF8.self)
            guard let id = try? SPIFFEID(text) else { return }
            #expect(id.description == text && (id == sound) == (text == Self.good), "SEED=\(seed)")
        }
    }
}

@Suite("Names of tenants")
struct TenantIDTests {
    @Test("a DNS label in lower case, and nothing else") func labels() {
        for text in ["a", "acme", "a-b", "0", "7eleven", String(repeating: "x", count: 63)] {
            #expect(TenantID(text)?.rawValue == text)
        }
        let bad = ["", "-", "-a", "a-", "A", "a.b", "a_b", "a b", "ä", "a/b", "..", "a\0", "a\n", "%61"]
        for text in bad + [String(repeating: "x", count: 64)] { #expect(TenantID(text) == nil, "\(text)") }
    }

    @Test("in JSON it is its name, and a bad one is refused") func coding() throws {
        let id = try JSONDecoder().decode([TenantID].self, from: Data(#"["acme"]"#.utf8))
        #expect(id == [try #require(TenantID("acme"))])
        let text = String(decoding: try JSONEncoder().encode(id), as: UTF8.self)
        #expect(text == #"["acme"]"#)
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([TenantID].self, from: Data(#"["../acme"]"#.utf8))
        }
    }
}
