internal import Synchronization

/// Bounds what is in work at once: requests, and the octets they may bring. Full says so at once; nothing waits here.
package final class Admission: Sendable {
    private struct Held {
        var requests = 0, bytes = 0
        var pace = DrainPace()
    }
    private let held = Mutex(Held())
    let requestsMax: Int, bytesMax: Int

    package init(requestsMax: Int, bytesMax: Int) {
        self.requestsMax = requestsMax
        self.bytesMax = bytesMax
    }

    /// - Returns: false when there is no room; otherwise `leave(bytes:)` must follow.
    func enter(bytes: Int) -> Bool {
        held.withLock { held in
            guard held.requests < requestsMax, bytes <= bytesMax - held.bytes else { return false }
            held.requests += 1
            held.bytes += bytes
            return true
        }
    }
    /// - Parameter done: bytes that were dealt with, at monotonic time `now`.
    func leave(bytes: Int, done: Int, at now: Duration) {
        held.withLock { held in
            held.requests -= 1
            held.bytes -= bytes
            held.pace.add(done, at: now)
        }
    }
    /// In how many seconds what is in work now will have been dealt with, as fast as it went lately.
    var secondsToDrain: Int { held.withLock { $0.pace.seconds(for: $0.bytes) } }
    /// Requests in work now.
    package var requests: Int { held.withLock { $0.requests } }
}

/// How fast bytes have been dealt with lately: a mean over some seconds.
struct DrainPace {
    private var since: Duration?
    private var bytes = 0
    private var bytesPerSecond = 0.0

    mutating func add(_ count: Int, at now: Duration) {
        bytes += count
        guard let start = since else {
            since = now
            return
        }
        let elapsed = (now - start) / .seconds(1)
        guard elapsed >= 1 else { return }
        let fresh = Double(bytes) / elapsed
        bytesPerSecond = bytesPerSecond == 0 ? fresh : bytesPerSecond * 0.75 + fresh * 0.25
        (since, bytes) = (now, 0)
    }
    /// 1...60; 2 while nothing is known.
    func seconds(for backlog: Int) -> Int {
        guard bytesPerSecond > 0 else { return 2 }
        return Int(min(max((Double(backlog) / bytesPerSecond).rounded(.up), 1), 60))
    }
}
