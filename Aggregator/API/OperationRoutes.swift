internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Telemetry

/// What load balancers, scrapers and generated clients ask; no key is needed and no tenant is named.
struct OperationRoutes {
    let metrics: MetricRegistry
    let unready: @Sendable () async -> [String]

    func add(to router: PolicedRoutes) {
        router.get("/healthz") { _, _ in text("alive\n") }
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

    private func text(_ body: String, type: String = "text/plain; charset=utf-8") -> Response {
        Response(
            status: .ok, headers: [.contentType: type], body: ResponseBody(byteBuffer: ByteBuffer(string: body)))
    }
}
