import API
import Detect
import Foundation
import HTTPTypes
import Identity
import Sigma
import Tenancy
import TestKit
import Testing

@Suite("Sigma rules over the API") struct SigmaRouteTests {
    private static func rule(_ name: String = "web", _ search: String = "{dst_port: 443}") -> String {
        "title: \(name)\nname: \(name)\nlogsource: {category: firewall}\n"
            + "detection:\n    s: \(search)\n    condition: s\n"
    }
    private static func json(_ object: [String: Any]) throws -> String {
        String(decoding: try JSONSerialization.data(withJSONObject: object), as: UTF8.self)
    }

    @Test("a rule is put, shown, put on trial and removed; every step is the tenant's own and is kept") func life()
        async throws
    {
        let world = try await APIWorld()
        let put = try await world.ask(
            .put, "/v1/sigma/rules/web", key: world.acmeKey, body: Self.json(["text": Self.rule()]))
        #expect(put.status == 200 && put.json["state"] as? String == "draft" && put.json["version"] as? Int == 1)
        #expect(try world.sources.sigma.plan(of: world.acme).set.rules.isEmpty)
        let before = world.sources.sigma.generation
        let enabled = try await world.ask(
            .put, "/v1/sigma/rules/web", key: world.acmeKey,
            body: Self.json(["text": Self.rule(), "state": "enabled", "level": "high"]))
        #expect(enabled.json["level"] as? String == "high" && enabled.json["version"] as? Int == 2)
        #expect(try world.sources.sigma.plan(of: world.acme).set.infos.map(\.id) == ["web"])
        #expect(world.sources.sigma.generation > before)
        let list = try await world.get("/v1/sigma/rules", key: world.acmeKey)
        #expect((list.json["items"] as? [[String: Any]])?.map { $0["key"] as? String } == ["web"])
        #expect(try await world.get("/v1/sigma/rules/web", key: world.globexKey).status == 404)
        let theirs = try await world.get("/v1/sigma/rules", key: world.globexKey)
        #expect((theirs.json["items"] as? [Any])?.isEmpty == true)
        #expect(try world.sources.control.sigmaVersions("web", of: world.acme).map(\.state) == [nil, "enabled"])
        #expect(try await world.ask(.delete, "/v1/sigma/rules/web", key: world.globexKey).status == 404)
        #expect(try await world.ask(.delete, "/v1/sigma/rules/web", key: world.acmeKey).status == 204)
        #expect(try await world.get("/v1/sigma/rules/web", key: world.acmeKey).status == 404)
        #expect(try world.sources.sigma.plan(of: world.acme).set.rules.isEmpty)
    }

    @Test("of a rule of its own a tenant may say the state alone: the text stays") func state() async throws {
        let world = try await APIWorld()
        for body in [["text": Self.rule()], ["state": "enabled"], ["state": "disabled"]] {
            let put = try await world.ask(.put, "/v1/sigma/rules/web", key: world.acmeKey, body: Self.json(body))
            #expect(put.status == 200 && put.json["state"] as? String == body["state"] ?? "draft", "\(put.json)")
            #expect((put.json["text"] as? String)?.contains("dst_port: 443") == true)
        }
        #expect(try await world.ask(.delete, "/v1/sigma/rules/web", key: world.acmeKey).status == 204)
        let gone = try await world.ask(
            .put, "/v1/sigma/rules/web", key: world.acmeKey, body: Self.json(["state": "enabled"]))
        #expect(gone.status == 404, "what was removed does not come back by its state")
    }

