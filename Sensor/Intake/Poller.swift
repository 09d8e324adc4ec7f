internal import CSockets
package import FlowModel
internal import Glibc
package import Platform

/// What one receiver thread waits on: its UDP sockets, its TCP ports and connections, and a waker. Hands out what they
/// received.
///
/// After a round in which no batch was full it naps (`NapRule`): a receiver that is woken for each datagram spends many
/// times the processor time at 20,000 datagrams a second. A socket that
/// fails is left alone for a while and tried again; the others go on.
package struct Poller: ~Copyable {
    package private(set) var listeners: [UDPListener]
    private let streams: StreamServer?
    private let waker: Waker?
    private var receiver: DatagramReceiver
    private var set: [pollfd] = []
    private var watches: [Watch]
    private var faults: [IntakeError] = []
    private var rule: NapRule
    private var dropsOfGone: UInt64 = 0
    private let time: any TimeSource

    /// What is known of one listener.
    private struct Watch {
        /// Dropped by the kernel, as last heard, and how much of it was told to the caller.
        var dropsHeard: UInt32, dropsTold: UInt32
        /// A socket that fails is not asked before this, and then with a longer pause.
        var retryAt: Duration?
        var pause: Duration = .zero

        init(_ listener: UDPListener) { (dropsHeard, dropsTold) = (listener.dropsBefore, listener.dropsBefore) }
    }
    private static let pauseMin: Duration = .milliseconds(50), pauseMax: Duration = .seconds(2)
    private static let faultsMax = 64

    /// - Parameters:
    ///   - streams: serves TCP and TLS in the same rounds.
    ///   - waker: ends a wait and a nap from another thread.
    ///   - time: the receive time is asked once a batch.
    package init(
        listeners: [UDPListener], receiver: consuming DatagramReceiver, streams: StreamServer? = nil,
        waker: Waker? = nil, time: any TimeSource
    ) {
        self.listeners = listeners
        self.receiver = receiver
        self.streams = streams
        self.waker = waker
        self.time = time
        watches = listeners.map(Watch.init)
        rule = NapRule(bufferBytes: Self.smallestBuffer(listeners))
        arrange()
    }
    private static func smallestBuffer(_ listeners: [UDPListener]) -> Int {
        listeners.map(\.bufferBytes).min() ?? 1 << 20
    }

    /// Goes on with other sockets, as after a reload; what is known of those that stay is kept.
    package mutating func replace(listeners new: [UDPListener]) {
        dropsOfGone = takeKernelDrops(exact: true)  // those that go are not asked again
        let known = Dictionary(
            zip(listeners.map(ObjectIdentifier.init), watches), uniquingKeysWith: { first, _ in first })
        listeners = new
        watches = new.map { known[ObjectIdentifier($0)] ?? Watch($0) }
        rule = NapRule(bufferBytes: Self.smallestBuffer(new))
        arrange()
    }
    /// Waker, streams, then the listeners in order; poll(2) passes over negative descriptors.
    private mutating func arrange() {
        let all = [waker?.descriptor ?? -1, streams?.descriptor ?? -1] + listeners.map(\.descriptor)
        set = all.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    }
    private static let wakerSlot = 0, streamSlot = 1, firstListenerSlot = 2

    /// One round: waits at most `timeout` for something, takes one batch from each socket that has any, naps.
    /// - Parameter body: as in `DatagramReceiver.take`; a message of a TCP or TLS connection comes with its session,
    ///   and as truncated when the connection ended within it.
    /// - Returns: how many datagrams and messages there were.
    /// - Throws: `IntakeError.system` when waiting itself fails. What is wrong with one socket is in `takeFaults`.
    package mutating func poll(
        timeout: Duration, _ body: (_ datagram: RawSpan, _ origin: DatagramOrigin, _ isTruncated: Bool) -> Void
    ) throws(IntakeError) -> Int {
        let start = time.monotonic()
        let wait = resumePaused(at: start, atMost: timeout)
        let ready = unsafe Glibc.poll(&set, nfds_t(set.count), wait.pollMilliseconds)
        if ready < 0 {
            let code = errno
            if code == EINTR { return 0 }
            throw .system(reason: systemReason(code))
        }
        var total = 0, largest = 0
        if let streams {
            total = streams.serve(isReady: ready > 0 && set[Self.streamSlot].revents != 0, body)
            if !streams.isBusy { largest = min(total, 1) }  // a stream's bytes wait well, too
        }
        guard ready > 0 else { return total }
        let isWoken = set[Self.wakerSlot].revents != 0
        if isWoken { waker?.clear() }
        for index in listeners.indices where set[Self.firstListenerSlot + index].revents != 0 {
            let taken = takeBatch(from: index, body)
            total += taken
            largest = max(largest, taken)
        }
        let rest = rule.nap(taken: total, isMore: largest >= receiver.batchMax, now: time.monotonic())
        if !isWoken { nap(rest) }
        return total
    }

    private mutating func takeBatch(
        from index: Int, _ body: (_ datagram: RawSpan, _ origin: DatagramOrigin, _ isTruncated: Bool) -> Void
    ) -> Int {
        do throws(IntakeError) {
            let taken = try receiver.take(from: listeners[index], at: time.wallMilliseconds(), body)
            if let drops = receiver.dropsNoted { watches[index].dropsHeard = drops }
            watches[index].pause = .zero
            return taken
        } catch {
            pause(index)
            note(error)
            return 0
        }
    }

    // MARK: Sockets that fail

    /// ENOBUFS and the like last; asking at once again would spin.
    private mutating func pause(_ index: Int) {
        let pause = min(max(watches[index].pause * 2, Self.pauseMin), Self.pauseMax)
        watches[index].pause = pause
        watches[index].retryAt = time.monotonic() + pause
        set[Self.firstListenerSlot + index].fd = -1
    }
    private mutating func resumePaused(at now: Duration, atMost timeout: Duration) -> Duration {
        var wait = min(timeout, streams?.wait(atMost: timeout, now: now) ?? timeout)
        for index in watches.indices {
            guard let retryAt = watches[index].retryAt else { continue }
            if retryAt > now {
                wait = min(wait, retryAt - now)
                continue
            }
            watches[index].retryAt = nil
            set[Self.firstListenerSlot + index].fd = listeners[index].descriptor
        }
        return max(wait, .zero)
    }
    private mutating func note(_ fault: IntakeError) {
        if faults.count < Self.faultsMax { faults.append(fault) }
    }
    /// What went wrong with single sockets since the last call, at most 64; they are tried again by themselves.
    package mutating func takeFaults() -> [IntakeError] {
        defer { faults = [] }
        return faults
    }
    /// Ends a connection, if it is still there: see `StreamServer`.
    package func end(session: UInt32, as reason: SessionEnd) { streams?.end(session: session, as: reason) }
    /// What became of connections since the last call.
    package mutating func takeStreamEvents() -> [StreamEvent] { streams?.takeEvents() ?? [] }

    // MARK: What the kernel dropped

    /// Datagrams that the kernel dropped since the last call, over all listeners.
    /// - Parameter exact: false costs nothing and tells what datagrams brought word of, so that a loss is counted in
    ///   the round that follows it; true asks each socket, so that nothing is missing: once a second and at the end.
    package mutating func takeKernelDrops(exact: Bool) -> UInt64 {
        var sum = dropsOfGone
        dropsOfGone = 0
        for index in listeners.indices {
            if exact, let drops = try? listeners[index].kernelDrops() { watches[index].dropsHeard = drops }
            let new = watches[index].dropsHeard &- watches[index].dropsTold
            // The socket's own count can be ahead of what a datagram queued earlier brings word of.
            guard new < UInt32.max / 2 else { continue }
            sum += UInt64(new)
            watches[index].dropsTold = watches[index].dropsHeard
        }
        return sum
    }

    // MARK: Waiting

    /// A signal may cut it short, and a wake does: no harm.
    private func nap(_ nap: Duration) {
        guard nap > .zero else { return }
        weir_nap(waker?.descriptor ?? -1, nap.components.attoseconds / 1_000_000_000)
    }
}

