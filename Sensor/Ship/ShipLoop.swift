internal import Delivery
internal import HTTP2Client
internal import Logging
internal import Platform
internal import Synchronization

/// The shipper's thread: asks the core, moves bytes, tells the core what came of it. Owned by one thread at a time.
final class ShipLoop: @unchecked Sendable {
    private let settings: ShipSettings, source: any BatchSource, time: any TimeSource, logger: Logger
    private let heartbeat: @Sendable () -> [UInt8]
    private let shared: ShipShared
    private var core: ShipCore
    private var identity: IdentityKeeper
    private var renewal = CertificateRenewal()
    private var connection: HTTP2Connection?
    /// Which batch a request is about; 0 is the heartbeat.
    private var keys: [UInt64: BatchKey] = [:], lastTag: UInt64 = 0
    private var released: [BatchKey] = [], releasedBytes: [BatchKey: Int] = [:]
    /// The last request for batches to be sent again that was followed.
    private var reshipped: String?
    private var nextHeartbeat = Duration.zero, isHeartbeatOpen = false
    /// The last heartbeat, said before the end so that the aggregator has the ledger as it was left.
    private enum Farewell { case none, due, sent, said }
    private var farewell = Farewell.none
    private var nextAsk = Duration.zero, mayHaveMore = true
    private var drainDeadline: Duration?
    private var lastLogged = ""

    init(
        settings: ShipSettings, source: any BatchSource, time: any TimeSource, seed: UInt64, logger: Logger,
        heartbeat: @escaping @Sendable () -> [UInt8], shared: ShipShared
    ) {
        self.settings = settings
        self.source = source
        self.time = time
        self.logger = logger
        self.heartbeat = heartbeat
        self.shared = shared
        core = ShipCore(settings: settings, seed: seed)
        identity = IdentityKeeper(settings.files, every: settings.filesCheckedEvery)
    }

    func run() {
        while !core.isStopped {  // ends: when the core has drained, or its time to drain is over
            let now = time.monotonic()
            if let limit = shared.stopLimit.withLock({ $0 }), drainDeadline == nil {
                drainDeadline = now + limit
                nextHeartbeat = now
                farewell = .due
            }
            if farewell == .said || farewell == .due && !core.isOpen {
                farewell = .none
                perform(core.stop(at: now))
            }
            if let drainDeadline, now >= drainDeadline { break }
            turn(at: now)
        }
        flushReleased()
        drop()
    }

    private func turn(at now: Duration) {
        lookAtIdentity(at: now)
        askSource(at: now)
        perform(core.step(at: now))
        sendHeartbeat(at: now)
        renewCertificate(at: now)
        flushReleased()
        publish()
        guard !core.isStopped else { return }
        wait(from: time.monotonic())
        if shared.waker.clear() { mayHaveMore = true }
    }

    private func wait(from now: Duration) {
        let deadlines = [
            core.wake(after: now), drainDeadline, identity.due, nextAsk, heartbeatDue, renewalDue,
        ]
        let patience = max((deadlines.compactMap { $0 }.min() ?? now) - now, .zero)
        guard let connection else { return shared.waker.sleep(atMost: patience) }
        do throws(HTTP2Error) {
            let outcomes = try connection.pump(timeout: patience, wakeDescriptor: shared.waker.descriptor)
            for outcome in outcomes { take(outcome) }
            // An outcome may have led to a new connection, which this one's GOAWAY says nothing about.
            if connection.isGoingAway, connection === self.connection { perform(core.retire(at: time.monotonic())) }
        } catch {
            lost(error)
        }
    }

    // MARK: The source

    private func askSource(at now: Duration) {
        guard core.isOpen, core.appetite > 0, mayHaveMore || now >= nextAsk else {
            if now >= nextAsk { nextAsk = now + settings.sourceAskedEvery }
            return
        }
        nextAsk = now + settings.sourceAskedEvery
        // Only as many as could soon be sent: the spool's index is asked again anyway.
        let limit = min(core.appetite, settings.inFlightBatchesMax * 4)
        guard core.known.count < settings.inFlightBatchesMax * 2 || core.inFlight == 0 else { return }
        withSource {
            let waiting = try source.waiting(limit: limit, excluding: core.known.union(released))
            mayHaveMore = waiting.count == limit
            core.offer(waiting)
        }
    }

    /// A spool that fails is asked again a second later: its batches are safe where they are.
    private func withSource(_ body: () throws -> Void) {
        do {
            try body()
        } catch {
            mayHaveMore = false
            note(failure: "source", "the spool failed: \(error)")
        }
    }

    private func flushReleased() {
        guard !released.isEmpty else { return }
        let keys = released
        released = []
        do {
            try source.acknowledge(keys)
        } catch {
            // They stay where they are, are not offered again meanwhile, and are let go of with the next ones.
            released = keys
            return note(failure: "source", "the spool failed: \(error)")
        }
        let bytes = keys.reduce(0) { $0 + (releasedBytes.removeValue(forKey: $1) ?? 0) }
        shared.status.withLock {
            $0.acknowledgedBatches += UInt64(keys.count)
            $0.acknowledgedBytes += UInt64(bytes)
        }
    }

