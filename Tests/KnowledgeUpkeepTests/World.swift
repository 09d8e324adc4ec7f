import AggregatorPipeline
import BatchFormat
import Delivery
import Detect
import Enrichment
import FlowLog
import FlowModel
import FlowStore
import Foundation
import Identity
import Incidents
import Intelligence
import Knowledge
import KnowledgeUpkeep
import Logging
import Platform
import Query
import Settings
import Telemetry
import TestKit
import Testing

/// A node without its listeners: the log, history, incidents, the pipeline, and feeds in files.
final class World {
    static let start: Int64 = 1_795_262_400_000
    let folder: TemporaryFolder
    let time = ManualTime(wallMilliseconds: World.start)
    let log: SQLiteFlowLog, store: SQLiteFlowStore, incidents: IncidentLog
    let current = CurrentIntelligence(), enrichment = CurrentEnrichment(.none), registry = MetricRegistry()
    let settings: KnowledgeSettings, feeds: FeedUpkeep, pipeline: AggregatorPipeline
    let acme: TenantID, globex: TenantID
    private var encoder = BatchEncoder(), batches: UInt64 = 0

    /// The feeds: `shared.txt` of both tenants, `acme.txt` of one.
    init(knowing files: [String: String] = [:], also yaml: String = "") throws {
        folder = try TemporaryFolder("weir-node")
        acme = try #require(TenantID("acme"))
        globex = try #require(TenantID("globex"))
        log = try SQLiteFlowLog(directory: folder.path)
        store = try SQLiteFlowStore(directory: folder.file("flows").path)
        incidents = try IncidentLog(directory: folder.path)
        let text = """
            intelligence:
              feeds:
                - name: everybody
                  file: shared.txt
                  weight: 1
                  confidence: 90
                  labels: [c2]
            tenants:
              - name: acme
                intelligence:
                  feeds:
                    - name: ours
                      file: acme.txt
                      weight: 1
                      confidence: 90

            """
        settings = try KnowledgeSettings(
            SettingsReader(text: Array((text + yaml).utf8), file: folder.file("weir.yaml").path))
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        feeds = FeedUpkeep(
            settings, folder: folder.file("intelligence").path, current: current, enrichment: enrichment,
            transport: HTTPFeedTransport(HTTPFeedTransport.policy(settings.egress)), time: time, registry: registry,
            logger: logger)
        pipeline = try AggregatorPipeline(
            log: log, store: store, incidents: incidents, directory: folder.path,
            parameters: settings.parameters, intelligence: current,
            places: Self.places(enrichment), time: time,
            registry: registry, logger: logger)
        for name in ["shared.txt", "acme.txt"] { try write(name, files[name] ?? "") }
    }

    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: folder.file(name), options: .atomic)
    }

    var hunter: HistoryHunt {
        HistoryHunt(
            query: FlowQuery(store: store, time: time), incidents: incidents, time: time,
            places: Self.places(enrichment)
        ) { [parameters = settings.parameters] in parameters[$0] }
    }
    private static func places(_ enrichment: CurrentEnrichment) -> PlaceLookup {
        PlaceLookup { (0, enrichment.value.place(of: $0).systemNumber) }
    }
    /// The table of systems says this from now on.
    func place(_ systems: [(String, UInt32)]) throws {
        let file = folder.file("systems.mmdb").path
        let known = try systems.map { (try #require(IPNetwork($0.0)), $0.1) }
        try makeFile(file, with: MMDBFile.octets(systems: known))
        enrichment.replace(sources: [.database(try AddressDatabase(path: file))], assets: .none)
    }
    func hunt() async { await feeds.hunt(with: hunter, tenants: [acme, globex]) }

    /// Both tenants' host 10.0.0.5 calls `address` at port 443 and is answered, `calls` times, a minute apart.
    /// - Parameter system: of the address, as the exporter has it.
    func contact(_ address: String, at offset: Int64 = 0, calls: Int = 1, system: UInt32 = 0) async throws {
        for tenant in [acme, globex] {
            var columns = FlowColumns()
            let exporter = ExporterKey(
                address: IPAddress(v4: 0xC000_0201), observationDomain: 1, exportProtocol: .ipfix)
            let index = columns.intern(exporter)
            for call in 0..<calls {
                var record = FlowRecord()
                record.exporter = try #require(index)
                record.sourceIPAddress = IPAddress(v4: 0x0A00_0005)
                record.destinationIPAddress = try #require(IPAddress(address))
                (record.sourceTransportPort, record.destinationTransportPort) = (50_000 + UInt16(call), 443)
                record.protocolIdentifier = IPProtocol.tcp
                record.bgpDestinationAsNumber = system
                record.tcpControlBits = TCPFlag.syn | TCPFlag.ack | TCPFlag.psh | TCPFlag.fin
                (record.packetDeltaCount, record.octetDeltaCount) = (12, 4_000)
                record.flowStartMilliseconds = Self.start + offset + Int64(call) * 60_000
                record.flowEndMilliseconds = record.flowStartMilliseconds + 2_000
                record.exportMilliseconds = record.flowEndMilliseconds
                record.receiveMilliseconds = record.flowEndMilliseconds + 1_000
                columns.append(record)
            }
            let body = try encoder.encode(columns, fidelity: .full)
            batches += 1
            _ = try await log.append(
                LogAppend(
                    sensor: SensorIdentity(tenant: tenant, site: "hq", name: "edge-1"),
                    key: BatchKey(epoch: Epoch(high: 3, low: 4), sequence: batches), digest: BatchDigest(of: body),
                    receivedMilliseconds: Self.start + offset, rows: columns.count, tally: columns.tally, body: body))
        }
        try await pipeline.drain()
    }

    func findings(_ tenant: TenantID) throws -> [Finding] {
        try incidents.list(tenant: tenant, limit: 1_000).incidents.flatMap(\.findings)
            .filter { $0.rule == "threat-intelligence" }.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
    }
    func counts(_ line: String) -> Bool { registry.prometheusText().contains("\n\(line)\n") }
}
