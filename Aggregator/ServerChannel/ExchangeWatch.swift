internal import HTTPTypes
internal import NIOCore
internal import NIOHTTPTypes
internal import Telemetry

/// Gives up an exchange whose peer holds it open: a request that comes byte by byte, an answer that is not read. Each
/// holds memory, and an HTTP/2 window of 0 would hold it for ever.
///
/// A request has `requestMax` from its head to its end. While parts of an answer wait, one must have gone within
/// `idleMax` and the time that all of them take at `answerRateMin`.
final class ExchangeWatch: ChannelDuplexHandler {
    typealias InboundIn = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart

    private let options: ServerOptions, metrics: ConnectionMetrics
    private var request: Scheduled<Void>?, answer: Scheduled<Void>?
    /// Of answers, on their way to the peer.
    private var parts = 0, octets = 0

    init(_ options: ServerOptions, _ metrics: ConnectionMetrics) {
        self.options = options
        self.metrics = metrics
    }

    func handlerRemoved(context: ChannelHandlerContext) { stop() }
    func channelInactive(context: ChannelHandlerContext) {
        stop()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            request?.cancel()
            request = giveUp(context, after: options.requestMax)
        case .body: break
        case .end: request?.cancel()
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        var size = 0
        switch unwrapOutboundIn(data) {
        // A WebSocket's request has no end; the idle time and the pings of whoever answers bound it.
        case .head(let head) where head.status == .switchingProtocols: request?.cancel()
        case .body(let body): size = body.readableBytes
        case .head, .end: break
        }
        let promise = promise ?? context.eventLoop.makePromise()
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        promise.futureResult.whenComplete { [size] _ in
            let (watch, context) = bound.value
            watch.went(size, context)
        }
        parts += 1
        octets += size
        if answer == nil { waitForProgress(context) }
        context.write(data, promise: promise)
    }

    private func went(_ size: Int, _ context: ChannelHandlerContext) {
        parts -= 1
        octets -= size
        answer?.cancel()
        answer = nil
        if parts > 0, context.channel.isActive { waitForProgress(context) }
    }
    private func waitForProgress(_ context: ChannelHandlerContext) {
        answer = giveUp(
            context, after: options.idleMax + .seconds(Double(octets) / Double(max(options.answerRateMin, 1))))
    }
    private func giveUp(_ context: ChannelHandlerContext, after delay: Duration) -> Scheduled<Void> {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        return context.eventLoop.scheduleTask(in: TimeAmount(delay)) {
            let (watch, context) = bound.value
            watch.metrics.slow.add()
            context.close(promise: nil)
        }
    }
    private func stop() {
        request?.cancel()
        answer?.cancel()
    }
}
