internal import Logging
internal import NIOCore
internal import Platform
internal import Telemetry

extension ServerChannel {
    /// Tells the observer about the connection's begin and end, and ends it with the peer's certificate, or when the
    /// peer is revoked.
    func watch(_ peer: PeerIdentity, on channel: any Channel, _ logger: Logger) {
        logger.info("A peer connected.", metadata: ["peer": "\(peer.address)", "id": "\(peer.id)"])
        listener.observer?.connected(peer)
        channel.closeFuture.whenComplete { _ in listener.observer?.disconnected(peer) }
        checkStanding(of: peer, on: channel, logger)
    }

    private func checkStanding(of peer: PeerIdentity, on channel: any Channel, _ logger: Logger) {
        guard !listener.isRevoked(peer) else {
            listener.metrics.count(PeerRefusal.revoked)
            logger.warning(
                "A connection was closed: the peer was revoked.",
                metadata: ["peer": "\(peer.address)", "id": "\(peer.id)", "serial": "\(peer.serial)"])
            channel.close(promise: nil)
            return
        }
        let left = peer.expiryMilliseconds - listener.time.wallMilliseconds()
        guard left > 0 else {
            listener.metrics.expired.add()
            logger.warning(
                "A connection was closed: the peer's certificate has ended.",
                metadata: ["peer": "\(peer.address)", "id": "\(peer.id)"])
            channel.close(promise: nil)
            return
        }
        let timer = channel.eventLoop.scheduleTask(
            in: min(.milliseconds(left), TimeAmount(listener.options.expiryCheckInterval))
        ) {
            if channel.isActive { checkStanding(of: peer, on: channel, logger) }
        }
        // A closed channel must not stay in memory until the timer fires.
        channel.closeFuture.whenComplete { _ in timer.cancel() }
    }
}
