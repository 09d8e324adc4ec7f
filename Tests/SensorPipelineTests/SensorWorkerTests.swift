import FlowModel
import PreAggregate
import SensorPipeline
import TestKit
import Testing

@Suite("The worker: datagrams to windows")
struct SensorWorkerTests {
    private func worker(window: Int64 = 10_000, entries: Int = 1_000) -> SensorWorker {
        SensorWorker(limits: .init(windowMilliseconds: window, rowsMax: entries), seed: 7)
    }
    private func tally(_ windows: [SummedRows]) -> Tally {
        windows.reduce(into: Tally()) { $0 += $1.columns.tally }
    }

    @Test("a window closes when receive time passes its end, and holds what came in it") func windows() {
        var worker = worker(), exports = Exports(seed: 1)
        worker.take(exports.datagram(records: 10), at: 20_000)
        worker.take(exports.datagram(records: 10), at: 29_999)
        let isOpen = !worker.hasClosedWindows
        #expect(isOpen)
        let first = exports.sent
        worker.take(exports.datagram(records: 5), at: 30_000)
        let closed = worker.takeClosed()
        #expect(closed.count == 1 && tally(closed) == first)
        worker.tick(atMilliseconds: 39_999)
        let isStillOpen = !worker.hasClosedWindows
        #expect(isStillOpen)
        worker.tick(atMilliseconds: 40_000)
        let second = tally(worker.takeClosed())
        #expect(second.flows == 5)
        worker.tick(atMilliseconds: 90_000)
        worker.close()
        let none = worker.takeClosed().isEmpty
        #expect(none, "an empty window is none")
    }

    @Test("records of one key in one window become one row with their sums") func sums() {
        var worker = worker(), exports = Exports(seed: 2)
        exports.keys = 1
        for _ in 0..<20 { worker.take(exports.datagram(records: 30), at: 1_000) }
        worker.close()
        let closed = worker.takeClosed()
        #expect(closed.map(\.columns.count) == [1] && tally(closed) == exports.sent)
    }

    @Test("windows stay small from the start when exporters send fast, and grow when they do not")
    func windowSizes() {
        for (datagramsPerMillisecond, isFast) in [(20, true), (1, false)] {
            var worker = worker(entries: 65_536), exports = Exports(seed: 4), sizes: [Int] = []
            exports.keys = 1_000_000
            worker.tick(atMilliseconds: 1_699_999_991_000)  // nothing came for seconds
            for number in 0..<2_000 {
                worker.take(
                    exports.datagram(records: 30), at: 1_700_000_000_000 + Int64(number / datagramsPerMillisecond))
                sizes += worker.takeClosed().map(\.columns.count)
            }
            #expect(!sizes.isEmpty && sizes[0] < 8_192 + 256)
            if isFast {
                #expect(sizes.count > 5 && sizes.allSatisfy { $0 < 8_192 + 256 }, "\(sizes)")
            } else {
                #expect(sizes.count <= 2, "\(sizes)")
            }
        }
    }

    @Test("a repeated datagram is counted with what it carries and dropped") func repeats() {
        var worker = worker(), exports = Exports(seed: 3)
        let datagram = exports.datagram(records: 7)
        worker.take(datagram, at: 1_000)
        worker.take(datagram, at: 1_200)
        worker.take(datagram, from: 2, at: 1_200)  // another exporter's own
        worker.close()
        let flows = tally(worker.takeClosed()).flows
        #expect(flows == 14)
        let ledger = worker.ledger.exporters.first { $0.key.address.v4 == 0x0A01_0001 }?.value
        #expect(ledger?.records == [.duplicate: exports.sent] && ledger?.decoded.flows == 14)
        #expect(ledger?.datagramsReceived == 2 && ledger?.datagramsDecoded == 2)
    }

    @Test("a full window closes early and loses nothing") func fullWindow() {
        var worker = worker(entries: 300), exports = Exports(seed: 4)
        exports.keys = 50_000
        for _ in 0..<100 { worker.take(exports.datagram(records: 30), at: 1_000) }
        worker.close()
        let closed = worker.takeClosed()
        let windowsFull = worker.windowsFull
        // Rows are looked up 256 at a time, and a datagram of 30 is never split.
        #expect(closed.count >= 5 && closed.allSatisfy { $0.columns.count < 300 + 256 + 30 })
        #expect(windowsFull == UInt64(closed.count - 1) || windowsFull == UInt64(closed.count))
        let losses = worker.ledger.total.records
        #expect(tally(closed) == exports.sent && losses.isEmpty)
    }

    @Test("a clock that jumps back opens a new window; a datagram a little late does not") func clockJumps() {
        var worker = worker(), exports = Exports(seed: 5)
        worker.take(exports.datagram(records: 1), at: 100_000)
        worker.take(exports.datagram(records: 1), at: 99_999)
        let isOpen = !worker.hasClosedWindows
        #expect(isOpen)
        worker.take(exports.datagram(records: 1), at: 50_000)
        let first = tally(worker.takeClosed())
        #expect(first.flows == 2)
        worker.take(exports.datagram(records: 1), at: .max)
        worker.take(exports.datagram(records: 1), at: .min)
        worker.close()
        let rest = tally(worker.takeClosed())
        #expect(rest.flows == 3)
    }

    @Test("a change of fidelity takes effect with the next window") func fidelity() {
        var worker = worker(), exports = Exports(seed: 6)
        worker.take(exports.datagram(records: 20), at: 1_000)
        worker.fidelity = .host
        worker.take(exports.datagram(records: 20), at: 2_000)
        worker.take(exports.datagram(records: 20), at: 11_000)
        worker.close()
        let closed = worker.takeClosed()
        #expect(closed.map(\.fidelity) == [.full, .host])
        #expect(closed.last?.columns.rows.allSatisfy { closed[1].columns[$0].sourceTransportPort == 0 } == true)
        #expect(tally(closed) == exports.sent)
    }

    @Test("what names no exporter is counted without one") func garbage() {
        var worker = worker()
        for datagram: [UInt8] in [[], [0], [0xFF, 0xFF, 0, 0], [0, 6] + [UInt8](repeating: 0, count: 60)] {
            worker.take(datagram, at: 1_000)
        }
        worker.receiveTruncated()
        worker.kernelDropped(3)
        worker.close()
        let ledger = worker.ledger, losses = ledger.unattributed, isOpen = !worker.hasClosedWindows
        #expect(isOpen && ledger.exporters.isEmpty)
        #expect(ledger.unattributedDatagrams == 5)
        #expect(losses[.kernelDrop] == 3 && losses.values.reduce(0, +) == 8)
    }
}
