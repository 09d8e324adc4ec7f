import API
import Crypto
import Foundation
import HTTPTypes
import Identity
import Passwords
import Settings
import Tenancy
import TestKit
import Testing

@Suite("Signing in") struct SessionRouteTests {
    private let world: APIWorld, ada: String
    private static let password = "correct horse battery"
    private let root = Granter("test", scopes: nil)

    /// Ada is an analyst of acme.
    init() async throws {
        var world = try await APIWorld()
        world.sources.signIn = SignIn(
            passwords: PasswordDesk(cost: Argon2Cost(kibibytes: 64, passes: 1)),
            factors: FactorSealer(Secret([UInt8](repeating: 5, count: 32))))
        self.world = world
        var chance = SystemRandomNumberGenerator()
        ada = try world.sources.control.addPerson(
            email: "ada@example.net", name: "Ada", by: root, at: APIWorld.now, using: &chance)
        try world.sources.control.setMember(
            ada, Standing(role: "analyst"), in: world.acme, by: root, at: APIWorld.now)
        let hash = try await world.sources.signIn.passwords.hash(.init(Array(Self.password.utf8)), using: &chance)
        try world.sources.control.setPassword(hash, of: ada, by: "test", at: APIWorld.now)
    }

    private typealias Reply = (status: Int, fields: HTTPFields, json: [String: Any], octets: [UInt8])

    private static func fields(_ session: String?, _ more: [String: String] = ["Weir-Request": "1"]) -> HTTPFields {
        var fields: HTTPFields = session.map { [.cookie: "a=b; __Host-sid=\($0)"] } ?? [:]
        for (name, value) in more {
            if let name = HTTPField.Name(name) { fields[name] = value }
        }
        return fields
    }
    private func ask(
        _ method: HTTPRequest.Method, _ uri: String, _ body: [String: Any]? = nil, as session: String? = nil
    ) async throws -> Reply {
        let text = try body.map { String(decoding: try JSONSerialization.data(withJSONObject: $0), as: UTF8.self) }
        return try await world.ask(method, uri, key: nil, body: text, fields: Self.fields(session))
    }
    private func signIn(_ email: String = "ada@example.net", _ password: String = password) async throws -> Reply {
        try await ask(.post, "/v1/session", ["email": email, "password": password])
    }
    private func token(_ reply: Reply) throws -> String {
        let cookie = try #require(reply.fields[.setCookie])
        return try #require(cookie.split(separator: ";").first.map { String($0.dropFirst("__Host-sid=".count)) })
    }

    @Test("who signs in reads the own tenant as the role may, until signing out") func life() async throws {
        let reply = try await signIn("ADA@example.net")
        #expect(reply.status == 200 && reply.json["tenant"] as? String == "acme")
        #expect(reply.json["expiresAt"] as? String == "2023-11-15T10:13:20.000Z")
        let session = try token(reply)
        #expect(
            reply.fields[.setCookie]
                == "__Host-sid=\(session); Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=43200")
        #expect(session.hasPrefix("weir-session_") && session.count == 56)
        let flows = try await ask(.get, "/v1/flows", as: session)
        #expect((flows.json["items"] as? [Any])?.count == 2)
        let refused = try await ask(.post, "/v1/sensors/x/reship", as: session)
        #expect(refused.status == 403 && (refused.json["detail"] as? String)?.contains("sensors:write") == true)
        let incident = "/v1/incidents/\(world.incidentID)"
        var fields = Self.fields(session)
        fields[.ifMatch] = "\"1\""
        let edited = try await world.ask(.patch, incident, key: nil, body: #"{"comment":"mine"}"#, fields: fields)
        #expect(edited.status == 200)
        let events = try await ask(.get, incident + "/events", as: session)
        #expect(String(decoding: events.octets, as: UTF8.self).contains("\"\(ada)\""), "a person is the actor")
        let out = try await ask(.delete, "/v1/session", as: session)
        #expect(out.status == 204 && out.fields[.setCookie]?.hasSuffix("Max-Age=0") == true)
        #expect(try await ask(.get, "/v1/flows", as: session).status == 401)
    }

