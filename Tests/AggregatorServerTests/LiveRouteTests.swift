import API
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Identity
import Incidents
import NIOCore
import Tenancy
import TestKit
import Testing

@Suite("Live incidents") struct LiveRouteTests {
    private var people: PeopleWorld
    private var world: APIWorld { people.world }

    init() async throws {
        people = try await PeopleWorld()
        people.world.sources.live.interval = .milliseconds(20)
        people.world.sources.live.lasts = .zero
    }

    private struct Event: Equatable {
        var id = "", name = "", data = ""
        static func all(_ octets: [UInt8]) -> [Event] {
            String(decoding: octets, as: UTF8.self).components(separatedBy: "\n\n").compactMap { block in
                var event = Event()
                for line in block.split(separator: "\n") {
                    if line.hasPrefix("id: ") { event.id = String(line.dropFirst(4)) }
                    if line.hasPrefix("event: ") { event.name = String(line.dropFirst(7)) }
                    if line.hasPrefix("data: ") { event.data = String(line.dropFirst(6)) }
                }
                return event.name.isEmpty ? nil : event
            }
        }
    }
    private func comment(_ text: String) throws {
        let incidents = world.sources.incidents
        let revision = try incidents.get(tenant: world.acme, id: world.incidentID).revision
        _ = try incidents.edit(
            world.incidentID, [.comment(text)], tenant: world.acme, expecting: revision, by: "test", at: people.now)
    }
    private func look(_ more: String = "", last: String? = nil, key: String? = nil) async throws -> [Event] {
        var fields: HTTPFields = [:]
        if let last, let name = HTTPField.Name("Last-Event-ID") { fields[name] = last }
        let answer = try await world.ask(.get, "/v1/live/incidents\(more)", key: key ?? world.acmeKey, fields: fields)
        #expect(answer.status == 200 && answer.fields[.contentType] == "text/event-stream")
        return Event.all(answer.octets)
    }

    @Test("who comes back gets what came since, the own tenant's only, and is told when something is missing")
    func resume() async throws {
        let all = try await look("?after=0")
        #expect(all.first?.name == "incident" && all.first?.id == "1")
        #expect(all.first?.data.contains(#""change":"opened""#) == true)
        #expect(try await look().isEmpty, "from now on")
        let last = try #require(all.last?.id)
        #expect(try await look(last: last).isEmpty)
        #expect(try await look("?after=0", last: last).isEmpty, "the header counts")
        if all.count > 1 { #expect(try await look(last: "1") == Array(all.dropFirst())) }
        #expect(try await look(last: "999").map(\.name) == ["reset"], "a position that was never given")
        #expect(try await look("?after=0", key: world.globexKey).isEmpty)
        for bad in ["x", "-1", ""] {
            var fields: HTTPFields = [:]
            if let name = HTTPField.Name("Last-Event-ID") { fields[name] = bad }
            let answer = try await world.ask(.get, "/v1/live/incidents", key: world.acmeKey, fields: fields)
            #expect(answer.status == 400, "\(bad)")
        }
    }

    /// A stream that goes on while `body` runs, and all that came on it.
    private func streaming(
        _ world: APIWorld, key: String?, session: String? = nil, _ body: () async throws -> Void
    ) async throws -> (events: [Event], end: ContinuousClock.Instant) {
        try await withThrowingTaskGroup(of: ([Event], ContinuousClock.Instant).self) { group in
            group.addTask {
                let fields: HTTPFields = session.map { [.cookie: "__Host-sid=\($0)"] } ?? [:]
                let answer = try await world.ask(.get, "/v1/live/incidents", key: key, fields: fields)
                #expect(answer.status == 200)
                return (Event.all(answer.octets), .now)
            }
            try await Task.sleep(for: .milliseconds(300))
            try await body()
            return try #require(try await group.next())
        }
    }

    @Test("what happens comes as it happens, and a key that is revoked hears nothing more within a second")
    func revocation() async throws {
        var world = world
        world.sources.live.lasts = .seconds(900)
        let key = try #require(try world.sources.control.keys(of: world.acme).first { $0.name == "i" }?.id)
        var revoked = ContinuousClock.now
        let (events, end) = try await streaming(world, key: world.incidentsOnlyKey) {
            try comment("first")
            try await Task.sleep(for: .milliseconds(300))
            try world.sources.control.revokeKey(id: key, by: "test", at: people.now)
            revoked = .now
            try comment("second")
        }
        #expect(events.count == 1 && events.first?.data.contains(#""change":"commented""#) == true, "\(events)")
        #expect(end - revoked < .seconds(1))
    }

    @Test("a role that is taken away, and a session that ends, end the stream; it keeps no session alive") func roles()
        async throws
    {
        var world = world
        world.sources.live.lasts = .seconds(86_400)
        let ada = try await people.person("ada", "viewer", in: world.acme)
        let first = try await people.session("ada")
        var changed = ContinuousClock.now
        var end = try await streaming(world, key: nil, session: first) {
            try world.sources.control.removeMember(ada, of: world.acme, by: people.root, at: people.now)
            changed = .now
        }.end
        #expect(end - changed < .seconds(1))
        try world.sources.control.setMember(
            ada, Standing(role: "viewer"), in: world.acme, by: people.root, at: people.now)
        let second = try await people.session("ada")
        end = try await streaming(world, key: nil, session: second) {
            world.time.advance(by: .seconds(29 * 60))
            try await Task.sleep(for: .milliseconds(200))
            world.time.advance(by: .seconds(60))
            changed = .now
        }.end
        #expect(end - changed < .seconds(1), "half an hour without a request")
    }

    @Test("a caller has so many streams and no more, until one ends; each ends by itself") func places() async throws {
        var world = world
        world.sources.live.perCaller = 1
        world.sources.live.lasts = .seconds(900)
        let router = try apiRouter(world.sources), key = world.acmeKey, other = world.incidentsOnlyKey
        let time = world.time
        try await Application(router: router).test(.router) { client in
            func status(_ key: String) async throws -> Int {
                try await client.execute(
                    uri: "/v1/live/incidents", method: .get, headers: [.authorization: "Bearer \(key)"]
                ) { Int($0.status.code) }
            }
            try await withThrowingTaskGroup(of: Int.self) { group in
                group.addTask { try await status(key) }
                try await Task.sleep(for: .milliseconds(300))
                #expect(try await status(key) == 429)
                group.addTask { try await status(other) }
                try await Task.sleep(for: .milliseconds(300))
                time.advance(by: .seconds(900))
                for try await status in group { #expect(status == 200) }
                group.addTask { try await status(key) }
                try await Task.sleep(for: .milliseconds(300))
                time.advance(by: .seconds(900))
                #expect(try await group.next() == 200, "the place was given back")
            }
        }
    }
}