    @Test("what can't be honoured is refused with its line, and may be kept as a draft") func refused() async throws {
        let world = try await APIWorld(), bad = Self.rule("names", "{hostname: a}")
        let put = try await world.ask(
            .put, "/v1/sigma/rules/names", key: world.acmeKey, body: Self.json(["text": bad, "state": "enabled"]))
        #expect(put.status == 400 && put.json["type"] as? String == "urn:weir:problem:bad-rule")
        #expect((put.json["detail"] as? String)?.contains("line 5, column") == true, "\(put.json)")
        let draft = try await world.ask(
            .put, "/v1/sigma/rules/names", key: world.acmeKey, body: Self.json(["text": bad]))
        #expect(draft.status == 200)
        for (path, body) in [
            ("other", ["text": Self.rule()]), ("web", ["text": "no: rule"]), ("web", ["state": "asleep"]),
            ("absent", ["state": "disabled"]),
        ] {
            let answer = try await world.ask(
                .put, "/v1/sigma/rules/\(path)", key: world.acmeKey, body: Self.json(body))
            #expect(answer.status == (path == "absent" ? 404 : 400), "\(path) \(answer.json)")
        }
        let check = try await world.ask(
            .post, "/v1/sigma/rules/check", key: world.acmeKey,
            body: Self.json(["text": bad + "---\n" + Self.rule() + "---\ntitle: x\n"]))
        let items = try #require(check.json["items"] as? [[String: Any]])
        #expect(items.map { $0["ok"] as? Bool } == [false, true, false] && check.json["ok"] as? Bool == false)
        let issue = (items[0]["issues"] as? [[String: Any]])?.first
        #expect(issue?["line"] as? Int == 5 && issue?["subject"] as? String == "field")
    }