    // MARK: Directives

    private func perform(_ directives: [ShipCore.Directive]) {
        var queue = directives
        while !queue.isEmpty {  // ends: a directive adds others only by sending less or connecting, both bounded
            switch queue.removeFirst() {
            case .connect(let endpoint): queue += connect(to: settings.endpoints[endpoint])
            case .disconnect: drop()
            case .send(let key): queue += send(key)
            case .release(let key): released.append(key)
            case .deadLetter(let key, let reason): setAside(key, reason)
            }
        }
    }

    private func connect(to endpoint: HTTP2Endpoint) -> [ShipCore.Directive] {
        guard let context = identity.context else {
            core.connectFailed(at: time.monotonic())
            return []
        }
        let domain = settings.trustDomain
        var patience = settings.patience
        patience.request = core.requestPatience
        do throws(HTTP2Error) {
            let made = try HTTP2Connection(
                to: endpoint, context: context, patience: patience, time: time
            ) { ShipSettings.refusal(of: $0, trustDomain: domain) }
            connection = made
            nextHeartbeat = time.monotonic()
            mayHaveMore = true
            shared.status.withLock {
                $0.connectedEndpoint = endpoint
                $0.peerName = made.peerName
                $0.connections += 1
            }
            lastLogged = ""
            logger.info("Connected.", metadata: ["endpoint": "\(endpoint)", "peer": "\(made.peerName)"])
            return core.connected(at: time.monotonic())
        } catch {
            note(failure: error.label, "\(endpoint): \(error)")
            core.connectFailed(at: time.monotonic())
            return []
        }
    }

    private func send(_ key: BatchKey) -> [ShipCore.Directive] {
        guard let connection else {
            core.notSent(key)
            return []
        }
        guard let digest = core.digest(of: key), let body = body(of: key) else { return [] }
        guard BatchDigest(of: body) == digest else {
            core.dropped(key)
            return [.deadLetter(key, reason: "the spooled bytes have changed: their digest is not \(digest)")]
        }
        lastTag += 1
        do throws(HTTP2Error) {
            try connection.submit(Self.head(key, digest), body: body, tag: lastTag)
            keys[lastTag] = key
            releasedBytes[key] = body.count
            shared.status.withLock { $0.sentBatches += 1 }
            return []
        } catch {
            core.notSent(key)
            return error == .goingAway ? core.retire(at: time.monotonic()) : failed(key, error)
        }
    }

    private func failed(_ key: BatchKey, _ error: HTTP2Error) -> [ShipCore.Directive] {
        releasedBytes[key] = nil
        note(failure: error.label, "\(key): \(error)")
        return core.failed(key, at: time.monotonic())
    }

    private func body(of key: BatchKey) -> [UInt8]? {
        var found: [UInt8]?
        withSource { found = try source.body(of: key) }
        if found == nil { core.dropped(key) }
        return found
    }

    private func setAside(_ key: BatchKey, _ reason: String) {
        releasedBytes[key] = nil
        shared.status.withLock { $0.deadLetters += 1 }
        logger.error("Batch set aside.", metadata: ["key": "\(key)", "reason": "\(reason)"])
        withSource { try source.deadLetter(key, reason: reason) }
    }

    private static func head(_ key: BatchKey, _ digest: BatchDigest) -> HTTPRequestHead {
        HTTPRequestHead(
            method: "POST", path: IngestWire.path,
            fields: [
                HTTPField("content-type", "application/octet-stream"),
                HTTPField(IngestWire.epochField, "\(key.epoch)"),
                HTTPField(IngestWire.sequenceField, "\(key.sequence)"),
                HTTPField(IngestWire.digestField, "\(digest)"),
            ])
    }

    // MARK: Heartbeats

    private static let heartbeatTag: UInt64 = 0

    private var heartbeatDue: Duration? { core.isOpen && !isHeartbeatOpen ? nextHeartbeat : nil }

    private func sendHeartbeat(at now: Duration) {
        guard let connection, let due = heartbeatDue, now >= due else { return }
        nextHeartbeat = now + settings.heartbeatEvery
        var fields = [HTTPField("content-type", "application/json")]
        if let reshipped { fields.append(HTTPField(ReshipRequest.doneField, reshipped)) }
        let head = HTTPRequestHead(method: "POST", path: IngestWire.heartbeatPath, fields: fields)
        do throws(HTTP2Error) {
            try connection.submit(head, body: heartbeat(), tag: Self.heartbeatTag)
            isHeartbeatOpen = true
            if farewell == .due { farewell = .sent }
        } catch {
            note(failure: error.label, "heartbeat: \(error)")
        }
    }

    // MARK: Outcomes

