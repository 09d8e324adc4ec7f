internal import Foundation
import Platform

/// A clock that stands still until a test moves it.
package final class ManualTime: TimeSource {
    private let state: Locked<(wall: Int64, monotonic: Duration)>

    package init(wallMilliseconds: Int64 = 1_700_000_000_000) {
        state = Locked((wallMilliseconds, .zero))
    }
    package func wallMilliseconds() -> Int64 { state.with { $0.wall } }
    package func monotonic() -> Duration { state.with { $0.monotonic } }
    /// Moves both clocks on.
    package func advance(by duration: Duration) {
        let (seconds, attoseconds) = duration.components
        state.with {
            $0.monotonic += duration
            $0.wall += seconds * 1_000 + attoseconds / 1_000_000_000_000_000
        }
    }
    /// Moves the wall clock only, either way: what an administrator or NTP may do.
    package func jumpWall(byMilliseconds milliseconds: Int64) { state.with { $0.wall += milliseconds } }
}

/// A value behind a lock, for tests.
package final class Locked<Value>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value
    package init(_ value: Value) { self.value = value }
    package func with<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}
