internal import Detect
internal import HTTPTypes
internal import Hummingbird
internal import Identity
internal import Logging
internal import Passwords
internal import Platform
internal import Settings
internal import Tenancy

/// `/v1/session` and `/v1/sessions`: signing in and out, which tenant is asked about, where else somebody is signed in,
/// the own password.
struct SessionRoutes {
    let control: ControlLog, signIn: SignIn, time: any TimeSource

    static let bodyBytesMax = 8 << 10

    func add(to router: PolicedRoutes) {
        router.post("/v1/session") { try await start($0, $1) }
        router.get("/v1/session") { request, context in
            let person = try context.person
            _ = try Parameters(request, allowed: [])
            return try jsonResponse(body(of: person))
        }
        router.delete("/v1/session") { request, context in
            let person = try context.person
            _ = try Parameters(request, allowed: [])
            _ = try control.endSession(person.session.id, of: person.person.id, by: person.person.id, at: now)
            return Response(status: .noContent, headers: [.setCookie: SessionCookie.field(nil, seconds: 0)])
        }
        router.put("/v1/session/tenant") { try await choose($0, $1) }
        router.put("/v1/session/password") { try await changePassword($0, $1) }
        router.get("/v1/sessions") { request, context in
            let person = try context.person
            _ = try Parameters(request, allowed: [])
            let all = try control.sessions(of: person.person.id, at: now)
            return try jsonResponse(["items": all.map { SessionLine($0, current: person.session.id) }])
        }
        router.delete("/v1/sessions/{id}") { request, context in
            let person = try context.person
            _ = try Parameters(request, allowed: [])
            let id = try context.parameters.require("id")
            guard try control.endSession(id, of: person.person.id, by: person.person.id, at: now) else {
                throw Problem.notFound
            }
            return Response(status: .noContent)
        }
    }

    private var now: Int64 { time.wallMilliseconds() }

    private func start(_ request: Request, _ context: APIContext) async throws -> Response {
        _ = try Parameters(request, allowed: [])
        let asked = try await jsonBody(SignInBody.self, of: request, bytesMax: Self.bodyBytesMax)
        try signIn.attempt(asked.email, context, time)
        let kept = try control.passwordHash(email: asked.email)
        let isRight = try await hashing { () async throws(PasswordDesk.Failure) in
            try await signIn.passwords.verify(Secret(Array(asked.password.utf8)), against: kept?.hash)
        }
        guard isRight, let kept else {
            context.logger.notice(
                "A sign-in failed.", metadata: ["address": "\(context.address)", "person": "\(kept?.person ?? "none")"])
            throw Problem.signInFailed
        }
        try checkFactor(of: kept.person, asked.code)
        var chance = SystemRandomNumberGenerator()
        let token = try control.startSession(
            of: kept.person, address: context.address, agent: request.headers[.userAgent] ?? "", at: now, using: &chance
        ).token
        guard let caller = try control.signedIn(token.secret, at: now) else { throw Problem.signInFailed }
        return try Self.answer(token.secret, caller, try control.directory())
    }
    /// Who is signed in now, with the cookie for it.
    static func answer(_ secret: String, _ caller: SignedIn, _ directory: Directory) throws -> Response {
        var response = try jsonResponse(SessionBody(caller, directory))
        response.headers[.setCookie] = SessionCookie.field(
            secret, seconds: SessionLimits.absoluteMilliseconds / 1_000)
        return response
    }

    /// Only asked for once the password was right: before, nobody learns who has one.
    private func checkFactor(of person: String, _ code: String?) throws {
        guard try control.factor(of: person)?.isConfirmed == true else { return }
        guard let code, !code.isEmpty else { throw Problem.codeNeeded }
        guard try signIn.accepts(code, of: person, control, time) else { throw Problem.signInFailed }
    }

    private func choose(_ request: Request, _ context: APIContext) async throws -> Response {
        let person = try context.person
        _ = try Parameters(request, allowed: [])
        let asked = try await jsonBody(TenantBody.self, of: request, bytesMax: Self.bodyBytesMax)
        let isMember = try control.directory().rights(of: person.person.id, in: asked.tenant) != nil
        if person.person.isOperator && !isMember && (asked.reason ?? "").isEmpty {
            throw Problem.badBody("An operator says why: reason")
        }
        guard try control.chooseTenant(asked.tenant, person, reason: asked.reason ?? "", at: now) else {
            throw Problem.notFound
        }
        return Response(status: .noContent)
    }

    private func changePassword(_ request: Request, _ context: APIContext) async throws -> Response {
        let person = try context.person.person, session = try context.person.session
        _ = try Parameters(request, allowed: [])
        let asked = try await jsonBody(PasswordBody.self, of: request, bytesMax: Self.bodyBytesMax)
        try signIn.attempt(person.email, context, time)
        let kept = try control.passwordHash(email: person.email)
        let isRight = try await hashing { () async throws(PasswordDesk.Failure) in
            try await signIn.passwords.verify(Secret(Array(asked.password.utf8)), against: kept?.hash)
        }
        guard isRight else {
            throw Problem(.unprocessableContent, "refused", "That can't be done", detail: "The old password is wrong")
        }
        let hash = try await signIn.hash(asked.newPassword, words: [person.email, person.name])
        try control.setPassword(hash, of: person.id, keeping: session.id, by: person.id, at: now)
        return Response(status: .noContent)
    }

    private func body(of caller: SignedIn) throws -> SessionBody {
        SessionBody(caller, try control.directory())
    }
}

// MARK: Bodies

private struct SignInBody: Decodable { let email: String, password: String, code: String? }
private struct TenantBody: Decodable { let tenant: TenantID, reason: String? }
private struct PasswordBody: Decodable { let password: String, newPassword: String }

/// Who is signed in, and where they may go.
private struct SessionBody: Encodable {
    struct Place: Encodable { let tenant: TenantID, role: String }
    let id: String, person: String, email: String, name: String, isOperator: Bool, tenant: TenantID?
    let tenants: [Place], expiresAt: EventTime

    init(_ caller: SignedIn, _ directory: Directory) {
        let (session, person) = (caller.session, caller.person)
        (id, self.person, email, name) = (session.id, person.id, person.email, person.name)
        (isOperator, tenant) = (person.isOperator, session.tenant)
        tenants = directory.members.compactMap { tenant, members in
            members[person.id].map { Place(tenant: tenant, role: $0.role) }
        }.sorted { $0.tenant.rawValue < $1.tenant.rawValue }
        expiresAt = EventTime(session.createdMilliseconds + SessionLimits.absoluteMilliseconds)
    }
}
private struct SessionLine: Encodable {
    let id: String, current: Bool, createdAt: EventTime, seenAt: EventTime, address: String, agent: String

    init(_ session: Session, current: String) {
        (id, self.current) = (session.id, session.id == current)
        (createdAt, seenAt) = (EventTime(session.createdMilliseconds), EventTime(session.seenMilliseconds))
        (address, agent) = (session.address, session.agent)
    }
}
