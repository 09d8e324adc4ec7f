internal import CSockets
package import FlowModel
internal import Glibc
package import Platform

/// What one receiver thread waits on: its UDP sockets, its TCP ports and connections, and a waker. Hands out what they
/// received.
///
/// After a round in which no batch was full it naps (`NapRule`): a receiver that is woken for each datagram spends many
/// times the processor time at 20,000 datagrams a second. A socket that fails is left alone for a while and tried
/// again; the others go on.
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
    /// Of one socket in one round, before it is the others' turn.
    private static let batchesMax = 8
    /// A connection's window may be small.
    private static let streamNapMax: Duration = .milliseconds(40)

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

    /// One round: waits at most `timeout` for something, takes a few batches from each socket that has any, naps.
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
        var total = 0, isMore = false
        if let streams { total = streams.serve(isReady: ready > 0 && set[Self.streamSlot].revents != 0, body) }
        guard ready > 0 else { return total }
        let fromStreams = total, isWoken = set[Self.wakerSlot].revents != 0
        if isWoken { waker?.clear() }
        for index in listeners.indices where set[Self.firstListenerSlot + index].revents != 0 {
            let (taken, isFull) = takeBatches(from: index, body)
            total += taken
            isMore = isMore || isFull
        }
        let isBusy = isMore || streams?.isBusy == true
        var rest = rule.nap(taken: total, isMore: isBusy, now: time.monotonic())
        if fromStreams > 0 { rest = min(rest, Self.streamNapMax) }
        if !isWoken { nap(rest) }
        return total
    }

    /// - Returns: how many, and whether there may be more.
    private mutating func takeBatches(
        from index: Int, _ body: (_ datagram: RawSpan, _ origin: DatagramOrigin, _ isTruncated: Bool) -> Void
    ) -> (taken: Int, isMore: Bool) {
        var total = 0, isMore = true
        do throws(IntakeError) {
            for _ in 0..<Self.batchesMax where isMore {
                let taken = try receiver.take(from: listeners[index], at: time.wallMilliseconds(), body)
                total += taken
                isMore = taken >= receiver.batchMax
            }
            watches[index].pause = .zero
            ask(index)
        } catch {
            pause(index)
            note(error)
            isMore = false
        }
        return (total, isMore)
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
    /// - Parameter exact: false tells what is known since the last round, so that a loss is counted in the round that
    ///   follows it; true asks each socket once more, so that nothing is missing: once a second and at the end.
    package mutating func takeKernelDrops(exact: Bool) -> UInt64 {
        var sum = dropsOfGone
        dropsOfGone = 0
        for index in listeners.indices {
            if exact { ask(index) }
            sum += UInt64(watches[index].dropsHeard &- watches[index].dropsTold)
            watches[index].dropsTold = watches[index].dropsHeard
        }
        return sum
    }

    /// Asks a socket what it holds and what the kernel dropped.
    /// - Returns: how much of its buffer waits in it, 0...1.
    @discardableResult
    private mutating func ask(_ index: Int) -> Double {
        guard let (fill, drops) = listeners[index].memory else { return 0 }
        watches[index].dropsHeard = drops
        return fill
    }

    // MARK: Waiting

    /// A signal may cut it short, and a wake does: no harm. It ends early, too, when a buffer turns out to fill faster
    /// than was thought.
    private mutating func nap(_ nap: Duration) {
        var napped = Duration.zero
        while napped < nap {  // ends: each turn adds a part
            let part = min(nap - napped, rule.part(after: napped))
            napped += part
            guard weir_nap(waker?.descriptor ?? -1, part.components.attoseconds / 1_000_000_000) != 0, napped < nap
            else { return }
            for index in listeners.indices where watches[index].retryAt == nil {
                if rule.isOver(fill: ask(index), after: napped) { return }
            }
        }
    }
}

/// How long to rest between rounds: until the smallest socket's buffer is half full at the present rate, so that a
/// wake-up brings many datagrams. Each costs as much as several hundred of them, since what the processor's caches held
/// is gone by then.
///
/// A nap is taken in parts, and after each the sockets say how full they are: should a burst of `burstRate` begin
/// during one, the buffer holds it until the part is over. Whoever was idle has memory to map then, so it is noticed
/// earlier.
struct NapRule {
    /// Datagrams of middling size that the smallest buffer holds: the kernel charges about this much for each.
    private let capacity: Double
    private static let datagramBytes = 2_304.0, burstRate = 84_000.0
    static let napMax = 0.08, napMin = 0.000_5, partMin = 0.005
    /// A nap ends when so much of a buffer is in use.
    static let fillMax = 0.5
    /// What a burst may have filled when a part is over, after an idle time and otherwise.
    private static let burstFillIdle = 0.25, burstFillMax = 0.7
    /// Datagrams a second, the last rounds weighing most.
    private var rate = 0.0
    private var lastRound: Duration?

    /// - Parameter bufferBytes: of the smallest socket, as it was asked for: the kernel charges against twice as much.
    init(bufferBytes: Int) { capacity = max(2 * Double(bufferBytes) / Self.datagramBytes, 1) }

    /// How long to sleep before the sockets are asked, when this much of a nap is over.
    func part(after napped: Duration) -> Duration {
        let fill = rate * (napped / .seconds(1)) / capacity
        let burstFill = rate < Self.burstRate / 16 ? Self.burstFillIdle : Self.burstFillMax
        return .seconds(max((burstFill - fill) * capacity / Self.burstRate, Self.partMin))
    }
    /// Whether a nap of which this much is over should end: a buffer is half full, or fuller than the rate lets expect.
    func isOver(fill: Double, after napped: Duration) -> Bool {
        fill >= Self.fillMax || fill > 1.5 * rate * (napped / .seconds(1)) / capacity + 0.05
    }
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
        return .seconds(min(max(capacity * Self.fillMax / max(rate, 1), Self.napMin), Self.napMax))
    }
}
