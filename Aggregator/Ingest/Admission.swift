internal import Synchronization

/// Bounds what is in work at once: requests, and the octets they may bring. Full says so at once; nothing waits here.
package final class Admission: Sendable {
    private struct Held {
        var requests = 0, bytes = 0
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
    func leave(bytes: Int) {
        held.withLock { held in
            held.requests -= 1
            held.bytes -= bytes
        }
    }
    /// Requests in work now.
    package var requests: Int { held.withLock { $0.requests } }
}
