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

@Suite("A MISP feed of many files") struct MISPFeedTests {
    static let yaml = """
        intelligence:
          feeds:
            - name: circle
              url: https://misp.example/feed
              format: misp-feed
              refresh: 1m
        """
    static func uuid(_ number: Int) -> String { "00000000-0000-4000-8000-00000000000\(number)" }
    /// Of attributes, in s since 1970 UTC: a day before the start, as what was last seen 30 days ago has expired.
    static let seen = World.start / 1_000 - 86_400
    /// Events by number: the time of the last change, and the address that it lists.
    static func answer(_ request: FeedRequest, _ events: [Int: (time: Int, address: String?)]) -> FeedResponse {
        let root = "https://misp.example/feed/"
        if request.url == root + "manifest.json" {
            let items = events.map { event in
                #""\#(uuid(event.key))":{"info":"x","timestamp":"\#(event.value.time)","Tag":[]}"#
            }
            return FeedResponse(status: 200, body: Array("{\(items.joined(separator: ","))}".utf8))
        }
        for (number, event) in events where request.url == root + uuid(number) + ".json" {
            guard let address = event.address else { return FeedResponse(status: 404) }
            let text = #"""
                {"Event":{"uuid":"\#(uuid(number))","Attribute":[
                {"type":"ip-dst","value":"\#(address)","to_ids":true,"timestamp":"\#(seen)"}]}}
                """#
            return FeedResponse(status: 200, body: Array(text.utf8))
        }
        return FeedResponse(status: 500)
    }

    @Test("all events of the manifest are read, then only those that changed; those that left the manifest are gone")
    func changes() async throws {
        let world = try World(), upkeep = try world.upkeep(Self.yaml)
        await upkeep.load()
        world.network.answers {
            Self.answer($0, [1: (10, "198.51.100.1"), 2: (20, "198.51.100.2"), 3: (30, "198.51.100.3"), 4: (5, nil)])
        }
        await upkeep.refresh()
        for last in 1...3 { #expect(try world.knows("198.51.100.\(last)", world.acme)) }
        #expect(world.network.asked.with { $0.count } == 5)

        world.time.advance(by: .seconds(61))
        world.network.answers {
            Self.answer($0, [1: (10, "198.51.100.99"), 2: (21, "198.51.100.22"), 5: (40, "198.51.100.5")])
        }
        await upkeep.refresh()
        // Of the first nothing was said to have changed, so it was not asked for.
        #expect(
            world.network.asked.with { $0.dropFirst(5).map(\.url).sorted() } == [
                "https://misp.example/feed/\(Self.uuid(2)).json", "https://misp.example/feed/\(Self.uuid(5)).json",
                "https://misp.example/feed/manifest.json",
            ])
        for last in [1, 22, 5] { #expect(try world.knows("198.51.100.\(last)", world.acme)) }
        for last in [2, 3, 99] { #expect(try !world.knows("198.51.100.\(last)", world.acme)) }

        let restarted = try world.upkeep(Self.yaml)
        await restarted.load()
        #expect(try world.knows("198.51.100.22", world.acme))
    }

    @Test(
        "an event that can't be had, or a manifest that is none, leaves what stands; no path is made of what is no UUID"
    )
    func refusals() async throws {
        let world = try World(), upkeep = try world.upkeep(Self.yaml)
        await upkeep.load()
        world.network.answers { Self.answer($0, [1: (10, "198.51.100.1")]) }
        await upkeep.refresh()
        let broken: [@Sendable (FeedRequest) -> FeedResponse] = [
            { request in
                request.url.hasSuffix("manifest.json")
                    ? Self.answer(request, [1: (11, "198.51.100.7"), 2: (1, "198.51.100.8")])
                    : FeedResponse(status: 503)
            },
            { request in
                // As a login page in the way of the event.
                request.url.hasSuffix("manifest.json")
                    ? Self.answer(request, [1: (12, "198.51.100.7")])
                    : FeedResponse(status: 200, body: Array(#"{"message":"log in"}"#.utf8))
            },
            { _ in FeedResponse(status: 200, body: Array("[1,2]".utf8)) },
            { request in
                #expect(request.url.hasSuffix("manifest.json"))
                return FeedResponse(status: 200, body: Array(#"{"../../etc/passwd":{"timestamp":"1"}}"#.utf8))
            },
        ]
        for (number, answer) in broken.enumerated() {
            world.time.advance(by: .seconds(3_601))
            world.network.answers(answer)
            await upkeep.refresh()
            let isKnown = try world.knows("198.51.100.1", world.acme)
            #expect(isKnown, "\(number)")
            #expect(try !world.knows("198.51.100.7", world.acme))
        }
        // A manifest without events is a feed that has none any more.
        world.time.advance(by: .seconds(3_601))
        world.network.answers { _ in FeedResponse(status: 200, body: Array("{}".utf8)) }
        await upkeep.refresh()
        #expect(try !world.knows("198.51.100.1", world.acme))
    }
}
