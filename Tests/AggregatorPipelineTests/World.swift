import AggregatorPipeline
import BatchFormat
import Delivery
import Detect
import FlowLog
import FlowModel
import FlowStore
import Foundation
import Identity
import Incidents
import Intelligence
import Logging
import ModelRegister
import Platform
import ProgramDesk
import Sigma
import Telemetry
import TestKit
import Testing

/// A node's folder, and its parts opened on it.
struct World {
    static let start: Int64 = 1_795_262_400_000
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-pipeline") }

    struct Node {
        let log: SQLiteFlowLog
        let store: SQLiteFlowStore
        let incidents: IncidentLog
        let registry = MetricRegistry()
        let time = ManualTime(wallMilliseconds: World.start)
    }

    func open(archive: (any SegmentArchive)? = nil) throws -> Node {
        Node(
            log: try SQLiteFlowLog(directory: folder.path),
            store: try SQLiteFlowStore(directory: folder.file("flows").path, archive: archive),
            incidents: try IncidentLog(directory: folder.path))
    }

    func pipeline(
        _ node: Node, store: (any FlowStore)? = nil, log: (any FlowLog)? = nil, sigma: SigmaRegister? = nil,
        models: ModelRegister? = nil, places: PlaceLookup = .none, programs: ProgramDesk? = nil,
        intelligence: CurrentIntelligence = CurrentIntelligence(), parameters: TenantParameters = TenantParameters(),
        limits: LiveParameters? = nil, pace: AggregatorPipeline.Pace = small
    ) throws -> AggregatorPipeline {
        try AggregatorPipeline(
            log: log ?? node.log, store: store ?? node.store, incidents: node.incidents, directory: folder.path,
            parameters: parameters, limits: limits, intelligence: intelligence, places: places, sigma: sigma,
            models: models,
            programs: programs, pace: pace,
            time: node.time,
            registry: node.registry,
            logger: Logger(label: "test") { StreamLogHandler.standardError(label: $0) })
    }

    /// Small groups and frequent checkpoints, so that a few batches meet every case.
    static var small: AggregatorPipeline.Pace {
        var pace = AggregatorPipeline.Pace()
        pace.readBatches = 2
        pace.checkpointBatches = 5
        pace.fullDiskWait = .milliseconds(1)
        return pace
    }

    /// Batches of two tenants in turn, in each of which a scan goes on that no single batch shows.
    static func traffic(_ count: Int = 24) throws -> [LogAppend] {
        var encoder = BatchEncoder(), batches: [LogAppend] = []
        for number in 0..<count {
            let tenant = try #require(TenantID(number % 2 == 0 ? "acme" : "globex"))
            batches.append(
                try batch(
                    (0..<4).map { probe(number, $0) }, of: tenant, sequence: UInt64(number / 2),
                    at: start + Int64(number) * 70_000, &encoder))
        }
        return batches
    }

    static func batch(
        _ records: [FlowRecord], of tenant: TenantID, sequence: UInt64, at received: Int64,
        _ encoder: inout BatchEncoder
    ) throws -> LogAppend {
        var columns = FlowColumns()
        let exporter = ExporterKey(
            address: IPAddress(v4: 0xC000_0201), observationDomain: 1, exportProtocol: .netflow5)
        let interned = columns.intern(exporter)
        let index = try #require(interned)
        for var record in records {
            record.exporter = index
            columns.append(record)
        }
        let body = try encoder.encode(columns, fidelity: .full)
        return LogAppend(
            sensor: SensorIdentity(tenant: tenant, site: "hq", name: "edge-1"),
            key: BatchKey(epoch: Epoch(high: 3, low: 4), sequence: sequence), digest: BatchDigest(of: body),
            receivedMilliseconds: received, rows: columns.count, tally: columns.tally, body: body)
    }

