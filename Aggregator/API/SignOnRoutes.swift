internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import OpenID
internal import Platform
internal import Tenancy

/// Signing in at a tenant's own provider: `GET /v1/signon/{name}` sends the browser there, `…/callback` is where it
/// comes back to. What went wrong is logged, and not told.
struct SignOnRoutes {
    let control: ControlLog, signIn: SignIn, desk: SignOnDesk?, time: any TimeSource

    func add(to router: PolicedRoutes) {
        router.get("/v1/signon/{name}") { request, context in
            let (desk, provider) = try provider(context)
            _ = try Parameters(request, allowed: [])
            try attempt(context)
            do throws(SignOnFault) {
                var chance = SystemRandomNumberGenerator()
                let begun = try await desk.begin(provider, using: &chance)
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
    }

    private func finish(
        _ request: Request, _ desk: SignOnDesk, _ provider: SignOnProvider, _ context: APIContext
    ) async throws -> Response {
        // Providers add parameters of their own; of those that count each is there once.
        var query: [String: String] = [:]
        for (name, value) in request.uri.queryParameters
        where query.updateValue(String(value), forKey: String(name)) != nil { throw Problem.signOnFailed }
        let token: IDToken
        do throws(SignOnFault) {
            token = try await desk.finish(provider, query: query, kept: SignOnCookie.value(in: request))
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
            throw Problem.signOnFailed
        }
        context.logger.info("Somebody signed on.", metadata: ["person": "\(session.person)"])
        let lasts = SessionLimits.absoluteMilliseconds / 1_000
        return Self.redirect(
            .seeOther, to: "/",
            cookies: [SessionCookie.field(made.secret, seconds: lasts), SignOnCookie.field(nil, seconds: 0)])
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
