import API
import Detect
import Foundation
import HTTPTypes
import Hummingbird
import Identity
import Incidents
import Notify
import Tenancy
import TestKit
import Testing

@Suite("Incidents are worked on through the API")
struct IncidentEditRouteTests {
    private func send(
        _ world: APIWorld, _ method: HTTPRequest.Method, _ path: String, _ json: String? = nil, revision: Int? = nil,
        key: String? = nil
    ) async throws -> (status: Int, fields: HTTPFields, json: [String: Any]) {
        let match: HTTPFields = revision.map { [.ifMatch: "\"\($0)\""] } ?? [:]
        let answer = try await world.ask(method, path, key: key ?? world.acmeKey, body: json, fields: match)
        return (answer.status, answer.fields, answer.json)
    }
    private func path(_ world: APIWorld) -> String { "/v1/incidents/\(world.incidentID)" }

    @Test("an edit needs the revision that was read, changes all or nothing, and names the key in the history")
    func edit() async throws {
        let world = try await APIWorld(), path = path(world)
        let read = try await send(world, .get, path)
        #expect(read.fields[.eTag] == "\"1\"" && read.json["status"] as? String == "new")
        let change = #"{"status":"in-progress","assignee":"ada","tags":{"add":["pci"]},"comment":"mine"}"#
        #expect(try await send(world, .patch, path, change).status == 428)
        let edited = try await send(world, .patch, path, change, revision: 1)
        #expect(edited.status == 200 && edited.fields[.eTag] == "\"5\"" && edited.json["assignee"] as? String == "ada")
        let stale = try await send(world, .patch, path, change, revision: 1)
        #expect(stale.status == 412 && stale.fields[.eTag] == "\"5\"")
        let events = try await send(world, .get, path + "/events")
        let items = try #require(events.json["items"] as? [[String: Any]])
        #expect(items.map { $0["kind"] as? String } == ["opened", "assigned", "commented", "statusChanged", "tagged"])
        #expect(items.dropFirst().allSatisfy { $0["actor"] as? String == world.acmeKeyID })
        for query in ["assignee=ada", "tag=pci", "status=open", "status=in-progress", "address=203.0.113.9"] {
            let list = try await send(world, .get, "/v1/incidents?\(query)")
            #expect((list.json["items"] as? [Any])?.count == 1, "\(query)")
            let counts = try await send(world, .get, "/v1/incidents/counts?\(query)")
            let pair = try #require((counts.json["items"] as? [[String: Any]])?.first, "\(query)")
            #expect(pair["status"] as? String == "in-progress" && pair["count"] as? Int == 1, "\(query)")
        }
        for query in ["assignee=none", "tag=x", "status=new", "address=203.0.113.8"] {
            let list = try await send(world, .get, "/v1/incidents?\(query)")
            #expect((list.json["items"] as? [Any])?.isEmpty == true, "\(query)")
            let counts = try await send(world, .get, "/v1/incidents/counts?\(query)")
            #expect((counts.json["items"] as? [Any])?.isEmpty == true, "\(query)")
        }
        #expect(try await send(world, .get, "/v1/incidents/counts?limit=1").status == 400)
        let freed = try await send(world, .patch, path, #"{"assignee":null}"#, revision: 5)
        #expect(freed.status == 200 && freed.json["assignee"] == nil)
    }

    @Test("playbooks are listed with their steps, each tenant's own") func playbooks() async throws {
        var world = try await APIWorld(), policy = IncidentPolicy()
        var shared = Playbook(name: "scan"), own = Playbook(name: "isolate")
        (shared.rules, shared.severityMin) = (["port-scan-*"], .medium)
        shared.steps = [.init(title: "look"), .init(title: "block", channel: "soar")]
        (own.tenants, own.steps) = ([world.globex], [.init(title: "call")])
        policy.playbooks = [shared, own]
        let folder = try TemporaryFolder()
        world.sources.incidents = try IncidentLog(directory: folder.path, policy: policy)
        let mine = try await send(world, .get, "/v1/playbooks")
        let items = try #require(mine.json["items"] as? [[String: Any]])
        #expect(items.map { $0["name"] as? String } == ["scan"] && items[0]["severityMin"] as? String == "medium")
        #expect((items[0]["steps"] as? [[String: Any]])?.map { $0["channel"] as? String } == [nil, "soar"])
        let theirs = try await send(world, .get, "/v1/playbooks", key: world.globexKey)
        #expect((theirs.json["items"] as? [[String: Any]])?.map { $0["name"] as? String } == ["scan", "isolate"])
    }

    @Test(
        "a body that is not understood in full changes nothing and says why",
        arguments: [
            ("{", 400), ("{}", 400), (#"{"sttus":"new"}"#, 400), (#"{"status":"weird"}"#, 400),
            (#"{"status":null}"#, 400),
            (#"{"comment":""}"#, 422), (#"{"assignee":"ada","tasks":[{"id":"t1","state":"done"}]}"#, 422),
            (#"{"tags":{"add":["Not A Tag"]}}"#, 422), (#"{"playbook":"none"}"#, 422),
        ])
    func refused(_ body: String, _ status: Int) async throws {
        let world = try await APIWorld()
        let answer = try await send(world, .patch, path(world), body, revision: 1)
        #expect(answer.status == status, "\(answer.json)")
        #expect((answer.json["detail"] as? String)?.isEmpty == false)
        #expect(try await send(world, .get, path(world)).json["revision"] as? Int == 1)
    }

    @Test("each route asks for its scope, and one tenant's ids are nothing to another, whatever the method")
    func rights() async throws {
        let world = try await APIWorld(), path = path(world)
        var chance = SystemRandomNumberGenerator()
        func key(_ scopes: Set<Scope>) throws -> String {
            try world.sources.control.createKey(
                tenant: world.acme, name: "k", scopes: scopes, by: "test", at: APIWorld.now, using: &chance
            ).key.secret
        }
        let scope = #"{"scope":{"rules":["x"]}}"#
        let table: [(HTTPRequest.Method, String, String?, Scope)] = [
            (.patch, path, #"{"comment":"x"}"#, .writeIncidents),
            (.post, "/v1/incidents/bulk", #"{"incidents":[],"change":{"comment":"x"}}"#, .writeIncidents),
            (.post, path + "/merge", #"{"incident":"x","revision":1}"#, .writeIncidents),
            (.post, path + "/split", #"{"findings":["x"]}"#, .writeIncidents),
            (.post, path + "/undo", #"{"revision":1}"#, .writeIncidents), (.get, path + "/events", nil, .readIncidents),
            (.get, path + "/story", nil, .readIncidents), (.get, path + "/neighbours", nil, .readIncidents),
            (.get, "/v1/feedback", nil, .readIncidents), (.get, "/v1/exceptions", nil, .readIncidents),
            (.get, "/v1/incidents/counts", nil, .readIncidents),
            (.post, "/v1/exceptions", scope, .writeIncidents), (.post, "/v1/exceptions/preview", scope, .readIncidents),
            (.delete, "/v1/exceptions/x", nil, .writeIncidents), (.get, "/v1/exceptions/x/hidden", nil, .readIncidents),
            (.get, path + "/proposals", nil, .readIncidents),
            (.post, path + "/proposals/x/accept", nil, .writeMitigation),
            (.post, path + "/proposals/x/withdraw", nil, .writeMitigation),
            (.get, "/v1/mitigation/list", nil, .readMitigation), (.get, "/v1/notify/outbox", nil, .readIncidents),
            (.get, "/v1/notify/channels", nil, .readIncidents),
            (.post, "/v1/notify/channels/x/test", nil, .writeIncidents),
        ]
        for (method, path, body, scope) in table {
            let without = try key(Set(Scope.allCases).subtracting([scope]))
            let refused = try await send(world, method, path, body, revision: 1, key: without)
            #expect(refused.status == 403, "\(method) \(path)")
            #expect((refused.json["detail"] as? String)?.contains(scope.rawValue) == true, "\(method) \(path)")
            let allowed = try await send(world, method, path, body, revision: 9, key: try key([scope]))
            #expect(![401, 403, 500].contains(allowed.status), "\(method) \(path): \(allowed.status)")
            if path.contains(world.incidentID) {
                let foreign = try await send(world, method, path, body, revision: 1, key: world.globexKey)
                #expect(foreign.status == 404, "\(method) \(path): \(foreign.status)")
            }
            let nobody = try await world.ask(method, path, key: nil, body: body)
            #expect(nobody.status == 401, "\(method) \(path)")
        }
        #expect(try world.sources.incidents.get(tenant: world.acme, id: world.incidentID).revision == 1)
    }

    @Test("several are edited at once, each by itself: one that has moved on leaves the others alone") func bulk()
        async throws
    {
        let world = try await APIWorld()
        let body = """
            {"incidents":[{"incident":"\(world.incidentID)","revision":1},
            {"incident":"\(world.incidentID)","revision":1},{"incident":"nothing","revision":1}],
            "change":{"status":"triaged"}}
            """
        let answer = try await send(world, .post, "/v1/incidents/bulk", body)
        let items = try #require(answer.json["items"] as? [[String: Any]])
        #expect(items.map { $0["status"] as? Int } == [200, 412, 404])
        #expect(items.first?["revision"] as? Int == 2)
    }

    @Test("an exception is previewed, added, seen and ended; the story tells the rest") func exceptions() async throws {
        let world = try await APIWorld()
        let scope = #"{"rules":["port-scan-*"],"networks":["203.0.113.0/24"],"role":"attacker"}"#
        let preview = try await send(world, .post, "/v1/exceptions/preview?days=1", #"{"scope":\#(scope)}"#)
        #expect(preview.json["wholeIncidents"] as? Int == 1 && preview.json["findings"] as? Int == 1)
        let add = { (end: String) in
            #"{"scope":\#(scope),"reason":"ours","owner":"ada","expiresAt":"\#(end)"}"#
        }
        #expect(try await send(world, .post, "/v1/exceptions", add("2099-01-01T00:00:00Z")).status == 422)
        #expect(try await send(world, .post, "/v1/exceptions", #"{"scope":{"networks":["x"]}}"#).status == 400)
        let made = try await send(world, .post, "/v1/exceptions", add("2023-12-01T00:00:00Z"))
        let id = try #require(made.json["id"] as? String)
        #expect(made.json["createdBy"] as? String == world.acmeKeyID)
        let hidden = try await send(world, .get, "/v1/exceptions/\(id)/hidden")
        #expect((hidden.json["items"] as? [Any])?.isEmpty == true)
        #expect(try await send(world, .delete, "/v1/exceptions/\(id)", key: world.globexKey).status == 404)
        let ended = try await send(world, .delete, "/v1/exceptions/\(id)")
        #expect(ended.json["endedBy"] as? String == world.acmeKeyID)
        let story = try await send(world, .get, path(world) + "/story")
        #expect((story.json["summary"] as? String)?.contains("203.0.113.9") == true)
        let evidence = try #require(story.json["evidence"] as? [String: String])
        let filter = try #require(
            evidence["filter"]?.addingPercentEncoding(withAllowedCharacters: .alphanumerics))
        #expect(try await send(world, .get, "/v1/flows?filter=\(filter)").status == 200)
    }

    @Test("a proposal is accepted by a person for a time, is in the list until then, and is withdrawn by one")
    func mitigation() async throws {
        let world = try await APIWorld(), path = path(world)
        let none = try await world.ask(.get, "/v1/mitigation/list", key: world.acmeKey)
        #expect(String(decoding: none.octets, as: UTF8.self) == "# Weir, tenant acme: 0 networks\n")
        let listed = try await send(world, .get, path + "/proposals")
        let items = try #require(listed.json["items"] as? [[String: Any]])
        #expect(items.map { $0["kind"] as? String } == ["flowspec", "firewall-list"])
        #expect(items.allSatisfy { $0["accepted"] == nil })
        let id = try #require(items.last?["id"] as? String)
        let accept = "\(path)/proposals/\(id)/accept?seconds=600"
        #expect(try await send(world, .post, "\(path)/proposals/none/accept", revision: 1).status == 404)
        #expect(try await send(world, .post, accept, revision: 7).status == 412)
        let accepted = try await send(world, .post, accept, revision: 1)
        let kept = try #require((accepted.json["mitigations"] as? [[String: Any]])?.first)
        #expect(kept["by"] as? String == world.acmeKeyID && kept["expiresAt"] as? String == "2023-11-14T22:23:20.000Z")
        func list(_ query: String = "", key: String? = nil) async throws -> String {
            let answer = try await world.ask(.get, "/v1/mitigation/list\(query)", key: key ?? world.acmeKey)
            return String(decoding: answer.octets, as: UTF8.self)
        }
        #expect(try await list() == "# Weir, tenant acme: 1 networks\n203.0.113.9/32\n")
        #expect(try await list(key: world.globexKey) == "# Weir, tenant globex: 0 networks\n")
        #expect(try await list("?format=exabgp").isEmpty)
        let withdrawn = try await send(world, .post, "\(path)/proposals/\(id)/withdraw", revision: 2)
        #expect(withdrawn.status == 200)
        #expect(try await list() == "# Weir, tenant acme: 0 networks\n")
        let flowspec = try #require(items.first?["id"] as? String)
        _ = try await send(world, .post, "\(path)/proposals/\(flowspec)/accept", revision: 3)
        #expect(
            try await list("?format=exabgp")
                == "announce flow route { match { source 203.0.113.9/32; } then { discard; } }\n")
        #expect(try await list("?format=gobgp").hasPrefix("gobgp global rib -a ipv4-flowspec add"))
        world.time.advance(by: .seconds(3_700))
        #expect(try await list("?format=exabgp").isEmpty, "its time is over")
    }

    @Test("a tenant tests its own channels only, and sees its own messages only") func notify() async throws {
        var world = try await APIWorld()
        let acme = world.acme, message = Message.test(of: acme, at: APIWorld.now)
        world.sources.notify = NotifyDesk(
            policy: MitigationPolicy(), channels: { $0 == acme ? ["soc"] : [] },
            outbox: { tenant in
                guard tenant == acme else { return [] }
                var outbox = Outbox()
                return outbox.add(Delivery(channel: "soc", message: message), at: APIWorld.now).compactMap {
                    if case .save(let entry) = $0 { entry } else { nil }
                }
            }, test: { tenant, name in tenant == acme && name == "soc" ? .delivered : nil })
        let outbox = try await world.get("/v1/notify/outbox", key: world.acmeKey)
        let item = try #require((outbox.json["items"] as? [[String: Any]])?.first)
        #expect(item["id"] as? String == message.id && item["channel"] as? String == "soc")
        #expect(try await world.get("/v1/notify/outbox", key: world.globexKey).json["waiting"] as? Int == 0)
        let tested = try await send(world, .post, "/v1/notify/channels/soc/test")
        #expect(tested.json["result"] as? String == "delivered")
        #expect(try await send(world, .post, "/v1/notify/channels/soc/test", key: world.globexKey).status == 404)
    }
}
