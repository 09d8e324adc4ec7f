/// Sends what `Notify` says is to be sent: webhooks, mail, syslog. Shells, each around a value of that module.
///
/// Invariants: a name is resolved once, the address is checked (`EgressPolicy`), and that address is connected to;
/// redirects are not followed and no proxy is asked; TLS checks certificate and name, and nothing can switch that off;
/// each try ends by its timeout; a secret is read when it is needed and is in no log, error or URL.
/// Not here: what is sent to whom and when (`Notify.NewsRouter`, `Notify.Outbox`).
package import FlowModel
internal import NIOCore
internal import NIOPosix
package import Notify

package protocol NameResolver: Sendable {
    /// - Returns: the address to connect to.
    /// - Throws: when there is none now.
    func address(of host: String) async throws -> IPAddress
}

/// The machine's own resolver: what its `nsswitch.conf` says.
package struct SystemResolver: NameResolver {
    package struct NoAddress: Error {}
    package init() {}
    package func address(of host: String) async throws -> IPAddress {
        // Blocks until the resolver answers or gives up, so not on a thread of the cooperative pool.
        let found = try await NIOThreadPool.singleton.runIfActive {
            try SocketAddress.makeAddressResolvingHost(host, port: 0).ipAddress
        }
        guard let found, let address = IPAddress(found) else { throw NoAddress() }
        return address
    }
}

/// The way to a target: from a name to an address that may be connected to.
package struct Egress: Sendable {
    package let policy: EgressPolicy
    package let resolver: any NameResolver

    package init(policy: EgressPolicy, resolver: any NameResolver = SystemResolver()) {
        self.policy = policy
        self.resolver = resolver
    }

    /// What `send` gives with the address of a target that may be reached.
    func reach(
        _ host: String, _ literal: IPAddress?, port: Int, _ send: (IPAddress) async -> Outbox.Result
    ) async -> Outbox.Result {
        let address: IPAddress
        do {
            try policy.check(port: port)
            if let literal { address = literal } else { address = try await resolver.address(of: host) }
            try policy.check(address)
        } catch is EgressPolicy.Refusal {
            return .refused
        } catch {
            return .failed(retryAfter: nil)  // the name has no address now
        }
        return await send(address)
    }
}

/// Sends one message to one target. Everything that can go wrong is a result.
package protocol ChannelSender: Sendable {
    /// - Parameter now: in ms since 1970 UTC.
    func send(_ message: Message, at now: Int64) async -> Outbox.Result
}
