internal import HTTPTypes
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTPTypes

/// WebSocket over HTTP/1.1 (RFC 6455 §4): a request that asks for it has no end, and once the router has answered it
/// with 101, its body and the answer's are the connection's octets. The router sees the same over HTTP/2
/// (`ExtendedConnect`).
///
/// NIO's decoder reads nothing behind a request for an upgrade of any kind, so a connection that was not switched ends
/// with its answer.
final class UpgradeTunnel: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case plain
        /// A WebSocket was asked for, and nothing answered.
        case asked
        case open
        /// There is no request after this one.
        case last
    }
    private var state = State.plain
    /// What must go for octets to get through: these know of requests and answers only.
    private var inTheWay: [any RemovableChannelHandler]

    init(replacing handlers: [any RemovableChannelHandler]) { inTheWay = handlers }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head) where Self.asksForWebSocket(head): state = .asked
        case .head(let head) where head.headers.contains(name: "upgrade") || head.method == .CONNECT: state = .last
        case .end where state == .asked: return
        case .head, .body, .end: break
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head) where state == .asked:
            context.write(data, promise: promise)
            if head.status == .switchingProtocols { open(context) } else { refuse(context) }
        case .end where state == .open || state == .last:
            context.writeAndFlush(data, promise: promise)
            context.close(promise: nil)
        case .head, .body, .end: context.write(data, promise: promise)
        }
    }

    private func open(_ context: ChannelHandlerContext) {
        state = .open
        context.flush()
        do {
            let pipeline = context.pipeline.syncOperations
            try pipeline.addHandler(TunnelOctets(), position: .before(self))
            for handler in inTheWay { pipeline.removeHandler(handler, promise: nil) }
            inTheWay = []
            // The decoder has passed on what came behind the request.
            context.fireChannelReadComplete()
        } catch {
            context.close(promise: nil)
        }
    }
    private func refuse(_ context: ChannelHandlerContext) {
        state = .last
        context.fireChannelRead(wrapInboundOut(.end(nil)))
        context.fireChannelReadComplete()
    }

    /// RFC 6455 §4.2.1, as far as the decoder goes by it too. One with a body is none.
    private static func asksForWebSocket(_ head: HTTPRequestHead) -> Bool {
        head.method == .GET && head.version == .http1_1
            && head.headers[canonicalForm: "upgrade"].contains { $0.lowercased() == "websocket" }
            && head.headers[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" }
            && !head.headers.contains(name: "transfer-encoding")
            && (head.headers.first(name: "content-length") ?? "0") == "0"
    }
}

/// Octets of a connection that was switched, as parts of the request's body.
private final class TunnelOctets: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = HTTPServerRequestPart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.fireChannelRead(wrapInboundOut(.body(unwrapInboundIn(data))))
    }
}

/// WebSocket over HTTP/2 (RFC 8441): the extended CONNECT of a stream, and its 200, are shown to the router as what
/// HTTP/1.1 says: GET with `Upgrade: websocket`, and 101.
final class ExtendedConnect: ChannelDuplexHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private var isAsked = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(var head) = unwrapInboundIn(data) else { return context.fireChannelRead(data) }
        // RFC 9113 §8.2.2: there is no such field here, and nobody may make believe.
        head.headerFields[.upgrade] = nil
        if head.method == .connect, head.extendedConnectProtocol == "websocket" {
            isAsked = true
            head.method = .get
            head.extendedConnectProtocol = nil
            head.headerFields[.upgrade] = "websocket"
        }
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard isAsked, case .head(var head) = unwrapOutboundIn(data), head.status == .switchingProtocols else {
            return context.write(data, promise: promise)
        }
        head.status = .ok
        for name in [HTTPField.Name.upgrade, .connection] { head.headerFields[name] = nil }
        context.write(wrapOutboundOut(.head(head)), promise: promise)
    }
}
