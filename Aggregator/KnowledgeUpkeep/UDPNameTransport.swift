internal import FlowModel
internal import NIOCore
internal import NIOPosix
package import ReverseNames
internal import Synchronization

/// Puts questions for names to resolvers over UDP, each from a socket of its own: the kernel takes a port by chance for
/// it (RFC 5452 §4.5), and since it is connected, gives it nothing but what the server sends from the port that was
/// asked.
package struct UDPNameTransport: NameTransport {
    package init() {}

    package func exchange(
        _ question: [UInt8], with server: NameServer, timeout: Duration,
        read: @escaping @Sendable ([UInt8]) -> PointerReply?, done: @escaping @Sendable (NameOutcome) -> Void
    ) {
        let end = OnlyOnce(done)
        guard let address = try? SocketAddress(ipAddress: "\(server.address)", port: server.port) else {
            return end.call(.unreachable)
        }
        DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AnswerHandler(read: read, end: end))
                }
            }
            .connect(to: address)
            .whenComplete { result in
                guard case .success(let channel) = result else { return end.call(.unreachable) }
                let due = channel.eventLoop.scheduleTask(in: TimeAmount(timeout)) {
                    end.call(.timedOut)
                    channel.close(promise: nil)
                }
                channel.closeFuture.whenComplete { _ in
                    due.cancel()
                    end.call(.unreachable)
                }
                let datagram = AddressedEnvelope(remoteAddress: address, data: ByteBuffer(bytes: question))
                channel.writeAndFlush(datagram).whenFailure { _ in channel.close(promise: nil) }
            }
    }
}

/// Its first call counts.
private final class OnlyOnce: Sendable {
    private let body: Mutex<(@Sendable (NameOutcome) -> Void)?>

    init(_ body: @escaping @Sendable (NameOutcome) -> Void) { self.body = Mutex(body) }

    func call(_ outcome: NameOutcome) {
        let body = body.withLock { body in
            defer { body = nil }
            return body
        }
        body?(outcome)
    }
}

private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    private let read: @Sendable ([UInt8]) -> PointerReply?
    private let end: OnlyOnce

    init(read: @escaping @Sendable ([UInt8]) -> PointerReply?, end: OnlyOnce) { (self.read, self.end) = (read, end) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let reply = read(Array(unwrapInboundIn(data).data.readableBytesView)) else { return }
        end.call(.answered(reply))
        context.close(promise: nil)
    }
    /// Nobody listens there.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
