package import Identity
package import ServerChannel
internal import Synchronization
package import Tenancy

/// Who may come in, and whose batches are kept apart, as it was last read from the ControlLog. Asked on event loops.
package final class SensorGate: Sendable {
    private let standings = Mutex(SensorStandings())

    package init() {}

    package func replace(_ new: SensorStandings) { standings.withLock { $0 = new } }

    package func isRevoked(_ peer: PeerIdentity) -> Bool {
        guard let sensor = peer.id.sensor else { return false }
        return standings.withLock { $0.isRevoked(sensor, serial: peer.serial) }
    }
    package func isQuarantined(_ sensor: SensorIdentity) -> Bool {
        standings.withLock { $0.quarantined.contains(sensor) }
    }
}
