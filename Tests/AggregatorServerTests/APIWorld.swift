import API
import BatchFormat
import Delivery
import Detect
import FlowLog
import FlowModel
import FlowStore
import Foundation
import HTTPTypes
import HistoryKit
import Hummingbird
import HummingbirdTesting
import Identity
import Incidents
import Ingest
import NIOCore
import Query
import Telemetry
import Tenancy
import TestKit

/// An API over real stores: tenant acme has two flows and an incident, tenant globex has nothing.
struct APIWorld {
    static let now: Int64 = 1_700_000_000_000
    let folder: TemporaryFolder
    let acme: TenantID, globex: TenantID
    var sources: APISources
    let time: ManualTime
    let acmeKey: String, acmeKeyID: String, globexKey: String, incidentsOnlyKey: String
    let incidentID: String
    /// Keeps another history's folder.
    var history: FiveWeeks?

    init() async throws {
        folder = try TemporaryFolder()
        guard let acme = TenantID("acme"), let globex = TenantID("globex") else { throw Missing() }
        (self.acme, self.globex) = (acme, globex)
        time = ManualTime(wallMilliseconds: Self.now)
        let control = try ControlLog(folder: folder.path)
        for tenant in [acme, globex] { try control.createTenant(tenant, by: "test", at: Self.now) }
        var chance = SystemRandomNumberGenerator()
        let acmeMade = try control.createKey(tenant: acme, name: "a", by: "test", at: Self.now, using: &chance)
        (acmeKey, acmeKeyID) = (acmeMade.key.secret, acmeMade.record.id)
        globexKey = try control.createKey(tenant: globex, name: "g", by: "test", at: Self.now, using: &chance).key
            .secret
        incidentsOnlyKey = try control.createKey(
            tenant: acme, name: "i", scopes: [.readIncidents], by: "test", at: Self.now, using: &chance
        ).key.secret
        let store = try SQLiteFlowStore(directory: folder.path)
        try await Self.fill(store, tenant: acme)
        let incidents = try IncidentLog(directory: folder.path)
        let changes = try incidents.record([Self.finding], tenant: acme, at: Self.now)
        guard let incident = changes.first?.incident else { throw Missing() }
        incidentID = incident.id
        sources = APISources(
            query: FlowQuery(store: store, time: time), incidents: incidents, control: control,
            sensors: SensorRegistry(), log: try SQLiteFlowLog(directory: folder.path), metrics: MetricRegistry(),
            time: time, pseudonymSecret: Array(repeating: 7, count: 32), unready: { [] })
    }
    struct Missing: Error {}

    private static func fill(_ store: SQLiteFlowStore, tenant: TenantID) async throws {
        var columns = FlowColumns(), encoder = BatchEncoder()
        let exporter = ExporterKey(
            address: IPAddress(v4: 0x0A00_00FE), observationDomain: 0, exportProtocol: .ipfix)
        for (source, octets) in [(UInt32(0x0A00_0001), UInt64(1_000)), (0x0A00_0002, 9_000)] {
            var flow = FlowRecord()
            flow.exporter = columns.intern(exporter) ?? 0
            flow.sourceIPAddress = IPAddress(v4: source)
            flow.destinationIPAddress = IPAddress(v4: 0xC633_6407)
            (flow.sourceTransportPort, flow.destinationTransportPort, flow.protocolIdentifier) = (40_000, 443, 6)
            (flow.octetDeltaCount, flow.packetDeltaCount) = (octets, 10)
            (flow.flowStartMilliseconds, flow.flowEndMilliseconds) = (now - 2_000, now - 1_000)
            columns.append(flow)
        }
        let body = try encoder.encode(columns, fidelity: .full)
        let sensor = SensorIdentity(tenant: tenant, site: "hq", name: "edge1")
        try await store.store([
            StoredBatch(
                sensor: sensor, key: BatchKey(epoch: Epoch(high: 1, low: 2), sequence: 0), logOffset: 1,
                receivedMilliseconds: now, flowStartMin: now - 2_000, flowEndMax: now - 1_000, rows: 2,
                tally: columns.tally, body: body)
        ])
    }

    private static let finding = Finding(
        id: String(repeating: "a1", count: 16), rule: "port-scan-vertical", title: "203.0.113.9 tried 1000 ports",
        severity: .high, tactics: ["TA0043"], techniques: ["T1046"],
        entities: [
            FindingEntity(type: "ipv4-addr", role: .attacker, value: "203.0.113.9"),
            FindingEntity(type: "ipv4-addr", role: .victim, value: "198.51.100.7"),
        ], ports: [22, 80], start: now - 10_000, end: now, windowStart: now - 10_000,
        evidence: Evidence(observed: 1_000, threshold: 15, unit: "ports", flows: 1_000, packets: 1_000, octets: 40_000),
        update: 0)

    /// Asks, and gives status, header fields and the JSON object of the answer.
    func get(_ uri: String, key: String?) async throws -> (status: Int, fields: HTTPFields, json: [String: Any]) {
        let answer = try await ask(.get, uri, key: key)
        return (answer.status, answer.fields, answer.json)
    }
    /// The same question several times to one router.
    func statuses(
        _ uri: String, times: Int, key: String, fields: HTTPFields = [:]
    ) async throws -> [(status: Int, fields: HTTPFields)] {
        var sources = sources
        sources.live.lasts = .zero
        let app = Application(router: try apiRouter(sources))
        var headers: HTTPFields = [.authorization: "Bearer \(key)"]
        for field in fields { headers.append(field) }
        let sent = headers
        return try await app.test(.router) { client in
            var answers: [(Int, HTTPFields)] = []
            for _ in 0..<times {
                answers.append(
                    try await client.execute(uri: uri, method: .get, headers: sent) {
                        (Int($0.status.code), $0.headers)
                    })
            }
            return answers
        }
    }
    func ask(
        _ method: HTTPRequest.Method, _ uri: String, key: String?, body: String? = nil, fields: HTTPFields = [:],
        of other: APISources? = nil
    ) async throws -> (status: Int, fields: HTTPFields, json: [String: Any], octets: [UInt8]) {
        let app = Application(router: try apiRouter(other ?? sources))
        var headers: HTTPFields = key.map { [.authorization: "Bearer \($0)"] } ?? [:]
        for field in fields { headers.append(field) }
        let sent = headers
        let answer = try await app.test(.router) { client in
            try await client.execute(
                uri: uri, method: method, headers: sent, body: body.map { ByteBuffer(string: $0) }
            ) { response in
                (Int(response.status.code), response.headers, Data(response.body.readableBytesView))
            }
        }
        let json = try? JSONSerialization.jsonObject(with: answer.2) as? [String: Any]
        return (answer.0, answer.1, json ?? [:], Array(answer.2))
    }
}
