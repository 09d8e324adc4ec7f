internal import HTTPTypes
internal import Hummingbird
internal import Platform
internal import Telemetry

/// A span of each request that is traced: in the caller's trace where `traceparent` names one (W3C Trace Context), else
/// in one of its own. Says the route, never the path or the query: they hold addresses and names.
struct RequestTraces: RouterMiddleware {
    let tracer: Tracer, time: any TimeSource
    private static let parentField = HTTPField.Name("traceparent")

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        guard tracer.isOn else { return try await next(request, context) }
        let parent = Self.parentField.flatMap { request.headers[$0] }.flatMap { TraceContext(traceparent: $0) }
        let own = TraceContext(
            high: parent?.high ?? .random(in: 1 ... .max), low: parent?.low ?? .random(in: 0 ... .max),
            span: .random(in: 1 ... .max))
        guard tracer.wants(own) else { return try await next(request, context) }
        let begin = time.wallMilliseconds()
        let response = try await next(request, context)
        let status = response.status.code
        tracer.record(
            Span(
                "\(request.method.rawValue) \(context.endpointPath ?? "unknown")", own, parent: parent, begin: begin,
                end: time.wallMilliseconds(),
                attributes: [("http.response.status_code", "\(status)"), ("weir.request", context.id)],
                failure: status >= 500 ? "\(status)" : nil))
        return response
    }
}
