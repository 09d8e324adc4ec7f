internal import CSockets
internal import Glibc

/// Ends the wait of a `Poller` at once, from any thread.
package final class IntakeWaker: Sendable {
    let descriptor: Int32

    /// - Throws: `IntakeError.system` when no descriptor is left.
    package init() throws(IntakeError) {
        let opened = weir_event_new()
        guard opened >= 0 else { throw .system(reason: systemReason(-opened)) }
        descriptor = opened
    }
    deinit { close(descriptor) }

    /// The wait that is going on ends; without one, the next does. Naps end too.
    package func wake() { weir_event_raise(descriptor) }
    func clear() { weir_event_clear(descriptor) }
}
