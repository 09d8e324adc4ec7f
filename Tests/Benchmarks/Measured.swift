import Capture
import Decode
import Dedupe
import Delivery
import FlowModel
import Platform
import PreAggregate
import SensorPipeline
import Spool

/// What the sensor's stages are set to.
struct BenchSettings {
    var windowRows = 65_536
    var dedupe = ObserverDedupeMode.merge
    /// A folder for a spool; nil: batches are dropped once they are sealed.
    var spool: String?
    var rounds = 1
    /// Datagrams a second that receive times are made for; nil: the capture's own times.
    var rate: Int?

    var limits: SensorWorker.Limits { SensorWorker.Limits(windowMilliseconds: 10_000, rowsMax: windowRows) }
    func sealer(seed: UInt64) -> WindowSealer {
        WindowSealer(rowsMax: 131_072, board: ObserverBoard(ObserverDedupeSettings(mode: dedupe), seed: seed))
    }
    func keeper() throws(BenchError) -> BenchKeeper {
        guard let spool else { return BenchKeeper(spool: nil) }
        do {
            return BenchKeeper(
                spool: try Spool(directory: spool, bytesMax: 1 << 40) {
                    var random = SystemRandomNumberGenerator()
                    return Epoch(using: &random)
                })
        } catch {
            throw BenchError(code: 2, message: "\(spool): \(error)")
        }
    }
}

/// Where sealed batches go.
struct BenchKeeper: BatchKeeper {
    let spool: Spool?
    var fillFraction: Double { 0 }

    func keep(_ batch: SealedBatch) -> KeepOutcome { keep([batch]).first ?? .failed(reason: "no answer") }
    func keep(_ batches: [SealedBatch]) -> [KeepOutcome] {
        guard let spool else {
            return batches.map { _ in .kept(BatchKey(epoch: Epoch(high: 0, low: 0), sequence: 1)) }
        }
        let appends = batches.map {
            SpoolAppend(body: $0.body, rows: $0.rows, tally: $0.tally, sealedMilliseconds: 1)
        }
        return spool.append(appends).map { result in
            switch result {
            case .success(let key): .kept(key)
            case .failure(let error): .failed(reason: "\(error)")
            }
        }
    }
}

/// The measured paths. Each runs `rounds` times over the capture with a fresh start, and reports the sums.
enum Measured {
    static func capture(_ file: String) throws(BenchError) -> CaptureReader {
        do {
            return try CaptureReader(bytes: try readFile(file))
        } catch {
            throw BenchError(code: 2, message: "\(file): \(error)")
        }
    }

    /// Runs `body` for each datagram of a copy of `capture`.
    private static func each(
        of capture: CaptureReader, _ body: (RawSpan, DatagramOrigin) -> Void
    ) throws(BenchError) {
        var reader = capture
        do throws(CaptureError) {
            while let reference = try reader.nextReference() {
                reader.withPayload(of: reference) { body($0, reference.origin) }
            }
        } catch {
            throw BenchError(code: 1, message: "\(error)")
        }
    }
    private static func timed(_ body: (inout BenchResult) throws(BenchError) -> Void) throws(BenchError) -> BenchResult
    {
        var result = BenchResult()
        resetPeakRSS()
        let before = cpuSeconds()
        try body(&result)
        result.cpuSeconds = cpuSeconds() - before
        result.peakRSSBytes = peakRSSBytes()
        return result
    }

    static func decode(_ capture: CaptureReader, rounds: Int) throws(BenchError) -> BenchResult {
        try timed { result throws(BenchError) in
            for _ in 0..<rounds {
                var decoder = DatagramDecoder(), columns = FlowColumns(capacity: 2_048)
                var records = 0, bytes = 0
                try each(of: capture) { datagram, origin in
                    let decoded = decoder.decode(datagram, from: origin, into: &columns)
                    records += decoded.rows.count
                    bytes += datagram.byteCount
                    if columns.count >= 1_024 { columns.removeAll() }
                }
                result.records += records
                result.rows += records
                result.bytes += bytes
            }
        }
    }

    static func pipeline(_ capture: CaptureReader, _ settings: BenchSettings) throws(BenchError) -> BenchResult {
        let keeper = try settings.keeper()
        return try timed { result throws(BenchError) in
            for _ in 0..<settings.rounds {
                var worker = SensorWorker(limits: settings.limits, seed: 1), sealer = settings.sealer(seed: 1)
                var stage = KeepStage(), bytes = 0, failure: String?, datagrams: Int64 = 0
                try each(of: capture) { datagram, original in
                    var origin = original
                    if let rate = settings.rate { origin.receiveMilliseconds = datagrams * 1_000 / Int64(rate) }
                    datagrams += 1
                    worker.receive(datagram, from: origin)
                    guard worker.hasClosedWindows else { return }
                    let report = stage.keep(sealer.seal(from: &worker), in: keeper)
                    bytes += report.bytes
                    failure = failure ?? report.failures.first
                }
                worker.close()
                bytes += stage.keep(sealer.seal(from: &worker), in: keeper).bytes
                if let failure { throw BenchError(code: 1, message: failure) }
                result.records += Int(worker.ledger.total.decoded.flows)
                result.rows += Int(stage.ledger.total.sealedRows)
                result.bytes += bytes
            }
        }
    }
    /// The batches that a sensor makes of a capture.
    static func sealed(_ capture: CaptureReader, _ settings: BenchSettings) throws(BenchError) -> [[UInt8]] {
        var worker = SensorWorker(limits: settings.limits, seed: 1), sealer = BatchSealer(rowsMax: 131_072)
        var bodies: [[UInt8]] = []
        try each(of: capture) { datagram, origin in
            worker.receive(datagram, from: origin)
            guard worker.hasClosedWindows else { return }
            for window in worker.takeClosed() { bodies += sealer.seal(window).map(\.body) }
        }
        worker.close()
        for window in worker.takeClosed() { bodies += sealer.seal(window).map(\.body) }
        return bodies
    }
    static func batch(_ capture: CaptureReader, _ settings: BenchSettings) throws(BenchError) -> BenchResult {
        var worker = SensorWorker(limits: settings.limits, seed: 1), windows: [SummedRows] = []
        try each(of: capture) { datagram, origin in
            worker.receive(datagram, from: origin)
            if worker.hasClosedWindows { windows += worker.takeClosed() }
        }
        worker.close()
        windows += worker.takeClosed()
        return try timed { result throws(BenchError) in
            for _ in 0..<settings.rounds {
                var sealer = BatchSealer(rowsMax: 131_072)
                for window in windows {
                    for batch in sealer.seal(window) {
                        result.records += batch.rows
                        result.rows += batch.rows
                        result.bytes += batch.body.count
                    }
                }
            }
        }
    }
}
