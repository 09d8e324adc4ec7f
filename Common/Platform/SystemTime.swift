internal import CSockets
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

/// What the kernel says of its clock.
package enum ClockState: Equatable, Sendable {
    /// Something like NTP holds it to the time, to within `error`.
    case held(error: Duration)
    case free
    /// Not to be asked here.
    case unknown

    package static func now() -> ClockState {
        var error: Int64 = 0
        switch unsafe weir_clock_state(&error) {
        case 1: return .held(error: .milliseconds(error))
        case 0: return .free
        default: return .unknown
        }
    }
}
