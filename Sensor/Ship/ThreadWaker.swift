internal import Glibc

/// A pipe that one thread sleeps on and others write to.
@safe final class ThreadWaker: Sendable {
    /// Readable after `wake()`.
    let descriptor: Int32
    private let writeEnd: Int32

    init() throws(ShipError) {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw .noDescriptor(code: errno) }
        for end in ends {
            _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        descriptor = ends[0]
        writeEnd = ends[1]
    }
    deinit {
        close(descriptor)
        close(writeEnd)
    }

    /// A full pipe is as good: the sleeper will wake.
    func wake() {
        var one: UInt8 = 1
        _ = unsafe write(writeEnd, &one, 1)
    }
    /// - Returns: whether anybody has called since the last time.
    func drain() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 256), wasWoken = false
        while unsafe read(descriptor, &bytes, bytes.count) > 0 { wasWoken = true }
        return wasWoken
    }
    func sleep(atMost limit: Duration) {
        var set = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let (seconds, attoseconds) = max(limit, .zero).components
        let milliseconds = min(seconds, 3_600) * 1_000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        _ = unsafe poll(&set, 1, Int32(milliseconds))
    }
}
