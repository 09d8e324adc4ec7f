internal import Glibc

/// One POSIX thread, from its start to its join. Threads of Swift's own would block a pool that is meant for short
/// work; Foundation's would bring Foundation.
@safe package final class SystemThread: Sendable {
    /// The system has no more threads; the code is errno's.
    package struct Unavailable: Error, Equatable, Sendable {
        package let code: Int32
    }
    private let thread: pthread_t

    private final class Work {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    package init(_ body: @escaping @Sendable () -> Void) throws(Unavailable) {
        let work = unsafe Unmanaged.passRetained(Work(body))
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
            throw Unavailable(code: failed)
        }
        self.thread = thread
    }

    /// Waits for the thread's end. Call once.
    package func join() { pthread_join(thread, nil) }
}

extension SystemThread {
    /// Holds up the thread that calls, for so long or a little less where a signal comes.
    package static func pause(for duration: Duration) {
        let (seconds, attoseconds) = duration.components
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        unsafe nanosleep(&time, nil)
    }
}
