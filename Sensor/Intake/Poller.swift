package import FlowModel
internal import Glibc

/// Waits on several listeners and hands out what they received.
///
/// After a round in which no batch was full it naps: a receiver that is woken for each datagram spends four times the
/// processor time at 20,000 datagrams a second, and a buffer of 4 MiB holds far more than comes in 2 ms.
package struct Poller: ~Copyable {
    package let listeners: [UDPListener]
    private var receiver: DatagramReceiver
    private var set: [pollfd]
    private let wallMilliseconds: () -> Int64

    /// - Parameter wallMilliseconds: the receive time, in ms since 1970 UTC; asked once a batch.
    package init(
        listeners: [UDPListener], receiver: consuming DatagramReceiver, wallMilliseconds: @escaping () -> Int64
    ) {
        self.listeners = listeners
        self.receiver = receiver
        self.wallMilliseconds = wallMilliseconds
        set = listeners.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
    }

    /// One round: waits at most `timeout` for a datagram, takes one batch from each listener that has any, naps.
    /// - Parameter body: as in `DatagramReceiver.take`.
    /// - Returns: how many datagrams there were.
    /// - Throws: `IntakeError.receive`; the other listeners are untouched and can be polled again.
    package mutating func poll(
        timeout: Duration, _ body: (_ datagram: RawSpan, _ origin: DatagramOrigin, _ isTruncated: Bool) -> Void
    ) throws(IntakeError) -> Int {
        let ready = unsafe Glibc.poll(&set, nfds_t(set.count), Int32(Self.milliseconds(timeout)))
        if ready < 0, errno != EINTR { throw .receive(port: 0, reason: systemReason(errno)) }
        guard ready > 0 else { return 0 }
        var total = 0, largest = 0
        for index in listeners.indices where set[index].revents != 0 {
            let taken = try receiver.take(from: listeners[index], at: wallMilliseconds(), body)
            total += taken
            largest = max(largest, taken)
        }
        Self.sleep(napAfter(taken: largest, batchMax: receiver.batchMax))
        return total
    }

    private static func milliseconds(_ timeout: Duration) -> Int64 {
        let (seconds, attoseconds) = max(timeout, .zero).components
        return min(seconds, 3_600) * 1_000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
    }
    private static func sleep(_ nap: Duration) {
        guard nap > .zero else { return }
        var time = timespec(tv_sec: 0, tv_nsec: Int(nap.components.attoseconds / 1_000_000_000))
        unsafe nanosleep(&time, nil)  // a signal may cut it short: no harm
    }
}

/// How long to rest after a round whose largest batch held `taken` of at most `batchMax` datagrams: not at all when
/// more may be waiting, 2 ms when little came, down to 0.5 ms as batches fill up.
package func napAfter(taken: Int, batchMax: Int) -> Duration {
    guard taken < batchMax else { return .zero }
    guard taken > 0 else { return .milliseconds(2) }
    return .microseconds(max(2_000 - 1_500 * taken / batchMax, 500))
}
