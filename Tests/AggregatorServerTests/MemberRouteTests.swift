import API
import Foundation
import HTTPTypes
import Identity
import Passwords
import Synchronization
import Tenancy
import TestKit
import Testing

@Suite("Members, roles and invitations") struct MemberRouteTests {
    private let people: PeopleWorld, ada: String, bob: String, admin: String

    /// Ada is an admin of acme, Bob a viewer.
    init() async throws {
        people = try await PeopleWorld()
        ada = try await people.person("ada", "admin", in: people.world.acme)
        bob = try await people.person("bob", "viewer", in: people.world.acme)
        admin = try await people.session("ada")
    }
    private func ask(
        _ method: HTTPRequest.Method, _ uri: String, _ body: [String: Any]? = nil
    ) async throws -> PeopleWorld.Reply {
        try await people.ask(method, uri, body, as: admin)
    }
    private func items(_ uri: String) async throws -> [[String: Any]] {
        try #require(try await ask(.get, uri).json["items"] as? [[String: Any]])
    }

    @Test("a role and a reach count from the next request on, of who is a member only") func changing() async throws {
        let session = try await people.session("bob")
        #expect(try await people.ask(.post, "/v1/sensors/x/reship", as: session).status == 403)
        let netops = ["scopes": ["sensors:read", "sensors:write"]]
        #expect(try await ask(.put, "/v1/roles/netops", netops).status == 200)
        #expect(try await ask(.put, "/v1/members/\(bob)", ["role": "netops", "sites": ["hq"]]).status == 204)
        #expect(
            try await people.ask(.post, "/v1/sensors/x/reship", as: session).status == 404, "he may, and there is none")
        #expect(try await people.ask(.get, "/v1/flows", as: session).status == 403)
        let line = try #require(try await items("/v1/members").last)
        #expect(line["email"] as? String == "bob@example.net" && line["role"] as? String == "netops")
        #expect(line["sites"] as? [String] == ["hq"] && line["exporters"] == nil && line["hasFactor"] as? Bool == false)
        #expect(try await ask(.delete, "/v1/roles/netops").status == 409, "Bob has it")

        let eve = try await people.person("eve", nil)
        let foreign = try await ask(.put, "/v1/members/\(eve)", ["role": "viewer"])
        let missing = try await ask(.put, "/v1/members/nobody", ["role": "viewer"])
        #expect(foreign.status == 404 && foreign.octets == missing.octets, "nobody is made a member unasked")
        #expect(try await ask(.put, "/v1/members/\(bob)", ["role": "king"]).status == 422)
        #expect(try await ask(.put, "/v1/members/\(bob)", ["role": "viewer", "exporters": ["x"]]).status == 400)

