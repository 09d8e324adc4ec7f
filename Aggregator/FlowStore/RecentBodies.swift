internal import Foundation
internal import Identity
internal import Synchronization

/// The bodies that were stored last, as they are in the file, so that a compaction which follows soon need not have
/// them read out of it. Bounded: the oldest make room.
final class RecentBodies: Sendable {
    /// Offsets of the log are never given out twice.
    private struct Key: Hashable {
        let tenant: TenantID, logOffset: Int64
    }
    private struct State {
        var bodies: [Key: Data] = [:]
        /// In the order they came, from `first` on; some were taken since.
        var order: [Key] = []
        var first = 0, bytes = 0
    }
    private let bytesMax: Int
    private let state = Mutex(State())

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    /// - Parameter body: as it is in the file.
    func keep(_ body: Data, of batch: StoredBatch) {
        let key = Key(tenant: batch.sensor.tenant, logOffset: batch.logOffset)
        state.withLock { state in
            guard body.count <= bytesMax, state.bodies.updateValue(body, forKey: key) == nil else { return }
            state.order.append(key)
            state.bytes += body.count
            while state.bytes > bytesMax || state.order.count - state.first > Self.countMax {  // ends: drops one
                state.bytes -= state.bodies.removeValue(forKey: state.order[state.first])?.count ?? 0
                state.first += 1
            }
            guard state.first > state.order.count / 2 else { return }
            state.order.removeFirst(state.first)
            state.first = 0
        }
    }
    private static let countMax = 65_536

    /// The body, which is not kept any longer.
    func take(_ tenant: TenantID, logOffset: Int64) -> Data? {
        state.withLock { state in
            let found = state.bodies.removeValue(forKey: Key(tenant: tenant, logOffset: logOffset))
            state.bytes -= found?.count ?? 0
            return found
        }
    }
}
