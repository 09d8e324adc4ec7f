import Dedupe
import FlowModel
import Platform
import TestKit
import Testing

@Suite("Observers are told from each other across windows")
struct ObserverMemoryTests {
    private let one = Window.exporter(1), two = Window.exporter(2), three = Window.exporter(3)

    /// The hosts whose rows stay of a window with one row, a flow from `start` to `end` in seconds.
    private func pass(
        _ dedupe: inout ObserverDedupe, _ exporter: ExporterKey, _ start: Int64, _ end: Int64, flow: UInt32 = 1,
        _ change: (inout FlowRecord) -> Void = { _ in }
    ) -> FlowColumns {
        var window = Window {
            $0.add(Window.flow(flow), by: exporter) {
                ($0.flowStartMilliseconds, $0.flowEndMilliseconds) = (1_000 * start, 1_000 * end)
                $0.receiveMilliseconds = 1_000 * end
                change(&$0)
            }
        }
        _ = dedupe.apply(&window.columns)
        return window.columns
    }
    private func dedupe(_ settings: ObserverDedupeSettings = .init()) -> ObserverDedupe {
        ObserverDedupe(settings: settings, seed: 1)
    }

    @Test("C31 a sighting in the next window goes, and the canonical observer's next row names who it was")
    func nextWindow() {
        var dedupe = dedupe()
        #expect(pass(&dedupe, two, 0, 10).count == 1)
        #expect(pass(&dedupe, one, 0, 10).count == 0)
        let next = pass(&dedupe, two, 10, 20)
        #expect(next.exporterHosts == [2])
        #expect(next.alsoSeen(by: 0) == [1])
        #expect(pass(&dedupe, two, 20, 30).alsoSeen(by: 0) == [])
    }

    @Test("the canonical observer stays while it reports, even when a better one comes")
    func sticky() {
        var dedupe = dedupe(.init(preferred: [one.address]))
        #expect(pass(&dedupe, two, 0, 10).count == 1)
        for step in 1..<10 as Range<Int64> {
            var window = Window {
                for exporter in [one, two] {
                    $0.add(by: exporter) {
                        ($0.flowStartMilliseconds, $0.flowEndMilliseconds) = (step * 10_000, step * 10_000 + 10_000)
                    }
                }
            }
            _ = dedupe.apply(&window.columns)
            #expect(window.columns.exporterHosts == [2])
        }
    }

    @Test("when the canonical observer falls silent the other takes its place, and keeps it")
    func takeOver() {
        var dedupe = dedupe()
        #expect(pass(&dedupe, one, 0, 10).count == 1)
        #expect(pass(&dedupe, two, 0, 10).count == 0)
        #expect(pass(&dedupe, two, 20, 30).count == 1)
        #expect(pass(&dedupe, one, 20, 30).count == 0)
        #expect(pass(&dedupe, two, 30, 40).count == 1)
    }

    @Test("observers with different active timeouts: each second of a long flow is counted once")
    func timeouts() {
        var dedupe = dedupe(), seconds: Int64 = 0
        for now in 1...300 as ClosedRange<Int64> {
            // Exporter 1 reports every 60 s, exporter 2 every 10 s; 10 packets a second.
            for (exporter, timeout) in [(one, 60), (two, 10)] as [(ExporterKey, Int64)] where now % timeout == 0 {
                let left = pass(&dedupe, exporter, now - timeout, now) { $0.packetDeltaCount = 10 * UInt64(timeout) }
                seconds += Int64(left.tally.packets) / 10
            }
        }
        #expect(seconds == 300)
    }

    @Test("a pause of the canonical observer that another fills is not covered")
    func pause() {
        var dedupe = dedupe()
        #expect(pass(&dedupe, one, 0, 10).count == 1)
        #expect(pass(&dedupe, one, 50, 60).count == 1)
        #expect(pass(&dedupe, two, 20, 40).count == 1)
        #expect(pass(&dedupe, two, 50, 60).count == 0)
    }

    @Test("a row with more than twice the packets of the canonical one stays in later windows too")
    func disputed() {
        var dedupe = dedupe()
        #expect(pass(&dedupe, one, 0, 10).count == 1)
        #expect(pass(&dedupe, two, 0, 10) { $0.packetDeltaCount = 201 }.count == 1)
        #expect(pass(&dedupe, two, 0, 10) { $0.packetDeltaCount = 200 }.count == 0)
    }

