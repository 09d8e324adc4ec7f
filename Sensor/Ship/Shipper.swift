package import Logging
package import Platform
internal import Synchronization

/// Ships what a `BatchSource` holds to an aggregator: the thread around `ShipCore`.
///
/// Invariants: all calls to the source come from the one thread; a batch is acknowledged to the source only on the
/// core's word. Not here: decisions (`ShipCore`), frames and TLS (`HTTP2Client`).
package final class Shipper: Sendable {
    private let shared: ShipShared
    private let loop: Mutex<ShipLoop?>
    private let thread = Mutex<SystemThread?>(nil)

    /// - Parameter heartbeat: the JSON text of the next heartbeat; called on the shipper's thread.
    /// - Throws: `ShipError` when the system has no descriptors left.
    package init(
        settings: ShipSettings, source: any BatchSource, time: any TimeSource, seed: UInt64, logger: Logger,
        heartbeat: @escaping @Sendable () -> [UInt8]
    ) throws(ShipError) {
        let waker: Waker
        do throws(SystemError) { waker = try Waker() } catch { throw .noDescriptor(code: error.number) }
        shared = ShipShared(waker: waker)
        loop = Mutex(
            ShipLoop(
                settings: settings, source: source, time: time, seed: seed, logger: logger, heartbeat: heartbeat,
                shared: shared))
    }

    /// Starts the thread. Call once.
    package func start() throws(ShipError) {
        guard let loop = loop.withLock({ $0.take() }) else { return }
        let started: SystemThread
        do { started = try SystemThread { loop.run() } } catch { throw .noThread(code: error.code) }
        thread.withLock { $0 = started }
    }

    /// There may be a new batch. Cheap, from any thread.
    package func wake() { shared.waker.wake() }

    package var status: ShipStatus { shared.status.withLock { $0 } }

    /// Sends nothing new, waits for what is in flight for at most `limit`, and for the thread's end. What was not
    /// answered stays with the source. A connection attempt that is under way is not cut short.
    package func stop(drainingAtMost limit: Duration) {
        shared.stopLimit.withLock { $0 = limit }
        shared.waker.wake()
        thread.withLock { $0.take() }?.join()
    }
}

/// Why shipping could not start: the system's limits.
package enum ShipError: Error, Equatable, Sendable {
    /// errno of pipe(2).
    case noDescriptor(code: Int32)
    /// errno of pthread_create(3).
    case noThread(code: Int32)
}

/// What the shipper's thread and its callers share.
final class ShipShared: Sendable {
    let waker: Waker
    let status = Mutex(ShipStatus())
    /// Set once: stop, draining for at most this long.
    let stopLimit = Mutex<Duration?>(nil)

    init(waker: Waker) { self.waker = waker }
}
