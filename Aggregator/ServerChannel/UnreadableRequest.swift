internal import NIOCore
internal import NIOHTTP1

/// Answers an HTTP/1.1 request that can't be read, or whose head is too large, as every other refusal is answered: a
/// problem (RFC 9457) with the fields that keep browsers and caches out. NIO's own handler sends a bare 400.
///
/// Its place is right above the decoder, which closes the connection when this returns.
final class UnreadableRequest: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// In the midst of an answer there is no place for another.
    private var isAnswering = false

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? HTTPParserError, !isAnswering {
            let body = ByteBuffer(string: error == .headerOverflow ? Self.tooLarge : Self.unreadable)
            var fields = Self.fields
            fields.add(name: "Content-Length", value: "\(body.readableBytes)")
            context.write(
                wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .badRequest, headers: fields))),
                promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
        context.fireErrorCaught(error)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head): isAnswering = !head.isInformational
        case .body: break
        case .end: isAnswering = false
        }
        context.write(data, promise: promise)
    }

    private static let unreadable =
        #"{"status":400,"title":"The request can't be read","type":"urn:weir:problem:unreadable"}"#
    private static let tooLarge =
        #"{"detail":"Its target or its fields are too large","status":400,"title":"The request can't be read","#
        + #""type":"urn:weir:problem:unreadable"}"#
    /// As the routes' answers have them.
    private static let fields: HTTPHeaders = [
        "Connection": "close", "Content-Type": "application/problem+json", "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    ]
}

extension HTTPResponseHead {
    fileprivate var isInformational: Bool { (100..<200).contains(status.code) && status != .switchingProtocols }
}
