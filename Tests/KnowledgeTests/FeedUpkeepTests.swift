import FlowModel
import Foundation
import Identity
import Intelligence
import Knowledge
import Logging
import Settings
import Telemetry
import TestKit
import Testing

@Suite("Feeds that are kept up to date") struct FeedUpkeepTests {
    static let files = """
        intelligence:
          feeds:
            - name: everybody
              file: shared.txt
        tenants:
          - name: acme
            intelligence:
              feeds:
                - name: ours
                  file: acme.txt
                  weight: 0.9
              allowLists:
                - name: known
                  file: known.txt
        """
    static let url = """
        intelligence:
          feeds:
            - name: remote
              url: https://feeds.example/list.txt?token=abc
              refresh: 1h
        """

    @Test("a shared feed is everybody's, a tenant's own is its own, and allow-lists silence") func layers() async throws
    {
        let world = try World(), upkeep = try world.upkeep(Self.files)
        try world.write("shared.txt", "198.51.100.1\n203.0.113.0/24\n")
        try world.write("acme.txt", "198.51.100.2 # ours\n198.51.100.3\n")
        try world.write("known.txt", "198.51.100.3\n")
        await upkeep.load()
        for tenant in [world.acme, world.globex] {
            #expect(try world.knows("198.51.100.1", tenant))
            #expect(try world.knows("203.0.113.77", tenant))
        }
        #expect(try world.knows("198.51.100.2", world.acme))
        #expect(try !world.knows("198.51.100.2", world.globex))
        let address = try #require(IPAddressText("198.51.100.3").address)
        let score = world.current.edition[world.acme].score(
            address, port: 0, system: 0, contact: nil, at: world.time.wallMilliseconds())
        #expect(score?.allowedBy == ["known"])
        #expect(score?.value == 0)
        let states = await upkeep.states(for: world.globex)
        #expect(states.map(\.name) == ["everybody"])
        #expect(states.first?.indicators == 2)
        #expect(await upkeep.states(for: world.acme).map(\.name) == ["everybody", "ours", "known"])
        #expect(world.counts("weir_intelligence_indicators{feed=\"everybody\",tenant=\"*\"} 2"))
        #expect(world.counts("weir_intelligence_set_indicators{tenant=\"acme\"} 2"))
    }

    @Test("a tenant's own scoring counts for it alone, also where it has no feeds of its own") func scoring()
        async throws
    {
        let world = try World()
        try world.write("half.json", #"{"adjustments":[{"name":"we doubt","factor":0.5}]}"#)
        try world.write("shared.txt", "198.51.100.1\n")
        let upkeep = try world.upkeep(
            """
            intelligence:
              feeds:
                - name: everybody
                  file: shared.txt
            tenants:
              - name: acme
                intelligence:
                  scoring: half.json
            """)
        await upkeep.load()
        let address = try #require(IPAddressText("198.51.100.1").address)
        func score(_ tenant: TenantID) throws -> Score {
            let score = world.current.edition[tenant].score(
                address, port: 0, system: 0, contact: nil, at: world.time.wallMilliseconds())
            return try #require(score)
        }
        let own = try score(world.acme).value, others = try score(world.globex).value
        #expect(others > 0 && abs(own - others / 2) < 0.01, "\(own) \(others)")
        let error = #expect(throws: SettingError.self) {
            _ = try world.settings("tenants:\n  - name: acme\n    intelligence:\n      scoring: none.json\n")
        }
        #expect("\(try #require(error))".hasPrefix("tenants[0].intelligence.scoring"))
    }

