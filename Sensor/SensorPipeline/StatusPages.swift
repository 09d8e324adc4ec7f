package import Telemetry

/// What the metrics listener answers: a few pages of HTTP/1.0 (RFC 1945), enough for scrapers and probes. Pure.
package enum StatusPages {
    /// More than a scraper's request ever has.
    package static let requestBytesMax = 8 << 10

    package enum Request: Equatable, Sendable {
        case incomplete, malformed
        case get(path: String, isHead: Bool)
        case otherMethod
    }

    /// Reads the head of a request: complete once an empty line has come.
    package static func parse(_ bytes: [UInt8]) -> Request {
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.contains("\r\n\r\n") || text.contains("\n\n") else {
            return bytes.count < requestBytesMax ? .incomplete : .malformed
        }
        let line = text.prefix { !$0.isNewline }
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[2].hasPrefix("HTTP/1."), words[1].hasPrefix("/") else { return .malformed }
        guard words[0] == "GET" || words[0] == "HEAD" else { return .otherMethod }
        return .get(path: String(words[1].prefix { $0 != "?" }), isHead: words[0] == "HEAD")
    }

    /// - Parameters:
    ///   - metrics: makes the page of `/metrics`; its content type is `metricsType`.
    ///   - notReady: why `/readyz` is 503; nil when it is 200.
    ///   - checks: what `/healthz` tells of.
    package static func answer(
        to request: Request, metricsType: String, metrics: () -> String, notReady: () -> String?,
        checks: () -> [HealthCheck] = { [] }
    ) -> [UInt8] {
        switch request {
        case .incomplete, .malformed: return response("400 Bad Request", body: "not an HTTP/1 request\n")
        case .otherMethod:
            return response("405 Method Not Allowed", body: "GET or HEAD\n", extra: "Allow: GET, HEAD\r\n")
        case .get("/metrics", let isHead):
            return response("200 OK", type: metricsType, body: metrics(), isHead: isHead)
        case .get("/livez", let isHead): return response("200 OK", body: "alive\n", isHead: isHead)
        case .get("/readyz", let isHead):
            guard let reason = notReady() else { return response("200 OK", body: "ready\n", isHead: isHead) }
            return response("503 Service Unavailable", body: reason + "\n", isHead: isHead)
        case .get("/healthz", let isHead):
            let checks = checks()
            return response(
                checks.areSound ? "200 OK" : "503 Service Unavailable", body: checks.page, isHead: isHead)
        case .get(_, let isHead):
            return response("404 Not Found", body: "/metrics, /livez, /readyz or /healthz\n", isHead: isHead)
        }
    }
    private static func response(
        _ status: String, type: String = "text/plain; charset=utf-8", body: String, extra: String = "",
        isHead: Bool = false
    ) -> [UInt8] {
        var text = "HTTP/1.0 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n"
        text += "Cache-Control: no-store\r\n\(extra)Connection: close\r\n\r\n"
        if !isHead { text += body }
        return [UInt8](text.utf8)
    }
}
