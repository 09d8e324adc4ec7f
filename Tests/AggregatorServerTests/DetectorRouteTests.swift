import API
import Detect
import Foundation
import HTTPTypes
import Identity
import Tenancy
import TestKit
import Testing

@Suite("Detectors over the API") struct DetectorRouteTests {
    private func world() async throws -> APIWorld {
        var world = try await APIWorld(), tuning = DetectorTuning()
        #expect(tuning.set("longConnection", 1_200_000) == nil && tuning.setOff(["new-*"]) == nil)
        world.sources.detectors = DetectorDesk(
            TenantParameters(own: [world.acme: tuning.applied(to: DetectorParameters())]))
        return world
    }
    private func limit(_ name: String, of detector: String, in json: [String: Any]) throws -> [String: Any] {
        let items = try #require(json["items"] as? [[String: Any]])
        let limits = items.first { $0["name"] as? String == detector }?["limits"] as? [[String: Any]]
        return try #require(limits?.first { $0["name"] as? String == name })
    }

    @Test("each rule is listed with its limits as they hold for the tenant, and whether it is off") func list()
        async throws
    {
        let world = try await world()
        let own = try await world.get("/v1/detectors", key: world.acmeKey)
        let others = try await world.get("/v1/detectors", key: world.globexKey)
        let mine = try limit("longConnection", of: "long-connection", in: own.json)
        #expect(mine["value"] as? Double == 1_200_000 && mine["isSet"] as? Bool == true)
        #expect(mine["standard"] as? Double == 3_600_000 && mine["unit"] as? String == "milliseconds")
        let theirs = try limit("longConnection", of: "long-connection", in: others.json)
        #expect(theirs["value"] as? Double == 3_600_000 && theirs["isSet"] as? Bool == false)
        func off(_ json: [String: Any]) -> Set<String> {
            let rules = (json["items"] as? [[String: Any]] ?? []).flatMap { $0["rules"] as? [[String: Any]] ?? [] }
            #expect(rules.count == DetectorSet.rules.count)
            return Set(rules.filter { $0["off"] as? Bool == true }.compactMap { $0["id"] as? String })
        }
        #expect(off(own.json) == ["new-country", "new-system", "new-network"] && off(others.json).isEmpty)
        let common = (own.json["limits"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String }
        #expect(common == ["tableEntriesMax", "itemsPerEntryMax", "itemsMax", "lateness", "updatePace"])
    }

    @Test("a backtest reads the tenant's history and tells the difference with its own limits") func backtest()
        async throws
    {
        let world = try await world(), uri = "/v1/detectors/backtest?explain=true"
        let body = #"{"limits":{"longConnection":600000},"rules":["long-connection"]}"#
        let answer = try await world.ask(.post, uri, key: world.acmeKey, body: body)
        #expect(answer.status == 200 && answer.json["records"] as? Int == 2)
        #expect(answer.json["complete"] as? Bool == true && answer.json["wouldFire"] as? Int == 0)
        let rules = try #require(answer.json["rules"] as? [[String: Any]])
        #expect(rules.compactMap { $0["id"] as? String } == ["long-connection"] && answer.json["plan"] != nil)
        // Without rules, those that the limits concern.
        let scans = try await world.ask(
            .post, uri, key: world.acmeKey, body: #"{"limits":{"scanHostsMin":2}}"#)
        let asked = try #require(scans.json["rules"] as? [[String: Any]]).compactMap { $0["id"] as? String }
        #expect(asked == ["port-scan-horizontal", "port-scan-vertical"])
        let others = try await world.ask(.post, uri, key: world.globexKey, body: "{}")
        #expect(others.status == 200 && others.json["records"] as? Int == 0)
        #expect((others.json["rules"] as? [Any])?.count == DetectorSet.rules.count)
    }

    @Test(
        "what can't be asked is said in words",
        arguments: [
            ("", #"{"limits":{"scanPorts":2}}"#, "limits.scanPorts: there is no limit of this name"),
            ("", #"{"limits":{"scanPortsMin":1}}"#, "limits.scanPortsMin: 1 is outside 2...4096"),
            ("", #"{"rules":["scan"]}"#, "\"scan\" is no built-in rule"), ("", "[]", "It should be"),
            ("?from=5&to=3", "{}", "before to"), ("?learnFrom=0", "{}", "at most 92 days"),
        ])
    func wrong(query: String, body: String, expected: String) async throws {
        let world = try await world()
        let answer = try await world.ask(.post, "/v1/detectors/backtest\(query)", key: world.acmeKey, body: body)
        #expect(answer.status == 400)
        #expect("\(answer.json["detail"] ?? "")".contains(expected), "\(answer.json)")
    }

    @Test("each route asks for its scope") func scopes() async throws {
        let world = try await world()
        #expect(try await world.get("/v1/detectors", key: world.incidentsOnlyKey).status == 403)
        var chance = SystemRandomNumberGenerator()
        let rules = try world.sources.control.createKey(
            tenant: world.acme, name: "r", scopes: [.readRules], by: "test", at: APIWorld.now, using: &chance)
        let answer = try await world.ask(.post, "/v1/detectors/backtest", key: rules.key.secret, body: "{}")
        #expect(answer.status == 403)
    }
}
