import Telemetry
import TestKit
import Testing

@Suite("Metrics")
struct MetricRegistryTests {
    @Test("the page is Prometheus' text format, sorted, escaped, byte for byte") func page() {
        let registry = MetricRegistry()
        registry.counter("weir_test_records_total", help: "Records.\nBy \\reason.", labels: ["reason": "b"]).add(2)
        registry.counter("weir_test_records_total", help: "Records.", labels: ["reason": #"a"\#("\n")\"#]).add(
            UInt64(1))
        registry.gauge("weir_test_fill_ratio", help: "How full.").set(0.25)
        let seconds = registry.histogram(
            "weir_test_wait_seconds", help: "Waits.", labels: ["peer": "x"], buckets: [0.5, 1])
        for value in [0.5, 0.75, 7] { seconds.observe(value) }
        #expect(
            registry.prometheusText() == #"""
                # HELP weir_test_fill_ratio How full.
                # TYPE weir_test_fill_ratio gauge
                weir_test_fill_ratio 0.25
                # HELP weir_test_records_total Records.\nBy \\reason.
                # TYPE weir_test_records_total counter
                weir_test_records_total{reason="a\"\n\\"} 1
                weir_test_records_total{reason="b"} 2
                # HELP weir_test_wait_seconds Waits.
                # TYPE weir_test_wait_seconds histogram
                weir_test_wait_seconds_bucket{peer="x",le="0.5"} 1
                weir_test_wait_seconds_bucket{peer="x",le="1"} 2
                weir_test_wait_seconds_bucket{peer="x",le="+Inf"} 3
                weir_test_wait_seconds_sum{peer="x"} 8.25
                weir_test_wait_seconds_count{peer="x"} 3

                """#)
    }

    @Test("making a metric again gives the same one, whatever the order of its labels") func same() {
        let registry = MetricRegistry()
        registry.counter("weir_test_a_total", help: "A.", labels: ["x": "1", "y": "2"]).add()
        registry.counter("weir_test_a_total", help: "A.", labels: ["y": "2", "x": "1"]).add(2)
        #expect(registry.prometheusText().contains("weir_test_a_total{x=\"1\",y=\"2\"} 3\n"))
    }

    @Test("numbers are written as Prometheus reads them") func numbers() {
        let registry = MetricRegistry(), gauge = registry.gauge("weir_test_g", help: "G.")
        let cases: [(Double, String)] = [
            (0, "0"), (-3, "-3"), (1e15, "1000000000000000"), (1e300, "1e+300"), (.infinity, "+Inf"),
            (-.infinity, "-Inf"), (.nan, "NaN"),
            (0.1, "0.1"),
        ]
        for (value, text) in cases {
            gauge.set(value)
            #expect(registry.prometheusText().hasSuffix("\nweir_test_g \(text)\n"))
        }
    }

    @Test("a counter that follows another never falls") func follow() {
        let counter = MetricRegistry().counter("weir_test_drops_total", help: "Drops.")
        for total: UInt64 in [5, 3, 7] { counter.follow(total) }
        #expect(counter.value == 7)
        counter.add(-4)
        #expect(counter.value == 7)
    }

    @Test("a name has at most so many series, whatever comes in; the rest still count for their owner") func bounded() {
        let registry = MetricRegistry()
        for index in 0...MetricRegistry.seriesMax {
            registry.counter("weir_test_many_total", help: "Many.", labels: ["exporter": "\(index)"]).add()
        }
        let lines = registry.prometheusText().split(separator: "\n").filter { $0.hasPrefix("weir_test_many_total{") }
        #expect(lines.count == MetricRegistry.seriesMax)
    }

    @Test("what is read off something else is read for each page") func beforeEachPage() {
        let registry = MetricRegistry(), gauge = registry.gauge("weir_test_now", help: "Now.")
        let calls = Locked(0)
        registry.beforeEachPage {
            gauge.set(
                calls.with {
                    $0 += 1; return $0
                })
        }
        #expect(registry.prometheusText().hasSuffix("weir_test_now 1\n"))
        #expect(registry.prometheusText().hasSuffix("weir_test_now 2\n"))
    }

    @Test("no count is lost between threads") func threads() async {
        let counter = MetricRegistry().counter("weir_test_threads_total", help: "T.")
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { for _ in 0..<10_000 { counter.add() } } }
        }
        #expect(counter.value == 80_000)
    }
}

@Suite("Rate limits of log lines")
struct RateLimiterTests {
    @Test("a burst, then one an interval, the next line says how many were held back") func limits() {
        var limiter = RateLimiter(burst: 2, interval: .seconds(10))
        var verdicts: [RateLimiter.Verdict] = []
        for second in [0, 0, 0, 1, 12, 13, 100, 100, 100] {
            verdicts.append(limiter.verdict(on: "a", at: .seconds(second)))
        }
        #expect(
            verdicts == [
                .write(suppressed: 0), .write(suppressed: 0), .suppress, .suppress, .write(suppressed: 2), .suppress,
                .write(suppressed: 1), .write(suppressed: 0), .suppress,
            ])
        #expect(limiter.verdict(on: "b", at: .seconds(100)) == .write(suppressed: 0))
    }

    @Test("kinds beyond the limit share one allowance") func bounded() {
        var limiter = RateLimiter(burst: 1, interval: .seconds(10))
        let written = (0..<10_000).count { limiter.verdict(on: "\($0)", at: .zero) != .suppress }
        #expect(written == RateLimiter.kindsMax + 1)
    }
}
