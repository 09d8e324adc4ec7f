internal import Detect
internal import FlowLog
internal import FlowModel
internal import Hummingbird
internal import Identity
internal import Ingest
internal import Tenancy

/// `GET /v1/sensors`: what each of the tenant's sensors shipped, holds and lost.
struct SensorRoutes {
    let registry: SensorRegistry, log: any FlowLog

    func add(to router: Router<APIContext>) {
        router.get("/v1/sensors") { request, context in
            let principal = try context.authorize(.readSensors)
            _ = try Parameters(request, allowed: [])
            let states = try await registry.sensors(of: principal.tenant, totals: log)
            return try jsonResponse(["items": states.map(SensorBody.init)])
        }
    }
}

/// A sensor as JSON. What is not known is left out.
private struct SensorBody: Encodable {
    let site: String, name: String, connected: Bool
    let certificateExpiry: String?, lastHeartbeat: String?, lastBatch: String?
    /// What is in the log, over all time.
    let batches: UInt64, rows: UInt64, flows: UInt64, octets: UInt64, packets: UInt64
    let version: String?, fidelity: String?
    let spool: Heartbeat.Spool?, deadLetters: UInt64?
    /// Since the sensor's start.
    let ledger: [Heartbeat.Exporter]?

    init(_ state: SensorState) {
        (site, name, connected) = (state.sensor.site, state.sensor.name, state.isConnected)
        certificateExpiry = state.certificateExpiryMilliseconds.map { EventTime($0).description }
        lastHeartbeat = state.lastHeartbeatMilliseconds.map { EventTime($0).description }
        lastBatch = state.lastBatchMilliseconds.map { EventTime($0).description }
        (batches, rows, flows) = (state.stored.batches, state.stored.rows, state.stored.tally.flows)
        (octets, packets) = (state.stored.tally.octets, state.stored.tally.packets)
        (version, fidelity) = (state.heartbeat?.version, state.heartbeat?.fidelity)
        (spool, deadLetters) = (state.heartbeat?.spool, state.heartbeat?.deadLetters)
        ledger = state.heartbeat?.ledger
    }
}
