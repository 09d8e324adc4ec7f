/// How often one kind of log line may be written: some at once, then one an interval, the next one saying how many
/// were held back. A value without a clock; bounded in the kinds it knows.
package struct RateLimiter: Sendable {
    package enum Verdict: Equatable, Sendable {
        /// Write it; `suppressed` lines of its kind were held back since the last one.
        case write(suppressed: UInt64)
        case suppress
    }
    private struct Kind {
        var tokens: Int
        var refilledAt: Duration
        var suppressed: UInt64 = 0
    }
    private var kinds: [String: Kind] = [:]
    private let burst: Int
    private let interval: Duration
    /// Kinds beyond it share one allowance.
    package static let kindsMax = 256

    /// - Parameters:
    ///   - burst: lines of a kind that may come at once, at least 1.
    ///   - interval: the time in which one more is earned.
    package init(burst: Int = 5, interval: Duration = .seconds(60)) {
        self.burst = max(burst, 1)
        self.interval = interval
    }

    /// - Parameter now: monotonic.
    package mutating func verdict(on kind: String, at now: Duration) -> Verdict {
        let name = kinds[kind] != nil || kinds.count < Self.kindsMax ? kind : ""
        var entry = kinds[name] ?? Kind(tokens: burst, refilledAt: now)
        while entry.tokens < burst, now - entry.refilledAt >= interval {  // ends: at most `burst` turns
            entry.tokens += 1
            entry.refilledAt += interval
        }
        if entry.tokens == burst { entry.refilledAt = now }
        defer { kinds[name] = entry }
        guard entry.tokens > 0 else {
            entry.suppressed += 1
            return .suppress
        }
        let suppressed = entry.suppressed
        entry.tokens -= 1
        entry.suppressed = 0
        return .write(suppressed: suppressed)
    }
}
