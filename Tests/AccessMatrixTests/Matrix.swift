import API
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import Tenancy

/// What `openapi.json` promises of an operation: the matrix holds answers against it, not against the policy table.
struct Promise: Sendable {
    /// The scopes of one of these, for keys and for sessions; nil: anyone.
    let alternatives: [String: [Set<String>]]?
    let reach: String?

    static func all() throws -> [String: Promise] {
        let document = try JSONSerialization.jsonObject(with: Data(openAPIDocument)) as? [String: Any]
        let paths = document?["paths"] as? [String: [String: [String: Any]]] ?? [:]
        var promises: [String: Promise] = [:]
        for (path, operations) in paths {
            for (method, operation) in operations {
                let security = operation["security"] as? [[String: [String]]] ?? []
                promises["\(method.uppercased()) \(path)"] = Promise(
                    alternatives: security.isEmpty
                        ? nil
                        : ["apiKey", "session"].reduce(into: [:]) { kinds, kind in
                            kinds[kind] = security.compactMap { $0[kind] }.map { Set($0) }
                        },
                    reach: operation["x-weir-reach"] as? String)
            }
        }
        return promises
    }

    /// The status of the refusal that this actor must get; nil: the actor must be let through.
    func refusal(of actor: Actor) -> Int? {
        if !actor.isGood && actor.key != nil { return 401 }
        guard let alternatives else { return nil }
        guard actor.isGood, actor.key != nil || actor.session != nil else { return 401 }
        let scopes = Set(actor.scopes.map(\.rawValue))
        let own = alternatives[actor.key == nil ? "session" : "apiKey"] ?? []
        guard own.contains(where: { scopes.isSuperset(of: $0) }) else { return 403 }
        // A route about the person has nothing to do with a tenant.
        if own == [[]] { return nil }
        switch reach {
        case "records": return nil
        case "sites": return actor.reach.exporters == nil ? nil : 403
        default: return actor.reach.isWhole ? nil : 403
        }
    }
}

/// One call: what it names, and where.
struct Call: Sendable {
    enum Place: String, Sendable { case own, path, body, query, header }
    let place: Place
    var uri: String, body: String?, fields: HTTPFields = [:]
    /// Of a permitted caller.
    let allowed: Set<Int>
    /// What the caller itself sent, which an answer may say again.
    var sent: [String] = []
    /// The same call for what exists nowhere, to be answered alike.
    var twin: Int?

    /// All calls of one route by somebody of `own`.
    static func all(
        _ route: String, _ path: String, own: Names, others: [MatrixWorld.Tenant], absent: Names
    ) -> [Call] {
        let recipe = Recipe.of[route] ?? Recipe()
        func call(
            _ place: Place, path names: Names? = nil, query: Names? = nil, body: Names? = nil, _ allowed: Set<Int>
        ) -> Call {
            var call = Call(
                place: place, uri: (names ?? own).path(of: path), body: recipe.body?(body ?? own), allowed: allowed)
            if let text = recipe.query?(query ?? own) { call.uri += "?\(text)" }
            let isInBody = body != nil, revision = isInBody ? recipe.bodyRevision ?? recipe.ifMatch : recipe.ifMatch
            if let revision { call.fields[.ifMatch] = revision }
            call.sent = [names, query, body].compactMap { $0 }.flatMap(\.all)
            return call
        }
        var calls = [call(.own, [recipe.own])]
        func add(_ kind: (Names) -> Call) {
            calls.append(kind(absent))
            let twin = recipe.hidesExistence ? calls.count - 1 : nil
            for other in others {
                var next = kind(other.names)
                next.twin = twin
                calls.append(next)
            }
        }
        if path.contains("{") && !path.contains("{version}") { add { call(.path, path: $0, [recipe.absent]) } }
        if recipe.query != nil && recipe.own == 200 { add { call(.query, query: $0, [200]) } }
        if recipe.body?(own) != recipe.body?(absent) { add { call(.body, body: $0, [recipe.absentInBody]) } }
        for other in others {
            var asking = call(.query, [recipe.own, 400])
            asking.uri += (asking.uri.contains("?") ? "&" : "?") + "tenant=\(other.id)"
            asking.sent = ["\(other.id)"]
            var telling = call(.header, [recipe.own])
            for name in ["Weir-Tenant", "X-Tenant", "X-Forwarded-User"] {
                if let field = HTTPField.Name(name) { telling.fields[field] = "\(other.id)" }
            }
            calls += [asking, telling]
        }
        return calls
    }
}

struct Answer: Equatable, Sendable {
    let status: Int
    var text: String

