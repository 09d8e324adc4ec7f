internal import Glibc

/// The machine's own clocks.
package struct SystemTime: TimeSource {
    package init() {}

    package func wallMilliseconds() -> Int64 {
        let now = read(CLOCK_REALTIME)
        return Int64(now.tv_sec) * 1_000 + Int64(now.tv_nsec) / 1_000_000
    }
    package func monotonic() -> Duration {
        let now = read(CLOCK_MONOTONIC)
        return .seconds(now.tv_sec) + .nanoseconds(now.tv_nsec)
    }
    private func read(_ clock: clockid_t) -> timespec {
        var now = timespec()
        unsafe clock_gettime(clock, &now)
        return now
    }
}
