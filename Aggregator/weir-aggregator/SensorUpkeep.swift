import API
import Ingest
import Logging
import ServiceLifecycle
import Tenancy

/// Keeps what the sensors' listener goes by up to date with the ControlLog, which other processes may write too, and
/// lets in what was held of sensors that left quarantine.
struct SensorUpkeep: Service {
    let control: ControlLog, gate: SensorGate, ingest: BatchIngest, logger: Logger

    /// A peer that was revoked is cut within this and the listener's own interval.
    static let interval: Duration = .seconds(2)

    /// - Throws: when the log can't be read: then nobody may be let in.
    func refresh() throws { gate.replace(try control.sensorStandings()) }

    func run() async throws {
        while !Task.isShuttingDownGracefully {
            do {
                try refresh()
                await ingest.releaseHeld()
            } catch {
                // What was known stays in force.
                logger.error("Which sensors are revoked can't be read.", metadata: ["error": "\(error)"])
            }
            do {
                try await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.interval) }
            } catch is CancellationError where !Task.isCancelled {
                // Only the end of the wait; when another part has failed this one must end too.
            }
        }
    }
}
