import API
import Foundation
import HTTPTypes
import Query
import TestKit
import Testing

@Suite("Flows by filter, named networks, exports")
struct FlowFilterRouteTests {
    private func query(_ path: String, _ items: [String: String]) -> String {
        var components = URLComponents()
        components.path = path
        components.queryItems = items.sorted { $0.key < $1.key }.map { URLQueryItem(name: $0.key, value: $0.value) }
        return components.string ?? path
    }

    @Test(
        "a filter narrows lists and sums",
        arguments: [
            ("src ip 10.0.0.1", 1), ("src ip in [10.0.0.1 10.0.0.2] and dst port 443", 2), ("bytes > 5k", 1),
            ("not tcp", 0), ("site hq and sensor edge1 and via ipfix", 2), ("site other", 0),
            ("exporter 10.0.0.254", 2),
            ("", 2), ("bps > 1", 2), ("has userName", 0),
        ])
    func narrows(_ filter: String, _ count: Int) async throws {
        let world = try await APIWorld()
        let list = try await world.get(query("/v1/flows", ["filter": filter]), key: world.acmeKey)
        #expect((list.json["items"] as? [Any])?.count == count, "\(list.json)")
        let top = try await world.get(query("/v1/flows/top", ["filter": filter]), key: world.acmeKey)
        let total = try #require(top.json["total"] as? [String: Any])
        #expect(total["deltaFlowCount"] as? Int == count)
        let others = try await world.get(query("/v1/flows", ["filter": filter]), key: world.globexKey)
        #expect((others.json["items"] as? [Any])?.count == 0)
    }

    @Test("older parameters hold beside a filter") func together() async throws {
        let world = try await APIWorld()
        let uri = query("/v1/flows", ["filter": "dst port 443", "source": "10.0.0.2", "protocol": "tcp"])
        let list = try await world.get(uri, key: world.acmeKey)
        #expect((list.json["items"] as? [Any])?.count == 1)
    }

    @Test(
        "a wrong filter is a problem with column and suggestion",
        arguments: ["/v1/flows", "/v1/flows/top", "/v1/flows/export"])
    func refused(_ path: String) async throws {
        let world = try await APIWorld()
        let answer = try await world.get(query(path, ["filter": "tcp and srx port 22"]), key: world.acmeKey)
        #expect(answer.status == 400 && answer.fields[.contentType] == "application/problem+json")
        #expect(answer.json["type"] as? String == "urn:weir:problem:bad-filter")
        #expect(answer.json["column"] as? Int == 9 && answer.json["line"] as? Int == 1)
        #expect(answer.json["length"] as? Int == 3 && answer.json["suggestion"] as? String == "src")
        #expect((answer.json["detail"] as? String)?.contains("\n        ^^^\n") == true)
    }

    @Test("a name is set, used in a filter, kept from other tenants, and removed") func names() async throws {
        let world = try await APIWorld()
        let body = #"{"networks":["10.0.0.1","198.51.100.0/25"]}"#
        let set = try await world.ask(.put, "/v1/networks/servers", key: world.acmeKey, body: body)
        #expect(set.status == 200 && set.json["networks"] as? [String] == ["10.0.0.1/32", "198.51.100.0/25"])
        let uri = query("/v1/flows", ["filter": "src net @servers"])
        let list = try await world.get(uri, key: world.acmeKey)
        #expect((list.json["items"] as? [Any])?.count == 1)
        let other = try await world.get(uri, key: world.globexKey)
        #expect(other.status == 400 && other.json["column"] as? Int == 9)
        let all = try await world.get("/v1/networks", key: world.acmeKey)
        #expect((all.json["items"] as? [[String: Any]])?.first?["name"] as? String == "servers")
        let refused = try await world.ask(.put, "/v1/networks/x", key: world.incidentsOnlyKey, body: body)
        #expect(refused.status == 403)
        for wrong in [#"{"networks":[]}"#, #"{"networks":["10.0.0.300"]}"#, "[]", ""] {
            let answer = try await world.ask(.put, "/v1/networks/x", key: world.acmeKey, body: wrong)
            #expect(answer.status == 400, "\(wrong)")
        }
        let badName = try await world.ask(.put, "/v1/networks/a@b", key: world.acmeKey, body: body)
        #expect(badName.status == 400)
        let gone = try await world.ask(.delete, "/v1/networks/servers", key: world.acmeKey)
        let again = try await world.ask(.delete, "/v1/networks/servers", key: world.acmeKey)
        #expect(gone.status == 204 && again.status == 404)
        let after = try await world.get(uri, key: world.acmeKey)
        #expect(after.status == 400)
    }

    @Test("exports hold what matches, in each format") func exports() async throws {
        let world = try await APIWorld()
        func export(_ items: [String: String]) async throws -> (status: Int, fields: HTTPFields, octets: [UInt8]) {
            let answer = try await world.ask(.get, query("/v1/flows/export", items), key: world.acmeKey)
            return (answer.status, answer.fields, answer.octets)
        }
        func lines(_ octets: [UInt8]) -> [Substring] { String(decoding: octets, as: UTF8.self).split(separator: "\n") }
        let ndjson = try await export(["filter": "bytes > 5k"])
        #expect(ndjson.status == 200 && lines(ndjson.octets).count == 1)
        #expect(lines(ndjson.octets).first?.contains(#""sourceIPv4Address":"10.0.0.2""#) == true)
        let csv = try await export(["format": "csv"]), nfdump = try await export(["format": "nfdump", "limit": "1"])
        #expect(lines(csv.octets).count == 3 && lines(nfdump.octets).count == 2)
        #expect(nfdump.fields[.contentType] == "text/csv; charset=utf-8")
        let ipfix = try await export(["format": "ipfix"])
        #expect(ipfix.octets.prefix(2) == [0, 10] && ipfix.octets.count > 150)
        #expect(ipfix.fields[.contentDisposition] == #"attachment; filename="flows.ipfix""#)
        let hidden = try await export(["pseudonyms": "true"])
        let text = String(decoding: hidden.octets, as: UTF8.self)
        #expect(lines(hidden.octets).count == 2 && !text.contains("10.0.0.") && !text.contains("198.51.100.7"))
        let again = try await export(["pseudonyms": "true"])
        #expect(again.octets == hidden.octets)
        let none = try await world.ask(.get, "/v1/flows/export", key: world.globexKey)
        #expect(none.status == 200 && none.octets.isEmpty)
    }
}