    private func take(_ outcome: HTTP2Outcome) {
        switch outcome {
        case .response(let response, Self.heartbeatTag):
            isHeartbeatOpen = false
            if farewell == .sent { farewell = .said }
            core.heard()
            if response.status < 300 { shared.status.withLock { $0.heartbeatsAnswered += 1 } }
            reship(response)
        case .failed(let error, Self.heartbeatTag):
            isHeartbeatOpen = false
            if farewell == .sent { farewell = .said }
            note(failure: error.label, "heartbeat: \(error)")
        case .response(let response, Self.renewalTag): takeCertificate(response)
        case .failed(let error, Self.renewalTag):
            renewal.failed(at: time.monotonic())
            note(failure: "renewal", "\(error)")
        case .response(let response, let tag): take(response, tag)
        case .failed(let error, let tag):
            guard let key = keys.removeValue(forKey: tag) else { return }
            if error == .requestTimedOut, settings.endpoints.count > 1 { return hung(key) }
            perform(failed(key, error))
        }
    }

    /// An aggregator has lost its disk, or parts of it, and asks for what it had answered for.
    private func reship(_ response: HTTPResponse) {
        guard let request = ReshipRequest(response.field), request.id != reshipped else { return }
        withSource {
            // By this sensor's clock, and a minute more: answers were under way.
            let since = request.since(nowMilliseconds: time.wallMilliseconds()) - 60_000
            let count = try source.reship(sinceMilliseconds: since)
            reshipped = request.id
            mayHaveMore = true
            nextHeartbeat = time.monotonic()
            shared.status.withLock { $0.reshippedBatches += UInt64(count) }
            logger.warning(
                "An aggregator asked for batches again.",
                metadata: ["batches": .stringConvertible(count), "since": .stringConvertible(since)])
        }
    }

    private func take(_ response: HTTPResponse, _ tag: UInt64) {
        guard let key = keys.removeValue(forKey: tag) else { return }
        let reason = String(decoding: response.body.prefix(1_000), as: UTF8.self)
        let answer = IngestAnswer(
            status: response.status, digest: response.field(IngestWire.digestField),
            retryAfter: response.field("retry-after"), reason: reason)
        switch answer {
        case .stored: break
        case .busy(let status, _): note(failure: "answer_\(status)", "\(key): answered with \(status)")
        case .conflict, .refused: note(failure: "answer_\(response.status)", "\(key): \(answer)")
        }
        perform(core.answered(key, answer, at: time.monotonic()))
    }

    // MARK: The connection

    private func hung(_ key: BatchKey) {
        note(failure: "hung", "\(key): no answer within \(core.requestPatience), though the connection lives")
        drop()
        core.hung(at: time.monotonic())
    }

    private func lost(_ error: HTTP2Error) {
        note(failure: error.label, "\(error)")
        drop()
        core.connectionLost(at: time.monotonic())
    }

    private func drop() {
        connection?.close()
        connection = nil
        keys = [:]
        releasedBytes = releasedBytes.filter { released.contains($0.key) }
        isHeartbeatOpen = false
        if renewal.pending != nil { renewal.failed(at: time.monotonic()) }
        shared.status.withLock { $0.connectedEndpoint = nil }
    }

    private func lookAtIdentity(at now: Duration) {
        switch identity.look(at: now, time: time, refusal: source.refusal) {
        case .unchanged: return
        case .loaded:
            shared.status.withLock {
                if $0.certificateExpiryMilliseconds != nil { $0.certificateReloads += 1 }
                $0.certificateExpiryMilliseconds = identity.context?.expiryMilliseconds
            }
            if settings.renewsCertificate, let context = identity.context { renewal.loaded(context, time: time) }
            perform(core.identityChanged(at: now))
        case .refused(let error): keepIdentity("\(error)")
        case .foreign(let reason): keepIdentity(reason)
        }
    }
    private func keepIdentity(_ reason: String) {
        shared.status.withLock { $0.certificateReloadFailures += 1 }
        note(failure: "identity", reason)
    }

    // MARK: The next certificate

    private static let renewalTag = UInt64.max

    private var renewalDue: Duration? { core.isOpen ? renewal.due : nil }

    private func renewCertificate(at now: Duration) {
        guard let connection, let due = renewalDue, now >= due, let made = renewal.begin(at: now) else { return }
        let head = HTTPRequestHead(
            method: "POST", path: IngestWire.certificatePath, fields: [HTTPField("content-type", "application/pkcs10")])
        do throws(HTTP2Error) { try connection.submit(head, body: made.request, tag: Self.renewalTag) } catch {
            renewal.failed(at: now)
            note(failure: "renewal", "\(error)")
        }
    }

    private func takeCertificate(_ response: HTTPResponse) {
        let file = settings.files.certificate
        if let problem = renewal.take(response, into: settings.files, of: identity.context?.uriName, time: time) {
            return note(failure: "renewal", problem)
        }
        logger.notice("The certificate was renewed.", metadata: ["file": "\(file)"])
    }

    // MARK: Telling

    private func publish() {
        let inFlight = core.inFlight
        shared.status.withLock { $0.inFlight = inFlight }
    }

    /// Counted always, logged when it is news: an aggregator that is down for a day is one line, not thousands.
    private func note(failure label: String, _ text: String) {
        shared.status.withLock { $0.note(failure: label, text) }
        guard lastLogged != label else { return }
        lastLogged = label
        logger.warning("Shipping has trouble.", metadata: ["reason": "\(label)", "error": "\(text)"])
    }
}
