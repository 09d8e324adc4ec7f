internal import Glibc

/// What one thread sleeps on and any may wake it by: a pipe, so that it can be waited for together with sockets.
@safe package final class Waker: Sendable {
    /// Readable from a `wake` to the next `clear`; never to be read by others.
    package let descriptor: Int32
    private let writeEnd: Int32

    /// - Throws: when the process has no descriptors left.
    package init() throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw SystemError(call: "pipe", number: errno) }
        for end in ends {
            _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        (descriptor, writeEnd) = (ends[0], ends[1])
    }
    deinit {
        close(descriptor)
        close(writeEnd)
    }

    /// Ends the sleep that is going on; without one, the next. A full pipe is as good: the sleeper will wake.
    package func wake() {
        var one: UInt8 = 1
        _ = unsafe write(writeEnd, &one, 1)
    }
    /// - Returns: whether anybody has called since the last time.
    @discardableResult
    package func clear() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 256), wasWoken = false
        while unsafe read(descriptor, &bytes, bytes.count) > 0 { wasWoken = true }
        return wasWoken
    }
    /// Sleeps at most `limit`, and not at all when somebody has called since the last `clear`.
    package func sleep(atMost limit: Duration) {
        var set = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&set, 1, limit.pollMilliseconds)
    }
}

extension Duration {
    /// As poll(2) takes it, 0…1 h. Rounded up: rounded down, the last millisecond before a deadline would be spent
    /// spinning.
    package var pollMilliseconds: Int32 {
        let (seconds, attoseconds) = max(self, .zero).components
        let rest = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return Int32(min(seconds, 3_600) * 1_000 + rest)
    }
}
