/// A connection to one of several NATS servers that comes back by itself.
///
/// Invariants: a request is sent at most once and told its end exactly once: an answer, or why there is none; nothing
/// is sent again by itself. While there is no connection a request is refused at once, so that whoever asks decides.
/// Answers come to one subscription, by a token in their subject; what a consumer delivers keeps the subject that it
/// was published to, so a pull has a subscription of its own.
/// Not here: what requests mean (`JetStreamAPI`).
internal import Foundation
package import Logging
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import Synchronization

package final class NATSClient: Sendable {
    private struct Waiting {
        var answers: [NATSMessage] = []
        /// Whether this answer is the last one.
        let isLast: @Sendable (NATSMessage) -> Bool
        let tell: @Sendable (Result<[NATSMessage], NATSError>) -> Void
        let deadline: Scheduled<Void>
    }
    private struct State {
        /// The one that is ready for requests.
        var channel: (any Channel)?
        var info: NATSServerInfo?
        var isClosed = false
        /// Tries since the last success.
        var tries = 0
        var place = 0
        var lastFault: NATSError?
        var waiting: [UInt64: Waiting] = [:]
        /// 1 is the number of the subscription for all answers.
        var nextToken: UInt64 = 1
        var arrivals: [UInt64: @Sendable (Result<Void, NATSError>) -> Void] = [:]
        /// Answers that nobody waited for any more.
        var late = 0
        var connections = 0
    }
    let options: NATSOptions
    let logger: Logger
    /// The subjects of answers begin with it.
    let inbox: String
    private let loop: any EventLoop
    private let state = Mutex(State())

    /// Begins to connect.
    package init(_ options: NATSOptions, random: inout some RandomNumberGenerator, logger: Logger) {
        precondition(!options.servers.isEmpty, "settings name a server")
        self.options = options
        self.logger = logger
        inbox = "_INBOX.\(String(random.next(), radix: 36))\(String(random.next(), radix: 36))"
        loop = MultiThreadedEventLoopGroup.singleton.next()
        let first = Int.random(in: 0..<options.servers.count, using: &random)
        state.withLock { $0.place = first }
        connect()
    }

    /// Ends the connection and every request. Nothing comes back after it.
    package func close() {
        let (channel, told) = state.withLock { state in
            state.isClosed = true
            defer { state.channel = nil }
            return (state.channel, Self.takeAll(&state))
        }
        channel?.close(promise: nil)
        for waiting in told.0 { waiting.tell(.failure(.closed)) }
        for tell in told.1 { tell(.failure(.closed)) }
    }
    private static func takeAll(
        _ state: inout State
    ) -> ([Waiting], [@Sendable (Result<Void, NATSError>) -> Void]) {
        defer { (state.waiting, state.arrivals) = ([:], [:]) }
        for waiting in state.waiting.values { waiting.deadline.cancel() }
        return (Array(state.waiting.values), Array(state.arrivals.values))
    }

    /// What the server at the other end takes in one message, in octets; nil without a connection.
    package var payloadBytesMax: Int? { state.withLock { $0.channel == nil ? nil : $0.info?.payloadMax } }
    package var serverVersion: String? { state.withLock { $0.info?.version } }
    /// Connections made since the start.
    package var connections: Int { state.withLock { $0.connections } }

    /// Returns when there is a connection.
    /// - Throws: why there was none in this time.
    package func waitUntilConnected(_ timeout: Duration) async throws(NATSError) {
        let result: Result<Void, NATSError> = await withCheckedContinuation { continuation in
            let tell: @Sendable (Result<Void, NATSError>) -> Void = { continuation.resume(returning: $0) }
            let token: UInt64? = state.withLock { state in
                if state.isClosed || state.channel != nil { return nil }
                state.nextToken += 1
                state.arrivals[state.nextToken] = tell
                return state.nextToken
            }
            guard let token else { return tell(state.withLock { $0.isClosed } ? .failure(.closed) : .success(())) }
            loop.scheduleTask(in: .init(timeout)) { [self] in
                let (tell, fault) = state.withLock { ($0.arrivals.removeValue(forKey: token), $0.lastFault) }
                tell?(.failure(fault ?? .notConnected("")))
            }
        }
        try result.get()
    }

    // MARK: Requests

    /// Sends one message and waits for one answer.
    package func request(
        _ subject: String, headers: NATSHeaders = NATSHeaders(), payload: [UInt8] = [], timeout: Duration
    ) async throws(NATSError) -> NATSMessage {
        let message = NATSMessage(subject: subject, headers: headers, payload: payload)
        let answers = try await gather(message, timeout: timeout) { _ in true }
        guard let answer = answers.first else { throw .timeout }
        if answer.status == 503, answer.payload.isEmpty { throw .noResponders }
        return answer
    }

    /// Sends one message and takes answers until one is the last, or the time is over.
    /// - Returns: in the order in which they came. Without the last one, the time was over.
    /// - Throws: `.timeout` when nothing came.
    package func gather(
        _ message: NATSMessage, timeout: Duration, until isLast: @escaping @Sendable (NATSMessage) -> Bool
    ) async throws(NATSError) -> [NATSMessage] {
        try await ask(message, timeout, isLast, hasOwnSubscription: false)
    }
    /// Sends one message, whose answer may be another's message.
    package func pull(_ message: NATSMessage, timeout: Duration) async throws(NATSError) -> NATSMessage {
        guard let answer = try await ask(message, timeout, { _ in true }, hasOwnSubscription: true).first else {
            throw .timeout
        }
        return answer
    }
    private func ask(
        _ message: NATSMessage, _ timeout: Duration, _ isLast: @escaping @Sendable (NATSMessage) -> Bool,
        hasOwnSubscription: Bool
    ) async throws(NATSError) -> [NATSMessage] {
        let token: UInt64 = state.withLock { state in
            state.nextToken += 1
            return state.nextToken
        }
        var message = message
        message.reply = hasOwnSubscription ? "\(inbox)p.\(token)" : "\(inbox).\(token)"
        let ready = message
        let result: Result<[NATSMessage], NATSError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                send(ready, token, timeout, isLast, hasOwnSubscription) { continuation.resume(returning: $0) }
            }
        } onCancel: {
            finish(token, .cancelled)
        }
        return try result.get()
    }

    private func send(
        _ message: NATSMessage, _ token: UInt64, _ timeout: Duration,
        _ isLast: @escaping @Sendable (NATSMessage) -> Bool, _ hasOwnSubscription: Bool,
        tell: @escaping @Sendable (Result<[NATSMessage], NATSError>) -> Void
    ) {
        let deadline = loop.scheduleTask(in: .init(timeout)) { [self] in finish(token, .timeout) }
        let taken: Result<(any Channel, ByteBuffer), NATSError> = state.withLock { state in
            if state.isClosed { return .failure(.closed) }
            if Task.isCancelled { return .failure(.cancelled) }
            guard let channel = state.channel, let info = state.info else {
                return .failure(state.lastFault.map { .notConnected("\($0)") } ?? .notConnected(""))
            }
            guard state.waiting.count < options.waitingMax else { return .failure(.busy) }
            do throws(NATSError) {
                var buffer = try NATSLines.publish(message, payloadMax: info.payloadMax)
                if hasOwnSubscription, let reply = message.reply {
                    // Ends with its first message.
                    var lines = ByteBuffer(string: "SUB \(reply) \(token)\r\nUNSUB \(token) 1\r\n")
                    lines.writeBuffer(&buffer)
                    buffer = lines
                }
                state.waiting[token] = Waiting(isLast: isLast, tell: tell, deadline: deadline)
                return .success((channel, buffer))
            } catch {
                return .failure(error)
            }
        }
        switch taken {
        case .success(let (channel, buffer)): channel.writeAndFlush(buffer, promise: nil)
        case .failure(let error):
            deadline.cancel()
            tell(.failure(error))
        }
    }

    private func finish(_ token: UInt64, _ error: NATSError) {
        guard let waiting = state.withLock({ $0.waiting.removeValue(forKey: token) }) else { return }
        waiting.deadline.cancel()
        waiting.tell(error == .timeout && !waiting.answers.isEmpty ? .success(waiting.answers) : .failure(error))
    }

    func received(_ message: NATSMessage, for subscription: UInt64) {
        let token: UInt64
        if subscription == 1 {
            guard message.subject.hasPrefix(inbox + "."),
                let number = UInt64(message.subject.dropFirst(inbox.count + 1))
            else { return }
            token = number
        } else {
            token = subscription
        }
        let done: Waiting? = state.withLock { state in
            guard var waiting = state.waiting.removeValue(forKey: token) else {
                state.late += 1
                return nil
            }
            waiting.answers.append(message)
            if waiting.isLast(message) { return waiting }
            state.waiting[token] = waiting
            return nil
        }
        guard let done else { return }
        done.deadline.cancel()
        done.tell(.success(done.answers))
    }

    // MARK: The connection

    private func connect() {
        let server: NATSOptions.Server? = state.withLock { state in
            guard !state.isClosed else { return nil }
            state.place = (state.place + 1) % options.servers.count
            return options.servers[state.place]
        }
        guard let server else { return }
        let context: NIOSSLContext?
        do { context = try options.tls.map(Self.context) } catch {
            return ended(.refused("certificate files: \(error)"), wasReady: false)
        }
        ClientBootstrap(group: loop)
            .connectTimeout(.init(options.connectTimeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        ByteToMessageHandler(NATSDecoder()), NATSHandler(client: self, server: server, tls: context),
                    ])
                }
            }
            .connect(host: server.host, port: server.port)
            .whenFailure { [self] error in ended(.notConnected("\(server): \(error)"), wasReady: false) }
    }
    private static func context(_ files: NATSOptions.TLSFiles) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.trustRoots = .file(files.trust)
        configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(files.certificate).map { .certificate($0) }
        configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: files.key, format: .pem))
        return try NIOSSLContext(configuration: configuration)
    }

    /// A server has taken this connection.
    func isReady(_ channel: any Channel, _ info: NATSServerInfo, _ server: NATSOptions.Server) {
        let told: [@Sendable (Result<Void, NATSError>) -> Void]? = state.withLock { state in
            guard !state.isClosed else { return nil }
            (state.channel, state.info, state.tries, state.lastFault) = (channel, info, 0, nil)
            state.connections += 1
            defer { state.arrivals = [:] }
            return Array(state.arrivals.values)
        }
        guard let told else { return channel.close(promise: nil) }
        logger.info(
            "Connected to NATS.",
            metadata: [
                "server": "\(server)", "name": "\(info.name ?? "")", "version": "\(info.version)",
            ])
        for tell in told { tell(.success(())) }
    }

    /// A connection is over, or could not be made; the next try is a little later.
    func ended(_ fault: NATSError, wasReady: Bool) {
        let (told, wait): ([Waiting], Duration?) = state.withLock { state in
            if wasReady { state.channel = nil }
            state.lastFault = fault
            guard !state.isClosed else { return ([], nil) }
            state.tries += 1
            // The first round goes through all servers at once.
            let rounds = state.tries / options.servers.count
            let wait = min(.milliseconds(50) * (1 << min(rounds, 8)), options.retryMax)
            guard wasReady else { return ([], wait) }
            let waiting = Array(state.waiting.values)
            state.waiting = [:]
            return (waiting, wait)
        }
        guard let wait else { return }
        logger.warning("No connection to NATS.", metadata: ["reason": "\(fault)"])
        for waiting in told {
            waiting.deadline.cancel()
            waiting.tell(.failure(.disconnected))
        }
        loop.scheduleTask(in: .init(wait)) { [self] in connect() }
    }
}