    /// A SYN to the next port, unanswered.
    private static func probe(_ number: Int, _ row: Int) -> FlowRecord {
        var record = FlowRecord()
        record.sourceIPAddress = IPAddress(v4: 0xCB00_7107)
        record.destinationIPAddress = IPAddress(v4: 0x0A00_0005)
        record.sourceTransportPort = 40_000 + UInt16(number)
        record.destinationTransportPort = UInt16(20 + (number / 2) * 4 + row)
        record.protocolIdentifier = IPProtocol.tcp
        record.tcpControlBits = TCPFlag.syn
        record.packetDeltaCount = 1
        record.octetDeltaCount = 44
        let time = start + Int64(number) * 70_000 + Int64(row) * 100
        record.flowStartMilliseconds = time
        record.flowEndMilliseconds = time + 40
        record.exportMilliseconds = time + 1_000
        record.receiveMilliseconds = time + 1_000
        return record
    }

    /// All that readers can see after the log was worked off.
    struct Result: Equatable {
        var incidents: [String: [Incident]] = [:]
        var totals: [String: StoreTotals] = [:]
        var segments: [String: [SegmentPosition]] = [:]
    }
    static func result(_ node: Node) async throws -> Result {
        var result = Result()
        for name in ["acme", "globex"] {
            let tenant = try #require(TenantID(name))
            result.incidents[name] = try node.incidents.list(tenant: tenant, limit: 1_000).incidents
            result.totals[name] = try await node.store.totals(of: tenant)
            result.segments[name] = try await node.store.segments(
                tenant: tenant, from: .min, to: .max, before: nil, limit: 1_000
            ).map { SegmentPosition(flowEndMax: $0.position.flowEndMax, logOffset: 0) }
        }
        return result
    }

    /// What an undisturbed run gives.
    static func reference(_ count: Int = 24) async throws -> Result {
        let world = try World(), node = try world.open()
        for batch in try traffic(count) { _ = try await node.log.append(batch) }
        try await world.pipeline(node).drain()
        return try await result(node)
    }
}

/// Stops the pipeline at a chosen call, before or after the call has done its work: what a crash leaves behind.
final class Crash: Sendable {
    struct Now: Error {}
    private let left: Locked<Int>
    let isAfter: Bool
    init(at call: Int, after isAfter: Bool) {
        left = Locked(call)
        self.isAfter = isAfter
    }
    var isNow: Bool {
        left.with { left in
            left -= 1
            return left < 0
        }
    }
}

struct CrashingStore: FlowStore {
    let inner: SQLiteFlowStore, crash: Crash
    var quarantinedFiles: Int { get async { await inner.quarantinedFiles } }
    func store(_ batches: [StoredBatch]) async throws(FlowStoreError) -> StoreTotals {
        let isNow = crash.isNow
        if isNow, !crash.isAfter { throw .storage("crash") }
        let new = try await inner.store(batches)
        if isNow { throw .storage("crash") }
        return new
    }
    func segments(
        tenant: TenantID, from: Int64, to: Int64, before: SegmentPosition?, limit: Int
    ) async throws(FlowStoreError) -> [Segment] {
        try await inner.segments(tenant: tenant, from: from, to: to, before: before, limit: limit)
    }
    func body(of segment: Segment, tenant: TenantID) async throws(FlowStoreError) -> [UInt8]? {
        try await inner.body(of: segment, tenant: tenant)
    }
    func totals(of tenant: TenantID) async throws(FlowStoreError) -> StoreTotals { try await inner.totals(of: tenant) }
}

/// Crashes at a trim: between a checkpoint and what follows from it.
struct CrashingLog: FlowLog {
    let inner: SQLiteFlowLog, crash: Crash
    func append(_ batch: LogAppend) async throws(FlowLogError) -> LogAppendResult { try await inner.append(batch) }
    func read(after offset: Int64, limit: Int, bytesMax: Int) async throws(FlowLogError) -> [LoggedBatch] {
        try await inner.read(after: offset, limit: limit, bytesMax: bytesMax)
    }
    func waitForBatch(after offset: Int64) async throws(FlowLogError) { try await inner.waitForBatch(after: offset) }
    func trim(through offset: Int64) async throws(FlowLogError) {
        let isNow = crash.isNow
        if isNow, !crash.isAfter { throw .storage("crash") }
        try await inner.trim(through: offset)
        if isNow { throw .storage("crash") }
    }
    func headOffset() async throws(FlowLogError) -> Int64 { try await inner.headOffset() }
    func totals(of tenant: TenantID) async throws(FlowLogError) -> [SensorTotal] { try await inner.totals(of: tenant) }
}
