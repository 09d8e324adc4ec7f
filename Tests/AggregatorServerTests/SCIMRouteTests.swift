import API
import Foundation
import HTTPTypes
import Identity
import OpenID
import Passwords
import Settings
import Tenancy
import TestKit
import Testing

@Suite("SCIM") struct SCIMRouteTests {
    private var people: PeopleWorld
    private let key: String
    private var acme: TenantID { people.world.acme }

    /// No provider is asked here.
    private struct NoTransport: SignOnTransport {
        struct None: Error {}
        func answer(to request: SignOnRequest, bytesMax: Int) throws -> (status: Int, body: [UInt8]) { throw None() }
    }

    init() async throws {
        people = try await PeopleWorld()
        var corp = SignOnProvider(name: "corp", tenant: people.world.acme, issuer: "https://id.example", client: "weir")
        corp.mappings = [
            .init(group: "soc", Standing(role: "analyst")),
            .init(group: "branch", Standing(role: "viewer", reach: Reach(sites: ["hq"]))),
        ]
        people.world.sources.signOn = SignOnDesk(
            [corp], transport: NoTransport(),
            sealer: try #require(AttemptSealer(Secret([UInt8](repeating: 3, count: 32)))),
            ownURL: "https://weir.example", time: people.world.time)
        var chance = SystemRandomNumberGenerator()
        key = try people.control.createKey(
            tenant: people.world.acme, name: "idp", scopes: [.provision], by: "test", at: people.now, using: &chance
        ).key.secret
    }