    @Test("after the horizon a conversation is new")
    func horizon() {
        func left(after seconds: Int64) -> Int {
            var dedupe = dedupe(.init(horizonMilliseconds: 60_000))
            _ = pass(&dedupe, one, 0, 10)
            _ = pass(&dedupe, three, seconds + 9, seconds + 10, flow: 2)
            return pass(&dedupe, two, 0, 10) { $0.receiveMilliseconds = 1_000 * (seconds + 10) }.count
        }
        #expect(left(after: 60) == 0)
        #expect(left(after: 61) == 1)
    }

    @Test("receive times may go back or jump anywhere")
    func clock() {
        var dedupe = dedupe()
        for time in [Int64.max, .min, 0, .max, 5, .min] {
            let left = pass(&dedupe, one, 0, 10) { $0.receiveMilliseconds = time }
            #expect(left.count == 1)
        }
        #expect(pass(&dedupe, two, 0, 10).count == 0)
    }

    @Test("a million conversations leave no more than the bound, and each forgotten one is counted")
    func bound() {
        var dedupe = dedupe(.init(conversationsMax: 100_000, horizonMilliseconds: 3_600_000))
        var evictions: UInt64 = 0, held = 0
        let part = Window { window in
            for number in 0..<50_000 as Range<UInt32> { window.add(Window.flow(number), by: one) }
        }
        for first in stride(from: UInt64(0), to: 1_000_000, by: 50_000) {
            var columns = part.columns
            for row in columns.rows { columns.sourceLow[row] += first }
            let report = dedupe.apply(&columns)
            evictions += report.memoryEvictions
            held = report.conversations
            #expect(report.rows == 0)
        }
        #expect(held > 64_000 && held <= 65_536)
        #expect(evictions > 934_000 && evictions < 945_000)
        // What came last is still there, but for a few whose group of the index was full.
        var window = Window { window in
            for number in 995_000..<1_000_000 as Range<UInt32> { window.add(Window.flow(number), by: two) }
        }
        #expect(dedupe.apply(&window.columns).rows > 4_950)
    }

    @Test("memory grows with what is needed, and keeps all of it within the bound")
    func growth() {
        var dedupe = dedupe()
        for exporter in [one, two] {
            for first in stride(from: UInt32(0), to: 20_000, by: 500) {
                var window = Window { window in
                    for number in first..<(first + 500) { window.add(Window.flow(number), by: exporter) }
                }
                let report = dedupe.apply(&window.columns)
                // A few fall out of full groups of the index.
                #expect(exporter == one ? report.rows == 0 : report.rows > 450, "at \(first)")
            }
        }
    }

    @Test("a point that was alone for a horizon is passed over; with a second one both are told apart again")
    func alone() {
        var dedupe = dedupe(.init(horizonMilliseconds: 60_000)), remembered = 0
        for minute in 0..<5 as Range<Int64> {
            var window = Window {
                $0.add(Window.flow(UInt32(minute)), by: one) { $0.receiveMilliseconds = 60_000 * minute }
            }
            remembered += dedupe.apply(&window.columns).conversations > 0 ? 1 : 0
        }
        #expect(remembered == 2)
        #expect(pass(&dedupe, one, 290, 300, flow: 7) { $0.ingressInterface = 9 }.count == 1)
        #expect(pass(&dedupe, two, 290, 300, flow: 7).count == 0)
        #expect(pass(&dedupe, one, 290, 300, flow: 8).count == 1)
        #expect(pass(&dedupe, two, 290, 300, flow: 8).count == 0)
    }

    @Test("exporters beyond all bounds cost the memory, never a row")
    func manyExporters() {
        var dedupe = dedupe(), left = 0
        for first in stride(from: UInt32(0), to: 150_000, by: 50_000) {
            var window = Window { window in
                for number in first..<(first + 50_000) {
                    window.add(Window.flow(number), by: Window.exporter(number))
                }
            }
            let report = dedupe.apply(&window.columns)
            left += window.columns.count
            #expect(report.rows == 0)
        }
        #expect(left == 150_000)
    }
}
