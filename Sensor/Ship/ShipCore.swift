package import Delivery
internal import HTTP2Client
internal import Platform

#if WEIR_PLANTED
internal import Planted
#endif

/// Decides what is sent, when, to which aggregator, and what becomes of it: a value that takes events and returns
/// directives. Same events, same seed, same directives.
///
/// Invariants: a batch is released only on an answer that proves its own bytes durable; a batch in flight counts
/// against the window until it is answered or its connection is lost; nothing waits longer than `backOff.max` (or what
/// the aggregator asked for) before it is tried again.
/// Not here: connections and clocks (`Shipper`), the batches' bytes (`BatchSource`).
package struct ShipCore: Sendable {
    package enum Directive: Equatable, Sendable {
        /// Connect to this endpoint (an index); then tell `connected` or `connectFailed`.
        case connect(endpoint: Int)
        /// End the connection: nothing is in flight on it.
        case disconnect
        case send(BatchKey)
        /// Durable at an aggregator: the sensor's copy may go.
        case release(BatchKey)
        /// Will never be taken: keep it aside, with the reason, and alarm.
        case deadLetter(BatchKey, reason: String)
    }

    /// The connection, as far as decisions need it.
    enum Link: Equatable, Sendable {
        case down(until: Duration)
        case connecting
        case open
        /// Nothing new goes out; what is in flight may still be answered.
        case draining
        case stopped
    }
    enum Progress: Equatable, Sendable {
        case waiting
        case inFlight
        case backingOff(until: Duration)
    }
    struct Batch: Sendable {
        let digest: BatchDigest, byteCount: Int
        var progress = Progress.waiting
        /// Failed tries of this batch's own since it was last taken up.
        var failures = 0
        /// Answers that named another digest.
        var strangeDigests = 0
    }

    let settings: ShipSettings
    private(set) var link = Link.down(until: .zero)
    private(set) var batches: [BatchKey: Batch] = [:]
    /// In the order they were offered: oldest data first.
    private var order: [BatchKey] = []
    /// The endpoint that is connected, or will be tried next.
    package private(set) var endpoint = 0
    /// Failures to connect, or of connections that brought no answer, in a row.
    private var linkFailures = 0
    /// An aggregator said "busy": nothing is sent before.
    private var holdUntil = Duration.zero
    private var busyAnswers = 0
    /// How many may be in flight now: 1 after trouble, doubled by each stored batch up to the setting.
    private var window: Int
    private var isProven = false
    /// Aggregators that took batches and answered none in time, less one for each sixteen batches stored since.
    private var hangs = 0, storedSinceHang = 0
    private var isStopping = false
    private var generator: SeededGenerator

    package init(settings: ShipSettings, seed: UInt64) {
        self.settings = settings
        window = settings.inFlightBatchesMax
        generator = SeededGenerator(seed: seed)
    }

    // MARK: What the shell asks

    /// Keys that the core has in hand.
    package var known: Set<BatchKey> { Set(batches.keys) }
    /// How many more batches the core would take up.
    package var appetite: Int { isStopping ? 0 : max(settings.knownBatchesMax - batches.count, 0) }
    package var inFlight: Int { batches.values.count { $0.progress == .inFlight } }
    package var isStopped: Bool { link == .stopped }
    /// Whether a connection is up and not about to be given up.
    package var isOpen: Bool { link == .open }

    /// How long a request may go without progress. Where another aggregator is at hand that is seconds, doubled with
    /// each that hung, so that aggregators that are only slow don't get everything again and again.
    package var requestPatience: Duration {
        guard settings.endpointCount > 1 else { return settings.patience.request }
        return min(settings.hangAfter * (1 << min(hangs, 8)), settings.patience.request)
    }

    // MARK: Events

    /// The source has these waiting, oldest first.
    package mutating func offer(_ waiting: [WaitingBatch]) {
        for batch in waiting where batches[batch.key] == nil {
            batches[batch.key] = Batch(digest: batch.digest, byteCount: batch.byteCount)
            order.append(batch.key)
        }
    }

    /// Time has passed, or there may be something to do.
    package mutating func step(at now: Duration) -> [Directive] {
        switch link {
        case .down(let until):
            if isStopping { return stopped() }
            guard now >= until else { return [] }
            link = .connecting
            return [.connect(endpoint: endpoint)]
        case .connecting, .stopped: return []
        case .draining: return inFlight == 0 ? drained(at: now) : []
        case .open: return isStopping && inFlight == 0 ? stopped(.disconnect) : sends(at: now)
        }
    }

    package mutating func connected(at now: Duration) -> [Directive] {
        guard link == .connecting else { return [] }
        link = .open
        isProven = false
        return step(at: now)
    }

    package mutating func connectFailed(at now: Duration) {
        guard link == .connecting else { return }
        linkFailed(at: now)
    }

    /// The connection ended with requests open: whether they arrived is unknown, so they go again.
    package mutating func connectionLost(at now: Duration) {
        guard link == .open || link == .draining else { return }
        for (key, batch) in batches where batch.progress == .inFlight { batches[key]?.progress = .waiting }
        linkFailed(at: now)
    }

    /// A request has had no answer in time although the connection shows life: all that is open goes to the next
    /// endpoint at once. Should the first answer it after all, the key makes the second copy a repeat.
    package mutating func hung(at now: Duration) {
        hangs += 1
        storedSinceHang = 0
        connectionLost(at: now)
    }

    /// The server said GOAWAY, or new certificates are there: finish what is in flight, then connect anew.
    package mutating func retire(at now: Duration) -> [Directive] {
        guard link == .open else { return [] }
        link = .draining
        return step(at: now)
    }

    /// Any answer, also to a heartbeat: this aggregator works.
    package mutating func heard() {
        isProven = true
        linkFailures = 0
    }

    package mutating func answered(_ key: BatchKey, _ answer: IngestAnswer, at now: Duration) -> [Directive] {
        guard let batch = batches[key], batch.progress == .inFlight else { return [] }  // late or doubled
        heard()
        switch answer {
        case .stored(let digest): return stored(key, digest, at: now)
        case .conflict:
            return forget(key, .deadLetter(key, reason: "conflict: the key is taken by other bytes"), at: now)
        case .refused(let status, let reason):
            return forget(key, .deadLetter(key, reason: "refused with \(status): \(reason)"), at: now)
        case .busy(let status, let after):
            busy(key, status: status, after: after, at: now)
            return step(at: now)
        }
    }

    /// This request failed, the connection lives on.
    package mutating func failed(_ key: BatchKey, at now: Duration) -> [Directive] {
        guard batches[key]?.progress == .inFlight else { return [] }
        backOff(key, notBefore: now)
        return step(at: now)
    }

    /// The connection would not take the request: it was not sent.
    package mutating func notSent(_ key: BatchKey) {
        if batches[key]?.progress == .inFlight { batches[key]?.progress = .waiting }
    }

    /// The source no longer has it, or has set it aside.
    package mutating func dropped(_ key: BatchKey) { remove(key) }

    /// Sends nothing new. Once nothing is in flight: `.disconnect`, and `isStopped`.
    package mutating func stop(at now: Duration) -> [Directive] {
        isStopping = true
        return step(at: now)
    }

    /// New certificates are there: use them soon, and at once if the old ones got us nowhere.
    package mutating func identityChanged(at now: Duration) -> [Directive] {
        if case .down = link { link = .down(until: now) }
        return link == .open ? retire(at: now) : []
    }

    /// The digest that the batch must be answered with.
    package func digest(of key: BatchKey) -> BatchDigest? { batches[key]?.digest }

    /// When `step` must be called next although nothing else happens; nil: only an event can change something. Asked
    /// after `step(at: now)`, so what is due at `now` waits for room in the window.
    package func wake(after now: Duration) -> Duration? {
        switch link {
        case .down(let until): return until
        case .connecting, .draining, .stopped: return nil
        case .open:
            guard now >= holdUntil else { return batches.count > inFlight ? holdUntil : nil }
            return batches.values.compactMap(\.retryTime).filter { $0 > now }.min()
        }
    }
}