    private func ask(
        _ method: HTTPRequest.Method, _ path: String, _ body: [String: Any]? = nil, ifMatch: String? = nil
    ) async throws -> PeopleWorld.Reply {
        let text = try body.map { String(decoding: try JSONSerialization.data(withJSONObject: $0), as: UTF8.self) }
        var fields: HTTPFields = [.contentType: "application/scim+json"]
        fields[.ifMatch] = ifMatch
        return try await people.world.ask(method, "/scim/v2/\(path)", key: key, body: text, fields: fields)
    }
    private func user(_ name: String, _ more: [String: Any] = [:]) async throws -> String {
        let body = more.merging(["userName": "\(name)@example.net", "displayName": name]) { first, _ in first }
        let made = try await ask(.post, "Users", body)
        #expect(made.status == 201 && made.fields[.location] != nil, "\(made.json)")
        return try #require(made.json["id"] as? String)
    }
    private func group(_ name: String, _ users: String...) async throws -> String {
        let made = try await ask(
            .post, "Groups", ["displayName": name, "members": users.map { ["value": $0] }])
        #expect(made.status == 201, "\(made.json)")
        return try #require(made.json["id"] as? String)
    }
    private func change(_ path: String, _ operations: [String: Any]...) async throws -> PeopleWorld.Reply {
        try await ask(
            .patch, path,
            ["schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations])
    }
    private func standing(_ name: String) throws -> Standing? {
        let directory = try people.control.directory()
        return directory.person(email: "\(name)@example.net").flatMap { directory.members[acme]?[$0.id] }
    }

    @Test("users get their place by their groups, and lose it with the group, with active: false, with their record")
    func places() async throws {
        let ada = try await user("ada"), bob = try await user("bob")
        #expect(try standing("ada") == nil, "in no group")
        let soc = try await group("soc", ada)
        #expect(try standing("ada") == Standing(role: "analyst"))
        let branch = try await group("branch", ada, bob)
        #expect(try standing("ada") == Standing(role: "analyst"), "the first of the list counts")
        #expect(try standing("bob") == Standing(role: "viewer", reach: Reach(sites: ["hq"])))
        var answer = try await change("Groups/\(soc)", ["op": "remove", "path": "members[value eq \"\(ada)\"]"])
        #expect(answer.status == 200 && (answer.json["members"] as? [Any])?.isEmpty == true)
        #expect(try standing("ada")?.role == "viewer")
        // As Entra writes it.
        answer = try await change("Users/\(ada)", ["op": "Replace", "path": "active", "value": "False"])
        #expect(answer.status == 200 && answer.json["active"] as? Bool == false)
        #expect(try standing("ada") == nil)
        answer = try await change("Users/\(ada)", ["op": "replace", "value": ["active": true]])
        #expect(try standing("ada")?.role == "viewer")
        answer = try await change("Groups/\(branch)", ["op": "replace", "path": "displayName", "value": "other"])
        #expect(try standing("ada") == nil && standing("bob") == nil, "that name means nothing")
        answer = try await change("Groups/\(branch)", ["op": "replace", "value": ["displayName": "soc2"]])
        #expect(answer.status == 200)
        _ = try await change("Groups/\(soc)", ["op": "add", "path": "members", "value": [["value": bob]]])
        #expect(try standing("bob")?.role == "analyst")
        #expect(try await ask(.delete, "Users/\(bob)").status == 204)
        #expect(try standing("bob") == nil)
        #expect(try await ask(.get, "Users/\(bob)").status == 404)
        let kinds = try people.control.auditEntries(acme)
        for kind in ["provisionedUserSet", "provisionedMembers", "memberSet", "memberRemoved"] {
            #expect(kinds.contains(kind), "\(kind)")
        }
    }

    @Test("who is made inactive has no session from the next request on, and gets in by no other way")
    func deactivation() async throws {
        let ada = try await user("ada")
        _ = try await group("soc", ada)
        let person = try #require(try people.control.directory().person(email: "ada@example.net")?.id)
        var chance = SystemRandomNumberGenerator()
        let hash = try await people.world.sources.signIn.passwords.hash(
            .init(Array(PeopleWorld.password.utf8)), using: &chance)
        try people.control.setPassword(hash, of: person, by: "test", at: people.now)
        let session = try await people.session("ada")
        #expect(try await people.ask(.get, "/v1/incidents", as: session).status == 200)
        let root = people.root
        let invited = try people.control.invite(
            "ada@example.net", Standing(role: "viewer"), to: acme, lifetime: 86_400_000, by: root, at: people.now,
            using: &chance)
        _ = try await change("Users/\(ada)", ["op": "replace", "path": "active", "value": false])
        #expect(try await people.ask(.get, "/v1/incidents", as: session).status == 401)
        #expect(throws: ControlError.refused(.unknownInvitation)) {
            try people.control.acceptInvitation(
                invited.token.secret, name: "ada", at: people.now, using: &chance)
        }
        let outcome = try people.control.signOn(
            SignedOn(
                provider: "corp", tenant: acme, issuer: "https://id.example", subject: "1", email: "ada@example.net",
                name: nil, standing: Standing(role: "analyst")), address: "", agent: "", at: people.now, using: &chance)
        guard case .disabled = outcome else { return #expect(Bool(false), "\(outcome)") }
    }

    @Test("the tenant's directory speaks for its own people only, and learns nothing of others") func others()
        async throws
    {
        let eve = try await people.person("eve", "viewer", in: people.world.globex)
        let both = try await people.person("both", "viewer", in: people.world.globex, acme)
        let own = try await people.person("own", "viewer", in: acme)
        var made: [String] = []
        for name in ["eve", "both", "own", "new"] { made.append(try await user(name)) }
        let soc = try await group("soc", made[0], made[1], made[2], made[3])
        let directory = try people.control.directory()
        #expect(directory.members[acme]?[eve] == nil)
        #expect(directory.members[acme]?[both]?.role == "viewer", "belongs elsewhere too")
        #expect(directory.members[acme]?[own]?.role == "analyst")
        _ = try await ask(.delete, "Groups/\(soc)")
        for id in made { _ = try await change("Users/\(id)", ["op": "replace", "path": "active", "value": false]) }
        let after = try people.control.directory()
        #expect(after.members[people.world.globex]?.count == 2 && after.members[acme]?.keys.sorted() == [both])
        let shown = try await ask(.get, "Users?count=200")
        #expect(shown.json["totalResults"] as? Int == 4)
        let users = try #require(shown.json["Resources"] as? [[String: Any]])
        #expect(Set(users.map { $0.keys.sorted() }).count == 1, "nobody's record tells who is where")
    }

    @Test("the last owner stays, whatever the directory says") func owner() async throws {
        let id = try await people.person("ada", "owner", in: acme)
        let ada = try await user("ada")
        let answer = try await ask(.delete, "Users/\(ada)")
        #expect(answer.status == 409 && answer.json["status"] as? String == "409", "\(answer.json)")
        #expect(try people.control.directory().members[acme]?[id]?.role == "owner")
    }

    @Test("lists are found by eq, in pages, with some attributes") func lists() async throws {
        for name in ["a", "b", "c"] { _ = try await user(name, ["externalId": "X-\(name)"]) }
        func total(_ query: String) async throws -> Int? {
            try await ask(.get, "Users?\(query)").json["totalResults"] as? Int
        }
        #expect(try await total("filter=userName+eq+%22B@Example.net%22") == 1)
        #expect(try await total("filter=userName%20eq%20%22nobody@example.net%22") == 0)
        #expect(try await total("filter=externalId+eq+%22X-a%22+and+active+eq+true") == 1)
        #expect(try await total("filter=externalId+eq+%22x-a%22") == 0)
        let page = try await ask(.get, "Users?startIndex=2&count=1&attributes=userName")
        #expect(page.fields[.contentType] == "application/scim+json")
        #expect(page.json["totalResults"] as? Int == 3 && page.json["itemsPerPage"] as? Int == 1)
        let items = try #require(page.json["Resources"] as? [[String: Any]])
        #expect(items.first?.keys.sorted() == ["id", "meta", "schemas", "userName"])
        #expect(try await ask(.get, "Users?count=0").json["totalResults"] as? Int == 3)
        for bad in ["userName+co+%22a%22", "userName+eq", "x+eq+%22a%22", "userName+eq+%22a%22+or+id+eq+%22b%22", ""] {
            let answer = try await ask(.get, "Users?filter=\(bad)")
            #expect(answer.status == 400 && answer.json["scimType"] as? String == "invalidFilter", "\(bad)")
        }
        let groups = try await ask(.get, "Groups?excludedAttributes=members")
        #expect(groups.json["totalResults"] as? Int == 0)
    }

    @Test("versions are checked, names are one's own, and refusals are in SCIM's form") func refusals() async throws {
        let ada = try await user("ada")
        let shown = try await ask(.get, "Users/\(ada)")
        #expect(shown.fields[.eTag] == "W/\"1\"")
        #expect(try await ask(.put, "Users/\(ada)", ["userName": "ada@example.net"], ifMatch: "W/\"1\"").status == 200)
        let stale = try await ask(.put, "Users/\(ada)", ["userName": "ada@example.net"], ifMatch: "W/\"1\"")
        #expect(stale.status == 412)
        #expect(stale.json["schemas"] as? [String] == ["urn:ietf:params:scim:api:messages:2.0:Error"])
        #expect(stale.fields[.contentType] == "application/scim+json")
        let taken = try await ask(.post, "Users", ["userName": "ADA@example.net"])
        #expect(taken.status == 409 && taken.json["scimType"] as? String == "uniqueness")
        #expect(try await ask(.post, "Users", ["userName": "no address"]).json["scimType"] as? String == "invalidValue")
        #expect(try await ask(.post, "Groups", ["displayName": "x", "members": [["value": "scu-x"]]]).status == 400)
        for (operation, type) in [
            (["op": "replace", "path": "nothing", "value": 1] as [String: Any], "invalidPath"),
            (["op": "remove"], "noTarget"), (["op": "copy", "path": "active"], "invalidSyntax"),
            (["op": "replace", "path": "id", "value": "x"], "mutability"),
            (["op": "replace", "path": "active", "value": "perhaps"], "invalidValue"),
        ] {
            let answer = try await change("Users/\(ada)", operation)
            #expect(answer.status == 400 && answer.json["scimType"] as? String == type, "\(answer.json)")
        }
        let kept = try await change(
            "Users/\(ada)",
            [
                "op": "add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
                "value": "x",
            ],
            ["op": "replace", "path": "name.givenName", "value": "Ada"])
        #expect(kept.status == 200 && (kept.json["name"] as? [String: Any])?["givenName"] as? String == "Ada")
        let globex = try await people.world.ask(.get, "/scim/v2/Users/\(ada)", key: people.world.globexKey)
        #expect(globex.status == 403, "a usual key lacks the scope")
        let known = ["ResourceTypes/User", "Schemas/urn:ietf:params:scim:schemas:core:2.0:Group"]
        for path in ["ServiceProviderConfig", "ResourceTypes", "Schemas"] + known {
            #expect(try await ask(.get, path).status == 200, "\(path)")
        }
    }
}

extension ControlLog {
    /// Kinds of a tenant's events.
    fileprivate func auditEntries(_ tenant: TenantID) throws -> Set<String> {
        var question = AuditQuestion()
        question.limit = 1_000
        return Set(try events(of: tenant, question).map(\.entry.kind))
    }
}
