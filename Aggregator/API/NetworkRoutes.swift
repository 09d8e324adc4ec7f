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
            _ = try Parameters(request, allowed: [])
            let named = try control.namedNetworks(of: principal.tenant)
            let items = named.sorted { $0.key < $1.key }.map { NamedBody(name: $0.key, networks: $0.value) }
            return try jsonResponse(["items": items])
        }
        router.put("/v1/networks/{name}") { try await put($0, $1) }
        router.delete("/v1/networks/{name}") { request, context in
            let principal = try context.caller
            let name = context.parameters.get("name") ?? ""
            guard
                try control.removeNamedNetworks(
                    name, of: principal.tenant, by: principal.keyID, at: time.wallMilliseconds())
            else { throw Problem.notFound }
            return Response(status: .noContent)
        }
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
        try control.setNamedNetworks(
            name, networks, of: principal.tenant, by: principal.keyID, at: time.wallMilliseconds())
        return try jsonResponse(NamedBody(name: name, networks: networks))
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
