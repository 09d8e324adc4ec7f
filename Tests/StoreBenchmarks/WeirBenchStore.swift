import BatchFormat
import Capture
import Dedupe
import Delivery
import FlowLog
import FlowModel
import FlowStore
import Foundation
import Identity
import Platform
import SensorPipeline
import WireBytes

/// Measures what an aggregator does with batches after TLS, stage by stage, on one thread's worth of CPU time
/// (getrusage, user and system), one JSON object a line:
///     {"stage":"log","rows":n,"cpuSeconds":s,"cpuSecondsPerMillion":s,"bytesPerRow":b}
/// Batches are made by the sensor's own stages from a capture; that is not measured.
@main
enum WeirBenchStore {
    static let usage = """
        usage: weir-bench-store ingest --pcap FILE [--repeat N] [--folder FOLDER]

          check     digest and decoding, as before an answer
          log       appended to the log and synced, as before an answer, in groups of 8
          store     read from the log and stored
          compact   made to segments with rollups, batches deleted after reading back

        FOLDER must not have data; /var/tmp/weir-bench-<process> unless given, removed afterwards.

        """

    static func main() async {
        do {
            try await run(Array(CommandLine.arguments.dropFirst()))
        } catch let error as BenchError {
            FileHandle.standardError.write(Data("weir-bench-store: \(error.message)\n".utf8))
            exit(error.code)
        } catch {
            FileHandle.standardError.write(Data("weir-bench-store: \(error)\n".utf8))
            exit(1)
        }
    }

    private static func run(_ arguments: [String]) async throws {
        var file: String?, rounds = 1, folder: String?, rest = arguments.dropFirst()
        guard arguments.first == "ingest" else { throw BenchError(code: 2, message: "no command\n\n\(usage)") }
        while let option = rest.popFirst() {
            guard let value = rest.popFirst() else { throw BenchError(code: 2, message: "\(option) needs a value") }
            switch option {
            case "--pcap": file = value
            case "--repeat": rounds = Int(value) ?? 1
            case "--folder": folder = value
            default: throw BenchError(code: 2, message: "\(option) is unknown\n\n\(usage)")
            }
        }
        guard let file else { throw BenchError(code: 2, message: "--pcap FILE is missing\n\n\(usage)") }
        let path = folder ?? "/var/tmp/weir-bench-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { if folder == nil { try? FileManager.default.removeItem(atPath: path) } }
        try await IngestBench(folder: path).run(try SealedBodies.make(from: file, rounds: rounds))
    }
}

struct BenchError: Error {
    let code: Int32, message: String
}

/// Batches as a sensor seals them.
enum SealedBodies {
    static func make(from file: String, rounds: Int) throws -> [SealedBatch] {
        var batches: [SealedBatch] = []
        for _ in 0..<rounds {
            var reader = try CaptureReader(bytes: [UInt8](try Data(contentsOf: URL(fileURLWithPath: file))))
            var worker = SensorWorker(
                limits: SensorWorker.Limits(windowMilliseconds: 10_000, rowsMax: 131_072), seed: 1)
            var sealer = WindowSealer(
                rowsMax: 131_072, board: ObserverBoard(ObserverDedupeSettings(mode: .merge), seed: 1))
            while let reference = try reader.nextReference() {
                reader.withPayload(of: reference) { worker.receive($0, from: reference.origin) }
                if worker.hasClosedWindows { batches += sealer.seal(from: &worker) }
            }
            worker.close()
            batches += sealer.seal(from: &worker)
        }
        return batches
    }
}

struct IngestBench {
    let folder: String

    func run(_ batches: [SealedBatch]) async throws {
        guard let tenant = TenantID("bench") else { return }
        let sensor = SensorIdentity(tenant: tenant, site: "hq", name: "edge-1")
        let rows = batches.reduce(0) { $0 + $1.rows }, bytes = batches.reduce(0) { $0 + $1.body.count }
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        let log = try SQLiteFlowLog(directory: folder)
        let store = try SQLiteFlowStore(directory: folder + "/flows")
        var appends: [LogAppend] = []
        try await measure("check", rows, bytes) {
            var decoder = BatchDecoder(), columns = FlowColumns()
            for (number, batch) in batches.enumerated() {
                columns.removeAll()
                try batch.body.withBytes { span throws(BatchError) in try decoder.decode(span, into: &columns) }
                appends.append(
                    LogAppend(
                        sensor: sensor, key: BatchKey(epoch: Epoch(high: 1, low: 1), sequence: UInt64(number)),
                        digest: BatchDigest(of: batch.body), receivedMilliseconds: now, rows: batch.rows,
                        tally: batch.tally, body: batch.body))
            }
        }
        let ready = appends
        try await measure("log", rows, bytes) {
            for start in stride(from: 0, to: ready.count, by: 8) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for append in ready[start..<min(start + 8, ready.count)] {
                        group.addTask { _ = try await log.append(append) }
                    }
                    try await group.waitForAll()
                }
            }
        }
        try await measure("store", rows, bytes) {
            var offset: Int64 = 0
            while true {
                let logged = try await log.read(after: offset, limit: 64, bytesMax: 32 << 20)
                guard let last = logged.last else { break }
                offset = last.offset
                try await store.store(try logged.map { try Self.stored($0) })
            }
        }
        var report = CompactionReport()
        try await measure("compact", rows, bytes) {
            report = try await store.compact(now: now + 3 * 86_400_000)
        }
        try await measure("delete", rows, bytes) { _ = try await store.compact(now: now + 3 * 86_400_000 + 200_000) }
        line("segments", rows, report.segmentBytes, seconds: 0)
        try log.close()
    }

    private static func stored(_ batch: LoggedBatch) throws -> StoredBatch {
        let summary = try batch.body.withBytes { span throws(BatchError) in try BatchSummary(span) }
        return StoredBatch(
            sensor: batch.sensor, key: batch.key, logOffset: batch.offset,
            receivedMilliseconds: batch.receivedMilliseconds, flowStartMin: summary.flowStartMin,
            flowEndMax: summary.flowEndMax, rows: batch.rows, tally: batch.tally, body: batch.body)
    }

    private func measure(_ stage: String, _ rows: Int, _ bytes: Int, _ body: () async throws -> Void) async throws {
        let before = cpuSeconds()
        try await body()
        line(stage, rows, bytes, seconds: cpuSeconds() - before)
    }
    private func line(_ stage: String, _ rows: Int, _ bytes: Int, seconds: Double) {
        let perMillion = String(format: "%.4f", seconds * 1e6 / Double(max(rows, 1)))
        let perRow = String(format: "%.2f", Double(bytes) / Double(max(rows, 1)))
        print(
            """
            {"stage":"\(stage)","rows":\(rows),"cpuSeconds":\(String(format: "%.3f", seconds)),\
            "cpuSecondsPerMillion":\(perMillion),"bytesPerRow":\(perRow)}
            """)
    }
}

/// CPU seconds of this process so far, user and system.
private func cpuSeconds() -> Double {
    var usage = rusage()
    unsafe getrusage(RUSAGE_SELF.rawValue, &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
