import CZstd
import Foundation
import HTTPTypes
import Tenancy
import TestKit
import Testing

@testable import API

@Suite("What holds for all requests") struct RequestLimitTests {
    private var world: APIWorld

    init() async throws { world = try await APIWorld() }

    private func name(_ text: String) throws -> HTTPField.Name { try #require(HTTPField.Name(text)) }

    @Test("so many requests a minute: each answer says how many are left, then 429; others have their own")
    func quota() async throws {
        var world = world
        world.sources.requests.perMinute = 60
        let quota = RequestQuota(perMinute: 60)
        #expect(quota.take("a", at: .zero) == .init(isAllowed: true, left: 59, nextSeconds: 0, fullSeconds: 1))
        for _ in 0..<59 { _ = quota.take("a", at: .zero) }
        #expect(quota.take("a", at: .zero) == .init(isAllowed: false, left: 0, nextSeconds: 1, fullSeconds: 60))
        #expect(quota.take("b", at: .zero).isAllowed)
        #expect(!quota.take("a", at: .milliseconds(900)).isAllowed)
        #expect(quota.take("a", at: .milliseconds(1_001)).isAllowed)
        for caller in 0...RequestQuota.bucketsMax { _ = quota.take("\(caller)", at: .seconds(caller)) }
        #expect(quota.count <= RequestQuota.bucketsMax)

        world.sources.requests.perMinute = 1
        let answer = try await world.get("/v1/sensors", key: world.acmeKey)
        #expect(answer.fields[try name("RateLimit-Policy")] == #""caller";q=1;w=60"#)
        #expect(answer.fields[try name("RateLimit")] == #""caller";r=0;t=60"#)
    }

    @Test("who asked too much is told when to come again, with the same fields") func tooMany() async throws {
        var world = world
        world.sources.requests.perMinute = 2
        let statuses = try await world.statuses("/v1/sensors", times: 3, key: world.acmeKey)
        #expect(statuses.map(\.status) == [200, 200, 429])
        #expect(statuses[2].fields[.retryAfter] == "30")
        #expect(statuses[2].fields[try name("RateLimit")] == #""caller";r=0;t=60"#)
    }

    @Test("long answers to GET are coded as the request accepts, and are the same then", arguments: ["gzip", "zstd"])
    func coding(_ coding: String) async throws {
        let plain = try await world.ask(.get, "/openapi.json", key: nil)
        let coded = try await world.ask(
            .get, "/openapi.json", key: nil, fields: [.acceptEncoding: "br, \(coding);q=0.5"])
        #expect(coded.fields[.contentEncoding] == coding && coded.fields[.vary] == "Accept-Encoding")
        #expect(coded.octets.count * 5 < plain.octets.count, "\(coded.octets.count) of \(plain.octets.count)")
        #expect(try decoded(coded.octets, coding, plain.octets.count) == plain.octets)
        for field in ["identity", "gzip;q=0, zstd;q=0", "*", ""] {
            let answer = try await world.ask(.get, "/openapi.json", key: nil, fields: [.acceptEncoding: field])
            #expect(answer.fields[.contentEncoding] == nil && answer.octets == plain.octets, "\(field)")
        }
        let short = try await world.ask(.get, "/v1/sensors", key: world.acmeKey, fields: [.acceptEncoding: coding])
        #expect(short.fields[.contentEncoding] == nil)
        let stream = try await world.statuses(
            "/v1/live/incidents", times: 1, key: world.acmeKey, fields: [.acceptEncoding: coding])
        #expect(stream[0].fields[.contentEncoding] == nil)
    }
    private func decoded(_ octets: [UInt8], _ coding: String, _ count: Int) throws -> [UInt8] {
        guard coding == "gzip" else {
            return [UInt8](unsafeUninitializedCapacity: count) { target, filled in
                filled = ZSTD_decompress(target.baseAddress, count, octets, octets.count)
            }
        }
        let folder = try TemporaryFolder("weir-gzip")
        try Data(octets).write(to: folder.file("a.gz"))
        return [UInt8](try Program.run("gzip", ["-dc", folder.file("a.gz").path]).output)
    }

    @Test("pages of listed origins may call with a key, others' are told nothing, and cookies never count")
    func origins() async throws {
        var world = world
        world.sources.requests.origins = ["https://soc.example"]
        let allow = try name("Access-Control-Allow-Origin")
        let asked: HTTPFields = [
            .origin: "https://soc.example", try name("Access-Control-Request-Method"): "PATCH",
            try name("Access-Control-Request-Headers"): "authorization",
        ]
        let preflight = try await world.ask(.options, "/v1/incidents/x", key: nil, fields: asked)
        #expect(preflight.status == 204 && preflight.fields[allow] == "https://soc.example")
        #expect(preflight.fields[try name("Access-Control-Allow-Headers")]?.contains("Authorization") == true)
        let answer = try await world.ask(
            .get, "/v1/sensors", key: world.acmeKey, fields: [.origin: "https://soc.example"])
        #expect(answer.status == 200 && answer.fields[allow] == "https://soc.example")
        #expect(answer.fields[.vary]?.contains("Origin") == true)
        let refused = try await world.ask(.get, "/v1/sensors", key: nil, fields: [.origin: "https://soc.example"])
        #expect(refused.status == 401 && refused.fields[allow] != nil, "a page is to see why")
        for origin in ["https://evil.example", "https://soc.example.evil", "https://SOC.example", "null"] {
            var fields = asked
            fields[.origin] = origin
            let other = try await world.ask(.options, "/v1/incidents/x", key: nil, fields: fields)
            #expect(other.status == 404 && other.fields[allow] == nil, "\(origin)")
        }
        for field in answer.fields {
            #expect(field.name.canonicalName != "access-control-allow-credentials")
        }
    }

    @Test("an answer that takes too long is given up, and its work is cancelled") func time() async throws {
        let cancelled = Locked(false)
        await #expect(throws: Problem.self) {
            try await within(.milliseconds(50)) {
                do { try await Task.sleep(for: .seconds(60)) } catch {
                    cancelled.with { $0 = true }
                    throw error
                }
                return try jsonResponse(["a": "b"])
            }
        }
        #expect(cancelled.with { $0 })
    }

    @Test("ids in paths and texts in queries are what they were before they were encoded") func encoding() async throws
    {
        let put = try await world.ask(
            .put, "/v1/networks/branch%2Doffice", key: world.acmeKey, body: #"{"networks":["10.0.0.0/8"]}"#)
        #expect(put.status == 200)
        let items = try await world.get("/v1/networks", key: world.acmeKey).json["items"] as? [[String: Any]]
        #expect(items?.first?["name"] as? String == "branch-office")
        let (source, spaced) = ("filter=src+host+10.0.0.1", "filter=src%20host%2010.0.0.1")
        for query in [source, spaced] {
            let answer = try await world.get("/v1/flows?\(query)", key: world.acmeKey)
            #expect((answer.json["items"] as? [Any])?.count == 1, "\(query)")
        }
        #expect(try await world.get("/v1/flows?filter=%2Bx", key: world.acmeKey).status == 400)
        #expect(try await world.get("/v1/flows?filter=%ff", key: world.acmeKey).status == 400)
        #expect(try await world.get("/v1/incidents/%ff", key: world.acmeKey).status == 404)
    }
}
