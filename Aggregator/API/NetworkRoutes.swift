internal import FilterLanguage
internal import FlowModel
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Identity
internal import Platform
internal import Tenancy

/// `GET /v1/networks`, `PUT` and `DELETE /v1/networks/{name}`: the names that a tenant's filters may use, as `@name`.
struct NetworkRoutes {
    let control: ControlLog, time: any TimeSource

    private static let bodyBytesMax = 4 << 20, networksMax = 10_000

    func add(to router: PolicedRoutes) {
        router.get("/v1/networks") { request, context in
            let principal = try context.caller
            let pages = try Pages(request), named = try control.namedNetworks(of: principal.tenant)
            return try pages.answer(Array(named), by: \.key) { NamedBody(name: $0.key, networks: $0.value) }
        }
        router.get("/v1/networks/{name}") { request, context in
            _ = try Parameters(request, allowed: [])
            guard let named = try named(context) else { throw Problem.notFound }
            return try EntityTag.answer(named, of: named.networks)
        }
        router.put("/v1/networks/{name}") { try await put($0, $1) }
        router.delete("/v1/networks/{name}") { request, context in
            let principal = try context.caller
            let name = context.parameters.get("name") ?? ""
            try control.changing {
                if let now = try named(context) { try EntityTag.check(request, now.networks) }
                guard
                    try control.removeNamedNetworks(
                        name, of: principal.tenant, by: principal.keyID, at: time.wallMilliseconds())
                else { throw Problem.notFound }
            }
            return Response(status: .noContent)
        }
    }

    private func named(_ context: APIContext) throws -> NamedBody? {
        let name = context.parameters.get("name") ?? ""
        return try control.namedNetworks(of: context.caller.tenant)[name].map { NamedBody(name: name, networks: $0) }
    }

    private func put(_ request: Request, _ context: APIContext) async throws -> Response {
        let principal = try context.caller
        let name = context.parameters.get("name") ?? ""
        guard ControlLog.isNetworksName(name) else {
            throw Problem.badParameter("name", name, allowed: "1 to 63 of A-Z a-z 0-9 . _ -")
        }
        let body = try await request.body.collect(upTo: Self.bodyBytesMax)
        guard let texts = (try? JSONDecoder().decode(NetworksBody.self, from: Data(body.readableBytesView)))?.networks,
            (1...Self.networksMax).contains(texts.count)
        else {
            throw Problem(
                .badRequest, "bad-body", "The body is wrong",
                detail: #"It should be {"networks":["10.0.0.0/8"]} with 1 to \#(Self.networksMax) networks"#)
        }
        let networks = try texts.map { text throws(Problem) in
            guard let network = IPNetwork(text) else {
                throw .badParameter("networks", text, allowed: "an address or a network such as 10.0.0.0/8")
            }
            return network.description
        }
        return try control.changing {
            try EntityTag.check(request, try named(context)?.networks)
            try control.setNamedNetworks(
                name, networks, of: principal.tenant, by: principal.keyID, at: time.wallMilliseconds())
            guard let named = try named(context) else { throw Problem.notFound }
            return try EntityTag.answer(named, of: named.networks)
        }
    }
}

private struct NetworksBody: Decodable { let networks: [String] }
private struct NamedBody: Encodable { let name: String, networks: [String] }

extension ControlLog {
    /// What `@name` stands for in a tenant's filters.
    func names(of tenant: TenantID) throws -> NamedNetworks {
        NamedNetworks(try namedNetworks(of: tenant).mapValues { $0.compactMap { IPNetwork($0) } })
    }
}
