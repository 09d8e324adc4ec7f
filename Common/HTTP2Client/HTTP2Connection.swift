internal import Glibc
package import Platform

/// A client for one HTTP/2 connection (RFC 9113) over mutual TLS 1.3, driven by the one thread that owns it with
/// poll(2): libnghttp2 frames, OpenSSL encrypts, nothing else runs.
///
/// Invariants: no request is sent before the server's chain, host name and URI name have been checked; every submitted
/// request ends in exactly one outcome, or in one thrown error that ends them all; memory is bounded by the bodies
/// handed in plus 64 KiB for each answer. Not here: which server, when to try again, what an answer means (`Ship`).
package final class HTTP2Connection {
    /// How long the connection is patient.
    package struct Patience: Sendable {
        /// Name resolution excepted, for TCP and TLS together.
        package var connect: Duration
        /// Without progress of the request's own, from its last byte sent to its answer.
        package var request: Duration
        /// Without any sign of life while requests are open: then a PING (RFC 9113 §6.7) goes out.
        package var silence: Duration
        /// After that PING: then the peer is taken for dead.
        package var ping: Duration

        package init(
            connect: Duration = .seconds(3), request: Duration = .seconds(30), silence: Duration = .seconds(1),
            ping: Duration = .seconds(2)
        ) {
            self.connect = connect
            self.request = request
            self.silence = silence
            self.ping = ping
        }
    }

    private let endpoint: HTTP2Endpoint
    private let socket: Socket
    private let tls: TLSSession
    private let frames: FrameSession
    private let time: any TimeSource
    private let patience: Patience
    private var life: Liveness
    private var output = OutputBuffer()
    private var isClosed = false
    /// The server's only URI name, as its certificate gives it.
    package let peerName: String

    /// Connects, shakes hands and checks the server; blocks for at most `patience.connect` (and name resolution).
    /// - Parameter verifyPeer: gets the server's single URI name, answers with the reason to refuse it, or nil.
    /// - Throws: `HTTP2Error`. With TLS 1.3 a server refuses *our* certificate after the handshake (RFC 8446 §4.4.2.4):
    ///   that comes as `.refusedByPeer` from `pump`.
    package init(
        to endpoint: HTTP2Endpoint, context: TLSContext, patience: Patience = .init(), time: any TimeSource,
        verifyPeer: (_ uriName: String) -> String?
    ) throws(HTTP2Error) {
        let deadline = time.monotonic() + patience.connect
        let socket = try Socket(connectingTo: endpoint, until: deadline, time: time)
        let tls = try TLSSession(over: socket, to: endpoint.host, context: context)
        try tls.shakeHands(until: deadline, time: time)
        peerName = try tls.peerURIName()
        if let reason = verifyPeer(peerName) { throw .wrongPeer(name: peerName, reason: reason) }
        self.endpoint = endpoint
        self.socket = socket
        self.tls = tls
        self.time = time
        self.patience = patience
        frames = try FrameSession()
        life = Liveness(at: time.monotonic())
    }

    /// Requests without an outcome.
    package var activeStreams: Int { frames.streams.count }
    /// The server said GOAWAY (RFC 9113 §6.8): nothing more can be submitted, what is open may still be answered.
    package var isGoingAway: Bool { frames.isGoingAway }

    /// Queues a request; its outcome comes from a later `pump` with the same `tag`.
    /// - Throws: `.goingAway` after a GOAWAY, `.closed` after an error, else what nghttp2 refuses.
    package func submit(_ head: HTTPRequestHead, body: [UInt8], tag: UInt64) throws(HTTP2Error) {
        guard !isClosed else { throw .closed }
        let now = time.monotonic()
        if frames.streams.isEmpty { life = Liveness(at: now) }
        try frames.submit(
            head, authority: endpoint.authority, body: body, tag: tag, deadline: now + patience.request,
            patience: patience.request)
    }

    /// One turn: writes what can be written, waits at most `timeout` for the socket (or for `wakeDescriptor` to become
    /// readable), reads what there is.
    /// - Returns: outcomes in the order they became known.
    /// - Throws: once, the fault that ended the connection: no open request will be answered.
    package func pump(timeout: Duration, wakeDescriptor: Int32? = nil) throws(HTTP2Error) -> [HTTP2Outcome] {
        guard !isClosed else { throw .closed }
        do {
            return try turn(timeout, wakeDescriptor)
        } catch {
            isClosed = true
            throw error
        }
    }

    private func turn(_ timeout: Duration, _ wakeDescriptor: Int32?) throws(HTTP2Error) -> [HTTP2Outcome] {
        try write()
        if !tls.hasBufferedInput {
            let events: Int16 = output.isEmpty ? Int16(POLLIN) : Int16(POLLIN) | Int16(POLLOUT)
            try socket.wait(for: events, orReadable: wakeDescriptor, at: min(timeout, untilNextDeadline()))
        }
        let isOpen = try read()
        try write()
        let now = time.monotonic()
        frames.expire(at: now)
        try checkLife(at: now)
        let outcomes = frames.takeOutcomes()
        if !isOpen || frames.isFinished {
            isClosed = true
            // An answer that came with the close is worth more than the news of the close.
            if outcomes.isEmpty || !frames.streams.isEmpty { throw .closedByPeer }
        }
        return outcomes
    }

    /// Says goodbye (GOAWAY, close_notify) as far as that doesn't block. Open requests end without an outcome.
    package func close() {
        guard !isClosed else { return }
        isClosed = true
        frames.terminate()
        try? write()
        tls.sayGoodbye()
    }

    // MARK: Reading and writing

    /// - Returns: false when the peer has closed its side.
    private func read() throws(HTTP2Error) -> Bool {
        // A peer that never stops sending gets no more than its turn: poll says at once that there is more.
        for _ in 0..<64 {
            switch try tls.read() {
            case .bytes(let chunk):
                life.heard(at: time.monotonic())
                try frames.receive(chunk)
            case .wouldBlock: return true
            case .closed: return false
            }
        }
        return true
    }

    private func write() throws(HTTP2Error) {
        while true {  // ends: when nothing is left to send, or the socket takes no more
            try frames.fill(&output, at: time.monotonic())
            if output.isEmpty { return }
            guard let taken = try tls.write(output) else { return }
            output.drop(taken)
        }
    }

    // MARK: Deadlines

    private func untilNextDeadline() -> Duration {
        let now = time.monotonic()
        var next = frames.nextDeadline ?? (now + .seconds(3_600))
        if !frames.streams.isEmpty { next = min(next, life.nextCheck(patience)) }
        return max(next - now, .zero)
    }

    /// A stopped peer still acknowledges TCP segments until its buffer is full, so only bytes from it, or a send queue
    /// that shrinks, count as life.
    private func checkLife(at now: Duration) throws(HTTP2Error) {
        guard !frames.streams.isEmpty else { return }
        life.noteUnacknowledged(socket.unacknowledgedBytes(), at: now)
        switch life.verdict(at: now, patience) {
        case .fine: return
        case .ask:
            frames.ping()
            life.asked(at: now)
            try write()
        case .dead: throw .peerSilent(for: now - life.lastSign)
        }
    }
}

/// When the peer was last known to live, and whether it has been asked since.
struct Liveness {
    enum Verdict: Equatable { case fine, ask, dead }
    private(set) var lastSign: Duration
    private var askedAt: Duration?
    private var unacknowledged = 0

    init(at now: Duration) { lastSign = now }

    mutating func heard(at now: Duration) {
        lastSign = now
        askedAt = nil
    }
    mutating func asked(at now: Duration) { askedAt = now }
    /// Fewer bytes wait for the peer's TCP than before: it takes what we send, however slow the line is.
    mutating func noteUnacknowledged(_ bytes: Int, at now: Duration) {
        if bytes < unacknowledged, bytes > 0 { heard(at: now) }
        unacknowledged = bytes
    }
    func nextCheck(_ patience: HTTP2Connection.Patience) -> Duration {
        askedAt.map { $0 + patience.ping } ?? (lastSign + patience.silence)
    }
    func verdict(at now: Duration, _ patience: HTTP2Connection.Patience) -> Verdict {
        guard now >= nextCheck(patience) else { return .fine }
        return askedAt == nil ? .ask : .dead
    }
}
