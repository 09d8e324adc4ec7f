internal import Glibc

/// The signals that a service takes: held back from every thread, and waited for by one.
package enum SystemSignals {
    package enum Signal: Equatable, Sendable { case stop, reload }

    /// Call first, before any thread is started: threads inherit it. A broken pipe becomes an error of `write`.
    package static func hold() {
        signal(SIGPIPE, SIG_IGN)
        var set = Self.set
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    }
    /// Waits for the next of them; SIGTERM and SIGINT are `stop`, SIGHUP is `reload`.
    package static func next() -> Signal {
        var set = Self.set, number: Int32 = 0
        while true {  // ends: with a signal; sigwait fails only for a wrong set
            guard unsafe sigwait(&set, &number) == 0 else { continue }
            return number == SIGHUP ? .reload : .stop
        }
    }
    /// As `next`, but gives up after `limit`.
    package static func next(within limit: Duration) -> Signal? {
        var set = Self.set
        let (seconds, attoseconds) = limit.components
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        let number = unsafe sigtimedwait(&set, nil, &time)
        return number < 0 ? nil : number == SIGHUP ? .reload : .stop
    }
    /// Whether one waits now, without waiting for it.
    package static func isPending() -> Bool {
        var pending = sigset_t()
        unsafe sigpending(&pending)
        return unsafe sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1
    }
    /// From here on a SIGINT or SIGTERM ends the process at once: the impatient second Ctrl-C.
    package static func release() {
        var set = Self.set
        unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }
    private static var set: sigset_t {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for number in [SIGTERM, SIGINT, SIGHUP] { unsafe sigaddset(&set, number) }
        return set
    }
}
