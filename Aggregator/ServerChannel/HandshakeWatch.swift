internal import Logging
internal import NIOCore
internal import NIOSSL
internal import NIOTLS

/// Sits behind the TLS handler until the handshake is done: gives it a time limit, and says in log and metrics why
/// it failed and who the peer was. Afterwards it only passes things on.
final class HandshakeWatch: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    private enum State {
        case shaking(timer: Scheduled<Void>?)
        case done
    }
    private var state = State.shaking(timer: nil)
    private let limit: Duration, address: String, metrics: ConnectionMetrics, logger: Logger

    init(limit: Duration, address: String, metrics: ConnectionMetrics, logger: Logger) {
        self.limit = limit
        self.address = address
        self.metrics = metrics
        self.logger = logger
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let timer = context.eventLoop.scheduleTask(in: TimeAmount(limit)) {
            let (watch, context) = bound.value
            watch.fail(.timedOut, "no handshake within \(watch.limit)")
            context.close(promise: nil)
        }
        state = .shaking(timer: timer)
    }
    func handlerRemoved(context: ChannelHandlerContext) { finish() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted = event { finish() }
        // The listener is closing: who hasn't said who it is has nothing to lose.
        if event is ChannelShouldQuiesceEvent, case .shaking = state {
            finish()
            context.close(promise: nil)
        }
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
        context.fireChannelInactive()
    }

    private func finish() {
        if case .shaking(let timer) = state { timer?.cancel() }
        state = .done
    }
    private func fail(_ failure: HandshakeFailure, _ reason: String) {
        guard case .shaking = state else { return }
        finish()
        metrics.count(failure)
        logger.log(
            level: failure == .closed ? .debug : .warning, "A TLS handshake failed.",
            metadata: ["peer": "\(address)", "reason": "\(failure.rawValue)", "detail": "\(reason)"])
    }
}
