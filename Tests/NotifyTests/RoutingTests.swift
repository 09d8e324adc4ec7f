import Detect
import Foundation
import Identity
import Notify
import Platform
import TestKit
import Testing

@Suite("Who is told")
struct RoutingTests {
    private func router(_ routes: [Route], _ owners: [String: TenantID?] = ["mail": nil, "chat": nil]) -> NewsRouter {
        NewsRouter(routes: routes, owners: owners)
    }
    private func channels(_ outcomes: [NewsRouter.Outcome]) -> [String] { outcomes.compactMap { $0.delivery?.channel } }

    @Test("rule, severity, tag, change and tenant each restrict; what fits nothing is named") func restrictions() throws
    {
        var route = Route("r", action: .deliver(to: ["mail"], .atOnce))
        route.rules = ["port-scan-*", "flood"]
        route.severityMin = .high
        route.tags = ["pci", "dmz"]
        route.tenants = [try Samples.tenant()]
        var router = router([route])
        func delivered(_ news: News) -> Bool { channels(router.take(news)) == ["mail"] }
        #expect(delivered(try Samples.news("1", tags: ["dmz", "x"])))
        #expect(delivered(try Samples.news("2", rule: "flood", tags: ["pci"])))
        #expect(!delivered(try Samples.news("3", rule: "flood-2", tags: ["pci"])))
        #expect(!delivered(try Samples.news("4", severity: .medium, tags: ["pci"])))
        #expect(!delivered(try Samples.news("5")))
        #expect(!delivered(try Samples.news("6", "other", tags: ["pci"])))
        let grown = try Samples.news("7", change: .grew, tags: ["pci"])
        #expect(router.take(grown) == [.unrouted(incident: grown.incident.id)])
        #expect(router.state.counts.unrouted == 5 && router.state.counts.messages == 2)
    }

