/// TLS 1.3, ALPN, HTTP/2 and HTTP/1.1 below Hummingbird's router, with what its own channels lack: large flow-control
/// windows, a fresh TLS context for each connection, a limit on handshakes, connection age, and the peer's identity.
///
/// Invariants: no request is read from a peer whose certificate `PeerPolicy` refuses; a connection ends within a
/// minute of its peer's certificate, or when that is revoked; every connection is counted out as it was counted in.
/// Not here: routes, WebSocket's frames (`API`), who is revoked (`Listener.isRevoked`).
internal import HTTPTypes
package import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTP2
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP1
internal import NIOHTTPTypesHTTP2
internal import NIOSSL
internal import NIOTLS
package import Platform

/// Is told about peers with an identity; called on event loops, so it must be quick.
package protocol PeerObserver: Sendable {
    func connected(_ peer: PeerIdentity)
    func disconnected(_ peer: PeerIdentity)
}

/// Everything that one listener needs, shared by its connections.
package struct Listener: Sendable {
    package let options: ServerOptions, policy: PeerPolicy, tls: TLSReloader
    package let metrics: ConnectionMetrics, observer: (any PeerObserver)?, time: any TimeSource
    /// Asked when a peer comes, and while it is connected (`ServerOptions.expiryCheckInterval`).
    package let isRevoked: @Sendable (PeerIdentity) -> Bool

    package init(
        options: ServerOptions, policy: PeerPolicy, tls: TLSReloader, metrics: ConnectionMetrics,
        observer: (any PeerObserver)? = nil, time: any TimeSource,
        isRevoked: @escaping @Sendable (PeerIdentity) -> Bool = { _ in false }
    ) {
        self.options = options
        self.policy = policy
        self.tls = tls
        self.metrics = metrics
        self.observer = observer
        self.time = time
        self.isRevoked = isRevoked
    }
    /// For `Application(router:server:)`.
    package var builder: HTTPServerBuilder {
        HTTPServerBuilder { ServerChannel(listener: self, responder: $0) }
    }
}

struct ServerChannel: HTTPChannelHandler {
    typealias HTTPChannel = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    enum Negotiated: Sendable {
        case http2(NIOHTTP2Handler.AsyncStreamMultiplexer<HeldChannel>, PeerIdentity?)
        case http1(HeldChannel, PeerIdentity?)
    }
    struct Value: ServerChildChannelValue {
        /// Nil for a connection that was closed at once.
        let negotiated: EventLoopFuture<Negotiated>?
        let channel: any Channel
    }

