import Foundation
import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// A port of this machine that a browser is sent to, once, with a code.
enum LoopbackListener {
    /// - Parameter listening: called with the port as soon as somebody may come.
    /// - Returns: the code; nil when the browser came with an error.
    /// - Throws: when nobody comes in time.
    static func answer(within time: Duration, listening: (Int) -> Void) async throws -> String? {
        let (arrivals, arrived) = AsyncStream.makeStream(of: Arrival.self)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(LoopbackHandler(arrived))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        listening(channel.localAddress?.port ?? 0)
        let first = await withTaskGroup(of: Arrival?.self) { group in
            group.addTask {
                for await arrival in arrivals { return arrival }
                return nil
            }
            group.addTask {
                try? await Task.sleep(for: time)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
        try? await channel.close()
        guard let first else { throw Failure.work("nobody signed in within \(time.components.seconds / 60) minutes") }
        return first.code
    }

    struct Arrival: Sendable {
        let code: String?

        /// - Returns: nil for what is not the way back, such as a question for an icon.
        init?(uri: String) {
            guard let parts = URLComponents(string: uri), parts.path == "/" else { return nil }
            let code = parts.queryItems?.first { $0.name == "code" }?.value
            guard code != nil || parts.queryItems?.contains(where: { $0.name == "error" }) == true else { return nil }
            self.code = code
        }
    }
}

private final class LoopbackHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let arrived: AsyncStream<LoopbackListener.Arrival>.Continuation
    init(_ arrived: AsyncStream<LoopbackListener.Arrival>.Continuation) { self.arrived = arrived }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let head) = unwrapInboundIn(data) else { return }
        let arrival = head.method == .GET ? LoopbackListener.Arrival(uri: head.uri) : nil
        let text =
            switch arrival {
            case nil: "There is nothing here."
            case let arrival? where arrival.code == nil: "You were not let in. See the terminal."
            case _?: "You are signed in. Go back to the terminal; this page can be closed."
            }
        let body = ByteBuffer(string: text + "\n")
        var fields = HTTPHeaders([
            ("content-type", "text/plain; charset=utf-8"), ("content-length", String(body.readableBytes)),
            ("connection", "close"), ("cache-control", "no-store"), ("referrer-policy", "no-referrer"),
        ])
        fields.add(name: "x-content-type-options", value: "nosniff")
        let status = arrival == nil ? HTTPResponseStatus.notFound : .ok
        context.write(wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: fields))), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenComplete { [arrived] _ in
            if let arrival { arrived.yield(arrival) }
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