    @Test("one tenant's routes and channels never see another's news") func tenants() throws {
        let acme = try Samples.tenant("acme"), other = try Samples.tenant("other")
        let routes = [
            Route("acme's", owner: acme, action: .deliver(to: ["acme-mail"], .atOnce)),
            Route("operator's", action: .deliver(to: ["acme-mail", "noc"], .digest(minutes: 1))),
        ]
        var router = router(routes, ["acme-mail": acme, "noc": nil])
        let foreign = try Samples.news("1", "other")
        let outcomes = router.take(foreign)
        #expect(
            outcomes == [
                .unknownChannel(incident: foreign.incident.id, channel: "acme-mail"),
                .gathered(incident: foreign.incident.id, channel: "noc"),
            ])
        #expect(channels(router.take(try Samples.news("2", "acme"))) == ["acme-mail"])
        let digests = router.advance(to: Samples.noon + 60_000).compactMap(\.delivery)
        #expect(digests.map(\.message.tenant) == [acme, other] && digests.allSatisfy { $0.channel == "noc" })
        #expect(digests.allSatisfy { $0.message.incidents.count == 1 })
    }

    @Test("a channel hears of a change once; muting is said; the last route ends the search") func order() throws {
        var mute = Route("night", action: .mute)
        mute.severityMin = .critical
        mute.isLast = true
        let routes = [
            Route("a", action: .deliver(to: ["mail"], .atOnce)), mute,
            Route("b", action: .deliver(to: ["mail", "chat"], .atOnce)),
        ]
        var router = router(routes)
        #expect(channels(router.take(try Samples.news("1"))) == ["mail", "chat"])
        let critical = try Samples.news("2", severity: .critical)
        let outcomes = router.take(critical)
        #expect(channels(outcomes) == ["mail"])
        #expect(outcomes.last == .muted(incident: critical.incident.id, route: "night"))
        #expect(router.state.counts.muted == 1)
    }

    @Test("a storm is a few messages and then one that counts and names the rest") func storm() throws {
        var router = router([Route("r", action: .deliver(to: ["mail"], .folding(messagesMax: 3, seconds: 60)))])
        var outcomes: [NewsRouter.Outcome] = []
        for index in 0..<50 { outcomes += router.take(try Samples.news("\(index)", seconds: Int64(index))) }
        #expect(channels(outcomes).count == 3)
        #expect(router.nextDue == Samples.noon + 60_000)
        #expect(router.advance(to: Samples.noon + 59_999) == [])
        let message = try #require(router.advance(to: Samples.noon + 60_000).first?.delivery).message
        #expect(message.incidents == (3..<50).map { Samples.brief("\($0)").id })
        guard case .gathered(let gathering) = message.body else { throw Unexpected() }
        #expect(gathering.reason == .storm && gathering.changes == 47 && gathering.from == Samples.noon)
        #expect(channels(router.take(try Samples.news("x", seconds: 61))) == ["mail"])
    }

    @Test("a digest comes at the clock's multiples, counts repeated changes and stays away when there is nothing")
    func digest() throws {
        var route = Route("r", action: .deliver(to: ["mail"], .digest(minutes: 15)))
        route.changes = Set(Change.allCases)
        var router = router([route])
        _ = router.take(try Samples.news("1", seconds: 100))
        _ = router.take(try Samples.news("1", change: .grew, seconds: 200))
        #expect(router.nextDue == Samples.noon + 900_000)
        let delivery = try #require(router.advance(to: Samples.noon + 2_000_000).first?.delivery)
        guard case .gathered(let gathering) = delivery.message.body else {
            throw Unexpected()
        }
        #expect(gathering.members.map(\.changes) == [2] && delivery.message.at == Samples.noon + 900_000)
        #expect(router.advance(to: Samples.noon + 9_000_000) == [] && router.nextDue == nil)
    }

    static let moments: [(String, Set<Int>, Int, Int, String, Bool)] = [
        // 2026-03-01 is a Sunday.
        ("2026-03-01T12:00:00Z", Set([7]), 0, 1_440, "UTC", true),
        ("2026-03-01T12:00:00Z", [1], 0, 1_440, "UTC", false),
        ("2026-03-01T17:59:00Z", [7], 540, 1_080, "UTC", true),
        ("2026-03-01T18:00:00Z", [7], 540, 1_080, "UTC", false),
        ("2026-03-02T03:00:00Z", [7], 1_320, 360, "UTC", true),
        ("2026-03-01T03:00:00Z", [7], 1_320, 360, "UTC", false),
        ("2026-03-01T22:00:00Z", [7], 1_320, 360, "UTC", true),
        ("2026-03-02T06:00:00Z", [7], 1_320, 360, "UTC", false),
        // 08:30 UTC is 09:30 in Berlin's winter and 10:30 in its summer.
        ("2026-03-28T08:30:00Z", [6], 540, 600, "Europe/Berlin", true),
        ("2026-03-29T08:30:00Z", [7], 540, 600, "Europe/Berlin", false),
        ("2026-03-01T23:30:00Z", [1], 0, 60, "Europe/Berlin", true),
        ("2026-03-01T23:30:00Z", [7], 0, 1_440, "America/New_York", true),
    ]
    @Test(
        "schedules know days, hours past midnight and summer time",
        arguments: RoutingTests.moments)
    func schedules(_ time: String, _ days: Set<Int>, _ from: Int, _ to: Int, _ zone: String, _ isIn: Bool) throws {
        let schedule = try #require(Schedule(days: days, from: from, to: to, zone: zone))
        let moment = try #require(EventTime(time))
        #expect(schedule.contains(moment.milliseconds) == isIn)
        let back = try JSONDecoder().decode(Schedule.self, from: JSONEncoder().encode(schedule))
        #expect(back == schedule)
    }
    @Test("a schedule that can't be is none") func badSchedules() {
        #expect(Schedule(days: []) == nil && Schedule(days: [8]) == nil && Schedule(zone: "Mars/Base") == nil)
        #expect(Schedule(from: 1_440) == nil && Schedule(to: 1_441) == nil)
    }

    @Test(
        "whatever comes and goes, every change is told once, gathered once or named as untold; nothing crosses tenants")
    func conservation() throws {
        let acme = try Samples.tenant("acme"), other = try Samples.tenant("other")
        try forAll(runs: 60) { generator, seed in
            let paces: [Pace] = [
                .atOnce, .folding(messagesMax: Int.random(in: 0...5, using: &generator), seconds: 30),
                .digest(minutes: 2),
            ]
            var low = Route("low", action: .mute)
            low.severityMin = .critical
            let routes =
                paces.enumerated().map { index, pace in
                    var route = Route("r\(index)", action: .deliver(to: ["c\(index)"], pace))
                    route.changes = Set(Change.allCases)
                    return route
                } + [low]
            let owners: [String: TenantID?] = ["c0": nil, "c1": acme, "c2": other]
            var router = NewsRouter(routes: routes, owners: owners), twin = router
            var told: [String: Int] = [:], owed: [String: Int] = [:], messages: Set<String> = []
            func book(_ outcomes: [NewsRouter.Outcome]) {
                for delivery in outcomes.compactMap(\.delivery) {
                    #expect(messages.insert(delivery.channel + delivery.message.id).inserted, "SEED=\(seed)")
                    let owner = owners[delivery.channel] ?? nil
                    #expect(owner == nil || owner == delivery.message.tenant, "SEED=\(seed)")
                    let tenant = delivery.message.tenant.rawValue
                    switch delivery.message.body {
                    case .single(let brief, _): told["\(tenant) \(brief.id) \(delivery.channel)", default: 0] += 1
                    case .gathered(let gathering):
                        #expect(gathering.members.count <= Gathering.membersMax, "SEED=\(seed)")
                        for member in gathering.members {
                            told["\(tenant) \(member.id) \(delivery.channel)", default: 0] += member.changes
                        }
                    }
                }
            }
            var time: Int64 = 0
            for index in 0..<400 {
                time += Int64.random(in: -2...20, using: &generator)
                let tenant = Bool.random(using: &generator) ? "acme" : "other"
                var news = try Samples.news(
                    "\(Int.random(in: 0..<300, using: &generator))", tenant, change: .grew, seconds: time)
                news.incident.revision = index + 1
                for channel in ["c0", tenant == "acme" ? "c1" : "c2"] {
                    owed["\(tenant) \(news.incident.id) \(channel)", default: 0] += 1
                }
                let outcomes = router.take(news)
                #expect(outcomes == twin.take(news), "SEED=\(seed)")
                book(outcomes)
                if index % 50 == 0 {
                    // As after a restart.
                    let saved = try JSONEncoder().encode(router.state)
                    router = NewsRouter(
                        routes: routes, owners: owners,
                        state: try JSONDecoder().decode(NewsRouter.State.self, from: saved))
                }
            }
            book(router.advance(to: .max))
            #expect(told == owed, "SEED=\(seed)")
            #expect(router.nextDue == nil && router.state.counts.news == 400, "SEED=\(seed)")
        }
    }

    @Test("more gatherings than there is room for go out early, not away") func bounded() throws {
        var router = NewsRouter(
            routes: [Route("r", action: .deliver(to: ["mail"], .digest(minutes: 60)))], owners: ["mail": nil])
        var told = 0
        for index in 0..<(NewsRouter.streamsMax + 10) {
            told += router.take(try Samples.news("1", "t\(index)", seconds: 1)).compactMap(\.delivery).count
        }
        #expect(told == 10 && router.state.counts.early == 10)
        told += router.advance(to: .max).compactMap(\.delivery).count
        #expect(told == NewsRouter.streamsMax + 10)
    }
}