    @Test("every version of a rule can be read again, by its own tenant; an earlier one can be put back")
    func versions()
        async throws
    {
        let world = try await APIWorld(), uri = "/v1/sigma/rules/web"
        for body in [["text": Self.rule()], ["text": Self.rule("web", "{dst_port: 8443}"), "state": "test"]] {
            #expect(try await world.ask(.put, uri, key: world.acmeKey, body: Self.json(body)).status == 200)
        }
        let answer = try await world.get(uri + "/versions", key: world.acmeKey)
        let items = try #require(answer.json["items"] as? [[String: Any]])
        #expect(
            items.map { $0["version"] as? Int } == [2, 1] && items.map { $0["state"] as? String } == ["test", nil])
        #expect(items.allSatisfy { $0["actor"] as? String == world.acmeKeyID && $0["at"] as? String != nil })
        let first = try #require(items[1]["text"] as? String)
        let back = try await world.ask(.put, uri, key: world.acmeKey, body: Self.json(["text": first]))
        #expect(back.json["version"] as? Int == 3 && (back.json["text"] as? String)?.contains("443") == true)
        #expect(try await world.get(uri + "/versions", key: world.globexKey).status == 404)
        #expect(try await world.get(uri + "/versions", key: world.incidentsOnlyKey).status == 403)
    }

    @Test("rules are exported as one text that reads back the same, by origin and state") func export() async throws {
        let world = try await APIWorld()
        for (name, state) in [("web", "enabled"), ("names", "draft")] {
            let body = try Self.json(["text": Self.rule(name), "state": state])
            #expect(try await world.ask(.put, "/v1/sigma/rules/\(name)", key: world.acmeKey, body: body).status == 200)
        }
        func exported(_ query: String, _ key: String) async throws -> [SigmaDocument] {
            let answer = try await world.ask(.get, "/v1/sigma/export\(query)", key: key)
            #expect(answer.status == 200 && answer.fields[.contentType] == "application/yaml")
            let parse = SigmaParse(String(decoding: answer.octets, as: UTF8.self))
            #expect(parse.refusals.isEmpty)
            return parse.documents
        }
        let all = try await exported("", world.acmeKey)
        #expect(Set(all.map(\.metadata.key)) == ["web", "names"])
        #expect(all.first { $0.metadata.key == "web" } == SigmaParse(Self.rule("web")).documents.first)
        #expect(try await exported("?state=draft&origin=own", world.acmeKey).map(\.metadata.key) == ["names"])
        #expect(try await exported("?origin=shared", world.acmeKey).isEmpty)
        #expect(try await exported("", world.globexKey).isEmpty)
        #expect(try await world.get("/v1/sigma/export?state=asleep", key: world.acmeKey).status == 400)
    }

    @Test("a rule is tried on pasted flows") func pasted() async throws {
        let world = try await APIWorld()
        let flows: [[String: Any]] = [
            [
                "sourceIPv4Address": "192.0.2.1", "destinationIPv4Address": "10.0.0.1",
                "sourceTransportPort": 40_000, "destinationTransportPort": 443, "protocolIdentifier": 6,
                "flowStartMilliseconds": "2026-03-01T12:00:00Z", "octetDeltaCount": 100,
            ],
            ["sourceIPv4Address": "192.0.2.1", "destinationTransportPort": 80, "protocolIdentifier": 6],
        ]
        let answer = try await world.ask(
            .post, "/v1/sigma/rules/test", key: world.acmeKey,
            body: Self.json(["text": Self.rule(), "flows": flows]))
        let outcome = try #require(answer.json["outcome"] as? [String: Any])
        #expect(outcome["wouldFire"] as? Int == 1 && outcome["hosts"] as? [String] == ["10.0.0.1", "192.0.2.1"])
        let wrong = try await world.ask(
            .post, "/v1/sigma/rules/test", key: world.acmeKey,
            body: Self.json(["text": Self.rule(), "flows": [["colour": "red"]]]))
        #expect(wrong.status == 400 && (wrong.json["detail"] as? String)?.contains("colour") == true)
    }

    @Test("a backtest reads the tenant's own history and tells the difference with the version in use") func backtest()
        async throws
    {
        let world = try await APIWorld()
        let first = try await world.ask(
            .post, "/v1/sigma/rules/backtest?explain=true", key: world.acmeKey,
            body: Self.json(["text": Self.rule()]))
        #expect(first.status == 200 && first.json["complete"] as? Bool == true && first.json["current"] == nil)
        #expect((first.json["outcome"] as? [String: Any])?["wouldFire"] as? Int == 2)
        #expect(first.json["records"] as? Int == 2 && first.json["gained"] as? Int == 2 && first.json["plan"] != nil)
        _ = try await world.ask(
            .put, "/v1/sigma/rules/web", key: world.acmeKey,
            body: Self.json(["text": Self.rule(), "state": "enabled"]))
        let second = try await world.ask(
            .post, "/v1/sigma/rules/backtest", key: world.acmeKey,
            body: Self.json(["text": Self.rule("web", "{dst_port: 443, bytes|gt: 5000}")]))
        #expect(second.json["lost"] as? Int == 1 && second.json["gained"] as? Int == 0)
        #expect((second.json["current"] as? [String: Any])?["wouldFire"] as? Int == 2)
        let theirs = try await world.ask(
            .post, "/v1/sigma/rules/backtest", key: world.globexKey, body: Self.json(["text": Self.rule()]))
        #expect((theirs.json["outcome"] as? [String: Any])?["wouldFire"] as? Int == 0)
        #expect(theirs.json["records"] as? Int == 0)
    }

    @Test("each route asks for its scope") func scopes() async throws {
        let world = try await APIWorld(), text = try Self.json(["text": Self.rule()])
        for (method, path, scope) in [
            ("GET", "/v1/sigma/rules", "rules:read"), ("GET", "/v1/sigma/rules/web", "rules:read"),
            ("PUT", "/v1/sigma/rules/web", "rules:write"), ("DELETE", "/v1/sigma/rules/web", "rules:write"),
            ("POST", "/v1/sigma/rules/check", "rules:read"), ("POST", "/v1/sigma/rules/test", "rules:read"),
            ("POST", "/v1/sigma/rules/backtest", "rules:read"),
        ] {
            let answer = try await world.ask(
                .init(method) ?? .get, path, key: world.incidentsOnlyKey, body: method == "GET" ? nil : text)
            #expect(answer.status == 403 && (answer.json["detail"] as? String)?.contains(scope) == true, "\(path)")
        }
        var chance = SystemRandomNumberGenerator()
        let reader = try world.sources.control.createKey(
            tenant: world.acme, name: "r", scopes: [.readRules], by: "test", at: APIWorld.now, using: &chance)
        let answer = try await world.ask(
            .post, "/v1/sigma/rules/backtest", key: reader.key.secret, body: text)
        #expect(answer.status == 403 && (answer.json["detail"] as? String)?.contains("flows:read") == true)
    }
}
