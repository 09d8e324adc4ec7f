internal import Glibc
internal import Platform

/// A pipe that one thread sleeps on and any may write to.
@safe final class SystemWaker: Sendable {
    private let readEnd: Int32, writeEnd: Int32

    init() throws(SensorError) {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw .noDescriptor(code: errno) }
        for end in ends {
            _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        (readEnd, writeEnd) = (ends[0], ends[1])
    }
    deinit {
        close(readEnd)
        close(writeEnd)
    }
    /// A full pipe is as good: the sleeper will wake.
    func wake() {
        var one: UInt8 = 1
        _ = unsafe write(writeEnd, &one, 1)
    }
    /// Waits for a `wake` since the last wait, at most `milliseconds`.
    func wait(atMostMilliseconds milliseconds: Int32) {
        var set = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&set, 1, milliseconds)
        var bytes = [UInt8](repeating: 0, count: 64)
        _ = unsafe read(readEnd, &bytes, bytes.count)
    }
}

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
