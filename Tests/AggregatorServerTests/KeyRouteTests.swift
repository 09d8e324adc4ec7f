import API
import Foundation
import HTTPTypes
import Identity
import Tenancy
import TestKit
import Testing

@Suite("Keys, service accounts and the audit log, by routes") struct KeyRouteTests {
    private let people: PeopleWorld, ada: String, admin: String

    init() async throws {
        people = try await PeopleWorld()
        ada = try await people.person("ada", "admin", in: people.world.acme)
        admin = try await people.session("ada")
    }
    private func ask(
        _ method: HTTPRequest.Method, _ uri: String, _ body: [String: Any]? = nil
    ) async throws -> PeopleWorld.Reply {
        try await people.ask(method, uri, body, as: admin)
    }
    private func line(_ id: String, _ uri: String = "/v1/keys") async throws -> [String: Any] {
        let items = try #require(try await ask(.get, uri).json["items"] as? [[String: Any]])
        return try #require(items.first { $0["id"] as? String == id })
    }
    private func make(_ body: [String: Any]) async throws -> (key: String, id: String) {
        let made = try await ask(.post, "/v1/keys", body)
        let record = try #require(made.json["record"] as? [String: Any], "\(made.json)")
        return (try #require(made.json["key"] as? String), try #require(record["id"] as? String))
    }

    @Test("a key is shown once, says when it was last used, and is no good at once when it is revoked, anywhere")
    func life() async throws {
        let (key, id) = try await make(["name": "console", "scopes": ["flows:read"], "sites": ["hq"], "days": 1])
        var record = try await line(id)
        #expect(record["state"] as? String == "valid" && record["usedAt"] == nil && record["key"] == nil)
        #expect(record["scopes"] as? [String] == ["flows:read"] && record["sites"] as? [String] == ["hq"])
        #expect(record["expiresAt"] as? String == "2023-11-15T22:13:20.000Z")
        #expect(try await people.ask(.get, "/v1/flows", key: key).status == 200)
        people.world.time.advance(by: .seconds(59))
        #expect(try await people.ask(.get, "/v1/flows", key: key).status == 200)
        #expect(try await line(id)["usedAt"] as? String == "2023-11-14T22:13:20.000Z", "to the minute")
        people.world.time.advance(by: .seconds(1))
        #expect(try await people.ask(.get, "/v1/flows", key: key).status == 200)
        #expect(try await line(id)["usedAt"] as? String == "2023-11-14T22:14:20.000Z")
        let elsewhere = try ControlLog(folder: people.world.folder.path)
        #expect(try elsewhere.authenticate(key, at: people.now).tenant == people.world.acme)
        #expect(try await ask(.delete, "/v1/keys/\(id)").status == 204)
        #expect(throws: AuthenticationError.revoked(keyID: id)) { try elsewhere.authenticate(key, at: people.now) }
        #expect(try await people.ask(.get, "/v1/flows", key: key).status == 401)
        record = try await line(id)
        #expect(record["state"] as? String == "revoked")
        let mine = try await ask(.delete, "/v1/keys/none")
        let theirs = try #require(try people.control.keys(of: people.world.globex).first?.id)
        let foreign = try await ask(.delete, "/v1/keys/\(theirs)")
        #expect(foreign.status == 404 && foreign.octets == mine.octets)
        #expect(try people.control.keys(of: people.world.globex).first?.revokedMilliseconds == nil)
    }

    @Test("a key may no more than who makes it, and nobody revokes what may more") func limits() async throws {
        let more = try await ask(.post, "/v1/keys", ["name": "x", "scopes": ["tenant:own"]])
        #expect(more.status == 403 && kind(more) == "forbidden")
        let (_, id) = try await make(["name": "usual"])
        let usual = try #require(try await line(id)["scopes"] as? [String])
        #expect(
            usual.contains("flows:read") && !usual.contains("keys:write") && !usual.contains("flows:read-pseudonyms"))
        var chance = SystemRandomNumberGenerator()
        let owner = try people.control.createKey(
            tenant: people.world.acme, name: "o", scopes: Role.owner.scopes, by: "test", at: people.now, using: &chance)
        #expect(try await ask(.delete, "/v1/keys/\(owner.record.id)").status == 403)
        for bad in [["name": ""], ["name": "x", "scopes": ["all"]], ["name": "x", "days": 0]] as [[String: Any]] {
            #expect(try await ask(.post, "/v1/keys", bad).status == 400)
        }
    }

