internal import HTTPTypes
internal import Hummingbird

/// The Fetch Standard's CORS protocol, for the origins of an exact list: their pages may call with an API key. No
/// cookie counts for them (`Access-Control-Allow-Credentials` is never said, and `CrossSite` refuses).
struct CrossOrigin: RouterMiddleware {
    let origins: Set<String>

    private static func name(_ part: String) -> HTTPField.Name? { HTTPField.Name("Access-Control-\(part)") }
    private static let methods = "GET, POST, PUT, PATCH, DELETE"
    private static let asked = "Authorization, Content-Type, If-Match, Idempotency-Key, Last-Event-ID"
    private static let shown =
        "ETag, RateLimit, RateLimit-Policy, Retry-After, Deprecation, Sunset, Link, Idempotency-Replayed"

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        guard !origins.isEmpty else { return try await next(request, context) }
        let origin = request.headers[.origin].flatMap { origins.contains($0) ? $0 : nil }
        let isPreflight =
            request.method == .options && Self.name("Request-Method").flatMap { request.headers[$0] } != nil
        guard let origin else {
            var response = try await next(request, context)
            response.headers.append(HTTPField(name: .vary, value: "Origin"))
            return response
        }
        var response =
            isPreflight
            ? Response(status: .noContent, headers: Answers.fields) : try await next(request, context)
        var added = [("Allow-Origin", origin), ("Expose-Headers", Self.shown)]
        if isPreflight {
            added += [("Allow-Methods", Self.methods), ("Allow-Headers", Self.asked), ("Max-Age", "600")]
        }
        for (part, value) in added {
            if let name = Self.name(part) { response.headers[name] = value }
        }
        response.headers.append(HTTPField(name: .vary, value: "Origin"))
        return response
    }
}
