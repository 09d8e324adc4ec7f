import API
import Foundation
import HTTPTypes
import Incidents
import Tenancy
import TestKit
import Testing

@Suite("What is known of somebody, and what of it goes") struct PrivacyRouteTests {
    private let people: PeopleWorld, owner: String
    private static let attacker = "203.0.113.9"

    init() async throws {
        people = try await PeopleWorld()
        _ = try await people.person("ada", "owner", in: people.world.acme)
        owner = try await people.session("ada")
    }
    private func ask(_ path: String, _ body: [String: Any]) async throws -> PeopleWorld.Reply {
        try await people.ask(.post, "/v1/privacy/\(path)", body, as: owner)
    }
    private func item(_ reply: PeopleWorld.Reply, _ what: String) throws -> [String: Any] {
        let items = try #require(reply.json["items"] as? [[String: Any]], "\(reply.json)")
        return try #require(items.first { $0["what"] as? String == what }, "\(what)")
    }

    @Test("an address: flows are counted, incidents shown; erased are those that are closed, and nobody's else")
    func address() async throws {
        let acme = people.world.acme, incidents = people.world.sources.incidents
        let flows = try await ask("report", ["address": "10.0.0.1"]).json["flows"] as? [String: Any]
        #expect(flows?["octets"] as? Int == 1_000 && flows?["isWhole"] as? Bool == true)
        let known = try await ask("report", ["address": Self.attacker])
        #expect((known.json["incidents"] as? [Any])?.count == 1, "\(known.json)")
        let open = try await ask("erasure", ["address": Self.attacker])
        #expect(try item(open, "closed incidents")["count"] as? Int == 0)
        #expect(try item(open, "open incidents")["count"] as? Int == 1)
        let id = people.world.incidentID, revision = try incidents.get(tenant: acme, id: id).revision
        try incidents.edit(
            id, [.status(.falsePositive)], tenant: acme, expecting: revision, by: "test",
            at: people.now)
        let done = try await ask("erasure", ["address": Self.attacker])
        #expect(try item(done, "closed incidents")["count"] as? Int == 1)
        #expect(try item(done, "flow records")["outcome"] as? String == "kept")
        #expect(throws: IncidentError.unknown) { try incidents.get(tenant: acme, id: id) }
        #expect((try await ask("report", ["address": Self.attacker]).json["incidents"] as? [Any])?.isEmpty == true)
        let events = try people.control.events(of: acme, AuditQuestion()).map(\.entry)
        #expect(events.filter { $0.kind == "privacyErased" }.count == 2)
        #expect(!events.contains { $0.subject.contains(Self.attacker) }, "the log of events is for ever")
        for file in ["incidents.sqlite", "incidents.sqlite-wal"] {
            let octets = (try? Data(contentsOf: people.world.folder.file(file))) ?? Data()
            #expect(octets.range(of: Data(id.utf8)) == nil, "\(file)")
        }
    }

    @Test("a member: what they sign in with goes, what they did stays, and each thing is told")
    func member() async throws {
        let bob = try await people.person("bob", "analyst", in: people.world.acme)
        let session = try await people.session("bob")
        let known = try await ask("report", ["person": "bob@example.net"]).json["person"] as? [String: Any]
        #expect(known?["id"] as? String == bob && (known?["sessions"] as? [Any])?.count == 1)
        let done = try await ask("erasure", ["person": bob])
        #expect(done.status == 200, "\(done.json)")
        #expect(try item(done, "sessions")["count"] as? Int == 1 && item(done, "password")["count"] as? Int == 1)
        #expect(try item(done, "audit log")["outcome"] as? String == "kept")
        #expect(try await people.ask(.get, "/v1/session", as: session).status == 401)
        #expect(try await people.enter("bob").status == 401)
        #expect(try await ask("report", ["person": bob]).status == 404)
    }

    @Test("who belongs elsewhere too, the last owner, and another tenant's member are not erased here")
    func notHere() async throws {
        let both = try await people.person("eve", "viewer", in: people.world.acme, people.world.globex)
        #expect(try await ask("erasure", ["person": both]).status == 409)
        #expect(try await ask("erasure", ["person": "ada@example.net"]).status == 409)
        let theirs = try await people.person("mallory", "viewer", in: people.world.globex)
        let foreign = try await ask("erasure", ["person": theirs]), none = try await ask("erasure", ["person": "usr-0"])
        #expect(foreign.status == 404 && foreign.octets == none.octets)
        #expect(try await ask("erasure", [:]).status == 400)
        #expect(try people.control.directory().members[people.world.acme]?[both] != nil)
    }

    @Test("closed incidents go by the tenant's own age, open ones and other tenants' stay") func retention()
        async throws
    {
        let acme = people.world.acme, incidents = people.world.sources.incidents, end = people.now + 86_400_000
        let set = try await people.ask(.put, "/v1/retention/incidents", ["days": 30], as: owner)
        #expect(set.status == 200, "\(set.json)")
        #expect(try people.control.retentions() == [acme: [.incidents: 30]])
        #expect(try incidents.eraseClosed(endedBefore: end, tenant: acme) == 0, "it is open")
        let id = people.world.incidentID, revision = try incidents.get(tenant: acme, id: id).revision
        try incidents.edit(
            id, [.status(.falsePositive)], tenant: acme, expecting: revision, by: "test",
            at: people.now)
        #expect(try incidents.eraseClosed(endedBefore: end, tenant: people.world.globex) == 0)
        #expect(try incidents.eraseClosed(endedBefore: people.now - 86_400_000, tenant: acme) == 0, "too young")
        #expect(try incidents.eraseClosed(endedBefore: end, tenant: acme) == 1)
        #expect(try await people.ask(.put, "/v1/retention/incidents", ["days": NSNull()], as: owner).status == 200)
        #expect(try people.control.retention(of: acme).isEmpty)
        #expect(try await people.ask(.put, "/v1/retention/incidents", ["days": 0], as: owner).status == 400)
    }
}