    @Test("a file that changes is read again, and one that breaks leaves what was") func files() async throws {
        let world = try World(), upkeep = try world.upkeep(Self.files)
        for name in ["acme.txt", "known.txt"] { try world.write(name, "") }
        try world.write("shared.txt", "198.51.100.1\n")
        await upkeep.load()
        let first = world.current.edition.generation
        await upkeep.refresh()
        #expect(world.current.edition.generation == first)
        try world.write("shared.txt", "198.51.100.9\n")
        await upkeep.refresh()
        #expect(world.current.edition.generation == first + 1)
        #expect(try world.knows("198.51.100.9", world.globex))
        #expect(try !world.knows("198.51.100.1", world.globex))
        try world.write("shared.txt", "<html>Sorry, try later</html>\n")
        await upkeep.refresh()
        #expect(try world.knows("198.51.100.9", world.globex))
        let state = try #require(await upkeep.states(for: world.globex).first)
        #expect(state.problem?.contains("nothing of it is an indicator: 1 refused, first line 1") == true)
        #expect(state.indicators == 1 && state.failures == 1)
        #expect(
            world.counts(
                "weir_intelligence_refresh_failures_total{feed=\"everybody\",reason=\"contents\",tenant=\"*\"} 1"))
        // Another feed's change does not bring the broken one in.
        try FileManager.default.removeItem(at: world.folder.file("shared.txt"))
        await upkeep.refresh()
        #expect(try world.knows("198.51.100.9", world.globex))
        try world.write("shared.txt", "# nothing now\n")
        await upkeep.refresh()
        #expect(try !world.knows("198.51.100.9", world.globex), "an empty list is one")
        #expect(await upkeep.states(for: world.globex).first?.problem == nil)
    }

    @Test("a URL is asked when it is due, with what is known of the last answer; a restart needs no network")
    func conditional() async throws {
        let world = try World(), upkeep = try world.upkeep(Self.url)
        await upkeep.load()
        #expect(world.network.asked.with { $0.count } == 0)
        world.network.answers { _ in
            FeedResponse(
                status: 200, headers: ["etag": "\"v1\"", "last-modified": "Sat, 21 Nov 2026 00:00:00 GMT"],
                body: Array("198.51.100.7\n".utf8))
        }
        await upkeep.refresh()
        #expect(try world.knows("198.51.100.7", world.acme))
        await upkeep.refresh()
        #expect(world.network.asked.with { $0.count } == 1)
        world.time.advance(by: .seconds(3_601))
        world.network.answers { request in
            FeedResponse(status: request.headers["if-none-match"] == "\"v1\"" ? 304 : 500)
        }
        let generation = world.current.edition.generation
        await upkeep.refresh()
        #expect(world.network.asked.with { $0.last?.headers["if-modified-since"] } == "Sat, 21 Nov 2026 00:00:00 GMT")
        #expect(world.current.edition.generation == generation)
        let state = try #require(await upkeep.states(for: world.acme).first)
        #expect(state.confirmed == world.time.wallMilliseconds() && state.failures == 0)
        #expect(state.place == "https://feeds.example/…")

        world.network.answers(nil)
        let restarted = FeedUpkeep(
            try world.settings(Self.url), folder: world.folder.file("intelligence").path,
            current: CurrentIntelligence(),
            transport: world.network, time: world.time, registry: world.registry,
            logger: .init(label: "test"))
        await restarted.load()
        #expect(await restarted.states(for: world.acme).first?.indicators == 1)
        await restarted.refresh()
        #expect(await restarted.states(for: world.acme).first?.problem == "no network")
        #expect(await restarted.states(for: world.acme).first?.indicators == 1)
    }

    @Test("failures are tried again with growing pauses, and a server's wish is kept") func pauses() async throws {
        let world = try World(), upkeep = try world.upkeep(Self.url)
        await upkeep.load()
        func asked(after seconds: Int) async -> Int {
            world.time.advance(by: .seconds(seconds))
            await upkeep.refresh()
            return world.network.asked.with { $0.count }
        }
        #expect(await asked(after: 0) == 1)
        #expect(await asked(after: 29) == 1)
        #expect(await asked(after: 1) == 2)
        #expect(await asked(after: 30) == 2)
        #expect(await asked(after: 30) == 3)
        world.network.answers { _ in FeedResponse(status: 429, headers: ["retry-after": "600"]) }
        #expect(await asked(after: 120) == 4)
        #expect(await asked(after: 599) == 4)
        #expect(await asked(after: 1) == 5)
        #expect(
            world.counts(
                "weir_intelligence_refresh_failures_total{feed=\"remote\",reason=\"status\",tenant=\"*\"} 2"))
    }

    @Test("what a feed goes on saying stays young, what it says no more ages") func aging() async throws {
        let world = try World(), upkeep = try world.upkeep(Self.url)
        world.network.answers { request in
            request.headers["if-none-match"] == nil
                ? FeedResponse(status: 200, headers: ["etag": "1"], body: Array("198.51.100.7\n".utf8))
                : FeedResponse(status: 304)
        }
        await upkeep.load()
        for _ in 0..<40 {
            await upkeep.refresh()
            world.time.advance(by: .seconds(86_400))
        }
        #expect(try world.knows("198.51.100.7", world.acme), "its end is 30 days after the last confirmation")
        world.network.answers(nil)
        world.time.advance(by: .seconds(31 * 86_400))
        await upkeep.refresh()
        #expect(try !world.knows("198.51.100.7", world.acme))
    }

    @Test("a copy that a disk has changed is none, and is fetched anew") func damagedCopy() async throws {
        let world = try World(), upkeep = try world.upkeep(Self.url)
        world.network.answers { _ in
            FeedResponse(status: 200, headers: ["etag": "1"], body: Array("198.51.100.7\n".utf8))
        }
        await upkeep.load()
        await upkeep.refresh()
        let folder = world.folder.file("intelligence")
        let body = try #require(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).first { $0.hasSuffix(".body") })
        try Data("198.51.100.8\n".utf8).write(to: folder.appendingPathComponent(body))
        let other = try world.upkeep(Self.url)
        await other.load()
        #expect(try !world.knows("198.51.100.8", world.acme))
        await other.refresh()
        #expect(try world.knows("198.51.100.7", world.acme))
        #expect(
            world.counts("weir_intelligence_refresh_failures_total{feed=\"remote\",reason=\"copy\",tenant=\"*\"} 1"))
    }
}
