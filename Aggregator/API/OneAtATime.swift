internal import HTTPTypes
internal import Synchronization

/// Lets one of several askers do what may take hundreds of megabytes; the others are told to come again.
final class OneAtATime: Sendable {
    private let isBusy = Mutex(false)
    private let busy: String

    /// - Parameter busy: the title of the problem that the others get.
    init(busy: String) { self.busy = busy }

    /// - Throws: `Problem` "busy", and what `work` throws.
    func run<Answer>(_ work: () async throws -> Answer) async throws -> Answer {
        let isMine = isBusy.withLock { isBusy in
            defer { isBusy = true }
            return !isBusy
        }
        guard isMine else {
            throw Problem(.serviceUnavailable, "busy", busy, headers: [.retryAfter: "30"])
        }
        defer { isBusy.withLock { $0 = false } }
        return try await work()
    }
}
