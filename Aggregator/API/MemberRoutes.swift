internal import Detect
internal import HTTPTypes
internal import Hummingbird
internal import Identity
internal import Platform
internal import Tenancy

/// `/v1/members`, `/v1/roles`: who belongs to the tenant and may what; letting members in anew who lost a password or
/// an authenticator. Members come by invitation (`InvitationRoutes`).
struct MemberRoutes {
    let control: ControlLog, time: any TimeSource

    private static let bodyBytesMax = 64 << 10

    func add(to router: PolicedRoutes) {
        router.get("/v1/members") { request, context in
            let caller = try context.caller
            let pages = try Pages(request)
            return try pages.answer(try members(of: caller.tenant), by: { "\($0.email)\n\($0.id)" }) { $0 }
        }
        router.get("/v1/members/{id}") { request, context in
            _ = try Parameters(request, allowed: [])
            guard let member = try member(context) else { throw Problem.notFound }
            return try EntityTag.answer(member, of: member)
        }
        router.put("/v1/members/{id}") { try await change($0, $1) }
        router.delete("/v1/members/{id}") { request, context in
            let caller = try context.caller, id = try context.parameters.require("id")
            _ = try Parameters(request, allowed: [])
            try control.changing {
                if let member = try member(context) { try EntityTag.check(request, member) }
                try deciding { () throws(ControlError) in
                    try control.removeMember(id, of: caller.tenant, by: caller.granter, at: now)
                }
            }
            return Response(status: .noContent)
        }
        router.post("/v1/members/{id}/reset") { request, context in
            let caller = try context.caller, id = try context.parameters.require("id")
            _ = try Parameters(request, allowed: [])
            let token = try deciding { () throws(ControlError) in
                var chance = SystemRandomNumberGenerator()
                return try control.makeReset(
                    of: id, in: caller.tenant, by: caller.granter, at: now, using: &chance)
            }
            return try jsonResponse(
                TokenBody(id: id, token: token.secret, expiresAt: EventTime(now + ControlLog.resetLifetime)))
        }
        router.delete("/v1/members/{id}/factor") { request, context in
            let caller = try context.caller, id = try context.parameters.require("id")
            _ = try Parameters(request, allowed: [])
            let isGone = try deciding { () throws(ControlError) in
                try control.removeFactor(of: id, in: caller.tenant, by: caller.granter, at: now)
            }
            guard isGone else { throw Problem.notFound }
            return Response(status: .noContent)
        }
        addRoles(to: router)
    }

    private func addRoles(to router: PolicedRoutes) {
        router.get("/v1/roles") { request, context in
            let caller = try context.caller
            _ = try Parameters(request, allowed: [])
            let own = try control.directory().roles[caller.tenant] ?? [:]
            let items =
                Role.allCases.map { RoleBody(name: $0.rawValue, scopes: words($0.scopes), isOwn: false) }
                + own.sorted { $0.key < $1.key }.map { RoleBody(name: $0.key, scopes: words($0.value), isOwn: true) }
            return try jsonResponse(["items": items])
        }
        router.put("/v1/roles/{name}") { request, context in
            let caller = try context.caller, name = try context.parameters.require("name")
            _ = try Parameters(request, allowed: [])
            let asked = try await jsonBody(ScopesBody.self, of: request, bytesMax: Self.bodyBytesMax)
            let scopes = try readScopes(asked.scopes)
            try deciding { () throws(ControlError) in
                try control.setRole(name, scopes, in: caller.tenant, by: caller.granter, at: now)
            }
            return try jsonResponse(RoleBody(name: name, scopes: words(scopes), isOwn: true))
        }
        router.delete("/v1/roles/{name}") { request, context in
            let caller = try context.caller, name = try context.parameters.require("name")
            _ = try Parameters(request, allowed: [])
            guard try control.directory().roles[caller.tenant]?[name] != nil else { throw Problem.notFound }
            try deciding { () throws(ControlError) in
                try control.removeRole(name, in: caller.tenant, by: caller.granter, at: now)
            }
            return Response(status: .noContent)
        }
    }

    private var now: Int64 { time.wallMilliseconds() }

    private func members(of tenant: TenantID, _ only: String? = nil) throws -> [MemberBody] {
        let directory = try control.directory(), withFactor = try control.peopleWithFactors()
        return (directory.members[tenant] ?? [:]).filter { only == nil || $0.key == only }.compactMap { id, standing in
            directory.people[id].map { MemberBody($0, standing, hasFactor: withFactor.contains(id)) }
        }
    }
    private func member(_ context: APIContext) throws -> MemberBody? {
        try members(of: context.caller.tenant, try context.parameters.require("id")).first
    }

    /// Nobody is made a member this way: who is none is answered as who does not exist.
    private func change(_ request: Request, _ context: APIContext) async throws -> Response {
        let caller = try context.caller, id = try context.parameters.require("id")
        _ = try Parameters(request, allowed: [])
        let standing = try await jsonBody(StandingBody.self, of: request, bytesMax: Self.bodyBytesMax).standing()
        try control.changing {
            guard let now = try member(context) else { throw Problem.notFound }
            try EntityTag.check(request, now)
            try deciding { () throws(ControlError) in
                try control.setMember(id, standing, in: caller.tenant, by: caller.granter, at: self.now)
            }
        }
        return Response(status: .noContent)
    }
}

private struct ScopesBody: Decodable { let scopes: [String] }
private struct RoleBody: Encodable { let name: String, scopes: [String], isOwn: Bool }

/// Something made, and its only copy.
struct TokenBody: Encodable { let id: String, token: String, expiresAt: EventTime }

private struct MemberBody: Encodable {
    let id: String, email: String, name: String, role: String, sites: [String]?, exporters: [String]?
    let isDisabled: Bool, hasFactor: Bool

    init(_ person: Person, _ standing: Standing, hasFactor: Bool) {
        let place = StandingBody(standing)
        (id, email, name, role) = (person.id, person.email, person.name, place.role)
        (sites, exporters, isDisabled) = (place.sites, place.exporters, person.isDisabled)
        self.hasFactor = hasFactor
    }
}
