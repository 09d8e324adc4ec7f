import API
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import Tenancy
import TestKit

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
    /// The head's fields and the body. Bytes: some are large, and each is searched for all that nobody else may see.
    var octets: [UInt8]
    var text: String { String(decoding: octets, as: UTF8.self) }

    /// With what the caller sent itself taken out.
    func without(_ sent: [String]) -> Answer {
        Answer(
            status: status,
            octets: sent.reduce(octets) { $1.isEmpty || !$0.contains($1) ? $0 : $0.replacing($1, with: "…") })
    }
    func difference(from other: Answer) -> String {
        let same = zip(text, other.text).prefix { $0 == $1 }.count
        let (here, there) = (text.dropFirst(same).prefix(80), other.text.dropFirst(same).prefix(80))
        return "\(status) …\(here) and \(other.status) …\(there)"
    }
}

/// The authorization matrix: every route of the router × every actor × every place of an id.
struct Matrix: Sendable {
    let world: MatrixWorld
    let promises: [String: Promise]
    var routes = 0, cases = 0, wrong: [String] = []
    /// Those of `wrong`.
    var wrongRoutes: Set<String> = []
    /// Which tenants' marks were in answers to themselves: the search works.
    var seen: Set<Int> = []
    /// What each tenant's actors ask of a route, made once.
    private var calls: [String: [[Call]]] = [:]

    init(_ world: MatrixWorld) throws {
        (self.world, promises) = (world, try Promise.all())
    }

    /// Goes through the routes, counted in the router's order, that are to be this matrix's.
    mutating func run(_ policy: PolicyTable, where isMine: @escaping @Sendable (Int) -> Bool) async throws {
        try await each(policy) { [world] part, client, index, route in
            guard isMine(index) else { return }
            part.routes += 1
            for actor in world.actors {
                try await part.ask(client, route, part.calls[route.name]?[actor.tenant ?? 0] ?? [], actor)
            }
        }
    }

    /// Of each route that has another row now only own things, until the first wrong answer, by those actors only whom
    /// one row permits and the other does not: what is wrong there is that row's doing.
    mutating func run(_ policy: PolicyTable, changed: [String: (old: PolicyRow, new: PolicyRow)]) async throws {
        try await each(policy) { [world] part, client, _, route in
            guard let (old, new) = changed[route.name] else { return }
            for actor in world.actors where old.permits(actor) != new.permits(actor) {
                let own = part.calls[route.name]?[actor.tenant ?? 0].prefix(1) ?? []
                try await part.ask(client, route, Array(own), actor)
                if part.wrongRoutes.contains(route.name) { break }
            }
        }
    }

    private struct Route {
        let name: String, method: HTTPRequest.Method, path: String
    }
    private mutating func each(
        _ policy: PolicyTable,
        _ body: @escaping @Sendable (inout Matrix, any TestClientProtocol, Int, Route) async throws -> Void
    ) async throws {
        let router = try apiRouter(world.sources, policy: policy)
        let all = router.routes.map {
            Route(name: "\($0.method.rawValue) \($0.path)", method: $0.method, path: "\($0.path)")
        }
        for route in all where calls[route.name] == nil {
            calls[route.name] = world.tenants.map { own in
                Call.all(
                    route.name, route.path, own: own.names, others: world.tenants.filter { $0.id != own.id },
                    absent: world.absent)
            }
        }
        let found = try await Application(router: router).test(.router) { [self] client in
            var part = self
            for (index, route) in all.enumerated() { try await body(&part, client, index, route) }
            return part
        }
        self = found
    }

    private mutating func ask(
        _ client: any TestClientProtocol, _ route: Route, _ calls: [Call], _ actor: Actor
    ) async throws {
        let own = world.tenants[actor.tenant ?? 0], before = wrong.count
        var answers: [Answer] = []
        for call in calls {
            let answer = try await Self.answer(client, route.method, call, actor)
            answers.append(answer.without(call.sent))
            cases += 1
            judge(answers[answers.count - 1], call, route.name, actor, twin: call.twin.map { answers[$0] })
            if answer.status < 300, let restore = Recipe.of[route.name]?.restore { try restore(world, own) }
        }
        if wrong.count > before { wrongRoutes.insert(route.name) }
    }
    private static func answer(
        _ client: any TestClientProtocol, _ method: HTTPRequest.Method, _ call: Call, _ actor: Actor
    ) async throws -> Answer {
        var fields = actor.fields
        for field in call.fields { fields.append(field) }
        return try await client.execute(
            uri: call.uri, method: method, headers: fields, body: call.body.map { ByteBuffer(string: $0) }
        ) { response in
            // A tag of what was just written is a digest of what this caller sent, in which calls differ.
            let isWrite = method != .get && response.status.kind == .successful
            let head = response.headers.map { "\($0.name): \(isWrite && $0.name == .eTag ? "" : $0.value)" }
                .joined(separator: "\n")
            return Answer(
                status: Int(response.status.code), octets: Array((head + "\n\n").utf8) + Array(buffer: response.body))
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
            let leaked = tenant.canaries.filter { answer.octets.contains($0) }
            if index == actor.tenant {
                if !leaked.isEmpty { seen.insert(index) }
                let wasAsked = (call.uri + (call.body ?? "")).contains(tenant.names.host)
                if actor.scopes == [.readPseudonyms], !wasAsked, leaked.contains(tenant.names.host) {
                    wrong.append("\(who): it sees an address and not its pseudonym")
                }
                let isPart = !actor.reach.isWhole && answer.octets.contains(tenant.names.labHost)
                if isPart { wrong.append("\(who): it sees what is outside its reach") }
            } else if !leaked.isEmpty {
                wrong.append("\(who): it sees \(leaked)")
            }
        }
    }
}
