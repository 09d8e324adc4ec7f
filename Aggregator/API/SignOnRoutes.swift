internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import OpenID
internal import Platform
internal import Tenancy

/// Signing in at a tenant's own provider: `GET /v1/signon/{name}` sends the browser there, `…/callback` is where it
/// comes back to, and `…/session` where a program on the person's machine gets the session that it asked for by them.
/// What went wrong is logged, and not told.
struct SignOnRoutes {
    let control: ControlLog, signIn: SignIn, desk: SignOnDesk?, time: any TimeSource

    func add(to router: PolicedRoutes) {
        router.get("/v1/signon/{name}") { request, context in
            let (desk, provider) = try provider(context)
            let program = try program(request)
            try attempt(context)
            do throws(SignOnFault) {
                var chance = SystemRandomNumberGenerator()
                let begun = try await desk.begin(provider, for: program, using: &chance)
                let cookie = SignOnCookie.field(begun.kept, seconds: SignOnAttempt.lifetime / 1_000)
                return Self.redirect(.found, to: begun.location, cookies: [cookie])
            } catch {
                throw failed(error, provider, context)
            }
        }
        router.get("/v1/signon/{name}/callback") { request, context in
            let (desk, provider) = try provider(context)
            try attempt(context)
            return try await finish(request, desk, provider, context)
        }
        router.post("/v1/signon/{name}/session") { try await take($0, $1) }
    }
    private func program(_ request: Request) throws -> ProgramReturn? {
        let parameters = try Parameters(request, allowed: ["port", "challenge"])
        let port = try parameters.integer("port", in: 1_024...65_535), challenge = parameters.text("challenge")
        guard port != nil || challenge != nil else { return nil }
        // Who types an address, or has a program open it, wants it; another site's page must not.
        if let site = CrossSite.fetchSite.flatMap({ request.headers[$0] }), site != "none" { throw Problem.crossSite }
        guard let port, let challenge, let program = ProgramReturn(port: port, challenge: challenge) else {
            throw Problem.badParameter("challenge", challenge ?? "", allowed: "43 of A-Z a-z 0-9 - _, with port")
        }
        return program
    }

    private func finish(
        _ request: Request, _ desk: SignOnDesk, _ provider: SignOnProvider, _ context: APIContext
    ) async throws -> Response {
        // Providers add parameters of their own; of those that count each is there once.
        var query: [String: String] = [:]
        for (name, value) in try Parameters.pairs(request)
        where query.updateValue(value, forKey: name) != nil { throw Problem.signOnFailed }
        let token: IDToken, program: ProgramReturn?
        do throws(SignOnFault) {
            (token, program) = try await desk.finish(provider, query: query, kept: SignOnCookie.value(in: request))
        } catch {
            throw failed(error, provider, context)
        }
        var chance = SystemRandomNumberGenerator()
        let outcome = try control.signOn(
            SignedOn(
                provider: provider.name, tenant: provider.tenant, issuer: token.issuer, subject: token.subject,
                email: token.email, name: token.name, standing: provider.standing(of: token.groups)),
            address: context.address, agent: request.headers[.userAgent] ?? "", at: time.wallMilliseconds(),
            using: &chance)
        guard case .signedIn(let made, let session) = outcome else {
            context.logger.notice(
                "Somebody whom a provider vouches for was not let in.",
                metadata: ["provider": "\(provider.name)", "subject": "\(token.subject)", "reason": "\(outcome)"])
            guard let program else { throw Problem.signOnFailed }
            return Self.redirect(
                .seeOther, to: program.address([("error", "sign-on-failed")]),
                cookies: [SignOnCookie.field(nil, seconds: 0)])
        }
        context.logger.info("Somebody signed on.", metadata: ["person": "\(session.person)"])
        if let program {
            return Self.redirect(
                .seeOther, to: try desk.handOver(made.secret, of: provider, to: program),
                cookies: [SignOnCookie.field(nil, seconds: 0)])
        }
        let lasts = SessionLimits.absoluteMilliseconds / 1_000
        return Self.redirect(
            .seeOther, to: "/",
            cookies: [SessionCookie.field(made.secret, seconds: lasts), SignOnCookie.field(nil, seconds: 0)])
    }

    private func take(_ request: Request, _ context: APIContext) async throws -> Response {
        let (desk, provider) = try provider(context)
        _ = try Parameters(request, allowed: [])
        let asked = try await jsonBody(TakeBody.self, of: request, bytesMax: SessionRoutes.bodyBytesMax)
        try attempt(context)
        guard let secret = desk.take(asked.code, verifier: asked.verifier, from: provider),
            let caller = try control.signedIn(secret, at: time.wallMilliseconds())
        else { throw Problem.signOnFailed }
        return try SessionRoutes.answer(secret, caller, try control.directory())
    }

    private func provider(_ context: APIContext) throws -> (SignOnDesk, SignOnProvider) {
        let name = try context.parameters.require("name")
        guard let desk, let provider = desk.provider(name) else { throw Problem.notFound }
        return (desk, provider)
    }
    private func attempt(_ context: APIContext) throws(Problem) {
        if let wait = signIn.limits.wait(address: context.address, at: time.monotonic()) {
            throw .tooMany(waiting: wait)
        }
    }
    private func failed(_ fault: SignOnFault, _ provider: SignOnProvider, _ context: APIContext) -> Problem {
        context.logger.notice(
            "A sign-on failed.", metadata: ["provider": "\(provider.name)", "reason": "\(fault)"])
        switch fault {
        case .unreachable, .status, .secret, .discovery, .keys: return .unavailable
        case .attempt, .noAttempt, .noToken, .token: return .signOnFailed
        }
    }

    private static func redirect(_ status: HTTPResponse.Status, to location: String, cookies: [String]) -> Response {
        var response = Response(status: status, headers: [.location: location])
        // Nobody after this learns the address, which has a code or a state in it.
        if let name = HTTPField.Name("Referrer-Policy") { response.headers[name] = "no-referrer" }
        for cookie in cookies { response.headers.append(HTTPField(name: .setCookie, value: cookie)) }
        return response
    }
}

private struct TakeBody: Decodable { let code: String, verifier: String }

/// The cookie that an attempt waits in. `Lax`, since the way back begins at another site.
private enum SignOnCookie {
    static let name = "__Host-signon"

    static func value(in request: Request) -> String? { SessionCookie.value(of: name, in: request) }
    static func field(_ value: String?, seconds: Int64) -> String {
        "\(name)=\(value ?? ""); Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=\(value == nil ? 0 : seconds)"
    }
}

extension Problem {
    static let signOnFailed = Problem(
        .unauthorized, "sign-on-failed", "That did not work: begin anew, or ask an administrator",
        headers: [.wwwAuthenticate: #"Bearer realm="weir""#])
}
