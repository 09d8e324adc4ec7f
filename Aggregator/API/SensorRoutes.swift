internal import Detect
internal import FlowLog
internal import FlowModel
internal import Hummingbird
internal import Identity
internal import Ingest
internal import Tenancy

/// `GET /v1/sensors`: what each of the tenant's sensors shipped, holds and lost; `GET /v1/sensors/{id}/exporters`: the
/// loss ledger and the health of each exporter of one; `POST /v1/sensors/{id}/reship`: what it was answered for, again.
struct SensorRoutes {
    let registry: SensorRegistry, log: any SensorTotals

    func add(to router: PolicedRoutes) {
        router.get("/v1/sensors") { request, context in
            let principal = try context.caller
            let pages = try Pages(request)
            return try pages.answer(
                try await states(for: principal), by: { SensorBody.id(of: $0.sensor) }, SensorBody.init)
        }
        router.post("/v1/sensors/bulk") { try await bulk($0, $1) }
        router.get("/v1/sensors/{id}/exporters") { request, context in
            let principal = try context.caller
            _ = try Parameters(request, allowed: [])
            let id = context.parameters.get("id") ?? ""
            let states = try await states(for: principal)
            guard let state = states.first(where: { SensorBody.id(of: $0.sensor) == id }) else {
                throw Problem.notFound
            }
            return try jsonResponse(ExportersBody(state))
        }
        router.post("/v1/sensors/{id}/reship") { request, context in
            let principal = try context.caller
            let since = try Parameters(request, allowed: ["since"]).time("since") ?? 0
            let id = context.parameters.get("id") ?? ""
            let states = try await states(for: principal)
            guard let sensor = states.first(where: { SensorBody.id(of: $0.sensor) == id })?.sensor else {
                throw Problem.notFound
            }
            registry.ask(sensor, sinceMilliseconds: since, id: String(UInt64.random(in: 1 ... .max), radix: 16))
            return Response(status: .noContent)
        }
    }

    private static let bulkMax = 1_000, bodyBytesMax = 256 << 10

    /// The same of many sensors: each is answered for itself, and one that is not there keeps no other from its answer.
    private func bulk(_ request: Request, _ context: APIContext) async throws -> Response {
        let principal = try context.caller
        _ = try Parameters(request, allowed: [])
        let asked = try await jsonBody(BulkBody.self, of: request, bytesMax: Self.bodyBytesMax)
        guard (1...Self.bulkMax).contains(asked.sensors.count), Set(asked.sensors).count == asked.sensors.count else {
            throw Problem.badBody("sensors: 1 to \(Self.bulkMax) different ids")
        }
        let known = try await states(for: principal).map(\.sensor)
        let byID = Dictionary(known.map { (SensorBody.id(of: $0), $0) }) { first, _ in first }
        let items = asked.sensors.map { id in
            guard let sensor = byID[id] else { return BulkItem(sensor: id, status: 404) }
            registry.ask(
                sensor, sinceMilliseconds: asked.reship.since?.milliseconds ?? 0,
                id: String(UInt64.random(in: 1 ... .max), radix: 16))
            return BulkItem(sensor: id, status: 204)
        }
        return try jsonResponse(["items": items])
    }

    /// Those of the caller's sites.
    private func states(for principal: Principal) async throws -> [SensorState] {
        try await registry.sensors(of: principal.tenant, totals: log).filter {
            principal.reach.holds(site: $0.sensor.site)
        }
    }
}

private struct BulkBody: Decodable {
    struct Reship: Decodable { let since: EventTime? }
    let sensors: [String], reship: Reship
}
private struct BulkItem: Encodable { let sensor: String, status: Int }

/// The exporters of one sensor, since the sensor's start.
private struct ExportersBody: Encodable {
    let items: [ExporterBody]
    /// Exporters that found no room in the heartbeat.
    let omitted: UInt64
    /// When the sensor said all this.
    let asOf: String?

    init(_ state: SensorState) {
        items = (state.heartbeat?.ledger ?? []).map(ExporterBody.init)
        omitted = state.heartbeat?.ledgerOmitted ?? 0
        asOf = state.lastHeartbeatMilliseconds.map { EventTime($0).description }
    }
}
/// One exporter's entry, with what the equation leaves: decoded less sealed less all named losses.
private struct ExporterBody: Encodable {
    let entry: Heartbeat.Exporter

    func encode(to encoder: any Encoder) throws {
        try entry.encode(to: encoder)
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(open, forKey: .open)
    }
    private enum Key: CodingKey { case open }

    /// In the sensor's open window or on the way to its spool. A difference that stays is a fault of ours.
    private var open: Heartbeat.Sums {
        var rest = entry.decoded
        for gone in [entry.sealed] + entry.records.values {
            rest.flows &-= gone.flows
            rest.octets &-= gone.octets
            rest.packets &-= gone.packets
        }
        return rest
    }
}

/// A sensor as JSON. What is not known is left out.
private struct SensorBody: Encodable {
    /// SITE:NAME, which no site or name can hold.
    static func id(of sensor: SensorIdentity) -> String { "\(sensor.site):\(sensor.name)" }

    let id: String
    let site: String, name: String, connected: Bool
    let certificateExpiry: String?, lastHeartbeat: String?, lastBatch: String?
    /// What is in the log, over all time.
    let batches: UInt64, rows: UInt64, flows: UInt64, octets: UInt64, packets: UInt64
    let version: String?, fidelity: String?
    let spool: Heartbeat.Spool?, deadLetters: UInt64?
    /// Since the sensor's start.
    let ledger: [Heartbeat.Exporter]?

    init(_ state: SensorState) {
        id = Self.id(of: state.sensor)
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
