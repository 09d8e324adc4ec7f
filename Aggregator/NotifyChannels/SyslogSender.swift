import FlowModel
internal import NIOCore
internal import NIOPosix
package import Notify

/// Sends messages to a syslog server. Syslog has no answer: `delivered` says that the connection took it, after
/// its handshake (TCP, TLS), or that it was sent (UDP).
package struct SyslogSender: ChannelSender {
    package enum Transport: String, Sendable, CaseIterable { case tls, tcp, udp }
    package struct Server: Equatable, Sendable {
        package var host: String
        package var port: Int
        package var transport: Transport
        /// A PEM file of certificate authorities; the machine's own without.
        package var trust: String?

        package init(host: String, port: Int, transport: Transport, trust: String? = nil) {
            self.host = host
            self.port = port
            self.transport = transport
            self.trust = trust
        }
    }

    private let server: Server, rendering: SyslogRendering, egress: Egress, timeout: Duration

    package init(_ server: Server, rendering: SyslogRendering, egress: Egress, timeout: Duration = .seconds(20)) {
        self.server = server
        self.rendering = rendering
        self.egress = egress
        self.timeout = timeout
    }

    package func send(_ message: Message, at now: Int64) async -> Outbox.Result {
        await egress.reach(server.host, IPAddress(server.host), port: server.port) { address in
            let lines = rendering.messages(message)
            do {
                try await within(timeout) {
                    if server.transport == .udp {
                        try await datagrams(lines, to: address)
                    } else {
                        try await stream(lines, to: address)
                    }
                }
                return .delivered
            } catch {
                return .failed(retryAfter: nil)
            }
        }
    }

    private func stream(_ lines: [[UInt8]], to address: IPAddress) async throws {
        let trust =
            server.transport == .tls ? StreamConnection.Trust(host: server.host, file: server.trust) : nil
        let channel = try await StreamConnection.openForWriting(to: address, port: server.port, trust: trust)
        try await withTaskCancellationHandler {
            for line in lines {
                // Waits until it is written, and so for TLS' handshake.
                try await channel.writeAndFlush(ByteBuffer(bytes: SyslogRendering.framed(line))).get()
            }
        } onCancel: {
            channel.close(promise: nil)
        }
        // Not waited for: some servers never say that TLS is over, and it would say nothing of the messages.
        channel.close(promise: nil)
    }

    private func datagrams(_ lines: [[UInt8]], to address: IPAddress) async throws {
        let target = try SocketAddress(ipAddress: address.description, port: server.port)
        let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(to: try SocketAddress(ipAddress: address.isV4 ? "0.0.0.0" : "::", port: 0)) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<AddressedEnvelope<ByteBuffer>, AddressedEnvelope<ByteBuffer>>(
                        wrappingChannelSynchronously: channel)
                }
            }
        try await channel.executeThenClose { _, _ in
            for line in lines {
                let datagram = AddressedEnvelope(remoteAddress: target, data: ByteBuffer(bytes: line))
                try await channel.channel.writeAndFlush(datagram).get()
            }
        }
    }
}
