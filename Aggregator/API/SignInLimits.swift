internal import Synchronization

/// How often somebody may try a password: an allowance for each address, for each account from one address, and a wide
/// one for each account. Who guesses waits; the owner of an account, at another address, does not.
package final class SignInLimits: Sendable {
    package struct Allowance: Sendable {
        /// At once, and the time in which one more is earned.
        let burst: Int, interval: Duration
        package init(burst: Int, interval: Duration) {
            (self.burst, self.interval) = (max(burst, 1), max(interval, .nanoseconds(1)))
        }
        /// That holds nobody up: for tests of something else.
        package static let none = Allowance(burst: 1_000_000_000, interval: .seconds(1))
    }
    private struct Bucket {
        var left: Int, refilledAt: Duration
    }
    private let buckets = Mutex<[String: Bucket]>([:])
    private let perAddress: Allowance, perPair: Allowance, perAccount: Allowance, perCode: Allowance

    /// Buckets that are kept; full ones are forgotten first, then any.
    package static let bucketsMax = 30_000

    package init(
        perAddress: Allowance = Allowance(burst: 20, interval: .seconds(6)),
        perPair: Allowance = Allowance(burst: 5, interval: .seconds(30)),
        perAccount: Allowance = Allowance(burst: 100, interval: .seconds(36)),
        perCode: Allowance = Allowance(burst: 10, interval: .seconds(300))
    ) {
        (self.perAddress, self.perPair, self.perAccount) = (perAddress, perPair, perAccount)
        self.perCode = perCode
    }

    package var count: Int { buckets.withLock { $0.count } }

    /// Takes one try.
    /// - Parameter now: monotonic.
    /// - Returns: nil: it may be tried; else how long to wait.
    package func wait(account: String, address: String, at now: Duration) -> Duration? {
        let name = String(account.lowercased().prefix(254))
        return take(
            [("a \(address)", perAddress), ("p \(address) \(name)", perPair), ("n \(name)", perAccount)], now)
    }
    /// Takes one try that names no account.
    package func wait(address: String, at now: Duration) -> Duration? { take([("a \(address)", perAddress)], now) }
    /// Takes one try of an authenticator's six digits, wherever from: who gets as far has the password.
    package func waitForCode(_ person: String, at now: Duration) -> Duration? { take([("c \(person)", perCode)], now) }
    /// Who has the authenticator is not held up by former tries.
    package func codeWasRight(_ person: String) { buckets.withLock { $0["c \(person)"] = nil } }

    private func take(_ asked: [(String, Allowance)], _ now: Duration) -> Duration? {
        buckets.withLock { buckets in
            var waiting: Duration?
            for (key, allowance) in asked {
                let bucket = Self.refilled(buckets[key], allowance, now)
                buckets[key] = bucket
                guard bucket.left == 0 else { continue }
                waiting = max(waiting ?? .zero, bucket.refilledAt + allowance.interval - now)
            }
            if waiting == nil { for (key, _) in asked { buckets[key]?.left -= 1 } }
            if buckets.count > Self.bucketsMax { Self.forget(&buckets) }
            return waiting
        }
    }

    private static func refilled(_ old: Bucket?, _ allowance: Allowance, _ now: Duration) -> Bucket {
        guard var bucket = old else { return Bucket(left: allowance.burst, refilledAt: now) }
        while bucket.left < allowance.burst, now - bucket.refilledAt >= allowance.interval {  // ends: `burst` turns
            bucket.left += 1
            bucket.refilledAt += allowance.interval
        }
        if bucket.left == allowance.burst { bucket.refilledAt = now }
        return bucket
    }
    /// The half that was used longest ago.
    private static func forget(_ buckets: inout [String: Bucket]) {
        let times = buckets.values.map(\.refilledAt).sorted()
        let middle = times[times.count / 2]
        buckets = buckets.filter { $0.value.refilledAt > middle }
    }
}
