package import Delivery
package import FlowLog
internal import FlowModel
package import Identity
package import ServerChannel
internal import Synchronization

/// One sensor as the aggregator sees it now. Times in ms since 1970 UTC by the aggregator's clock.
package struct SensorState: Equatable, Sendable {
    package let sensor: SensorIdentity
    /// Open connections; more than one while the sensor changes certificates, or when it has been cloned.
    package internal(set) var connections = 0
    /// When the certificate of its newest connection ends.
    package internal(set) var certificateExpiryMilliseconds: Int64?
    package internal(set) var lastHeartbeatMilliseconds: Int64?
    package internal(set) var lastBatchMilliseconds: Int64?
    /// Appended to the log, repeats not counted: since the log was made when it is read by `sensors(of:totals:)`,
    /// otherwise since this process began.
    package internal(set) var stored: SensorTotal
    package internal(set) var heartbeat: Heartbeat?
    /// The last few requests to send again that it has followed.
    package internal(set) var reshipped: [String] = []
    /// A request to it alone.
    var reshipAsked: ReshipAsked?
    /// Starts of its program that heartbeats told of, newest last: `startsMax`.
    private var starts: [Int64] = []
    private static let startsMax = 8

    /// A program that was replaced by another one doesn't come back: two run under one name.
    mutating func isCloned(startedAt start: Int64) -> Bool {
        guard starts.last != start else { return false }
        let isBack = starts.contains(start)
        starts = starts.filter { $0 != start }.suffix(Self.startsMax - 1) + [start]
        return isBack
    }

    package var isConnected: Bool { connections > 0 }

    init(_ sensor: SensorIdentity) {
        self.sensor = sensor
        stored = SensorTotal(sensor: sensor)
    }
}

/// What a sensor is asked for again.
struct ReshipAsked: Equatable, Sendable {
    let id: String
    let sinceMilliseconds: Int64
}

/// What is known of every sensor, in memory. All reads name a tenant.
///
/// Bounded by certificates, and by `sensorsMax` a tenant: more sensors are served but not shown.
package final class SensorRegistry: Sendable {
    package static let sensorsMax = 16_384
    /// What every sensor is asked for again, until it says that it did.
    private let reship = Mutex<ReshipAsked?>(nil)
    private let tenants = Mutex<[TenantID: [SensorIdentity: SensorState]]>([:])

    package init() {}

    /// The tenant's sensors, by site and name, with sums since this process began.
    package func sensors(of tenant: TenantID) -> [SensorState] {
        tenants.withLock { Array(($0[tenant] ?? [:]).values) }
            .sorted { ($0.sensor.site, $0.sensor.name) < ($1.sensor.site, $1.sensor.name) }
    }

    /// The tenant's sensors with sums since `log` was made, those included that have not been heard of since this
    /// process began.
    package func sensors(of tenant: TenantID, totals log: any SensorTotals) async throws(FlowLogError) -> [SensorState]
    {
        let totals = try await log.totals(of: tenant)
        var states = tenants.withLock { $0[tenant] ?? [:] }
        for total in totals where total.sensor.tenant == tenant {
            states[total.sensor, default: SensorState(total.sensor)].stored = total
        }
        return states.values.sorted { ($0.sensor.site, $0.sensor.name) < ($1.sensor.site, $1.sensor.name) }
    }

    func stored(_ batch: LogAppend, at now: Int64) {
        update(batch.sensor) { state in
            state.lastBatchMilliseconds = now
            state.stored.batches &+= 1
            state.stored.rows &+= UInt64(max(batch.rows, 0))
            state.stored.tally += batch.tally
        }
    }
    /// A batch came that was there already.
    func heard(_ sensor: SensorIdentity, at now: Int64) {
        update(sensor) { $0.lastBatchMilliseconds = now }
    }
    /// A sensor said how it is.
    /// - Returns: whether another program runs under its name and key: it is said by turns.
    @discardableResult
    package func heard(_ heartbeat: Heartbeat, from sensor: SensorIdentity, at now: Int64) -> Bool {
        var isCloned = false
        update(sensor) { state in
            state.lastHeartbeatMilliseconds = now
            state.heartbeat = heartbeat
            isCloned = heartbeat.startedMilliseconds.map { state.isCloned(startedAt: $0) } ?? false
        }
        return isCloned
    }

    // MARK: Asking for batches again

    /// Asks every sensor for what was answered at or after `since` (ms since 1970 UTC by this aggregator's clock),
    /// since it is lost here. In force until the process ends; each sensor is asked until it says that it did.
    /// - Parameter id: 1 to 32 lower-case hexadecimal digits, another one for each new request.
    package func askForAll(sinceMilliseconds since: Int64, id: String) {
        reship.withLock { $0 = ReshipAsked(id: id, sinceMilliseconds: since) }
    }
    /// As `askForAll`, of one sensor.
    package func ask(_ sensor: SensorIdentity, sinceMilliseconds since: Int64, id: String) {
        update(sensor) { $0.reshipAsked = ReshipAsked(id: id, sinceMilliseconds: since) }
    }

    /// What `sensor` is to be asked for with the answer to this heartbeat.
    /// - Parameter done: the request that it says it has followed.
    package func reshipRequest(to sensor: SensorIdentity, done: String?, at now: Int64) -> ReshipRequest? {
        if let done {
            update(sensor) { state in
                if !state.reshipped.contains(done) { state.reshipped = state.reshipped.suffix(7) + [done] }
            }
        }
        let state = tenants.withLock { $0[sensor.tenant]?[sensor] }, followed = state?.reshipped ?? []
        let open = [state?.reshipAsked, reship.withLock { $0 }].compactMap { $0 }.first { !followed.contains($0.id) }
        return open.map {
            ReshipRequest(id: $0.id, sinceMilliseconds: $0.sinceMilliseconds, nowMilliseconds: now)
        }
    }

    private func update(_ sensor: SensorIdentity, _ change: (inout SensorState) -> Void) {
        tenants.withLock { tenants in
            var sensors = tenants.removeValue(forKey: sensor.tenant) ?? [:]
            if sensors[sensor] != nil || sensors.count < Self.sensorsMax {
                change(&sensors[sensor, default: SensorState(sensor)])
            }
            tenants[sensor.tenant] = sensors
        }
    }
}

extension SensorRegistry: PeerObserver {
    package func connected(_ peer: PeerIdentity) {
        guard let sensor = peer.id.sensor else { return }
        update(sensor) { state in
            state.connections += 1
            state.certificateExpiryMilliseconds = peer.expiryMilliseconds
        }
    }
    package func disconnected(_ peer: PeerIdentity) {
        guard let sensor = peer.id.sensor else { return }
        update(sensor) { $0.connections = max($0.connections - 1, 0) }
    }
}
