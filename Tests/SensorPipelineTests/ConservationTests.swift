import BatchFormat
import Dedupe
import Delivery
import FlowModel
import Platform
import PreAggregate
import SensorPipeline
import TestKit
import Testing
import WireBytes

/// A spool in memory that is sometimes full and sometimes broken.
private final class Shelf: BatchKeeper {
    private let state: Locked<(generator: SeededGenerator, bodies: [[UInt8]], refused: Tally)>
    private let troublePercent: Int

    init(seed: UInt64, troublePercent: Int) {
        state = Locked((SeededGenerator(seed: seed), [], Tally()))
        self.troublePercent = troublePercent
    }
    func keep(_ batch: SealedBatch) -> KeepOutcome {
        state.with { state in
            guard Int.random(in: 0..<100, using: &state.generator) >= troublePercent else {
                state.refused += batch.tally
                return Bool.random(using: &state.generator) ? .full : .failed(reason: "a bad sector")
            }
            state.bodies.append(batch.body)
            return .kept(BatchKey(epoch: Epoch(high: 0, low: 0), sequence: UInt64(state.bodies.count)))
        }
    }
    var fillFraction: Double { state.with { Double.random(in: 0...1, using: &$0.generator) } }
    var refused: Tally { state.with { $0.refused } }
    /// What the kept bodies hold that counts, by decoding them.
    func decoded() throws -> (tally: Tally, rows: Int, largest: Int) {
        var decoder = BatchDecoder(), tally = Tally(), rows = 0, largest = 0
        for body in state.with({ $0.bodies }) {
            var columns = FlowColumns()
            try decoder.decode(body.span.bytes, into: &columns)
            tally += columns.tally
            rows += columns.rows.count { !columns[$0].flags.contains(.observedElsewhere) }
            largest = max(largest, columns.count)
        }
        return (tally, rows, largest)
    }
}

/// A site's traffic of some thousand datagrams through worker and stage.
private struct Site: ~Copyable {
    var worker: SensorWorker
    var sealer: WindowSealer
    var stage = KeepStage()
    let shelf: Shelf
    var exports: Exports
    var generator: SeededGenerator
    var dropped = Tally(), repeated = Tally(), datagrams: UInt64 = 0, garbage: UInt64 = 0

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
        let entries = Int.random(in: 16...200, using: &generator)
        let window = Int64.random(in: 100...2_000, using: &generator)
        worker = SensorWorker(limits: .init(windowMilliseconds: window, rowsMax: entries), seed: seed)
        let mode: ObserverDedupeMode = [.off, .mark, .merge][Int.random(in: 0...2, using: &generator)]
        sealer = WindowSealer(
            rowsMax: Int.random(in: 1...150, using: &generator),
            board: ObserverBoard(ObserverDedupeSettings(mode: mode), seed: seed))
        shelf = Shelf(seed: seed, troublePercent: Int.random(in: 0...60, using: &generator))
        exports = Exports(seed: seed)
        exports.keys = UInt32.random(in: 1...2_000, using: &generator)
    }

    mutating func run(datagrams count: Int, mutatedPercent: Int) {
        var now: Int64 = 1_700_000_000_000, before: (bytes: [UInt8], source: UInt32, tally: Tally)?
        for _ in 0..<count {
            now += Int64.random(in: 0...40, using: &generator)
            datagrams += 1
            let kind = Int.random(in: 0..<100, using: &generator), source = UInt32.random(in: 0..<4, using: &generator)
            if kind < 10 {
                let tail = (0..<Int.random(in: 2...60, using: &generator)).map { _ in UInt8(kind) }
                garbage += 1
                worker.take([0xFF, 0xFE] + tail, from: source, at: now)
            } else if kind < 20, let before {
                repeated += before.tally
                worker.take(before.bytes, from: before.source, at: now)
            } else {
                let sent = exports.sent
                var bytes = exports.datagram(records: Int.random(in: 1...30, using: &generator), engine: UInt8(source))
                var tally = exports.sent
                tally -= sent
                if Int.random(in: 0..<100, using: &generator) < mutatedPercent {
                    for _ in 0..<3 { bytes[bytes.indices.randomElement(using: &generator) ?? 0] ^= 0x5A }
                    bytes.removeLast(Int.random(in: 0..<10, using: &generator))
                }
                worker.take(bytes, from: source, at: now)
                before = (bytes, source, tally)
            }
            handOn()
        }
        worker.close()
        handOn()
    }
    private mutating func handOn() {
        for batch in sealer.seal(from: &worker) {
            if Int.random(in: 0..<100, using: &generator) < 5 {
                dropped += batch.tally
                worker.dropped(batch, as: .queueFull)
            } else {
                _ = stage.keep([batch], in: shelf)
                worker.fidelity = stage.fidelity(under: Pressure(spool: shelf.fillFraction))
            }
        }
    }
    var ledger: LedgerBook {
        var sum = stage.ledger
        sum.add(worker.ledger)
        return sum
    }
}