        #expect(try await ask(.delete, "/v1/members/\(bob)").status == 204)
        let gone = try await people.ask(.get, "/v1/sensors", as: session)
        #expect(gone.status == 403 && kind(gone) == "no-tenant")
        #expect(try await ask(.delete, "/v1/roles/netops").status == 204)
    }

    @Test("nobody gives what they don't have, or takes from who has more; a tenant keeps an owner") func limits()
        async throws
    {
        let olga = try await people.person("olga", "owner", in: people.world.acme)
        for (method, path, body) in [
            (HTTPRequest.Method.put, "/v1/members/\(bob)", ["role": "owner"]),
            (.put, "/v1/members/\(olga)", ["role": "viewer"]), (.delete, "/v1/members/\(olga)", nil),
            (.put, "/v1/roles/boss", ["scopes": ["tenant:own"]]), (.post, "/v1/members/\(olga)/reset", nil),
            (.delete, "/v1/members/\(olga)/factor", nil),
            (.post, "/v1/invitations", ["email": "x@example.net", "role": "owner"]),
        ] as [(HTTPRequest.Method, String, [String: Any]?)] {
            let answer = try await ask(method, path, body)
            #expect(answer.status == 403 && kind(answer) == "forbidden", "\(method) \(path)")
        }
        let owner = try await people.session("olga")
        let last = try await people.ask(.delete, "/v1/members/\(olga)", as: owner)
        #expect(last.status == 409 && (last.json["detail"] as? String)?.contains("keeps one") == true)
        #expect(try await people.ask(.put, "/v1/members/\(ada)", ["role": "owner"], as: owner).status == 204)
        #expect(try await people.ask(.delete, "/v1/members/\(olga)", as: owner).status == 204)
    }

    @Test("an invitation is made, listed without its token, taken back, or accepted") func invitations() async throws {
        let made = try await ask(
            .post, "/v1/invitations", ["email": "Cy@example.net", "role": "analyst", "sites": ["hq"], "days": 2])
        let token = try #require(made.json["token"] as? String), id = try #require(made.json["id"] as? String)
        #expect(made.status == 200 && made.json["expiresAt"] as? String == "2023-11-16T22:13:20.000Z")
        let list = try await ask(.get, "/v1/invitations")
        #expect(!String(decoding: list.octets, as: UTF8.self).contains("weir-invitation_"))
        let line = try #require((list.json["items"] as? [[String: Any]])?.first)
        #expect(line["email"] as? String == "cy@example.net" && line["sites"] as? [String] == ["hq"])
        #expect(try await ask(.delete, "/v1/invitations/\(id)").status == 204)
        #expect(try await ask(.delete, "/v1/invitations/\(id)").status == 404)
        let accept = ["token": token, "name": "Cy", "password": "four words and more"]
        #expect(try await people.ask(.post, "/v1/invitations/accept", accept).status == 401)

        let again = try await ask(.post, "/v1/invitations", ["email": "cy@example.net", "role": "viewer"])
        let second = [
            "token": try #require(again.json["token"] as? String), "name": "Cy", "password": accept["password"],
        ]
        #expect(try await people.ask(.post, "/v1/invitations/accept", second as [String: Any]).status == 204)
        #expect(try await people.enter("cy", "four words and more").status == 200)
        #expect(try await items("/v1/invitations").isEmpty)
        for bad in [["email": "x", "role": "viewer"], ["email": "x@y.z", "role": "viewer", "days": 15]]
            as [[String: Any]]
        {
            #expect(try await ask(.post, "/v1/invitations", bad).status == 400)
        }
        #expect(try await ask(.post, "/v1/invitations", ["email": "x@y.z", "role": "king"]).status == 422)
    }

    @Test("an admin lets a member in anew who lost everything, and never knows the password") func reset() async throws
    {
        let session = try await people.session("bob")
        var chance = SystemRandomNumberGenerator()
        let sealed = try #require(people.world.sources.signIn.factors).seal(.init(using: &chance), of: bob)
        #expect(try people.control.offerFactor(sealed, of: bob, at: people.now))
        #expect(try people.control.confirmFactor(of: bob, recovery: ["x"], at: people.now) { _, _ in 1 })
        #expect(try await items("/v1/members").last?["hasFactor"] as? Bool == true)
        let made = try await ask(.post, "/v1/members/\(bob)/reset")
        let token = try #require(made.json["token"] as? String)
        #expect(token.hasPrefix("weir-reset_") && made.json["expiresAt"] as? String == "2023-11-14T23:13:20.000Z")
        func set(_ password: String) async throws -> Int {
            try await people.ask(.post, "/v1/password/reset", ["token": token, "password": password]).status
        }
        #expect(try await set("short") == 422)
        #expect(try await people.ask(.get, "/v1/session", as: session).status == 200, "nothing has changed")
        #expect(try await set("another long sentence") == 204)
        #expect(try await set("yet another long sentence") == 401, "once")
        #expect(try await people.ask(.get, "/v1/session", as: session).status == 401, "all sessions end")
        #expect(try await people.enter("bob").status == 401)
        let needed = try await people.enter("bob", "another long sentence")
        #expect(kind(needed) == "code-needed", "a password is not enough still")
        #expect(try await ask(.delete, "/v1/members/\(bob)/factor").status == 204)
        #expect(try await ask(.delete, "/v1/members/\(bob)/factor").status == 404)
        #expect(try await people.enter("bob", "another long sentence").status == 200)
        #expect(try !people.file().contains(token))
    }

    @Test("who belongs elsewhere too, or is an operator, is not one tenant's to let in anew") func elsewhere()
        async throws
    {
        let both = try await people.person("two", "viewer", in: people.world.acme, people.world.globex)
        let boss = try await people.person("boss", "viewer", in: people.world.acme)
        try people.control.setOperator(true, person: boss, by: people.root, at: people.now)
        for id in [both, boss] {
            #expect(try await ask(.post, "/v1/members/\(id)/reset").status == 409)
            #expect(try await ask(.delete, "/v1/members/\(id)/factor").status == 409)
        }
        let made = try await ask(.post, "/v1/members/\(bob)/reset")
        people.world.time.advance(by: .seconds(3_600))
        let late = ["token": try #require(made.json["token"] as? String), "password": "another long sentence"]
        #expect(try await people.ask(.post, "/v1/password/reset", late).status == 401, "an hour later")
    }

    @Test("a link by mail is asked for alike by everybody, and not too often") func forgot() async throws {
        let none = try await ask(.post, "/v1/password/forgot", ["email": "bob@example.net"])
        #expect(none.status == 503, "no mail is set up")
        people.world.time.advance(by: .seconds(60))
        var people = people
        let asked = Asked()
        people.world.sources.signIn.forgot = { asked.add($0) }
        let world = people
        func forgot(_ email: String) async throws -> PeopleWorld.Reply {
            try await world.ask(.post, "/v1/password/forgot", ["email": email])
        }
        let known = try await forgot("bob@example.net"), unknown = try await forgot("nobody@example.net")
        #expect(known.status == 202 && known.octets == unknown.octets && known.fields == unknown.fields)
        #expect(asked.all == ["bob@example.net", "nobody@example.net"])
        for _ in 0..<3 { #expect(try await forgot("bob@example.net").status == 202) }
        #expect(try await forgot("bob@example.net").status == 202)
        #expect(try await forgot("bob@example.net").status == 429)
    }
}

private final class Asked: Sendable {
    private let emails = Mutex<[String]>([])
    var all: [String] { emails.withLock { $0 } }
    func add(_ email: String) -> Bool {
        emails.withLock { $0.append(email) }
        return true
    }
}
