internal import Glibc

/// One POSIX thread with a name, from its start to its join.
@safe final class SystemThread: Sendable {
    private let thread: pthread_t

    private final class Work {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// - Parameter name: at most 15 bytes are shown by the kernel.
    init(name: String, _ body: @escaping @Sendable () -> Void) throws(SensorError) {
        let named: @Sendable () -> Void = {
            unsafe pthread_setname_np(pthread_self(), String(name.prefix(15)))
            body()
        }
        let work = unsafe Unmanaged.passRetained(Work(named))
        var thread = pthread_t()
        let failed = unsafe pthread_create(
            &thread, nil,
            { raw in
                guard let raw = unsafe raw else { return nil }
                unsafe Unmanaged<Work>.fromOpaque(raw).takeRetainedValue().body()
                return nil
            }, work.toOpaque())
        guard failed == 0 else {
            unsafe work.release()
            throw .noThread(code: failed)
        }
        self.thread = thread
    }

    /// Waits for the thread's end. Call once.
    func join() { unsafe pthread_join(thread, nil) }
}

/// Counts wake-ups (POSIX semaphore): one thread waits, any may post.
@safe final class SystemSemaphore: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        unsafe semaphore = .allocate(capacity: 1)
        unsafe sem_init(semaphore, 0, 0)
    }
    deinit {
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }
    func post() { unsafe sem_post(semaphore) }
    /// Waits for a post, at most `limit`.
    func wait(atMost limit: Duration) {
        var now = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        let (seconds, attoseconds) = max(limit, .zero).components
        let nanoseconds = now.tv_nsec + Int(attoseconds / 1_000_000_000)
        var until = timespec(
            tv_sec: now.tv_sec + Int(min(seconds, 3_600)) + nanoseconds / 1_000_000_000,
            tv_nsec: nanoseconds % 1_000_000_000)
        _ = unsafe sem_clockwait(semaphore, CLOCK_MONOTONIC, &until)
    }
}

/// Sleeps without a reason to be woken.
func systemSleep(milliseconds: UInt32) { usleep(milliseconds * 1_000) }