// MARK: Decisions

extension ShipCore {
    private mutating func sends(at now: Duration) -> [Directive] {
        guard !isStopping, now >= holdUntil else { return [] }
        var directives: [Directive] = []
        var count = inFlight, bytes = batches.values.reduce(0) { $0 + ($1.progress == .inFlight ? $1.byteCount : 0) }
        for key in order {
            guard count < window else { break }
            guard let batch = batches[key], batch.isDue(at: now) else { continue }
            // One batch may always go: a batch larger than the window must not wait for ever.
            guard count == 0 || bytes + batch.byteCount <= settings.inFlightBytesMax else { break }
            batches[key]?.progress = .inFlight
            count += 1
            bytes += batch.byteCount
            directives.append(.send(key))
        }
        return directives
    }

    private mutating func stored(_ key: BatchKey, _ digest: BatchDigest, at now: Duration) -> [Directive] {
        guard let batch = batches[key] else { return [] }
        #if WEIR_PLANTED
        let digest = Planted.digestNotCompared.isActive ? batch.digest : digest
        #endif
        if digest == batch.digest {
            window = min(window * 2, settings.inFlightBatchesMax)
            busyAnswers = 0
            storedSinceHang += 1
            if storedSinceHang.isMultiple(of: 16) { hangs = max(hangs - 1, 0) }
            return forget(key, .release(key), at: now)
        }
        // Not our bytes: damage on the way, or a fault at either end. Worth a few tries, never a release.
        let strange = batch.strangeDigests + 1
        guard strange < settings.strangeDigestsMax else {
            let reason = "an aggregator stored \(digest) under this key, \(strange) times"
            return forget(key, .deadLetter(key, reason: reason), at: now)
        }
        batches[key]?.strangeDigests = strange
        backOff(key, notBefore: now)
        return step(at: now)
    }

