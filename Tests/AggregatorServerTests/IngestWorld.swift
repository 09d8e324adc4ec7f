import Delivery
import FlowLog
import FlowModel
import Foundation
import Identity
import Ingest
import Platform
import ServerChannel
import Telemetry
import TestKit

/// The sensors' listener with a real log in a folder of its own.
final class IngestWorld: Sendable {
    let authority: Authority
    let folder: TemporaryFolder
    let flowLog: any FlowLog & SensorTotals
    let registry = SensorRegistry()
    let metrics = MetricRegistry()
    let lines = LogLines()
    let admission: Admission
    let acme: TenantID
    private let quarantineFilesMax: Int

    init(
        admission: Admission = Admission(requestsMax: 64, bytesMax: 64 << 20), log: (any FlowLog & SensorTotals)? = nil,
        quarantineFilesMax: Int = 1_000
    ) throws {
        self.quarantineFilesMax = quarantineFilesMax
        authority = try Authority()
        folder = try TemporaryFolder("weir-ingest")
        flowLog = try log ?? SQLiteFlowLog(directory: folder.path)
        self.admission = admission
        acme = try require(TenantID("acme"))
    }

    func run<Result: Sendable>(
        options: ServerOptions = .sensors, time: any TimeSource = SystemTime(),
        _ body: @escaping @Sendable (RunningServer) async throws -> Result
    ) async throws -> Result {
        let ingest = BatchIngest(
            log: flowLog, registry: registry,
            quarantine: Quarantine(folder: folder.file("quarantine").path, filesMax: quarantineFilesMax),
            admission: admission, metrics: metrics, time: SystemTime(), logger: lines.logger())
        return try await withServer(
            authority, options: options, observer: registry, metrics: metrics, log: lines, time: time,
            router: ingest.router(), body)
    }
    /// As `run`, with a sensor's connection on a thread of its own.
    func connected<Result: Sendable>(
        _ body: @escaping @Sendable (IngestClient, RunningServer) throws -> Result
    ) async throws -> Result {
        let files = authority.sensor
        return try await run { server in
            try await onThread { try body(try IngestClient(files, port: server.port), server) }
        }
    }
    var quarantined: [String] {
        (FileManager.default.enumerator(atPath: folder.file("quarantine").path)?.allObjects ?? [])
            .compactMap { $0 as? String }.filter { $0.hasSuffix(".batch") }
    }
}

struct Absent: Error {}
func require<Value>(_ value: Value?) throws -> Value {
    guard let value else { throw Absent() }
    return value
}

/// A disk that fails in a way that the test chooses.
struct BrokenLog: FlowLog, SensorTotals {
    let error: FlowLogError
    func append(_ batch: LogAppend) async throws(FlowLogError) -> LogAppendResult { throw error }
    func read(after offset: Int64, limit: Int, bytesMax: Int) async throws(FlowLogError) -> [LoggedBatch] {
        throw error
    }
    func waitForBatch(after offset: Int64) async throws(FlowLogError) { throw error }
    func trim(through offset: Int64) async throws(FlowLogError) { throw error }
    func headOffset() async throws(FlowLogError) -> Int64 { throw error }
    func totals(of tenant: TenantID) async throws(FlowLogError) -> [SensorTotal] { throw error }
}
