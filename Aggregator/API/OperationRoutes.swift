internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Telemetry

/// What load balancers, scrapers and generated clients ask; no key is needed and no tenant is named.
struct OperationRoutes {
    let metrics: MetricRegistry
    let unready: @Sendable () async -> [String]
    let checks: @Sendable () async -> [HealthCheck]

    func add(to router: PolicedRoutes) {
        router.get("/livez") { _, _ in text("alive\n") }
        router.get("/healthz") { request, _ in
            // Restarting mends none of these, so that without the question this is `/livez`.
            guard let query = request.uri.query, query.split(separator: "&").contains(where: Self.isVerbose) else {
                return text("alive\n")
            }
            let checks = await checks()
            return text(checks.page, status: checks.areSound ? .ok : .serviceUnavailable)
        }
        router.get("/readyz") { _, _ in
            let missing = await unready()
            guard missing.isEmpty else {
                throw Problem(
                    .serviceUnavailable, "not-ready", "The aggregator is not ready",
                    detail: missing.joined(separator: "; "))
            }
            return text("ready\n")
        }
        router.get("/metrics") { _, _ in
            text(metrics.prometheusText(), type: "text/plain; version=0.0.4; charset=utf-8")
        }
        router.get("/openapi.json") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: Self.document))
        }
    }

    /// One for all answers: many of them, unread, must not be as many copies.
    private static let document = ByteBuffer(bytes: openAPIDocument)

    private static func isVerbose(_ parameter: Substring) -> Bool {
        parameter == "verbose" || parameter.hasPrefix("verbose=")
    }

    private func text(
        _ body: String, type: String = "text/plain; charset=utf-8", status: HTTPResponse.Status = .ok
    ) -> Response {
        Response(
            status: status, headers: [.contentType: type], body: ResponseBody(byteBuffer: ByteBuffer(string: body)))
    }
}
