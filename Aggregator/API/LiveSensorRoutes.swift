internal import Detect
internal import Hummingbird
internal import Identity
internal import Ingest
internal import Platform
internal import Tenancy

/// `GET /v1/live/sensors`: the state of the caller's sensors, and each again when it changes.
struct LiveSensorRoutes {
    let registry: SensorRegistry, streams: LiveStreams

    func add(to router: PolicedRoutes) {
        router.get("/v1/live/sensors") { request, context in
            let caller = try context.caller
            let parameters = try Parameters(request, allowed: ["after"])
            // Nothing to go on from: each stream begins with all there is.
            _ = try LiveStreams.position(request, parameters)
            let source = LiveSensors(registry: registry, caller: caller, time: streams.time)
            return try streams.answer(source, request, caller)
        }
    }
}

struct LiveSensors: LiveSource {
    let registry: SensorRegistry, caller: Principal, time: any TimeSource
    private var told: [SensorIdentity: (body: LiveSensorBody, at: Duration)] = [:]

    init(registry: SensorRegistry, caller: Principal, time: any TimeSource) {
        (self.registry, self.caller, self.time) = (registry, caller, time)
    }

    private static let pageEntries = 100
    /// Batches come by the second; that one came is not worth a message each.
    private static let every = Duration.seconds(2)

    mutating func next() throws -> (messages: [LiveMessage], hasMore: Bool) {
        let now = time.monotonic()
        var messages: [LiveMessage] = []
        for state in registry.sensors(of: caller.tenant) where caller.reach.holds(site: state.sensor.site) {
            let body = LiveSensorBody(state), last = told[state.sensor]
            guard last?.body != body else { continue }
            // Whether it is there is told at once.
            if let last, now - last.at < Self.every, last.body.connected == body.connected { continue }
            guard messages.count < Self.pageEntries else { return (messages, true) }
            told[state.sensor] = (body, now)
            messages.append(try LiveMessage("sensor", body))
        }
        return (messages, false)
    }
}

private struct LiveSensorBody: Encodable, Equatable {
    let id: String, site: String, name: String, connected: Bool
    let certificateExpiry: String?, lastHeartbeat: String?, lastBatch: String?
    let version: String?, fidelity: String?, spool: Heartbeat.Spool?, deadLetters: UInt64?

    init(_ state: SensorState) {
        (site, name, connected) = (state.sensor.site, state.sensor.name, state.isConnected)
        id = "\(site):\(name)"
        certificateExpiry = state.certificateExpiryMilliseconds.map { EventTime($0).description }
        lastHeartbeat = state.lastHeartbeatMilliseconds.map { EventTime($0).description }
        lastBatch = state.lastBatchMilliseconds.map { EventTime($0).description }
        (version, fidelity) = (state.heartbeat?.version, state.heartbeat?.fidelity)
        (spool, deadLetters) = (state.heartbeat?.spool, state.heartbeat?.deadLetters)
    }
}
