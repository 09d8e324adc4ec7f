internal import Glibc
internal import Platform

/// Sleeps without a reason to be woken.
func systemSleep(milliseconds: UInt32) { usleep(milliseconds * 1_000) }

/// Processor time of this process so far, user and system.
func systemProcessorTime() -> Duration {
    var time = timespec()
    guard unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return .zero }
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}
/// Cores that this process may run on.
func systemCoreCount() -> Int { Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

extension SystemThread {
    static func start(_ body: @escaping @Sendable () -> Void) throws(SensorError) -> SystemThread {
        do { return try SystemThread(body) } catch { throw .noThread(code: error.code) }
    }
}
extension Waker {
    static func make() throws(SensorError) -> Waker {
        do { return try Waker() } catch { throw .noDescriptor(code: error.number) }
    }
    /// Sleeps until somebody calls, or has called since the last time.
    func wait(atMost limit: Duration) {
        sleep(atMost: limit)
        clear()
    }
}
