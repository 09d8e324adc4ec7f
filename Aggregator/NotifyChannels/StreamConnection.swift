import FlowModel
internal import NIOCore
internal import NIOPosix
internal import NIOSSL

/// A TCP connection, in the clear or under TLS, for the senders that speak lines. Used by one task.
struct StreamConnection: Sendable {
    /// TLS' side: whose certificate is expected, and who vouches for it.
    struct Trust: Sendable {
        let host: String
        /// A PEM file of certificate authorities; the machine's own without.
        let file: String?
    }
    typealias Channel = NIOAsyncChannel<ByteBuffer, ByteBuffer>
    let channel: Channel

    /// - Parameter trust: begins with TLS; nil begins in the clear.
    static func open(to address: IPAddress, port: Int, trust: Trust?) async throws -> StreamConnection {
        let context = try trust.map { try tlsContext($0) }
        let target = try SocketAddress(ipAddress: address.description, port: port)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(10))
            .connect(to: target) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context, let trust { try addTLS(to: channel, context, trust) }
                    return try Channel(wrappingChannelSynchronously: channel)
                }
            }
        return StreamConnection(channel: channel)
    }

    /// A connection that is written to and nothing else. It reads by itself, for TLS' sake, and drops what it reads.
    static func openForWriting(
        to address: IPAddress, port: Int, trust: Trust?
    ) async throws -> any NIOCore.Channel {
        let context = try trust.map { try tlsContext($0) }
        let target = try SocketAddress(ipAddress: address.description, port: port)
        return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(10))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context, let trust { try addTLS(to: channel, context, trust) }
                }
            }
            .connect(to: target).get()
    }

    private static func tlsContext(_ trust: Trust) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let file = trust.file { configuration.trustRoots = .file(file) }
        return try NIOSSLContext(configuration: configuration)
    }
    private static func addTLS(to channel: any NIOCore.Channel, _ context: NIOSSLContext, _ trust: Trust) throws {
        // An address has no name to send along; its certificate is checked for the address itself.
        let handler = try NIOSSLClientHandler(
            context: context, serverHostname: IPAddress(trust.host) == nil ? trust.host : nil)
        try channel.pipeline.syncOperations.addHandler(handler, position: .first)
    }

    /// Begins TLS where both sides agreed to. What is written from now on waits for the handshake; its failure ends
    /// the connection.
    func startTLS(_ trust: Trust) async throws {
        let context = try Self.tlsContext(trust), channel = channel.channel
        try await channel.eventLoop.submit { try Self.addTLS(to: channel, context, trust) }.get()
    }
}

/// Ends `body` after a time: every way to a target is bounded.
func within<Value: Sendable>(
    _ timeout: Duration, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: timeout)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let value = first else { throw TimedOut() }
        return value
    }
}
struct TimedOut: Error {}
