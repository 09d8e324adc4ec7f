/// What DNS calls an address, for answers to people: PTR records, asked for when somebody looks at an address.
///
/// `NameDesk` keeps what was answered (`NameCache`), asks what is not known, as often as it may, and waits as long as
/// it is told; a question is made and its answer read by `PointerQuestion`. Datagrams go through a seam,
/// `NameTransport`.
/// Invariants: nothing is asked unless the operator says so, since each question tells a resolver what is looked at;
/// everything is bounded: questions a second and under way, names kept, the time that an answer waits. An answer counts
/// only with the question's number and question in it, from whom it was put to, at the port it was put from (RFC 5452
/// §9.1), and is read without trusting any of it. A name is what the address's owner says: a hint that nobody checked.
/// Not here: sockets (`KnowledgeUpkeep`), who asks about which address (`API`).
package import FlowModel

/// Where a resolver listens.
package struct NameServer: Hashable, Sendable, CustomStringConvertible {
    package let address: IPAddress, port: Int

    package init(_ address: IPAddress, port: Int = 53) { (self.address, self.port) = (address, port) }

    /// Reads `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`; nil for anything else.
    package init?(_ text: some StringProtocol) {
        if let address = IPAddress(text) {
            self.init(address)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port != 0
        else { return nil }
        var host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]") && host.count > 2
        if isBracketed { host = host.dropFirst().dropLast() }
        guard let address = IPAddress(host), address.isV4 != isBracketed else { return nil }
        self.init(address, port: Int(port))
    }
    package var description: String { address.isV4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}

/// Carries questions to resolvers.
package protocol NameTransport: Sendable {
    /// Sends `question` from a port that others can't guess, and gives what comes back from `server` to that port to
    /// `read`, until it takes something. Returns at once.
    /// - Parameters:
    ///   - read: nil for what is no answer to this question: somebody else's, or somebody's guess.
    ///   - done: called once, from any thread, at `timeout` at the latest.
    func exchange(
        _ question: [UInt8], with server: NameServer, timeout: Duration,
        read: @escaping @Sendable ([UInt8]) -> PointerReply?, done: @escaping @Sendable (NameOutcome) -> Void)
}

/// How a question to one server ended.
package enum NameOutcome: Equatable, Sendable {
    case answered(PointerReply)
    case timedOut
    /// Nothing could be sent, or nobody listens there.
    case unreachable
}

/// What an answer says. Times are how long it holds, in s.
package enum PointerReply: Equatable, Sendable {
    case named(String, seconds: UInt32)
    /// There is no name; nil: it doesn't say for how long.
    case nameless(seconds: UInt32?)
    /// There are names, and none of them is a host's: see `HostName`.
    case unusable(seconds: UInt32)
    /// The server can't or won't tell: its response code (RFC 1035 §4.1.1).
    case failed(code: UInt8)
    /// Not all of the answer fits a datagram; what is in it is not used (RFC 2181 §9).
    case truncated
    case malformed
}

/// Every bound of this module that is no setting.
enum Limit {
    static let nameOctetsMax = 255, labelOctetsMax = 63
    /// As text; without the final dot.
    static let textOctetsMax = 253
    static let recordsMax = 256
    /// From alias to alias in one answer.
    static let aliasesMax = 8
    /// Questions under way.
    static let openMax = 256
    static let serversMax = 4
    /// Of one answer to people.
    static let addressesMax = 256
}
