import HTTPTypes
import Tenancy
import TestKit
import Testing

@Suite("Optional features, by routes") struct FeatureRouteTests {
    private let people: PeopleWorld, admin: String

    init() async throws {
        people = try await PeopleWorld()
        _ = try await people.person("ada", "admin", in: people.world.acme)
        admin = try await people.session("ada")
    }
    private func set(_ name: String, _ isOn: Bool) async throws -> PeopleWorld.Reply {
        try await people.ask(.put, "/v1/features/\(name)", ["on": isOn], as: admin)
    }

    @Test(
        "a feature that is turned off is refused from the next request on, for that tenant alone, until it is on again")
    func off() async throws {
        let acme = people.world.acmeKey, globex = people.world.globexKey
        let export = "/v1/flows/export?from=\(APIWorld.now - 60_000)&to=\(APIWorld.now)"
        #expect(try await people.ask(.get, export, key: acme).status == 200)
        #expect(try await set("exports", false).json["on"] as? Bool == false)
        let refused = try await people.ask(.get, export, key: acme)
        #expect(refused.status == 403 && kind(refused) == "feature-off")
        #expect(try await people.ask(.get, export, key: globex).status == 200)
        #expect(try await people.ask(.get, "/v1/flows", key: acme).status == 200, "others go on")
        #expect(try await set("exports", true).json["actor"] as? String != nil)
        #expect(try await people.ask(.get, export, key: acme).status == 200)
        let question = AuditQuestion()
        let kinds = try people.control.events(of: people.world.acme, question).map(\.entry.kind)
        #expect(kinds.prefix(2) == ["featureOn", "featureOff"])
    }

    @Test("each feature has a route that asks for it") func asked() async throws {
        let routes: [(Feature, HTTPRequest.Method, String)] = [
            (.live, .get, "/v1/live/incidents"), (.exports, .get, "/v1/flows/export"), (.hunts, .post, "/v1/hunts"),
            (.backtests, .post, "/v1/detectors/backtest"), (.models, .get, "/v1/models"),
            (.mitigation, .get, "/v1/mitigation/list"),
        ]
        #expect(Set(routes.map(\.0)) == Set(Feature.allCases))
        for (feature, method, path) in routes {
            #expect(try await set(feature.rawValue, false).status == 200)
            let refused = try await people.ask(method, path, as: admin)
            #expect(refused.status == 403 && kind(refused) == "feature-off", "\(path): \(refused.status)")
        }
        let listed = try await people.ask(.get, "/v1/features", as: admin).json["items"] as? [[String: Any]] ?? []
        #expect(listed.count == Feature.allCases.count && listed.allSatisfy { $0["on"] as? Bool == false })
    }

    @Test("who may not change settings changes none, and what is no feature is not found") func refused() async throws {
        #expect(try await set("nothing", false).status == 404)
        let reply = try await people.ask(.put, "/v1/features/live", ["on": false], key: people.world.acmeKey)
        #expect(reply.status == 403)
        #expect(try people.control.has(.live, people.world.acme))
    }
}