    /// With what the caller sent itself taken out.
    func without(_ sent: [String]) -> Answer {
        var text = text
        for name in sent where !name.isEmpty { text = text.replacing(name, with: "…") }
        return Answer(status: status, text: text)
    }
    func difference(from other: Answer) -> String {
        let same = zip(text, other.text).prefix { $0 == $1 }.count
        let (here, there) = (text.dropFirst(same).prefix(80), other.text.dropFirst(same).prefix(80))
        return "\(status) …\(here) and \(other.status) …\(there)"
    }
}

/// The authorization matrix: every route of the router × every actor × every place of an id.
struct Matrix {
    let world: MatrixWorld
    let promises: [String: Promise]
    var routes = 0, cases = 0, wrong: [String] = []
    /// Which tenants' marks were in answers to themselves: the search works.
    var seen: Set<Int> = []

    init(_ world: MatrixWorld) throws {
        (self.world, promises) = (world, try Promise.all())
    }

    /// - Parameters:
    ///   - route: this one alone; nil: all that the router has.
    ///   - isBrief: only own things, until the first wrong answer.
    mutating func run(_ policy: PolicyTable, route only: String? = nil, isBrief: Bool = false) async throws {
        let router = try apiRouter(world.sources, policy: policy)
        let all = router.routes.map { ("\($0.method.rawValue) \($0.path)", $0.method, "\($0.path)") }
        let found = try await Application(router: router).test(.router) { [self] client in
            var part = self
            for (route, method, path) in all where only == nil || route == only {
                part.routes += 1
                for actor in world.actors {
                    try await part.ask(client, route, method, path, actor, isBrief: isBrief)
                    if isBrief && !part.wrong.isEmpty { return part }
                }
            }
            return part
        }
        self = found
    }

    private mutating func ask(
        _ client: any TestClientProtocol, _ route: String, _ method: HTTPRequest.Method, _ path: String, _ actor: Actor,
        isBrief: Bool
    ) async throws {
        let me = actor.tenant ?? 0, own = world.tenants[me]
        let others = world.tenants.filter { $0.id != own.id }
        var calls = Call.all(route, path, own: own.names, others: others, absent: world.absent)
        if isBrief { calls = Array(calls.prefix(1)) }
        var answers: [Answer] = []
        for call in calls {
            let answer = try await Self.answer(client, method, call, actor)
            answers.append(answer.without(call.sent))
            cases += 1
            judge(answers[answers.count - 1], call, route, actor, twin: call.twin.map { answers[$0] })
            if answer.status < 300, let restore = Recipe.of[route]?.restore { try restore(world, own) }
        }
    }
    private static func answer(
        _ client: any TestClientProtocol, _ method: HTTPRequest.Method, _ call: Call, _ actor: Actor
    ) async throws -> Answer {
        var fields = actor.fields
        for field in call.fields { fields.append(field) }
        return try await client.execute(
            uri: call.uri, method: method, headers: fields, body: call.body.map { ByteBuffer(string: $0) }
        ) { response in
            let head = response.headers.map { "\($0.name): \($0.value)" }.joined(separator: "\n")
            return Answer(status: Int(response.status.code), text: head + "\n\n" + String(buffer: response.body))
        }
    }

    private mutating func judge(_ answer: Answer, _ call: Call, _ route: String, _ actor: Actor, twin: Answer?) {
        let who = "\(actor.name) of \(actor.tenant.map { "\($0)" } ?? "none"): \(route), \(call.place.rawValue)"
        guard let promise = promises[route] else { return wrong.append("\(who): openapi.json does not say who may") }
        // Whose reach is to no site has no sensor.
        let isElsewhere =
            promise.reach == "sites" && route.contains("{id}") && actor.reach.sites?.contains("hq") == false
        let permitted = isElsewhere ? call.allowed.filter { $0 >= 400 }.union([404]) : call.allowed
        let allowed = promise.refusal(of: actor).map { Set([$0]) } ?? permitted
        if !allowed.contains(answer.status) {
            wrong.append("\(who): \(answer.status), not \(allowed.sorted()): \(answer.text.suffix(200))")
        }
        if let twin, twin != answer {
            wrong.append("\(who): another tenant's is told from a missing one: \(answer.difference(from: twin))")
        }
        for (index, tenant) in world.tenants.enumerated() {
            let leaked = tenant.canaries.filter(answer.text.contains)
            if index == actor.tenant {
                if !leaked.isEmpty { seen.insert(index) }
                let isPart = !actor.reach.isWhole && answer.text.contains(tenant.names.labHost)
                if isPart { wrong.append("\(who): it sees what is outside its reach") }
            } else if !leaked.isEmpty {
                wrong.append("\(who): it sees \(leaked)")
            }
        }
    }
}