    @Test("a service account's key ends with the account") func accounts() async throws {
        let made = try await ask(.post, "/v1/accounts", ["name": "siem", "role": "viewer"])
        let id = try #require(made.json["id"] as? String)
        let (key, _) = try await make(["name": "siem", "scopes": ["flows:read", "sensors:write"], "account": id])
        #expect(try await people.ask(.get, "/v1/flows", key: key).status == 200)
        let beyond = try await people.ask(.post, "/v1/sensors/x/reship", key: key)
        #expect(beyond.status == 403, "the account's role says no")
        #expect(try await line(id, "/v1/accounts")["isDisabled"] as? Bool == false)
        #expect(try await ask(.delete, "/v1/accounts/\(id)").status == 204)
        #expect(try await people.ask(.get, "/v1/flows", key: key).status == 401)
        #expect(try await line(id, "/v1/accounts")["isDisabled"] as? Bool == true)
        #expect(try await ask(.post, "/v1/keys", ["name": "x", "scopes": [], "account": id]).status == 422)
        #expect(try await ask(.delete, "/v1/accounts/none").status == 404)
        #expect(try await ask(.post, "/v1/accounts", ["name": "x", "role": "owner"]).status == 403)
    }

    @Test("the audit log is read by pages and as a whole, the own events only, and its chain is checked") func audit()
        async throws
    {
        for number in 0..<3 { _ = try await make(["name": "k\(number)", "scopes": []]) }
        let first = try await ask(.get, "/v1/audit?kind=keyCreated&actor=\(ada)&limit=2")
        let items = try #require(first.json["items"] as? [[String: Any]])
        #expect(
            items.count == 2 && items.allSatisfy { $0["actor"] as? String == ada && $0["tenant"] as? String == "acme" })
        let cursor = try #require(first.json["next"] as? String)
        let second = try await ask(.get, "/v1/audit?kind=keyCreated&actor=\(ada)&limit=2&cursor=\(cursor)")
        #expect((second.json["items"] as? [Any])?.count == 1 && second.json["next"] == nil)
        let export = try await ask(.get, "/v1/audit/export")
        let lines = try String(decoding: export.octets, as: UTF8.self).split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        var all = AuditQuestion()
        all.limit = 1_000
        let own = try people.control.events(of: people.world.acme, all)
        #expect(lines.count == own.count && lines.count > 5)
        #expect(lines.map { $0["id"] as? Int64 } == own.reversed().map(\.entry.id), "oldest first")
        #expect(lines.allSatisfy { $0["tenant"] as? String == "acme" })
        let theirs = try await people.ask(.get, "/v1/audit", key: people.world.globexKey)
        #expect(theirs.status == 403, "a usual key does not read it")

        let verdict = try await ask(.get, "/v1/audit/verify"), head = try #require(verdict.json["head"] as? String)
        let newest = try people.control.auditHead()
        #expect(verdict.json["isWhole"] as? Bool == true && head == "\(newest)")
        _ = try await make(["name": "more", "scopes": []])
        #expect(try await ask(.get, "/v1/audit/verify?head=\(head)").json["isWhole"] as? Bool == true)
        let forged = String(head.dropLast()) + (head.hasSuffix("0") ? "1" : "0")
        let wrong = try await ask(.get, "/v1/audit/verify?head=\(forged)")
        #expect(wrong.json["isWhole"] as? Bool == false)
        #expect((wrong.json["fault"] as? String)?.contains("written anew") == true)
        #expect(try await ask(.get, "/v1/audit/verify?head=x").status == 400)
    }

    @Test("an export longer than a page is whole") func longExport() async throws {
        for _ in 0..<1_050 {
            try people.control.setNamedNetworks("lan", ["10.0.0.0/8"], of: people.world.acme, by: "t", at: people.now)
        }
        let export = try await ask(.get, "/v1/audit/export?kind=networksSet")
        let ids = String(decoding: export.octets, as: UTF8.self).split(separator: "\n")
        #expect(ids.count == 1_050 && Set(ids).count == 1_050)
    }
}
