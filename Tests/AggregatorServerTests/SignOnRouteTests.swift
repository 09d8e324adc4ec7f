import API
import Crypto
import Foundation
import HTTPTypes
import Identity
import OpenID
import Settings
import Synchronization
import Tenancy
import TestKit
import Testing

/// A tenant's provider, in memory.
private final class Provider: SignOnTransport {
    private let key = P256.Signing.PrivateKey()
    let claims = Mutex<[String: Any]>([:]), isDown = Mutex(false)
    struct Down: Error {}

    private static func json(_ object: Any) -> [UInt8] {
        (try? JSONSerialization.data(withJSONObject: object)).map { [UInt8]($0) } ?? []
    }
    func answer(to request: SignOnRequest, bytesMax: Int) async throws -> (status: Int, body: [UInt8]) {
        guard !isDown.withLock({ $0 }) else { throw Down() }
        let point = [UInt8](key.publicKey.x963Representation)
        switch request.url {
        case "https://id.example/.well-known/openid-configuration":
            return (
                200,
                Self.json([
                    "issuer": "https://id.example", "authorization_endpoint": "https://id.example/a",
                    "token_endpoint": "https://id.example/t", "jwks_uri": "https://id.example/k",
                ])
            )
        case "https://id.example/k":
            let entry = [
                "kty": "EC", "crv": "P-256", "x": Base64URL.encode(point[1..<33]), "y": Base64URL.encode(point[33...]),
            ]
            return (200, Self.json(["keys": [entry]]))
        default:
            let body = claims.withLock { Base64URL.encode(Self.json($0)) }
            let text = Base64URL.encode(Array(#"{"alg":"ES256"}"#.utf8)) + "." + body
            let signature = try key.signature(for: Array(text.utf8)).rawRepresentation
            return (200, Self.json(["id_token": "\(text).\(Base64URL.encode(signature))"]))
        }
    }
}

@Suite("Signing in at a provider, by routes") struct SignOnRouteTests {
    private var people: PeopleWorld
    private let provider = Provider()

    init() async throws {
        people = try await PeopleWorld()
        var corp = SignOnProvider(name: "corp", tenant: people.world.acme, issuer: "https://id.example", client: "weir")
        corp.mappings = [
            .init(group: "soc", Standing(role: "analyst")),
            .init(group: "branch", Standing(role: "viewer", reach: Reach(sites: ["hq"]))),
        ]
        people.world.sources.signOn = SignOnDesk(
            [corp], transport: provider,
            sealer: try #require(AttemptSealer(Secret([UInt8](repeating: 3, count: 32)))),
            ownURL: "https://weir.example", time: people.world.time)
        people.world.sources.signIn.limits = SignInLimits(perAddress: .none, perPair: .none, perAccount: .none)
    }

    private func get(_ uri: String, cookie: String? = nil) async throws -> PeopleWorld.Reply {
        try await people.world.ask(.get, uri, key: nil, fields: cookie.map { [.cookie: $0] } ?? [:])
    }
    /// Goes there and comes back as somebody.
    private func enter(
        _ subject: String, _ groups: [String], email: String? = "ada@example.net", verified: Bool = true,
        for program: String = ""
    ) async throws -> PeopleWorld.Reply {
        let begun = try await get("/v1/signon/corp\(program)")
        let location = try #require(begun.fields[.location]), set = try #require(begun.fields[.setCookie])
        #expect(
            begun.status == 302 && set.hasPrefix("__Host-signon=") && set.contains("; Secure; HttpOnly; SameSite=Lax;"))
        let query = try #require(URLComponents(string: location)?.queryItems)
        let seconds = people.now / 1_000
        provider.claims.withLock {
            $0 = [
                "iss": "https://id.example", "aud": "weir", "sub": subject, "iat": seconds, "exp": seconds + 60,
                "nonce": query.first { $0.name == "nonce" }?.value ?? "", "groups": groups,
                "email_verified": verified, "name": "Ada",
            ]
            $0["email"] = email
        }
        let state = query.first { $0.name == "state" }?.value ?? ""
        let kept = try #require(set.split(separator: ";").first)
        return try await get("/v1/signon/corp/callback?code=c&state=\(state)", cookie: String(kept))
    }
    private func session(_ reply: PeopleWorld.Reply) throws -> String {
        #expect(reply.status == 303 && reply.fields[.location] == "/", "\(reply.json)")
        let cookies = reply.fields[values: .setCookie]
        #expect(cookies.count == 2 && cookies.last?.hasPrefix("__Host-signon=; ") == true)
        let cookie = try #require(cookies.first { $0.hasPrefix("__Host-sid=") })
        #expect(cookie.contains("SameSite=Strict"))
        return try #require(cookie.split(separator: ";").first.map { String($0.dropFirst("__Host-sid=".count)) })
    }

    @Test("somebody new becomes a member as the groups say, is the same person next time, and has what the groups say")
    func life() async throws {
        let first = try session(try await enter("u1", ["all", "soc"]))
        let who = try await people.ask(.get, "/v1/session", as: first)
        let id = try #require(who.json["person"] as? String)
        #expect(who.json["tenant"] as? String == "acme" && who.json["email"] as? String == "ada@example.net")
        #expect(try await people.ask(.get, "/v1/flows", as: first).status == 200)
        #expect(try people.control.directory().rights(of: id, in: people.world.acme)?.scopes == Role.analyst.scopes)
        let second = try session(try await enter("u1", ["branch"], email: "renamed@example.net"))
        #expect(try await people.ask(.get, "/v1/session", as: second).json["person"] as? String == id)
        let rights = try people.control.directory().rights(of: id, in: people.world.acme)
        #expect(rights?.scopes == Role.viewer.scopes && rights?.reach == Reach(sites: ["hq"]))
        let gone = try await enter("u1", ["sales"])
        #expect(gone.status == 401 && kind(gone) == "sign-on-failed" && gone.fields[.setCookie] == nil)
        #expect(try people.control.directory().members[people.world.acme]?[id] == nil, "what the groups gave they take")
        #expect(kind(try await people.ask(.get, "/v1/flows", as: second)) == "no-tenant", "at once")
        let file = try people.file()
        #expect(file.contains("subjectLinked") && file.contains("signon:corp"))
    }

    @Test("a tenant's provider can be nobody who is not that tenant's alone") func takeover() async throws {
        _ = try await people.person("globe", "admin", in: people.world.globex)
        let boss = try await people.person("boss", "viewer", in: people.world.acme)
        try people.control.setOperator(true, person: boss, by: people.root, at: people.now)
        _ = try await people.person("two", "viewer", in: people.world.acme, people.world.globex)
        for name in ["globe", "boss", "two"] {
            #expect(try await enter("evil-\(name)", ["soc"], email: "\(name)@example.net").status == 401, "\(name)")
        }
        let own = try await people.person("own", "viewer", in: people.world.acme)
        let session = try session(try await enter("u9", ["soc"], email: "own@example.net"))
        #expect(try await people.ask(.get, "/v1/session", as: session).json["person"] as? String == own)
        #expect(try await enter("u10", ["soc"], email: "new@example.net", verified: false).status == 401)
        #expect(try await enter("u11", ["soc"], email: nil).status == 401)
    }

    @Test("a session by a provider reaches its tenant and no other, and changes no password or authenticator")
    func bound() async throws {
        let session = try session(try await enter("u1", ["soc"]))
        let id = try #require(try await people.ask(.get, "/v1/session", as: session).json["person"] as? String)
        try people.control.setMember(
            id, Standing(role: "admin"), in: people.world.globex, by: people.root, at: people.now)
        let other = try await people.ask(.put, "/v1/session/tenant", ["tenant": "globex"], as: session)
        #expect(other.status == 404)
        #expect(try await people.ask(.put, "/v1/session/tenant", ["tenant": "acme"], as: session).status == 204)
        try people.control.setOperator(true, person: id, by: people.root, at: people.now)
        let look = ["tenant": "globex", "reason": "x"]
        #expect(try await people.ask(.put, "/v1/session/tenant", look, as: session).status == 404)
        try people.control.removeMember(id, of: people.world.acme, by: people.root, at: people.now)
        #expect(try await people.ask(.get, "/v1/flows", as: session).status == 403, "nor as an operator")
        #expect(try await people.ask(.post, "/v1/session/factor", as: session).status == 403)
    }

    @Test("an attempt of another browser, none, or an answer twice over leads nowhere, and is not explained")
    func wrong() async throws {
        let begun = try await get("/v1/signon/corp"), other = try await get("/v1/signon/corp")
        func state(_ reply: PeopleWorld.Reply) throws -> String {
            let items = URLComponents(string: try #require(reply.fields[.location]))?.queryItems
            return try #require(items?.first { $0.name == "state" }?.value)
        }
        let kept = String(try #require(other.fields[.setCookie]?.split(separator: ";").first))
        let mixed = try await get("/v1/signon/corp/callback?code=c&state=\(state(begun))", cookie: kept)
        let none = try await get("/v1/signon/corp/callback?code=c&state=\(state(begun))")
        let twice = try await get("/v1/signon/corp/callback?code=c&state=x&state=y", cookie: kept)
        for reply in [mixed, none, twice] { #expect(reply.status == 401 && reply.octets == mixed.octets) }
        #expect(try await get("/v1/signon/none").status == 404)
        people.world.time.advance(by: .seconds(3_601))
        provider.isDown.withLock { $0 = true }
        #expect(try await get("/v1/signon/corp").status == 503)
    }

    @Test("a program gets the session that was begun for it, with its verifier, and the browser gets none")
    func program() async throws {
        let verifier = String(repeating: "v", count: 43)
        let asked = "?port=40000&challenge=\(SignOnAttempt.challenge(of: verifier))"
        func code(_ reply: PeopleWorld.Reply) throws -> String? {
            #expect(reply.status == 303 && !reply.fields[values: .setCookie].contains { $0.hasPrefix("__Host-sid") })
            let location = try #require(reply.fields[.location])
            #expect(location.hasPrefix("http://127.0.0.1:40000/?"))
            return URLComponents(string: location)?.queryItems?.first { $0.name == "code" }?.value
        }
        let handed = try #require(try code(try await enter("u1", ["soc"], for: asked)))
        for (code, verifier) in [(handed, "x"), ("x", verifier), (handed + "A", verifier)] {
            let reply = try await people.ask(.post, "/v1/signon/corp/session", ["code": code, "verifier": verifier])
            #expect(reply.status == 401 && reply.fields[.setCookie] == nil)
        }
        let got = try await people.ask(.post, "/v1/signon/corp/session", ["code": handed, "verifier": verifier])
        let cookie = try #require(got.fields[.setCookie]?.split(separator: ";").first)
        #expect(got.status == 200 && got.json["tenant"] as? String == "acme")
        let session = String(cookie.dropFirst("__Host-sid=".count))
        #expect(try await people.ask(.get, "/v1/flows", as: session).status == 200)
        #expect(try await people.ask(.delete, "/v1/session", as: session).status == 204)
        let over = try await people.ask(.post, "/v1/signon/corp/session", ["code": handed, "verifier": verifier])
        #expect(over.status == 401, "the session has ended")
        #expect(try code(try await enter("u2", ["sales"], for: asked)) == nil, "no role")
    }

    @Test("another site's page can't begin a sign-on for a program, and nobody one to another machine")
    func programAsked() async throws {
        let asked = "?port=40000&challenge=\(SignOnAttempt.challenge(of: "x"))"
        for bad in ["?port=40000", asked + "x", "?port=22&challenge=x", asked.replacing("port=40000&", with: "")] {
            #expect(try await get("/v1/signon/corp\(bad)").status == 400, "\(bad)")
        }
        let site = try #require(HTTPField.Name("Sec-Fetch-Site"))
        for (value, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 403), ("none", 302)] {
            let reply = try await people.world.ask(.get, "/v1/signon/corp\(asked)", key: nil, fields: [site: value])
            #expect(reply.status == status, "\(value)")
        }
    }

    @Test("without an own provider there is nothing") func none() async throws {
        var people = people
        people.world.sources.signOn = nil
        #expect(try await people.ask(.get, "/v1/signon/corp").status == 404)
        #expect(try await people.ask(.get, "/v1/signon/corp/callback?code=x&state=y").status == 404)
        let body = ["code": "x", "verifier": "x"]
        #expect(try await people.ask(.post, "/v1/signon/corp/session", body).status == 404)
    }
}
