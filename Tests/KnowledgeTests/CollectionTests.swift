import FlowModel
import Foundation
import Identity
import Intelligence
import Knowledge
import TestKit
import Testing

@Suite("A TAXII collection") struct CollectionTests {
    static let yaml = """
        intelligence:
          feeds:
            - name: collection
              url: https://taxii.example/root/
              format: taxii
              collection: 91a7b528-80eb-42ed-a74d-c6fbd5a26116
              refresh: 1m
        """
    static func indicator(_ id: Int, _ address: String, modified: String, revoked: Bool = false) -> String {
        """
        {"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-00000000000\(id)",
        "created":"2026-01-01T00:00:00Z","modified":"\(modified)","valid_from":"2026-01-01T00:00:00Z",
        "valid_until":"2027-06-01T00:00:00Z","pattern_type":"stix","revoked":\(revoked),
        "pattern":"[ipv4-addr:value = '\(address)']"}
        """
    }
    static func page(_ objects: [String], next: String? = nil) -> [UInt8] {
        let more = next.map { ",\"more\":true,\"next\":\"\($0)\"" } ?? ""
        return Array("{\"objects\":[\(objects.joined(separator: ","))]\(more)}".utf8)
    }

    @Test("its pages are read, then only what was added, and a restart knows what stands") func changes() async throws {
        let world = try World(), upkeep = try world.upkeep(Self.yaml)
        await upkeep.load()
        world.network.answers { request in
            let isSecond = request.url.contains("next=two")
            return FeedResponse(
                status: 200, headers: ["x-taxii-date-added-last": "2026-11-01T00:00:0\(isSecond ? 2 : 1)Z"],
                body: isSecond
                    ? Self.page([Self.indicator(2, "198.51.100.2", modified: "2026-01-02T00:00:00Z")])
                    : Self.page([Self.indicator(1, "198.51.100.1", modified: "2026-01-02T00:00:00Z")], next: "two"))
        }
        await upkeep.refresh()
        #expect(try world.knows("198.51.100.1", world.acme))
        #expect(try world.knows("198.51.100.2", world.acme))
        let first = try #require(world.network.asked.with { $0.first })
        #expect(
            first.url.hasPrefix(
                "https://taxii.example/root/collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/objects/?limit="))
        #expect(first.url.contains("match%5Btype%5D=indicator%2C"))
        #expect(first.headers["accept"] == "application/taxii+json;version=2.1")

        world.time.advance(by: .seconds(61))
        world.network.answers { _ in
            FeedResponse(
                status: 200, headers: ["x-taxii-date-added-last": "2026-11-02T00:00:00Z"],
                body: Self.page([Self.indicator(1, "198.51.100.1", modified: "2026-02-01T00:00:00Z", revoked: true)]))
        }
        await upkeep.refresh()
        #expect(world.network.asked.with { $0.last?.url.contains("added_after=2026-11-01T00%3A00%3A02Z") } == true)
        #expect(try !world.knows("198.51.100.1", world.acme))
        #expect(try world.knows("198.51.100.2", world.acme))

        let restarted = try world.upkeep(Self.yaml)
        await restarted.load()
        #expect(try world.knows("198.51.100.2", world.acme))
        #expect(try !world.knows("198.51.100.1", world.acme))
        world.network.answers { _ in FeedResponse(status: 200, body: Self.page([])) }
        await restarted.refresh()
        #expect(world.network.asked.with { $0.last?.url.contains("added_after=2026-11-02T00%3A00%3A00Z") } == true)
        #expect(try world.knows("198.51.100.2", world.acme))
    }

    @Test("a refusal or an answer that is none leaves what stands") func refusals() async throws {
        let world = try World(), upkeep = try world.upkeep(Self.yaml)
        await upkeep.load()
        world.network.answers { _ in
            FeedResponse(
                status: 200, body: Self.page([Self.indicator(1, "198.51.100.1", modified: "2026-01-02T00:00:00Z")]))
        }
        await upkeep.refresh()
        for response in [FeedResponse(status: 401), FeedResponse(status: 200, body: Array("<html>".utf8))] {
            world.time.advance(by: .seconds(61))
            world.network.answers { _ in response }
            await upkeep.refresh()
            #expect(try world.knows("198.51.100.1", world.acme))
            #expect(await upkeep.states(for: world.acme).first?.problem?.hasPrefix("the TAXII server:") == true)
        }
    }
}