    let listener: Listener
    let responder: Responder

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        guard listener.metrics.enter(max: listener.options.connectionsMax) else {
            channel.close(promise: nil)
            return channel.eventLoop.makeSucceededFuture(Value(negotiated: nil, channel: channel))
        }
        channel.closeFuture.whenComplete { _ in listener.metrics.leave() }
        return channel.eventLoop.makeCompletedFuture { try addHandlers(to: channel, logger) }
    }

    private func addHandlers(to channel: any Channel, _ logger: Logger) throws -> Value {
        let pipeline = channel.pipeline.syncOperations
        let address = channel.remoteAddress.map(text) ?? "unknown"
        // Hummingbird allows half-closure, and NIO's HTTP/2 manager ignores a closed input: without this line a
        // client that closes leaves the connection in CLOSE-WAIT until it is idle, and shutdown waits for it.
        try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: false)
        try pipeline.addHandler(NIOSSLServerHandler(context: listener.tls.current))
        let watch = ConnectionWatch(
            options: listener.options, address: address, metrics: listener.metrics, logger: logger)
        try pipeline.addHandler(watch)
        let bound = NIOLoopBound(watch, eventLoop: channel.eventLoop)
        let alpn = NIOTypedApplicationProtocolNegotiationHandler<Negotiated> { result in
            negotiated(result, on: channel, bound, address, logger)
        }
        try pipeline.addHandler(alpn)
        return Value(negotiated: alpn.protocolNegotiationResult, channel: channel)
    }

    /// The handshake is done and nothing of the first request has been read yet: the place to refuse a peer.
    private func negotiated(
        _ result: ALPNResult, on channel: any Channel, _ watch: NIOLoopBound<ConnectionWatch>, _ address: String,
        _ logger: Logger
    ) -> EventLoopFuture<Negotiated> {
        channel.eventLoop.makeCompletedFuture {
            do throws(PeerRefusal) {
                let der = try? channel.pipeline.syncOperations.nioSSL_peerCertificate()?.toDERBytes()
                let peer = try listener.policy.admit(der, from: address)
                if let peer, listener.isRevoked(peer) { throw .revoked }
                let version = try version(result)
                if let peer { self.watch(peer, on: channel, logger) }
                return (version, peer)
            } catch {
                listener.metrics.count(error)
                logger.warning(
                    "A peer was refused.",
                    metadata: ["peer": "\(address)", "reason": "\(error.label)", "detail": "\(error)"])
                channel.close(promise: nil)
                throw error
            }
        }.flatMapThrowing { (version: Version, peer: PeerIdentity?) in
            switch version {
            case .http2: try http2(on: channel, watch.value, peer, logger)
            case .http1: try http1(on: channel, peer, logger)
            }
        }
    }

    private enum Version { case http1, http2 }
    private func version(_ result: ALPNResult) throws(PeerRefusal) -> Version {
        switch result {
        case .negotiated("h2"): return .http2
        case .negotiated("http/1.1"): return .http1
        case .fallback where listener.options.protocols.contains("http/1.1"): return .http1
        case .fallback: throw .noProtocol("none")
        case .negotiated(let name): throw .noProtocol(name)
        }
    }

    private func http2(
        on channel: any Channel, _ watch: ConnectionWatch, _ peer: PeerIdentity?, _ logger: Logger
    ) throws -> Negotiated {
        let pipeline = channel.pipeline.syncOperations, options = listener.options, metrics = listener.metrics
        let manager = NIOHTTP2ServerConnectionManagementHandler(
            eventLoop: channel.eventLoop, configuration: options.connectionManager)
        try pipeline.addHandler(FrameWatch(watch))
        let streams = try pipeline.configureAsyncHTTP2Pipeline(
            mode: .server, streamDelegate: manager.http2StreamDelegate,
            frameDelegate: LastWords(watch, on: channel.eventLoop), configuration: options.http2
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                let pipeline = stream.pipeline.syncOperations
                try pipeline.addHandler(HTTP2FramePayloadToHTTPServerCodec())
                try pipeline.addHandler(ExtendedConnect())
                try pipeline.addHandler(ExchangeWatch(options, metrics))
                try pipeline.addHandler(HTTPConnectionStateHandler(idleTimeout: options.idleMax, logger: logger))
                return HeldChannel(try HTTPChannel(wrappingChannelSynchronously: stream))
            }
        }
        try pipeline.addHandler(manager)
        // The manager starts its timers in channelActive only, which fired before the handshake.
        manager.channelActive(context: try pipeline.context(handler: manager))
        return .http2(streams, peer)
    }

    private func http1(on channel: any Channel, _ peer: PeerIdentity?, _ logger: Logger) throws -> Negotiated {
        let pipeline = channel.pipeline.syncOperations
        let decoder = ByteToMessageHandler(
            HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: listener.options.http1Limits))
        let untilSwitched: [any RemovableChannelHandler] = [
            decoder, NIOHTTPResponseHeadersValidator(), UnreadableRequest(),
        ]
        try pipeline.addHandler(HTTPResponseEncoder())
        for handler in untilSwitched { try pipeline.addHandler(handler) }
        try pipeline.addHandler(UpgradeTunnel(replacing: untilSwitched))
        try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: true))
        try pipeline.addHandler(ExchangeWatch(listener.options, listener.metrics))
        try pipeline.addHandler(HTTPConnectionStateHandler(idleTimeout: listener.options.idleMax, logger: logger))
        return .http1(
            HeldChannel(
                try HTTPChannel(
                    wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))),
            peer)
    }

    func handle(value: Value, logger: Logger) async {
        // With the task, whose cancelling ends the loop over streams and would leave the connection open.
        defer { value.channel.close(promise: nil) }
        do {
            switch try await value.negotiated?.get() {
            case nil: return
            case .http1(let held, let peer):
                await PeerIdentity.$current.withValue(peer) {
                    await handleHTTP(asyncChannel: held.take(), logger: logger)
                }
            case .http2(let streams, let peer):
                // Set once a connection; the streams' tasks inherit it.
                try await PeerIdentity.$current.withValue(peer) { try await serve(streams, logger) }
            }
        } catch {
            logger.debug("A connection ended.", metadata: ["reason": "\(error)"])
        }
    }
    private func serve(
        _ streams: NIOHTTP2Handler.AsyncStreamMultiplexer<HeldChannel>, _ logger: Logger
    ) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            for try await stream in streams.inbound {
                group.addTask { await handleHTTP(asyncChannel: stream.take(), logger: logger) }
            }
        }
    }
}

/// `192.0.2.1:4711`, `[2001:db8::1]:4711`.
private func text(_ address: SocketAddress) -> String {
    guard let host = address.ipAddress, let port = address.port else { return "\(address)" }
    return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
}
