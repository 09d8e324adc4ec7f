internal import NIOCore
internal import Synchronization

/// A channel on its way to who handles it. NIO ends the process where one is dropped before anybody has begun with it,
/// and one can be: a peer opens a stream, or ends its handshake, while the listener's tasks are being cancelled.
///
/// Invariant: a channel that nobody took is closed.
final class HeldChannel: Sendable {
    private let channel: ServerChannel.HTTPChannel
    private let isTaken = Atomic(false)

    init(_ channel: ServerChannel.HTTPChannel) { self.channel = channel }

    /// For the one who handles it to the end.
    func take() -> ServerChannel.HTTPChannel {
        isTaken.store(true, ordering: .relaxed)
        return channel
    }

    deinit {
        guard !isTaken.load(ordering: .relaxed) else { return }
        let channel = channel
        _ = channel.channel.eventLoop.makeFutureWithTask { try await channel.executeThenClose { _, _ in } }
    }
}
