internal import Foundation
internal import HTTPTypes
package import Hummingbird
internal import Logging
internal import NIOCore
internal import Platform
internal import Tenancy

/// What a request carries on its way to a handler.
package struct APIContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// Set by `Authentication`; asked by the route's row of the policy table.
    var principal: Principal?
    /// Set by `Authentication`: the person of a session, whatever tenant was chosen.
    var signedIn: SignedIn?
    /// Set when the row let the caller through.
    var granted: Principal?, grantedPerson: SignedIn?
    /// The other end's, for limits and logs.
    let address: String

    package init(source: Source) {
        coreContext = .init(source: source)
        address = source.channel.remoteAddress?.ipAddress ?? "unknown"
    }

    /// What the router took out of the path, as it was meant (RFC 3986 §2.1).
    mutating func decodeParameters() throws(Problem) {
        for (name, value) in coreContext.parameters where value.contains("%") {
            guard let decoded = value.removingPercentEncoding else { throw .notFound }
            coreContext.parameters[name] = decoded[...]
        }
    }

    /// The person who asks, where the policy table lets any.
    var person: SignedIn {
        get throws(Problem) {
            guard let grantedPerson else { throw .unauthorized }
            return grantedPerson
        }
    }

    /// Who asks, and may: nobody where the policy table did not say so.
    var caller: Principal {
        get throws(Problem) {
            guard let granted else { throw .unauthorized }
            return granted
        }
    }
}

/// Turns `Authorization: Bearer <key>`, or else a session's cookie, into a principal. A request without one goes on
/// without: public routes need none, all others refuse it. Why a key failed is logged and not told; a session that is
/// over is none.
struct Authentication: RouterMiddleware {
    let control: ControlLog, time: any TimeSource

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        do {
            (context.principal, context.signedIn) = try identify(request, isActive: true)
        } catch let refusal as AuthenticationError {
            context.logger.notice("An API key was refused.", metadata: ["reason": "\(refusal)"])
            throw Problem.unauthorized
        }
        return try await next(request, context)
    }

    /// Who asks.
    /// - Parameter isActive: that somebody does something; to listen keeps no session alive.
    func identify(_ request: Request, isActive: Bool) throws -> (principal: Principal?, person: SignedIn?) {
        let now = time.wallMilliseconds()
        if let field = request.headers[.authorization] {
            guard field.hasPrefix("Bearer ") else { throw Problem.unauthorized }
            return (try control.authenticate(String(field.dropFirst("Bearer ".count)), at: now), nil)
        }
        let token = SessionCookie.token(in: request)
        let person = try token.flatMap { try control.signedIn($0, at: now, isActive: isActive) }
        try CrossSite.check(request, hasSession: person != nil)
        return (try person.flatMap { try control.principal(of: $0) }, person)
    }
}

/// Turns whatever a handler throws into a problem, and puts the headers on every answer that keep browsers and caches
/// out of it.
struct Answers: RouterMiddleware {
    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        var response: Response
        do {
            response = try await next(request, context)
        } catch let problem as Problem {
            response = try problem.response(from: request, context: context)
        } catch let error as HTTPError {
            response = try problem(for: error).response(from: request, context: context)
        } catch {
            context.logger.error("A request failed.", metadata: ["path": "\(request.uri.path)", "error": "\(error)"])
            response = try Problem.internalError.response(from: request, context: context)
        }
        for field in Self.fields { response.headers[field.name] = field.value }
        return response
    }

    private func problem(for error: HTTPError) -> Problem {
        error.status == .notFound
            ? .notFound : Problem(error.status, "http-\(error.status.code)", error.status.reasonPhrase)
    }

    /// ASVS 5.0 §3.4 for an API: nothing is cached, framed, sniffed or run.
    static let fields: HTTPFields = [
        .cacheControl: "no-store", .xContentTypeOptions: "nosniff",
        .strictTransportSecurity: "max-age=63072000; includeSubDomains",
        .contentSecurityPolicy: "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    ]
}
