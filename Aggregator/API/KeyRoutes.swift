internal import Detect
internal import HTTPTypes
internal import Hummingbird
internal import Platform
internal import Tenancy

/// `/v1/keys` and `/v1/accounts`: the tenant's API keys and the programs that they are for.
struct KeyRoutes {
    let control: ControlLog, time: any TimeSource

    private static let bodyBytesMax = 64 << 10

    func add(to router: PolicedRoutes) {
        router.get("/v1/keys") { request, context in
            let caller = try context.caller
            let keys = try control.keys(of: caller.tenant)
            return try Pages(request).answer(keys, by: { "\($0.createdMilliseconds)\n\($0.id)" }) {
                APIKeyBody($0, at: now)
            }
        }
        router.post("/v1/keys") { try await makeKey($0, $1) }
        router.delete("/v1/keys/{id}") { request, context in
            let caller = try context.caller, id = try context.parameters.require("id")
            _ = try Parameters(request, allowed: [])
            try deciding { () throws(ControlError) in
                try control.revokeKey(id: id, of: caller.tenant, by: caller.granter, at: now)
            }
            return Response(status: .noContent)
        }
        router.get("/v1/accounts") { request, context in
            let caller = try context.caller
            let all = try control.directory().accounts.values.filter { $0.tenant == caller.tenant }
            return try Pages(request).answer(all, by: { "\($0.name)\n\($0.id)" }, AccountBody.init)
        }
        router.post("/v1/accounts") { request, context in
            let caller = try context.caller
            _ = try Parameters(request, allowed: [])
            let asked = try await jsonBody(MakeAccount.self, of: request, bytesMax: Self.bodyBytesMax)
            let standing = Standing(role: asked.role, reach: try Reach(asked.sites, asked.exporters))
            let id = try deciding { () throws(ControlError) in
                var chance = SystemRandomNumberGenerator()
                return try control.addAccount(
                    asked.name, standing, in: caller.tenant, by: caller.granter, at: now, using: &chance)
            }
            return try jsonResponse(["id": id])
        }
        router.delete("/v1/accounts/{id}") { request, context in
            let caller = try context.caller, id = try context.parameters.require("id")
            _ = try Parameters(request, allowed: [])
            guard try control.directory().accounts[id]?.tenant == caller.tenant else { throw Problem.notFound }
            try deciding { () throws(ControlError) in
                try control.disableAccount(id, of: caller.tenant, by: caller.granter, at: now)
            }
            return Response(status: .noContent)
        }
    }

    private var now: Int64 { time.wallMilliseconds() }

    /// A key for an account may what its scopes and the account's role both say; others what their scopes say. Neither
    /// may more than who makes it.
    private func makeKey(_ request: Request, _ context: APIContext) async throws -> Response {
        let caller = try context.caller
        _ = try Parameters(request, allowed: [])
        let asked = try await jsonBody(MakeKey.self, of: request, bytesMax: Self.bodyBytesMax)
        let scopes =
            try asked.scopes.map { words throws(Problem) in try readScopes(words) }
            ?? Scope.usual.intersection(caller.scopes)
        let reach = try Reach(asked.sites, asked.exporters), now = now
        guard scopes.isSubset(of: caller.scopes) else { throw Problem(DirectoryRefusal.beyondGranter) }
        let end = try expiry(asked.days, in: 1...3_650, after: now)
        let made = try deciding { () throws(ControlError) in
            var chance = SystemRandomNumberGenerator()
            return try control.createKey(
                tenant: caller.tenant, name: asked.name, scopes: scopes, reach: reach, account: asked.account,
                expiresMilliseconds: end, by: caller.keyID, at: now, using: &chance)
        }
        return try jsonResponse(MadeKey(key: made.key.secret, record: APIKeyBody(made.record, at: now)))
    }
}

private struct MakeKey: Decodable {
    let name: String, scopes: [String]?, sites: [String]?, exporters: [String]?, account: String?, days: Int?
}
private struct MadeKey: Encodable { let key: String, record: APIKeyBody }
private struct APIKeyBody: Encodable {
    let id: String, name: String, state: String, scopes: [String], account: String?
    let sites: [String]?, exporters: [String]?
    let createdAt: EventTime, expiresAt: EventTime?, usedAt: EventTime?

    init(_ record: APIKeyRecord, at now: Int64) {
        let isOver = record.expiresMilliseconds.map { $0 <= now } ?? false
        state = record.revokedMilliseconds != nil ? "revoked" : isOver ? "expired" : "valid"
        (id, name, scopes, account) = (record.id, record.name, words(record.scopes), record.account)
        (sites, exporters) = (record.reach.sites?.sorted(), record.reach.exporters?.sorted())
        createdAt = EventTime(record.createdMilliseconds)
        expiresAt = record.expiresMilliseconds.map { EventTime($0) }
        usedAt = record.usedMilliseconds.map { EventTime($0) }
    }
}
private struct MakeAccount: Decodable {
    let name: String, role: String, sites: [String]?, exporters: [String]?
}
private struct AccountBody: Encodable {
    let id: String, name: String, role: String, sites: [String]?, exporters: [String]?, isDisabled: Bool

    init(_ account: ServiceAccount) {
        let place = StandingBody(account.standing)
        (id, name, role, isDisabled) = (account.id, account.name, place.role, account.isDisabled)
        (sites, exporters) = (place.sites, place.exporters)
    }
}
