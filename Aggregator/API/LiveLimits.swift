internal import Synchronization
internal import Tenancy

/// How many streams of live incidents there are, and how long each lasts.
package struct LiveLimits: Sendable {
    package var perCaller = 8, perTenant = 64, total = 512
    /// Between two looks at the log, and at whether the caller still may.
    package var interval: Duration = .milliseconds(500)
    /// Then the caller connects anew, and goes on where the stream ended.
    package var lasts: Duration = .seconds(900)
    /// Between two signs of life, which also show that nobody listens any more.
    package var heartbeat: Duration = .seconds(10)
    /// Whose pages may open a WebSocket with a key, beside this origin's own.
    package var origins: Set<String> = []

    package init() {}
}

/// Places for streams. Each is given back with the last reference to it.
final class LivePlaces: Sendable {
    private let taken = Mutex<[String: Int]>([:])
    private let limits: LiveLimits

    init(_ limits: LiveLimits) { self.limits = limits }

    final class Place: Sendable {
        private let owner: LivePlaces, keys: [String]
        fileprivate init(_ owner: LivePlaces, _ keys: [String]) { (self.owner, self.keys) = (owner, keys) }
        deinit {
            owner.taken.withLock { taken in
                for key in keys {
                    let left = (taken[key] ?? 1) - 1
                    taken[key] = left > 0 ? left : nil
                }
            }
        }
    }
    var count: Int { taken.withLock { $0["all"] ?? 0 } }

    /// - Returns: nil when there is no place for that caller.
    func take(_ caller: Principal) -> Place? {
        let asked = [
            ("all", limits.total), ("t \(caller.tenant)", limits.perTenant),
            ("c \(caller.tenant) \(caller.keyID)", limits.perCaller),
        ]
        let isFree = taken.withLock { taken in
            guard asked.allSatisfy({ taken[$0.0, default: 0] < $0.1 }) else { return false }
            for (key, _) in asked { taken[key, default: 0] += 1 }
            return true
        }
        return isFree ? Place(self, asked.map(\.0)) : nil
    }
}