    /// 429 and 503 speak for the aggregator, so all batches hold; any other status (500, 404 …) may be this batch's
    /// own trouble, so the others go on.
    private mutating func busy(_ key: BatchKey, status: Int, after: Duration?, at now: Duration) {
        guard status == 429 || status == 503 else { return backOff(key, notBefore: now + (after ?? .zero)) }
        batches[key]?.progress = .waiting
        window = 1
        let asked = now + (after ?? .zero)
        // Answers to batches that were in flight together are one refusal, not several.
        guard now >= holdUntil else {
            holdUntil = max(holdUntil, asked)
            return
        }
        holdUntil = asked + jitter(after: busyAnswers)
        busyAnswers += 1
    }

    private mutating func backOff(_ key: BatchKey, notBefore: Duration) {
        guard let failures = batches[key]?.failures else { return }
        let until = notBefore + jitter(after: failures)
        batches[key]?.progress = .backingOff(until: until)
        batches[key]?.failures = failures + 1
    }

    private mutating func linkFailed(at now: Duration) {
        let round = linkFailures / settings.endpointCount
        linkFailures += 1
        window = 1
        endpoint = (endpoint + 1) % settings.endpointCount
        // Another endpoint may be fine: it is tried at once, and only a full round of failures makes us wait.
        let isNewRound = linkFailures % settings.endpointCount == 0
        link = .down(until: isNewRound ? now + jitter(after: round) : now)
    }

    private mutating func drained(at now: Duration) -> [Directive] {
        if isStopping { return stopped(.disconnect) }
        if isProven {
            link = .down(until: now)
        } else {
            linkFailed(at: now)  // a server that only ever says GOAWAY must not be called in a tight loop
        }
        return [.disconnect]
    }

    private mutating func stopped(_ directives: Directive...) -> [Directive] {
        link = .stopped
        return directives
    }

    private mutating func forget(_ key: BatchKey, _ directive: Directive, at now: Duration) -> [Directive] {
        remove(key)
        return [directive] + step(at: now)
    }

    private mutating func remove(_ key: BatchKey) {
        guard batches.removeValue(forKey: key) != nil else { return }
        order.removeAll { $0 == key }
    }

    /// "Full jitter": evenly anywhere between nothing and the exponential bound, so that sensors cut off together don't
    /// come back together.
    private mutating func jitter(after failures: Int) -> Duration {
        let bound = settings.backOffMin * (1 << min(failures, 16))
        let limit = Self.milliseconds(min(bound, settings.backOffMax))
        return .milliseconds(Int64.random(in: 0...limit, using: &generator))
    }
    private static func milliseconds(_ time: Duration) -> Int64 {
        time.components.seconds * 1_000 + time.components.attoseconds / 1_000_000_000_000_000
    }
}

extension ShipCore.Batch {
    var retryTime: Duration? { if case .backingOff(let until) = progress { until } else { nil } }
    fileprivate func isDue(at now: Duration) -> Bool {
        switch progress {
        case .waiting: true
        case .inFlight: false
        case .backingOff(let until): now >= until
        }
    }
}
