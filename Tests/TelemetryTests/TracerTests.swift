import Foundation
import Platform
import Settings
import Telemetry
import TestKit
import Testing

@Suite("Traces")
struct TracerTests {
    @Test("a batch's trace is made of its key alone, its steps are apart, and other batches have others") func batches()
    {
        let one = TraceContext(epoch: (1, 2), sequence: 3), again = TraceContext(epoch: (1, 2), sequence: 3)
        #expect(one == again && one.step("ship") == again.step("ship"))
        #expect(one.step("ship") != one.step("ingest") && one.step("ship").traceID == one.traceID)
        let traces = Set((0..<1_000).map { TraceContext(epoch: (1, 2), sequence: $0).traceID })
        #expect(traces.count == 1_000)
        #expect(one.traceID.utf8.count == 32 && one.spanID.utf8.count == 16)
    }

    @Test("one of so many is traced, by its id") func sampling() throws {
        let text = "traces:\n  to: http://127.0.0.1:4318/v1/traces\n  every: 10\n"
        let reader = try SettingsReader(text: [UInt8](text.utf8), file: "a.yaml")
        let settings = try TraceSettings(reader.scoped(to: "traces"))
        let tracer = Tracer(
            service: "x", settings, time: ManualTime(wallMilliseconds: 0), metrics: MetricRegistry())
        let wanted = (0..<10_000).count { tracer.wants(TraceContext(epoch: (7, 7), sequence: UInt64($0))) }
        #expect((700...1_300).contains(wanted))
        #expect(!Tracer.off.wants(TraceContext(high: 1, low: 0, span: 1)))
    }

    @Test(
        "traceparent is read as the standard says, and nothing else is",
        arguments: [
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later", true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", false),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
            ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01", false), ("", false), ("----", false),
        ])
    func parent(text: String, isOne: Bool) {
        let context = TraceContext(traceparent: text)
        #expect((context != nil) == isOne)
        if isOne { #expect(context?.traceID == "0af7651916cd43dd8448eb211c80319c") }
    }

    @Test("without a collector that listens spans are dropped and counted, and nobody waits") func nobody() throws {
        var settings = TraceSettings()
        settings.collector = PlainHTTP(url: "http://127.0.0.1:1/v1/traces")
        let metrics = MetricRegistry(), time = ManualTime(wallMilliseconds: 0)
        let tracer = Tracer(service: "x", settings, time: time, metrics: metrics)
        tracer.start()
        for number in 0..<5_000 {
            let context = TraceContext(epoch: (1, 1), sequence: UInt64(number))
            tracer.record(Span("seal", context, begin: 0, end: 1))
        }
        tracer.stop()
        #expect(metrics.prometheusText().contains("weir_trace_spans_dropped_total 5000\n"))
        #expect(metrics.prometheusText().contains("weir_trace_spans_sent_total 0\n"))
    }

    @Test(
        "where a plain request goes",
        arguments: [
            ("http://127.0.0.1:4318/v1/traces", "127.0.0.1", 4_318, "/v1/traces"), ("http://a", "a", 80, "/"),
            ("http://[::1]:9/x?y", "::1", 9, "/x?y"),
        ])
    func places(url: String, host: String, port: Int, path: String) {
        #expect(PlainHTTP(url: url) == PlainHTTP(host: host, port: UInt16(port), path: path))
    }
    @Test("and where none does", arguments: ["https://a", "http://", "http://a:0", "http://::1/", "http://a b/", "a"])
    func noPlace(url: String) { #expect(PlainHTTP(url: url) == nil) }
}
