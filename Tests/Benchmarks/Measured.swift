import Capture
import Decode
import FlowModel
import Platform
import PreAggregate
import SensorPipeline

/// The measured paths. Each runs `rounds` times over the capture with a fresh start, and reports the sums.
enum Measured {
    static let limits = SensorWorker.Limits(windowMilliseconds: 10_000, rowsMax: 131_072)
    static let rowsMax = 131_072

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

    static func pipeline(_ capture: CaptureReader, rounds: Int) throws(BenchError) -> BenchResult {
        try timed { result throws(BenchError) in
            for _ in 0..<rounds {
                var worker = SensorWorker(limits: limits, seed: 1), sealer = BatchSealer(rowsMax: rowsMax)
                var sealed = BenchResult()
                try each(of: capture) { datagram, origin in
                    worker.receive(datagram, from: origin)
                    if worker.hasClosedWindows { seal(&worker, &sealer, &sealed) }
                }
                worker.close()
                seal(&worker, &sealer, &sealed)
                result.records += Int(worker.ledger.total.decoded.flows)
                result.rows += sealed.rows
                result.bytes += sealed.bytes
            }
        }
    }
    private static func seal(_ worker: inout SensorWorker, _ sealer: inout BatchSealer, _ result: inout BenchResult) {
        var windows = worker.takeClosed()
        while let window = windows.popLast() {  // taken out, so that nothing else holds what is given back
            for batch in sealer.seal(window) {
                result.rows += batch.rows
                result.bytes += batch.body.count
            }
            worker.recycle(window)
        }
    }

    static func batch(_ capture: CaptureReader, rounds: Int) throws(BenchError) -> BenchResult {
        var worker = SensorWorker(limits: limits, seed: 1), windows: [SummedRows] = []
        try each(of: capture) { datagram, origin in
            worker.receive(datagram, from: origin)
            if worker.hasClosedWindows { windows += worker.takeClosed() }
        }
        worker.close()
        windows += worker.takeClosed()
        return try timed { result throws(BenchError) in
            for _ in 0..<rounds {
                var sealer = BatchSealer(rowsMax: rowsMax)
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
