import API
import Foundation
import HistoryKit
import Query
import Tenancy
import TestKit
import Testing

@Suite("Trends over the API")
struct TrendRouteTests {
    /// Five weeks of history, asked a quarter of an hour after their end.
    private func world() async throws -> APIWorld {
        let weeks = try await FiveWeeks(isCompacted: true)
        var world = try await APIWorld()
        world.sources.query = FlowQuery(store: weeks.store, time: world.time)
        world.history = weeks
        return world
    }
    private let to = "to=\(FiveWeeks.end + 900_000)"

    @Test("a service against last week and month, foretold with its band, with what it rests on") func service()
        async throws
    {
        let world = try await world()
        let answer = try await world.get(
            "/v1/trends?entity=service:tcp/443&measure=octetDeltaCount&\(to)", key: world.acmeKey)
        #expect(answer.status == 200 && answer.json["complete"] as? Bool == true)
        let values = try #require(answer.json["values"] as? [Any])
        #expect(values.count == FiveWeeks.hours && values[FiveWeeks.gap.lowerBound] is NSNull)
        #expect(values.last as? Double == Double(FiveWeeks.webOctets(FiveWeeks.hours - 1)))
        let comparisons = try #require(answer.json["comparisons"] as? [[String: Any]])
        #expect(
            comparisons.compactMap { $0["span"] as? String } == [
                "day-against-last-week", "day-against-last-month", "week-against-last",
            ])
        // A thousand octets more each hour, 168 hours a week.
        let week = try #require(comparisons.first)
        #expect(abs((week["now"] as? Double ?? 0) - (week["then"] as? Double ?? 0) - 168_000) < 1e-3)
        let forecast = try #require(answer.json["forecast"] as? [[String: Any]])
        #expect(forecast.count == 168 && forecast[0]["time"] as? Int64 == FiveWeeks.end)
        for (place, step) in forecast.prefix(48).enumerated() {
            let truth = Double(FiveWeeks.webOctets(FiveWeeks.hours + place))
            let mean = try #require(step["mean"] as? Double)
            #expect(abs(mean - truth) < 0.02 * truth, "\(place)")
            #expect((step["low"] as? Double ?? 0) <= mean && mean <= (step["high"] as? Double ?? 0))
        }
        let quality = try #require(answer.json["quality"] as? [String: Any])
        #expect(quality["missing"] as? Int == 30 && quality["longestGap"] as? Int == 30)
        #expect(quality["samplingInterval"] as? Int == 100)
        #expect(quality["doubts"] as? [String] == ["gaps", "long-gap", "sampled"])
        #expect(answer.json["warnings"] as? [String] == [])
    }

    @Test("a limit becomes a warning with its dates; a limit that is passed says so") func limit() async throws {
        let world = try await world()
        let uri = "/v1/trends?entity=service:tcp/443&measure=octetDeltaCount&horizon=400&\(to)&limit="
        // Reached some 260 hours after the end, in the day.
        let soon = try await world.get(uri + "2500000", key: world.acmeKey)
        #expect(soon.json["warnings"] as? [String] == ["limit-expected"])
        let capacity = try #require(soon.json["capacity"] as? [String: Any])
        let expected = try #require(capacity["expected"] as? Int64)
        let truth = (0...).first { FiveWeeks.webOctets(FiveWeeks.hours + $0) > 2_500_000 } ?? 0
        #expect(abs(Int((expected - FiveWeeks.end) / FiveWeeks.hour) - truth) <= 24)
        let passed = try await world.get(uri + "1000000", key: world.acmeKey)
        #expect(passed.json["warnings"] as? [String] == ["limit-passed"])
        let never = try await world.get(uri + "1000000000", key: world.acmeKey)
        #expect(never.json["warnings"] as? [String] == [] && never.json["capacity"] != nil)
    }

    @Test("tenant and host in rates; late records are a doubt") func others() async throws {
        let world = try await world()
        let host = try await world.get("/v1/trends?entity=host:10.0.0.2&\(to)", key: world.acmeKey)
        let rate = Double(FiveWeeks.nameOctets) * 8 / 3_600
        let values = try #require(host.json["values"] as? [Any]).compactMap { $0 as? Double }
        #expect(values.count == FiveWeeks.hours - 30 && values.allSatisfy { abs($0 - rate) < 1e-9 })
        let doubts = (host.json["quality"] as? [String: Any])?["doubts"] as? [String]
        #expect(doubts?.contains("late") == true)
        let all = try await world.get("/v1/trends?step=day&\(to)", key: world.acmeKey)
        #expect(all.json["entity"] as? String == "tenant" && (all.json["values"] as? [Any])?.count == 35)
        #expect(all.json["season"] as? Int == 7)
    }

    @Test("other tenants have no history, pseudonyms are asked by pseudonym, what is wrong is refused")
    func refusals() async throws {
        let world = try await world()
        let other = try await world.get("/v1/trends?\(to)", key: world.globexKey)
        #expect(other.status == 200 && (other.json["values"] as? [Any])?.allSatisfy { $0 is NSNull } == true)
        #expect(other.json["refusal"] is String && (other.json["forecast"] as? [Any])?.isEmpty == true)
        #expect(try await world.get("/v1/trends", key: world.incidentsOnlyKey).status == 403)
        for wrong in [
            "entity=10.0.0.1", "entity=service:tcp", "entity=service:tcp/70000", "days=0", "step=minute",
            "limit=0", "to=1", "measure=octetsPerPacket", "season=monthly", "filter=any",
        ] {
            #expect(try await world.get("/v1/trends?\(wrong)", key: world.acmeKey).status == 400, "\(wrong)")
        }
        var chance = SystemRandomNumberGenerator()
        let veiled = try world.sources.control.createKey(
            tenant: world.acme, name: "v", scopes: [.readPseudonyms], by: "test", at: APIWorld.now, using: &chance
        ).key.secret
        // The address itself is somebody else's pseudonym.
        let hidden = try await world.get("/v1/trends?entity=host:10.0.0.2&\(to)", key: veiled)
        let values = (hidden.json["values"] as? [Any])?.compactMap { $0 as? Double }
        #expect(values?.allSatisfy { $0 == 0 } == true && values?.isEmpty == false)
    }
}
