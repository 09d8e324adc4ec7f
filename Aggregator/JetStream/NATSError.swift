/// Why a server did not answer, or not as it should have.
package enum NATSError: Error, Equatable, Sendable, CustomStringConvertible {
    /// There was no connection: nothing was sent.
    case notConnected(String)
    /// The connection broke while the answer was awaited: nobody knows what became of the request.
    case disconnected
    /// No answer in time: nobody knows what became of the request.
    case timeout
    /// Nobody listens at the subject, as in an election: nothing was done.
    case noResponders
    /// The server is older than what is relied on.
    case tooOld(version: String)
    /// The server refuses this connection.
    case refused(String)
    /// The server sends what the protocol does not have.
    case malformed(String)
    /// What was to be sent can't be.
    case invalid(String)
    /// Too many requests wait already.
    case busy
    case cancelled
    /// After `close`.
    case closed

    package var description: String {
        switch self {
        case .notConnected(let why): why.isEmpty ? "no connection to a NATS server" : "no connection: \(why)"
        case .disconnected: "the connection to the NATS server broke"
        case .timeout: "no answer in time"
        case .noResponders: "no server answers for this now"
        case .tooOld(let version): "the NATS server is \(version), and \(NATSVersion.least) is needed"
        case .refused(let why): "the NATS server refuses: \(why)"
        case .malformed(let what): "the NATS server sends \(what) that can't be read"
        case .invalid(let what): "\(what) can't be sent"
        case .busy: "too many requests wait for the NATS server"
        case .cancelled: "cancelled"
        case .closed: "closed"
        }
    }
}

/// A server's version, three numbers.
package struct NATSVersion: Comparable, Sendable, CustomStringConvertible {
    package let major: Int, minor: Int, patch: Int
    /// Older ones pass settings over without a word, or have known faults.
    package static let least = NATSVersion(major: 2, minor: 14, patch: 6)

    package init(major: Int, minor: Int, patch: Int) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }
    /// `2.15.1`, and `2.15.0-RC.1`, which is older than `2.15.0`.
    package init?(_ text: String) {
        let halves = text.split(separator: "-", maxSplits: 1)
        let numbers = (halves.first ?? "").split(separator: ".").map { Int($0) }
        guard numbers.count == 3, let major = numbers[0], let minor = numbers[1], let patch = numbers[2] else {
            return nil
        }
        self.init(major: major, minor: minor, patch: halves.count > 1 ? patch - 1 : patch)
    }
    package var description: String { "\(major).\(minor).\(patch)" }
    package static func < (one: NATSVersion, other: NATSVersion) -> Bool {
        (one.major, one.minor, one.patch) < (other.major, other.minor, other.patch)
    }
}
