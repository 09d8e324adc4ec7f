import FlowStore
import Foundation
import Identity
import Incidents
import ServerChannel
import Telemetry
import Tenancy

/// What this node needs, asked for one after the other: files that answer, room on the disk, certificates.
struct NodeHealth: Sendable {
    /// What keeps the log from being used.
    let unready: @Sendable () async -> [String]
    let store: any FlowStore, incidents: IncidentLog, control: ControlLog
    let listeners: Listeners, folder: String

    /// Less room than this is trouble soon: both must hold.
    private static let freePercentMin = 5.0, freeBytesMin = 4.0 * 1_073_741_824

    func checks() async -> [HealthCheck] {
        var tenants: [TenantID] = []
        let people = problem { tenants = try control.tenants() }
        let recorded = problem { for tenant in tenants.prefix(1) { _ = try incidents.hasAny(of: tenant) } }
        let logged = await unready().isEmpty ? nil : Self.failed
        var stored: String?
        do {
            for tenant in tenants.prefix(1) { _ = try await store.totals(of: tenant) }
        } catch { stored = Self.failed }
        return [
            HealthCheck("log", problem: logged), HealthCheck("store", problem: stored),
            HealthCheck("incidents", problem: recorded), HealthCheck("tenants", problem: people),
            HealthCheck("disk", problem: room, isNeeded: false), listeners.sensors.health, listeners.api.health,
        ]
    }

    /// Why is in the log of the process: this is told to anybody.
    private static let failed = "does not answer, see the log"
    private func problem(_ body: () throws -> Void) -> String? {
        do { try body() } catch { return Self.failed }
        return nil
    }
    private var room: String? {
        guard let found = try? FileManager.default.attributesOfFileSystem(forPath: folder),
            let free = (found[.systemFreeSize] as? NSNumber)?.doubleValue,
            let size = (found[.systemSize] as? NSNumber)?.doubleValue, size > 0
        else { return Self.failed }
        let percent = free / size * 100
        guard percent < Self.freePercentMin, free < Self.freeBytesMin else { return nil }
        return "\(Int(percent)) % free"
    }
}
