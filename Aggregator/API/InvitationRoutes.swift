internal import Detect
internal import HTTPTypes
internal import Hummingbird
internal import Platform
internal import Tenancy

/// `/v1/invitations`: who was asked to join the tenant. Joining itself is `JoinRoutes`.
struct InvitationRoutes {
    let control: ControlLog, time: any TimeSource

    private static let bodyBytesMax = 64 << 10, days = 7

    func add(to router: PolicedRoutes) {
        router.get("/v1/invitations") { request, context in
            let caller = try context.caller
            let pages = try Pages(request)
            let all = try control.directory().invitations.values.filter { $0.tenant == caller.tenant }
            let standing = all.filter { $0.expiresMilliseconds > now }
            return try pages.answer(standing, by: { "\($0.email)\n\($0.id)" }, InvitationBody.init)
        }
        router.post("/v1/invitations") { request, context in
            let caller = try context.caller
            _ = try Parameters(request, allowed: [])
            let asked = try await jsonBody(InviteBody.self, of: request, bytesMax: Self.bodyBytesMax)
            let reach = try Reach(asked.sites, asked.exporters), now = now
            let end = try expiry(asked.days ?? Self.days, in: 1...14, after: now) ?? now
            let made = try deciding { () throws(ControlError) in
                var chance = SystemRandomNumberGenerator()
                return try control.invite(
                    asked.email, Standing(role: asked.role, reach: reach), to: caller.tenant, lifetime: end - now,
                    by: caller.granter, at: now, using: &chance)
            }
            return try jsonResponse(TokenBody(id: made.id, token: made.token.secret, expiresAt: EventTime(end)))
        }
        router.delete("/v1/invitations/{id}") { request, context in
            let caller = try context.caller, id = try context.parameters.require("id")
            _ = try Parameters(request, allowed: [])
            try deciding { () throws(ControlError) in
                try control.withdrawInvitation(id, of: caller.tenant, by: caller.granter, at: now)
            }
            return Response(status: .noContent)
        }
    }

    private var now: Int64 { time.wallMilliseconds() }
}

private struct InviteBody: Decodable {
    let email: String, role: String, sites: [String]?, exporters: [String]?, days: Int?
}
private struct InvitationBody: Encodable {
    let id: String, email: String, role: String, sites: [String]?, exporters: [String]?, expiresAt: EventTime

    init(_ invitation: Invitation) {
        let place = StandingBody(invitation.standing)
        (id, email, role) = (invitation.id, invitation.email, place.role)
        (sites, exporters) = (place.sites, place.exporters)
        expiresAt = EventTime(invitation.expiresMilliseconds)
    }
}
