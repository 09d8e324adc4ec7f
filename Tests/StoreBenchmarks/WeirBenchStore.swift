import BatchFormat
import COpenSSL
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

/// Measures what an aggregator does with batches, stage by stage, in CPU time of the whole process (getrusage, user
/// and system), one JSON object a line:
///     {"stage":"log","rows":n,"records":n,"cpuSeconds":s,"cpuSecondsPerMillion":s,
///      "cpuSecondsPerMillionRecords":s,"bytesPerRow":b}
/// Rows are what is stored; records are what the capture has, of which sensors remove repeats.
/// Batches are made by the sensor's own stages from a capture; that is not measured.
@main
enum WeirBenchStore {
    static let usage = """
        usage: weir-bench-store ingest --pcap FILE [--repeat N] [--window-rows N] [--folder FOLDER] [--tenant NAME]

        Batches of windows of at most N rows (65,536 as sensors have it, which take 8,192 when they are busy) go through
        all stages in groups of half a million rows, ten seconds of the store's clock apart, as a service takes them:

          tls       AES-128-GCM over the batches' octets in records of 16 KiB: the least that TLS costs
          check     digest and decoding, as before an answer
          log       appended to the log and synced, as before an answer
          store     read from the log and stored
          trim      taken out of the log, as it is when detection has passed too: here right after the store
          compact   made to segments with rollups; segments read back, their batches deleted, room given back

        Then answer (tls, check, log) and all are sums. FOLDER must not have data;
        /var/tmp/weir-bench-<process> unless given, removed afterwards. A given one keeps what an aggregator keeps, of
        the tenant NAME, "bench" unless given.

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
        keepFreedMemory(blockBytes: 8 << 20, keptBytes: 64 << 20)  // as the service does
        var file: String?, rounds = 1, windowRows = 65_536, folder: String?, tenant = "bench",
            rest = arguments.dropFirst()
        guard arguments.first == "ingest" else { throw BenchError(code: 2, message: "no command\n\n\(usage)") }
        while let option = rest.popFirst() {
            guard let value = rest.popFirst() else { throw BenchError(code: 2, message: "\(option) needs a value") }
            switch option {
            case "--pcap": file = value
            case "--repeat": rounds = Int(value) ?? 1
            case "--window-rows": windowRows = Int(value) ?? 65_536
            case "--folder": folder = value
            case "--tenant": tenant = value
            default: throw BenchError(code: 2, message: "\(option) is unknown\n\n\(usage)")
            }
        }
        guard let file else { throw BenchError(code: 2, message: "--pcap FILE is missing\n\n\(usage)") }
        guard let tenant = TenantID(tenant) else { throw BenchError(code: 2, message: "\(tenant) names no tenant") }
        let path = folder ?? "/var/tmp/weir-bench-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { if folder == nil { try? FileManager.default.removeItem(atPath: path) } }
        let made = try SealedBodies.make(from: file, rounds: rounds, windowRows: windowRows)
        try await IngestBench(folder: path, tenant: tenant, records: made.records).run(made.batches)
    }
}

struct BenchError: Error {
    let code: Int32, message: String
}

/// Batches as a sensor seals them.
enum SealedBodies {
    /// - Returns: and the records that the capture has.
    static func make(
        from file: String, rounds: Int, windowRows: Int
    ) throws -> (batches: [SealedBatch], records: UInt64) {
        var batches: [SealedBatch] = [], records: UInt64 = 0
        for _ in 0..<rounds {
            var reader = try CaptureReader(bytes: [UInt8](try Data(contentsOf: URL(fileURLWithPath: file))))
            var worker = SensorWorker(
                limits: SensorWorker.Limits(windowMilliseconds: 10_000, rowsMax: windowRows), seed: 1)
            var sealer = WindowSealer(
                rowsMax: 131_072, board: ObserverBoard(ObserverDedupeSettings(mode: .merge), seed: 1))
            while let reference = try reader.nextReference() {
                reader.withPayload(of: reference) { worker.receive($0, from: reference.origin) }
                if worker.hasClosedWindows { batches += sealer.seal(from: &worker) }
            }
            worker.close()
            batches += sealer.seal(from: &worker)
            records += worker.ledger.total.decoded.flows
        }
        return (batches, records)
    }
}

struct IngestBench {
    let folder: String, tenant: TenantID
    /// Of the capture.
    let records: UInt64

    private struct Spent {
        var stages: [(name: String, seconds: Double)] = []

        mutating func add(_ stage: String, _ body: () async throws -> Void) async throws {
            let before = cpuSeconds()
            try await body()
            let spent = cpuSeconds() - before
            if let known = stages.firstIndex(where: { $0.name == stage }) {
                stages[known].seconds += spent
            } else {
                stages.append((stage, spent))
            }
        }
        func sum(_ names: Set<String>) -> Double {
            stages.reduce(0) { $0 + (names.contains($1.name) ? $1.seconds : 0) }
        }
    }

    func run(_ batches: [SealedBatch]) async throws {
        let sensor = SensorIdentity(tenant: tenant, site: "hq", name: "edge-1")
        let log = try SQLiteFlowLog(directory: folder)
        let store = try SQLiteFlowStore(directory: folder + "/flows")
        var spent = Spent(), decoder = BatchDecoder(), columns = FlowColumns(), isShared = false, offset: Int64 = 0,
            segmentBytes = 0
        var now = Int64(Date().timeIntervalSince1970 * 1_000)
        var start = 0
        while start < batches.count {  // ends: each turn takes a batch or more
            let group = Self.group(of: batches, from: start)
            defer { start += group.count }
            try await spent.add("tls") { for batch in group { seal(batch.body) } }
            var appends: [LogAppend] = []
            try await spent.add("check") {
                for (number, batch) in group.enumerated() {
                    columns.removeExporters()
                    try batch.body.withBytes { span throws(BatchError) in
                        try decoder.decodeShared(span, inPlaceOfRowsIn: &columns, isShared: &isShared)
                    }
                    appends.append(
                        LogAppend(
                            sensor: sensor,
                            key: BatchKey(epoch: Epoch(high: 1, low: 1), sequence: UInt64(start + number)),
                            digest: BatchDigest(of: batch.body), receivedMilliseconds: now, rows: batch.rows,
                            tally: batch.tally, body: batch.body))
                }
            }
            let ready = appends
            try await spent.add("log") {
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    for append in ready { tasks.addTask { _ = try await log.append(append) } }
                    try await tasks.waitForAll()
                }
            }
            try await spent.add("store") {
                let logged = try await log.read(after: offset, limit: group.count, bytesMax: 64 << 20)
                offset = logged.last?.offset ?? offset
                try await store.store(try logged.map { try Self.stored($0) })
            }
            try await spent.add("trim") { try await log.trim(through: offset) }
            now += 10_000
            try await spent.add("compact") { segmentBytes += try await store.compact(now: now).segmentBytes }
        }
        for later in [3 * 86_400_000, 3 * 86_400_000 + 200_000] as [Int64] {
            try await spent.add("compact") { segmentBytes += try await store.compact(now: now + later).segmentBytes }
        }
        report(spent, batches, segmentBytes)
        try log.close()
    }

    private static func group(of batches: [SealedBatch], from start: Int) -> [SealedBatch] {
        var end = start, rows = 0
        while end < batches.count, rows < 524_288 { (end, rows) = (end + 1, rows + batches[end].rows) }
        return Array(batches[start..<end])
    }

    private func report(_ spent: Spent, _ batches: [SealedBatch], _ segmentBytes: Int) {
        let rows = batches.reduce(0) { $0 + $1.rows }, bytes = batches.reduce(0) { $0 + $1.body.count }
        for (name, seconds) in spent.stages { line(name, rows, bytes, seconds: seconds) }
        line("answer", rows, bytes, seconds: spent.sum(["tls", "check", "log"]))
        line("all", rows, segmentBytes, seconds: spent.sum(["tls", "check", "log", "store", "trim", "compact"]))
    }

    private static func stored(_ batch: LoggedBatch) throws -> StoredBatch {
        let summary = try batch.body.withBytes { span throws(BatchError) in try BatchSummary(span) }
        return StoredBatch(
            sensor: batch.sensor, key: batch.key, logOffset: batch.offset,
            receivedMilliseconds: batch.receivedMilliseconds, flowStartMin: summary.flowStartMin,
            flowEndMax: summary.flowEndMax, rows: batch.rows, tally: batch.tally, body: batch.body)
    }

    private func line(_ stage: String, _ rows: Int, _ bytes: Int, seconds: Double) {
        func perMillion(_ count: Double) -> String { String(format: "%.4f", seconds * 1e6 / max(count, 1)) }
        let perRow = String(format: "%.2f", Double(bytes) / Double(max(rows, 1)))
        print(
            """
            {"stage":"\(stage)","rows":\(rows),"records":\(records),"cpuSeconds":\(String(format: "%.3f", seconds)),\
            "cpuSecondsPerMillion":\(perMillion(Double(rows))),\
            "cpuSecondsPerMillionRecords":\(perMillion(Double(records))),"bytesPerRow":\(perRow)}
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

/// What an aggregator's TLS does with a body at least, as it opens what this seals: the cipher has one cost for both.
private func seal(_ body: [UInt8]) {
    let key = [UInt8](repeating: 1, count: 16), nonce = [UInt8](repeating: 2, count: 12), recordBytes = 16_384
    var out = [UInt8](repeating: 0, count: recordBytes + 16)
    guard let context = unsafe EVP_CIPHER_CTX_new() else { return }
    defer { unsafe EVP_CIPHER_CTX_free(context) }
    for start in stride(from: 0, to: body.count, by: recordBytes) {
        var written: Int32 = 0
        unsafe EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), nil, key, nonce)
        unsafe body.withUnsafeBufferPointer { bytes in
            let record = unsafe bytes[start..<min(start + recordBytes, bytes.count)]
            _ = unsafe EVP_EncryptUpdate(
                context, &out, &written, UnsafeBufferPointer(rebasing: record).baseAddress, Int32(record.count))
        }
        unsafe EVP_EncryptFinal_ex(context, &out, &written)
    }
}
