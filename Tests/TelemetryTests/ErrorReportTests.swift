import Foundation
import Logging
import Platform
import Settings
import Telemetry
import TestKit
import Testing

@Suite("Errors told elsewhere")
struct ErrorReportTests {
    private func settings(_ place: String) throws -> ErrorReportSettings {
        let reader = try SettingsReader(text: [UInt8]("errors:\n  to: \(place)\n".utf8), file: "a.yaml")
        return try ErrorReportSettings(reader.scoped(to: "errors"))
    }

    @Test("a place has a key, a host and a project")
    func places() throws {
        let read = try settings("http://abc123@127.0.0.1:8000/7")
        #expect(read.place == PlainHTTP(host: "127.0.0.1", port: 8_000, path: "/api/7/envelope/"))
        #expect(read.key == "abc123")
        for wrong in ["https://a@b/7", "http://b/7", "http://@b/7", "http://a@b", "http://a@b/7/8", "http://a b@c/7"] {
            #expect(throws: SettingError.self, "\(wrong)") { try settings(wrong) }
        }
    }

    @Test("one of a kind a minute is told of; without a tracker that listens all are counted as dropped")
    func floods() throws {
        let time = ManualTime(wallMilliseconds: 1_767_323_045_678), metrics = MetricRegistry()
        let reports = try #require(
            ErrorReports(try settings("http://abc@127.0.0.1:1/7"), release: "x@1", time: time))
        reports.show(in: metrics)
        reports.start()
        let logger = Logger(label: "x") {
            JSONLogHandler(label: $0, level: LogLevel(.info), reports: reports, time: time) { _ in }
        }
        for _ in 0..<100 { logger.error("The disk is full.", metadata: ["path": "/a"]) }
        logger.warning("Not an error.")
        reports.stop()
        #expect(metrics.prometheusText().contains("weir_error_reports_dropped_total 100\n"))
        #expect(metrics.prometheusText().contains("weir_error_reports_sent_total 0\n"))
    }
}