/// How long to rest between rounds: as long as a quarter of the smallest socket's buffer takes to fill at the present
/// rate, so that a wake-up brings many datagrams. Each costs as much as several of them, and what the processor's
/// caches held is gone by then.
struct NapRule {
    /// Datagrams of middling size that the smallest buffer holds: the kernel charges about this much for each.
    private let capacity: Double
    private static let datagramBytes = 2_304.0
    static let napMax = 0.040, napMin = 0.000_5
    /// Datagrams a second, the last rounds weighing most.
    private var rate = 0.0
    private var lastRound: Duration?

    /// - Parameter bufferBytes: of the smallest socket.
    init(bufferBytes: Int) { capacity = max(Double(bufferBytes) / Self.datagramBytes, 1) }

    /// - Parameters:
    ///   - taken: datagrams of this round.
    ///   - isMore: some batch was full, so there is more.
    ///   - now: by a monotonic clock.
    mutating func nap(taken: Int, isMore: Bool, now: Duration) -> Duration {
        if let last = lastRound, now > last {
            let seconds = (now - last) / .seconds(1)
            rate += (Double(taken) / seconds - rate) * min(seconds * 50, 1)
        }
        lastRound = now
        guard taken > 0, !isMore else { return .zero }
        return .seconds(min(max(capacity / 4 / max(rate, 1), Self.napMin), Self.napMax))
    }
}
