internal import Foundation
internal import Logging
internal import NIOCore
internal import NIOSSL

/// One connection's beginning, its pings and its end. On its event loop.
final class NATSHandler: ChannelInboundHandler {
    typealias InboundIn = NATSFrame
    typealias OutboundOut = ByteBuffer

    private enum Stage {
        case introducing
        /// What is written waits for TLS.
        case asking(NATSServerInfo)
        case ready
        case over
    }
    private let client: NATSClient, server: NATSOptions.Server, tls: NIOSSLContext?
    private var stage = Stage.introducing
    private var fault: NATSError?
    private var deadline: Scheduled<Void>?
    private var pings: RepeatedTask?
    private var unanswered = 0

    init(client: NATSClient, server: NATSOptions.Server, tls: NIOSSLContext?) {
        self.client = client
        self.server = server
        self.tls = tls
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: .init(client.options.connectTimeout)) {
            channel.close(promise: nil)
        }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), stage) {
        case (.info(let info), .introducing): begin(context, info)
        case (.pong, .asking(let info)):
            stage = .ready
            deadline?.cancel()
            beginPings(context)
            client.isReady(context.channel, info, server)
        case (.pong, _): unanswered = 0
        case (.ping, _): write("PONG\r\n", context)
        case (.message(let message, let subscription), .ready): client.received(message, for: subscription)
        case (.error(let text), .ready):
            client.logger.warning("NATS complains.", metadata: ["server": "\(server)", "text": "\(text)"])
        case (.error(let text), _):
            fault = .refused("\(server): \(text)")
            context.close(promise: nil)
        default: break
        }
    }

    private func begin(_ context: ChannelHandlerContext, _ info: NATSServerInfo) {
        guard let version = NATSVersion(info.version), version >= .least else {
            return give(up: .tooOld(version: info.version), context)
        }
        guard info.headers == true, info.jetstream == true else {
            return give(up: .refused("\(server): it has no JetStream"), context)
        }
        do {
            if let tls {
                let isAddress = (try? SocketAddress(ipAddress: server.host, port: server.port)) != nil
                let handler = try NIOSSLClientHandler(context: tls, serverHostname: isAddress ? nil : server.host)
                try context.pipeline.syncOperations.addHandler(handler, position: .first)
            } else if info.needsTLS == true {
                return give(up: .refused("\(server): it wants TLS, and there are no certificate files"), context)
            }
        } catch {
            return give(up: .refused("\(server): \(error)"), context)
        }
        stage = .asking(info)
        let hello: [String: Any] = [
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true, "protocol": 1,
            "lang": "swift", "version": "1", "name": client.options.name, "tls_required": tls != nil,
        ]
        guard let json = try? JSONSerialization.data(withJSONObject: hello) else { return }
        write("CONNECT \(String(decoding: json, as: UTF8.self))\r\nSUB \(client.inbox).* 1\r\nPING\r\n", context)
    }
    private func give(up fault: NATSError, _ context: ChannelHandlerContext) {
        self.fault = fault
        context.close(promise: nil)
    }

    /// A server that stands still closes no connection.
    private func beginPings(_ context: ChannelHandlerContext) {
        let interval = TimeAmount(client.options.pingInterval)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        pings = context.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            let (handler, context) = bound.value
            guard handler.unanswered < 2 else { return context.close(promise: nil) }
            handler.unanswered += 1
            handler.write("PING\r\n", context)
        }
    }
    private func write(_ text: String, _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        pings?.cancel()
        pings = nil
        let wasReady = if case .ready = stage { true } else { false }
        if case .over = stage { return }
        stage = .over
        client.ended(fault ?? (wasReady ? .disconnected : .notConnected("\(server) hung up")), wasReady: wasReady)
        context.fireChannelInactive()
    }
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A peer that leaves TLS without a word is only gone.
        if fault == nil { fault = error as? NATSError ?? .notConnected("\(server): \(error)") }
        context.close(promise: nil)
    }
}
