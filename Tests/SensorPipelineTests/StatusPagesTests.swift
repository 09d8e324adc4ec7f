import SensorPipeline
import Telemetry
import Testing

@Suite("The metrics listener's answers")
struct StatusPagesTests {
    private func answer(_ request: String, notReady: String? = nil) -> String {
        let parsed = StatusPages.parse([UInt8](request.utf8))
        let response = StatusPages.answer(
            to: parsed, metricsType: "text/plain; version=0.0.4", metrics: { "weir_x 1\n" }, notReady: { notReady })
        return String(decoding: response, as: UTF8.self)
    }

    @Test("pages, by GET and HEAD") func pages() {
        #expect(
            answer("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
                == "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: 9\r\n"
                + "Cache-Control: no-store\r\nConnection: close\r\n\r\nweir_x 1\n")
        #expect(answer("GET /metrics?x=1 HTTP/1.0\r\n\r\n").hasSuffix("\r\n\r\nweir_x 1\n"))
        let head = answer("HEAD /metrics HTTP/1.1\r\n\r\n")
        #expect(head.contains("Content-Length: 9\r\n") && head.hasSuffix("\r\n\r\n"))
        #expect(answer("GET /livez HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.0 200 "))
        #expect(answer("GET /readyz HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.0 200 "))
        #expect(answer("GET /readyz HTTP/1.1\r\n\r\n", notReady: "stopping").hasPrefix("HTTP/1.0 503 "))
        #expect(answer("GET /else HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.0 404 "))
        #expect(answer("POST /metrics HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.0 405 "))
    }

    @Test("what the sensor needs: a line each; 503 only without its intake") func health() {
        func page(_ checks: [HealthCheck]) -> String {
            let bytes = StatusPages.answer(
                to: .get(path: "/healthz", isHead: false), metricsType: "", metrics: { "" }, notReady: { nil },
                checks: { checks })
            return String(decoding: bytes, as: UTF8.self)
        }
        let lost = page([HealthCheck("intake"), HealthCheck("aggregator", problem: "not connected", isNeeded: false)])
        #expect(lost.hasPrefix("HTTP/1.0 200 "))
        #expect(lost.hasSuffix("\r\n\r\n[+]intake ok\n[~]aggregator failed: not connected\nhealthy\n"))
        #expect(page([HealthCheck("intake", problem: "the socket is gone")]).hasPrefix("HTTP/1.0 503 "))
    }

    @Test("half a request waits for the rest; what is none is refused; a long one is not read on") func parsing() {
        let whole = [UInt8]("GET / HTTP/1.1\r\n\r\n".utf8)
        for length in 0..<whole.count { #expect(StatusPages.parse(Array(whole[..<length])) == .incomplete) }
        #expect(StatusPages.parse(whole) == .get(path: "/", isHead: false))
        for text in ["hello\r\n\r\n", "GET\r\n\r\n", "GET x HTTP/1.1\r\n\r\n", "GET / SMTP\r\n\r\n", "\r\n\r\n"] {
            #expect(StatusPages.parse([UInt8](text.utf8)) == .malformed)
        }
        let endless = [UInt8](repeating: 0x41, count: StatusPages.requestBytesMax)
        #expect(StatusPages.parse(endless) == .malformed)
        #expect(StatusPages.parse([0xFF, 0xFE, 13, 10, 13, 10]) == .malformed)
    }
}