    @Test("an unknown address, a wrong password and somebody disabled get one answer, and who tries often waits")
    func failures() async throws {
        let wrong = try await signIn("ada@example.net", "wrong horse battery"), unknown = try await signIn("x@y.z")
        #expect(wrong.status == 401 && wrong.fields[.setCookie] == nil)
        #expect(wrong.octets == unknown.octets && wrong.fields == unknown.fields && unknown.status == 401)
        try world.sources.control.setDisabled(true, person: ada, by: root, at: APIWorld.now)
        let disabled = try await signIn()
        #expect(disabled.octets == wrong.octets && disabled.status == 401)
        for _ in 0..<3 { #expect(try await signIn("ada@example.net", "x").status == 401) }
        let waiting = try await signIn()
        #expect(waiting.status == 429 && waiting.fields[.retryAfter] == "31")
        #expect(try await signIn("other@example.net").status == 401, "another account from there")
        world.time.advance(by: .seconds(31))
        #expect(try await signIn().status == 401, "no account is locked")
    }

    @Test(
        "another site's page changes nothing with a browser's session",
        arguments: [
            (["Weir-Request": "1", "Sec-Fetch-Site": "same-origin"], 204), (["Weir-Request": "1"], 204),
            ([:], 403), (["Sec-Fetch-Site": "same-origin"], 403),
            (["Weir-Request": "1", "Sec-Fetch-Site": "cross-site"], 403),
            (["Weir-Request": "1", "Sec-Fetch-Site": "same-site"], 403),
            (["Weir-Request": "1", "Sec-Fetch-Site": "none"], 403),
            (["Weir-Request": "1", "Origin": "https://evil.example"], 403),
            (["Weir-Request": "1", "Origin": "null"], 403),
        ])
    func crossSite(_ more: [String: String], _ status: Int) async throws {
        let session = try token(try await signIn())
        let answer = try await world.ask(.delete, "/v1/session", key: nil, fields: Self.fields(session, more))
        #expect(answer.status == status, "\(more)")
        #expect(try await ask(.get, "/v1/session", as: session).status == (status == 204 ? 401 : 200))
        if more["Sec-Fetch-Site"] == "cross-site" {
            let body = #"{"email":"ada@example.net","password":"correct horse battery"}"#
            let forced = try await world.ask(
                .post, "/v1/session", key: nil, body: body, fields: Self.fields(nil, more))
            #expect(forced.status == 403 && forced.json["type"] as? String == "urn:weir:problem:cross-site")
        }
    }

    @Test("sessions are listed, and end at once: one by one, all others with a new password, all with the person")
    func revocation() async throws {
        let first = try await signIn(), mine = try token(first), other = try token(try await signIn())
        let third = try token(try await signIn())
        let list = try await ask(.get, "/v1/sessions", as: mine)
        let items = try #require(list.json["items"] as? [[String: Any]])
        #expect(items.count == 3 && items.map { $0["current"] as? Bool } == [false, false, true])
        #expect(!String(decoding: list.octets, as: UTF8.self).contains("weir-session_"))
        let middle = try #require(items[1]["id"] as? String)
        #expect(try await ask(.delete, "/v1/sessions/\(middle)", as: mine).status == 204)
        #expect(try await ask(.get, "/v1/session", as: other).status == 401)
        let changed = ["password": Self.password, "newPassword": "another long sentence"]
        #expect(try await ask(.put, "/v1/session/password", changed, as: mine).status == 204)
        #expect(try await ask(.get, "/v1/session", as: third).status == 401)
        #expect(try await ask(.get, "/v1/session", as: mine).status == 200)
        world.time.advance(by: .seconds(600))
        #expect(try await signIn().status == 401)
        #expect(try await signIn("ada@example.net", "another long sentence").status == 200)
        let weak = ["password": "another long sentence", "newPassword": "short"]
        let refused = try await ask(.put, "/v1/session/password", weak, as: mine)
        #expect(refused.status == 422 && refused.json["type"] as? String == "urn:weir:problem:weak-password")
        try world.sources.control.setDisabled(true, person: ada, by: root, at: APIWorld.now)
        #expect(try await ask(.get, "/v1/session", as: mine).status == 401)
    }

    @Test("no new password may be one that is known from a breach; without its file none is taken") func breaches()
        async throws
    {
        var people = try await PeopleWorld()
        _ = try await people.person("bob", "viewer", in: people.world.acme)
        let folder = people.world.folder, known = "a sentence from a breach", unlisted = "a sentence from nowhere"
        let digest = Insecure.SHA1.hash(data: Data(known.utf8)).map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
        try Data().write(to: folder.file("00000.txt"))
        try Data("\(digest.dropFirst(5)):3\n".utf8).write(to: folder.file("\(digest.prefix(5)).txt"))
        people.world.sources.signIn.breaches = try BreachList(folder: folder.path)
        let session = try await people.session("bob")
        func change(_ password: String) async throws -> PeopleWorld.Reply {
            try await people.ask(
                .put, "/v1/session/password", ["password": PeopleWorld.password, "newPassword": password], as: session)
        }
        let refused = try await change(known)
        #expect(refused.status == 422 && kind(refused) == "weak-password")
        #expect((refused.json["detail"] as? String)?.contains("breach") == true)
        #expect(try await change(unlisted).status == 503, "its file is not there")
        let other = Insecure.SHA1.hash(data: Data(unlisted.utf8)).prefix(3).map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined().prefix(5)
        try Data().write(to: folder.file("\(other).txt"))
        #expect(try await change(unlisted).status == 204)
    }

    @Test("a session ends when it is idle and when it is old; a clock set back makes none longer") func limits()
        async throws
    {
        let session = try token(try await signIn())
        for _ in 0..<24 {
            world.time.advance(by: .seconds(29 * 60))
            #expect(try await ask(.get, "/v1/session", as: session).status == 200)
        }
        world.time.advance(by: .seconds(24 * 60))
        #expect(try await ask(.get, "/v1/session", as: session).status == 401, "12 hours")
        let second = try token(try await signIn())
        world.time.advance(by: .seconds(30 * 60))
        #expect(try await ask(.get, "/v1/session", as: second).status == 401, "30 minutes")
        let third = try token(try await signIn())
        world.time.jumpWall(byMilliseconds: -3_600_000)
        #expect(try await ask(.get, "/v1/session", as: third).status == 401)
    }

    @Test("a removed member sees nothing from the next request on; a tenant that is none of one's own is not there")
    func tenants() async throws {
        let session = try token(try await signIn())
        let foreign = try await ask(.put, "/v1/session/tenant", ["tenant": "globex"], as: session)
        let missing = try await ask(.put, "/v1/session/tenant", ["tenant": "nobody"], as: session)
        #expect(foreign.status == 404 && foreign.octets == missing.octets && foreign.fields == missing.fields)
        let control = world.sources.control
        try control.setMember(ada, Standing(role: "viewer"), in: world.globex, by: root, at: APIWorld.now)
        #expect(try await ask(.put, "/v1/session/tenant", ["tenant": "globex"], as: session).status == 204)
        let theirs = try await ask(.get, "/v1/flows", as: session)
        #expect((theirs.json["items"] as? [Any])?.isEmpty == true)
        try control.removeMember(ada, of: world.globex, by: root, at: APIWorld.now)
        let gone = try await ask(.get, "/v1/flows", as: session)
        #expect(gone.status == 403 && gone.json["type"] as? String == "urn:weir:problem:no-tenant")
    }

    @Test("the first operator is made with a token that works once, and says why when looking into a tenant")
    func setUp() async throws {
        let control = world.sources.control
        var chance = SystemRandomNumberGenerator()
        let old = try #require(try control.makeSetUpToken(at: APIWorld.now, using: &chance))
        let token = try #require(try control.makeSetUpToken(at: APIWorld.now, using: &chance))
        func setUp(_ token: String, _ password: String = "a long enough sentence") async throws -> Int {
            try await ask(
                .post, "/v1/setup",
                ["token": token, "email": "op@example.net", "name": "Op", "password": password]
            ).status
        }
        for (bad, password, status) in [(old.secret, "long", 401), ("x", "long", 401), (token.secret, "short", 422)] {
            #expect(try await setUp(bad, password) == status)
        }
        #expect(try await setUp(token.secret) == 204)
        #expect(try await setUp(token.secret) == 401, "once")
        #expect(try control.makeSetUpToken(at: APIWorld.now, using: &chance) == nil)
        let reply = try await signIn("op@example.net", "a long enough sentence"), session = try self.token(reply)
        #expect(reply.json["isOperator"] as? Bool == true && reply.json["tenant"] == nil)
        #expect(try await ask(.get, "/v1/flows", as: session).status == 403)
        #expect(try await ask(.put, "/v1/session/tenant", ["tenant": "acme"], as: session).status == 400)
        let entered = ["tenant": "acme", "reason": "ticket 7"]
        #expect(try await ask(.put, "/v1/session/tenant", entered, as: session).status == 204)
        #expect(try await ask(.get, "/v1/flows", as: session).status == 200)
        let change = try await ask(.post, "/v1/incidents/bulk", ["incidents": []], as: session)
        #expect(change.status == 403, "an operator reads")
        let file = try String(decoding: Data(contentsOf: world.folder.file("control.sqlite")), as: UTF8.self)
        #expect(file.contains("operatorEntered") && file.contains("ticket 7"))
        #expect(file.contains("operatorRead") && file.contains("GET /v1/flows"), "each read is noted")
        #expect(try ControlLog.verifyAudit(folder: world.folder.path) == control.auditHead())
        for secret in [session, token.secret, "a long enough sentence", Self.password] {
            #expect(!file.contains(secret))
        }
    }

    @Test("an invited person chooses a name and a password, and is a member") func invitations() async throws {
        var chance = SystemRandomNumberGenerator()
        func invite(_ email: String) throws -> String {
            try world.sources.control.invite(
                email, Standing(role: "viewer"), to: world.acme, lifetime: 86_400_000, by: root, at: APIWorld.now,
                using: &chance
            ).token.secret
        }
        func accept(_ body: [String: Any]) async throws -> Int {
            try await ask(.post, "/v1/invitations/accept", body).status
        }
        let token = try invite("bob@example.net")
        #expect(try await accept(["token": token]) == 400)
        #expect(try await accept(["token": "x", "name": "Bob"]) == 401)
        #expect(try await accept(["token": token, "name": "Bob", "password": "bob@example.net"]) == 422)
        let body = ["token": token, "name": "Bob", "password": "four words and more"]
        #expect(try await accept(body) == 204)
        #expect(try await accept(body) == 401, "once")
        let reply = try await signIn("bob@example.net", "four words and more")
        #expect(reply.status == 200 && reply.json["tenant"] as? String == "acme")
        #expect(try await accept(["token": try invite("ada@example.net")]) == 204)
        #expect(try await signIn().status == 200, "who is known keeps the password")
    }
}

@Suite("How often somebody may sign in") struct SignInLimitTests {
    @Test("guesses at one account are held up from one address and not from the next, then from all")
    func allowances() {
        let limits = SignInLimits()
        func tries(_ account: String, _ address: String, at seconds: Int = 0) -> Int {
            (0..<200).prefix { _ in limits.wait(account: account, address: address, at: .seconds(seconds)) == nil }
                .count
        }
        #expect(
            tries("ada@x", "192.0.2.1") == 5 && tries("ADA@X", "192.0.2.1") == 0 && tries("ada@x", "192.0.2.2") == 5)
        #expect(tries("bob@x", "192.0.2.1") == 5 && tries("ada@x", "192.0.2.1", at: 60) == 2)
        let stuffing = (0..<100).map { tries("\($0)@x", "198.51.100.1") }.reduce(0, +)
        #expect(stuffing == 20, "one address, many accounts")
        let spread = (0..<100).map { tries("eve@x", "2001:db8::\($0)") }.reduce(0, +)
        #expect(spread == 100, "one account, many addresses")
    }

    @Test("what is remembered is bounded") func bounded() {
        let limits = SignInLimits()
        for number in 0..<50_000 {
            #expect(limits.wait(account: "\(number)", address: "\(number)", at: .milliseconds(number)) == nil)
        }
        #expect(limits.count <= SignInLimits.bucketsMax)
    }
}
