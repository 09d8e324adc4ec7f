import API
import Foundation
import HTTPTypes
import Query
import TestKit
import Testing

@Suite("Questions about flows, and hunts")
struct FlowQuestionRouteTests {
    private let period = "from=\(APIWorld.now - 60_000)&to=\(APIWorld.now)"

    @Test("sums by several keys and by rates, with the plan") func top() async throws {
        let world = try await APIWorld()
        let answer = try await world.get(
            "/v1/flows/top?by=sourceAddress/24,destinationTransportPort&measure=bitsPerSecond&explain=true",
            key: world.acmeKey)
        let item = try #require((answer.json["items"] as? [[String: Any]])?.first)
        #expect(
            item["key"] as? String == "10.0.0.0/24 443" && item["octetDeltaCount"] as? Int == 10_000)
        #expect((item["keys"] as? [String: String])?["destinationTransportPort"] == "443")
        #expect(item["bitsPerSecond"] as? Int == 80_000)
        let plan = try #require(answer.json["plan"] as? [String: Any])
        #expect(plan["matched"] as? Int == 2 && plan["cutShort"] as? Bool == false)
        let unexplained = try await world.get("/v1/flows/top", key: world.acmeKey)
        #expect(unexplained.json["plan"] == nil)
    }

    @Test("series are stacked, and need a period") func series() async throws {
        let world = try await APIWorld()
        let answer = try await world.get(
            "/v1/flows/series?\(period)&by=sourceAddress&limit=1&period=10", key: world.acmeKey)
        let items = try #require(answer.json["items"] as? [[String: Any]])
        let octets = items.first?["octetDeltaCount"] as? [Double] ?? []
        #expect(items.count == 1 && items.first?["key"] as? String == "10.0.0.2")
        #expect(octets.reduce(0, +) == 9_000)
        let other = try #require(answer.json["other"] as? [String: Any])
        #expect((other["octetDeltaCount"] as? [Double])?.reduce(0, +) == 1_000)
        let unbounded = try await world.get("/v1/flows/series", key: world.acmeKey)
        #expect(unbounded.status == 400)
    }

    @Test("percentiles, distinct counts, conversations and plans are answered") func others()
        async throws
    {
        let world = try await APIWorld()
        let percentiles = try await world.get(
            "/v1/flows/percentiles?\(period)&by=exporter&period=60&percent=100", key: world.acmeKey)
        let line = try #require((percentiles.json["items"] as? [[String: Any]])?.first)
        #expect(line["percentile"] as? Int == line["most"] as? Int && (line["most"] as? Int ?? 0) > 0)
        let distinct = try await world.get(
            "/v1/flows/distinct?of=sourceAddress&by=destinationAddress", key: world.acmeKey)
        #expect(distinct.json["count"] as? Int == 2)
        #expect((distinct.json["items"] as? [[String: Any]])?.first?["count"] as? Int == 2)
        let conversations = try await world.get("/v1/flows/conversations", key: world.acmeKey)
        #expect(conversations.json["count"] as? Int == 2)
        let plan = try await world.get("/v1/flows/plan?filter=ip%2010.0.0.1", key: world.acmeKey)
        #expect((plan.json["plan"] as? [String: Any])?["segments"] as? Int == 1)
    }

    @Test("a hunt says who met an indicator, and when, and nothing of other tenants") func hunt()
        async throws
    {
        let world = try await APIWorld()
        let body = #"{"indicators":["198.51.100.0/24","203.0.113.1"]}"#
        let answer = try await world.ask(.post, "/v1/hunts", key: world.acmeKey, body: body)
        let items = try #require(answer.json["items"] as? [[String: Any]])
        #expect(items.compactMap { $0["host"] as? String }.sorted() == ["10.0.0.1", "10.0.0.2"])
        #expect(
            items.allSatisfy {
                $0["met"] as? String == "198.51.100.7" && $0["indicator"] as? String == "198.51.100.0/24"
            })
        #expect(items.first?["firstSeen"] as? String == "2023-11-14T22:13:18.000Z")
        #expect(answer.json["complete"] as? Bool == true && answer.json["leftOut"] as? Int == 0)
        let early = try await world.ask(.post, "/v1/hunts?to=1000", key: world.acmeKey, body: body)
        #expect((early.json["items"] as? [Any])?.count == 0)
        let other = try await world.ask(.post, "/v1/hunts", key: world.globexKey, body: body)
        #expect((other.json["items"] as? [Any])?.count == 0)
        for wrong in [#"{"indicators":[]}"#, #"{"indicators":["x"]}"#, "x"] {
            let refused = try await world.ask(.post, "/v1/hunts", key: world.acmeKey, body: wrong)
            #expect(refused.status == 400, "\(wrong)")
        }
        let unauthorized = try await world.ask(.post, "/v1/hunts", key: nil, body: body)
        #expect(unauthorized.status == 401)
    }
}
