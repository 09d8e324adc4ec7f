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

    package var isConnected: Bool { connections > 0 }

    init(_ sensor: SensorIdentity) {
        self.sensor = sensor
        stored = SensorTotal(sensor: sensor)
    }
}

/// What is known of every sensor, in memory. All reads name a tenant.
///
/// Bounded by certificates, and by `sensorsMax` a tenant: more sensors are served but not shown.
package final class SensorRegistry: Sendable {
    package static let sensorsMax = 16_384
    private let tenants = Mutex<[TenantID: [SensorIdentity: SensorState]]>([:])

    package init() {}

    /// The tenant's sensors, by site and name, with sums since this process began.
    package func sensors(of tenant: TenantID) -> [SensorState] {
        tenants.withLock { Array(($0[tenant] ?? [:]).values) }
            .sorted { ($0.sensor.site, $0.sensor.name) < ($1.sensor.site, $1.sensor.name) }
    }

    /// The tenant's sensors with sums since `log` was made, those included that have not been heard of since this
    /// process began.
    package func sensors(of tenant: TenantID, totals log: any FlowLog) async throws(FlowLogError) -> [SensorState] {
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
    package func heard(_ heartbeat: Heartbeat, from sensor: SensorIdentity, at now: Int64) {
        update(sensor) { state in
            state.lastHeartbeatMilliseconds = now
            state.heartbeat = heartbeat
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
