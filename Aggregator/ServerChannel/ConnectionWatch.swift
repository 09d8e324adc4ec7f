internal import Logging
internal import NIOCore
internal import NIOSSL
internal import NIOTLS

/// Sits behind the TLS handler for the life of a connection and ends what would not end by itself: a handshake that
/// takes too long, a peer that doesn't leave when it is told to (NIO's HTTP/2 manager waits for the peer's answer
/// to a PING before it counts its grace), and one that broke HTTP/2's rules (NIO's handler says so in a GOAWAY, and
/// then keeps all that still comes). Says in log and metrics why a handshake failed, and who the peer was.
final class ConnectionWatch: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    private enum State {
        /// Ended: told to leave, and no longer listened to.
        case shaking, open, ended, closed
    }
    private var state = State.shaking
    private var context: ChannelHandlerContext?
    /// The end of the handshake's time; then of the connection's.
    private var timer: Scheduled<Void>?
    private let options: ServerOptions, address: String, metrics: ConnectionMetrics, logger: Logger

    init(options: ServerOptions, address: String, metrics: ConnectionMetrics, logger: Logger) {
        self.options = options
        self.address = address
        self.metrics = metrics
        self.logger = logger
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        close(context, after: options.handshakeMax)
    }
    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        timer?.cancel()
    }

    /// Closes the connection, and until TLS has said so lets nothing more through. On the channel's event loop.
    func end(_ reason: Misconduct) {
        guard case .open = state, let context else { return }
        state = .ended
        metrics.count(reason)
        logger.warning(
            "A connection was closed: the peer broke the rules of HTTP/2.",
            metadata: ["peer": "\(address)", "reason": "\(reason.rawValue)"])
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .ended = state { return }
        context.fireChannelRead(data)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .shaking = state, case TLSUserEvent.handshakeCompleted = event {
            state = .open
            timer?.cancel()
            if let age = options.connectionAgeMax { close(context, after: age + options.graceMax) }
        }
        if event is ChannelShouldQuiesceEvent { leave(context) }
        context.fireUserInboundEventTriggered(event)
    }
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case .shaking = state {
            fail(HandshakeFailure("\(error)"), "\(error)")
            context.close(promise: nil)
        }
        context.fireErrorCaught(error)
    }
    func channelInactive(context: ChannelHandlerContext) {
        fail(.closed, "the peer went away")
        state = .closed
        timer?.cancel()
        context.fireChannelInactive()
    }

    /// The listener is closing. Who hasn't said who it is has nothing to lose; the others have their grace.
    private func leave(_ context: ChannelHandlerContext) {
        if case .shaking = state {
            state = .closed
            context.close(promise: nil)
        } else {
            close(context, after: options.graceMax)
        }
    }

    private func close(_ context: ChannelHandlerContext, after delay: Duration) {
        timer?.cancel()
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: TimeAmount(delay)) {
            let (watch, context) = bound.value
            watch.fail(.timedOut, "no handshake within \(delay)")
            context.close(promise: nil)
        }
    }
    /// Only while shaking hands.
    private func fail(_ failure: HandshakeFailure, _ reason: String) {
        guard case .shaking = state else { return }
        state = .closed
        metrics.count(failure)
        logger.log(
            level: failure == .closed ? .debug : .warning, "A TLS handshake failed.",
            metadata: ["peer": "\(address)", "reason": "\(failure.rawValue)", "detail": "\(reason)"])
    }
}