@Suite("Conservation: every record is in a batch or in the ledger")
struct ConservationTests {
    @Test("whatever comes, what is sent is sealed, merged, repeated or lost by name, to the octet") func closes() throws
    {
        try forAll(runs: 20) { generator, seed in
            var site = Site(seed: generator.next())
            site.run(datagrams: 300, mutatedPercent: 0)
            let book = site.ledger, total = book.total
            for (key, ledger) in book.exporters { #expect(ledger.open == Tally(), "\(key) SEED=\(seed)") }
            var arrived = site.exports.sent
            arrived += site.repeated
            #expect(total.decoded == arrived, "SEED=\(seed)")
            #expect(total.records[.duplicate] ?? Tally() == site.repeated, "SEED=\(seed)")
            #expect(total.records[.queueFull] ?? Tally() == site.dropped, "SEED=\(seed)")
            var refused = total.records[.spoolFull] ?? Tally()
            refused += total.records[.spoolFailed] ?? Tally()
            #expect(refused == site.shelf.refused, "SEED=\(seed)")
            let kept = try site.shelf.decoded()
            #expect(kept.tally == total.sealed && UInt64(kept.rows) == total.sealedRows, "SEED=\(seed)")
            #expect(kept.largest <= 150, "SEED=\(seed)")
            #expect(book.unattributedDatagrams == site.garbage, "SEED=\(seed)")
            #expect(total.datagramsReceived == site.datagrams, "SEED=\(seed)")
        }
    }

    @Test("damaged datagrams change none of it") func damaged() throws {
        try forAll(runs: 20, from: 1_000) { generator, seed in
            var site = Site(seed: generator.next())
            site.run(datagrams: 300, mutatedPercent: 50)
            let book = site.ledger, total = book.total
            for (key, ledger) in book.exporters {
                #expect(ledger.open == Tally(), "\(key) SEED=\(seed)")
                let refused = ledger.counts.filter { $0.key.unit == .datagrams }.values.reduce(0, +)
                #expect(ledger.datagramsReceived == ledger.datagramsDecoded + refused, "\(key) SEED=\(seed)")
            }
            let kept = try site.shelf.decoded()
            #expect(kept.tally == total.sealed && UInt64(kept.rows) == total.sealedRows, "SEED=\(seed)")
            #expect(total.datagramsReceived == site.datagrams, "SEED=\(seed)")
        }
    }

    @Test("a batch knows its digest and what it carries of each exporter") func batches() throws {
        var worker = SensorWorker(limits: .init(windowMilliseconds: 1_000, rowsMax: 10_000), seed: 1)
        var exports = Exports(seed: 9)
        exports.keys = 3_000
        for index in 0..<100 { worker.take(exports.datagram(records: 30), from: UInt32(index % 3), at: 5) }
        worker.close()
        var sealer = BatchSealer(rowsMax: 700)
        let batches = worker.takeClosed().flatMap { sealer.seal($0) }
        #expect(batches.count > 2 && batches.dropLast().allSatisfy { $0.rows == 700 })
        var sum = Tally()
        for batch in batches {
            #expect(batch.digest == BatchDigest(of: batch.body) && batch.body.count <= IngestWire.bodyBytesMax)
            let summary = try BatchSummary(batch.body.span.bytes)
            #expect(summary.tally == batch.tally && summary.rows == batch.rows)
            let shares = batch.shares.reduce(into: Tally()) { $0 += $1.share.tally }
            #expect(shares == batch.tally && batch.shares.count == 3)
            sum += batch.tally
        }
        #expect(sum == exports.sent)
    }
}
