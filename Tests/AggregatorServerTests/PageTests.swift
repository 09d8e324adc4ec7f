import Foundation
import HTTPTypes
import Identity
import Ingest
import TestKit
import Testing

@testable import API

@Suite("Pages, and changes of what was seen") struct PageTests {
    private let world: APIWorld

    init() async throws { world = try await APIWorld() }

    private func put(_ name: String, _ network: String, ifMatch: String? = nil) async throws -> (Int, String?) {
        var fields: HTTPFields = [:]
        fields[.ifMatch] = ifMatch
        let answer = try await world.ask(
            .put, "/v1/networks/\(name)", key: world.acmeKey, body: #"{"networks":["\#(network)"]}"#, fields: fields)
        return (answer.status, answer.fields[.eTag])
    }

    @Test("a list comes in pages by its items' names, whatever comes and goes meanwhile; without a limit, whole")
    func pages() async throws {
        for name in ["a", "b", "d", "e"] { _ = try await put(name, "10.0.0.0/8") }
        func page(_ query: String) async throws -> (names: [String], next: String?) {
            let json = try await world.get("/v1/networks?\(query)", key: world.acmeKey).json
            let items = json["items"] as? [[String: Any]] ?? []
            return (items.compactMap { $0["name"] as? String }, json["next"] as? String)
        }
        let whole = try await page("")
        #expect(whole.names == ["a", "b", "d", "e"] && whole.next == nil)
        let first = try await page("limit=2")
        #expect(first.names == ["a", "b"])
        _ = try await put("c", "10.0.0.0/8")
        _ = try await world.ask(.delete, "/v1/networks/b", key: world.acmeKey)
        let second = try await page("limit=2&cursor=\(try #require(first.next))")
        #expect(second.names == ["c", "d"])
        let cursor = try #require(second.next), last = try await page("limit=2&cursor=\(cursor)")
        #expect(last.names == ["e"] && last.next == nil)
        for bad in ["limit=0", "limit=1001", "cursor=%21"] {
            #expect(try await world.get("/v1/networks?\(bad)", key: world.acmeKey).status == 400, "\(bad)")
        }
        for list in ["sensors", "exceptions", "sigma/rules"] {
            let answer = try await world.get("/v1/\(list)?limit=1", key: world.acmeKey)
            #expect(answer.status == 200 && answer.json["next"] is NSNull, "\(list)")
        }
    }

    @Test("a change with If-Match counts only if it is what was seen") func conditional() async throws {
        let (made, tag) = try await put("a", "10.0.0.0/8")
        #expect(made == 200)
        let shown = try await world.get("/v1/networks/a", key: world.acmeKey)
        #expect(shown.status == 200 && shown.fields[.eTag] == tag)
        #expect(try await put("a", "10.1.0.0/16", ifMatch: tag).0 == 200)
        let stale = try await put("a", "10.2.0.0/16", ifMatch: tag)
        #expect(stale.0 == 412 && stale.1 != nil && stale.1 != tag)
        #expect(try await put("b", "10.0.0.0/8", ifMatch: "*").0 == 412, "there is none")
        #expect(try await put("a", "10.3.0.0/16", ifMatch: "\"x\", *").0 == 200)
        let gone = try await world.ask(
            .delete, "/v1/networks/a", key: world.acmeKey, fields: [.ifMatch: try #require(tag)])
        #expect(gone.status == 412)
        #expect(
            try await world.get("/v1/networks/a", key: world.acmeKey).json["networks"] as? [String] == ["10.3.0.0/16"])
        #expect(try await world.get("/v1/networks/a", key: world.globexKey).status == 404)
    }

    @Test("many sensors are asked at once, and each is answered for itself") func bulk() async throws {
        let json =
            #"{"version":"1","fidelity":"full","spool":{"batches":0,"bytes":0,"bytesMax":1},"#
            + #""deadLetters":0,"ledger":[]}"#
        let heartbeat = try #require(Heartbeat(json: Array(json.utf8)))
        let sensor = SensorIdentity(tenant: world.acme, site: "hq", name: "edge1")
        world.sources.sensors.heard(heartbeat, from: sensor, at: APIWorld.now)
        let answer = try await world.ask(
            .post, "/v1/sensors/bulk", key: world.acmeKey,
            body: #"{"sensors":["hq:edge1","hq:none"],"reship":{"since":"2023-11-14T00:00:00Z"}}"#)
        let items = answer.json["items"] as? [[String: Any]]
        #expect(items?.map { $0["status"] as? Int } == [204, 404], "\(answer.json)")
        for bad in [#"{"sensors":[],"reship":{}}"#, #"{"sensors":["a","a"],"reship":{}}"#, #"{"sensors":["a"]}"#] {
            #expect(try await world.ask(.post, "/v1/sensors/bulk", key: world.acmeKey, body: bad).status == 400)
        }
    }
}
