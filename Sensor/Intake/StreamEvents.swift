package import FlowModel
internal import Synchronization

/// What a receiver thread may take over TCP and TLS at most.
package struct StreamLimits: Equatable, Sendable {
    /// Connections at one time. When all are taken, one that has never sent a message gives way.
    package var connectionsMax: Int
    package var connectionsPerAddressMax: Int
    /// New connections a second: a TLS handshake costs as much as a thousand datagrams.
    package var connectionsPerSecondMax: Int
    /// A connection without a message for this long is closed.
    package var idle: Duration
    /// From a message's first byte to its last.
    package var message: Duration
    /// From the accepted connection to the end of its handshake.
    package var handshake: Duration

    package init(
        connectionsMax: Int = 256, connectionsPerAddressMax: Int = 8, connectionsPerSecondMax: Int = 100,
        idle: Duration = .seconds(1_800), message: Duration = .seconds(10), handshake: Duration = .seconds(10)
    ) {
        self.connectionsMax = max(connectionsMax, 1)
        self.connectionsPerAddressMax = max(connectionsPerAddressMax, 1)
        self.connectionsPerSecondMax = max(connectionsPerSecondMax, 1)
        (self.idle, self.message, self.handshake) = (idle, message, handshake)
    }
}

/// Numbers for connections, shared by all receiver threads of a process: from 1 on, none twice.
package final class SessionNumbers: Sendable {
    private let last: Atomic<UInt32>

    /// - Parameter last: the last one that is taken.
    package init(last: UInt32 = 0) { self.last = Atomic(last) }

    /// Nil when all 2^32 - 1 are used up.
    func next() -> UInt32? {
        var known = last.load(ordering: .relaxed)
        while known < .max {  // ends: with a number, or when there are none left
            let (isTaken, found) = last.compareExchange(expected: known, desired: known + 1, ordering: .relaxed)
            if isTaken { return known + 1 }
            known = found
        }
        return nil
    }
}

/// Who is at the other end of a connection, and which port of ours it came to.
package struct StreamPeer: Hashable, Sendable, CustomStringConvertible {
    package let session: UInt32
    package let source: IPAddress
    package let sourcePort: UInt16
    package let localPort: UInt16

    package init(session: UInt32, source: IPAddress, sourcePort: UInt16, localPort: UInt16) {
        (self.session, self.source, self.sourcePort, self.localPort) = (session, source, sourcePort, localPort)
    }
    package var description: String { source.isV4 ? "\(source):\(sourcePort)" : "[\(source)]:\(sourcePort)" }
}

/// What became of a connection.
package enum StreamEvent: Equatable, Sendable {
    /// Messages may come. `clientName` is the name in its certificate for which it was let in.
    case opened(StreamPeer, isEncrypted: Bool, clientName: String?)
    /// Its number never comes again: what is known of its templates can go.
    case ended(StreamPeer, SessionEnd)
    /// Closed before anything was read from it.
    case refused(source: IPAddress, localPort: UInt16, Refusal)
    /// Replaced certificate files are in use for new connections.
    case identityReloaded(certificate: String)
    /// Replaced certificate files can't be used; the identity before them stays.
    case identityKept(reason: String)
    /// A port accepts nothing for now.
    case fault(IntakeError)

    package enum Refusal: Equatable, Sendable, CustomStringConvertible {
        case connections(max: Int), ofOneAddress(max: Int), numbersUsedUp, noMemory

        package var description: String {
            switch self {
            case .connections(let max): "\(max) connections are open, as many as are allowed"
            case .ofOneAddress(let max): "\(max) connections of this address are open, as many as are allowed"
            case .numbersUsedUp: "all session numbers are used up: restart the sensor"
            case .noMemory: "out of memory"
            }
        }
    }
}

/// Why a connection ended.
package enum SessionEnd: Equatable, Sendable, CustomStringConvertible {
    case closed
    case closedWithinMessage
    case failed(String)
    case handshakeFailed(String)
    case handshakeTimedOut
    case idle
    case messageTimedOut
    case noIPFIX(MessageFramer.Fault)
    /// Had sent no message when another needed its place.
    case gaveWay
    /// Its last messages, so many, were malformed.
    case malformed(messages: Int)
    /// The caller wanted it.
    case asked

    package var description: String {
        switch self {
        case .closed: "closed by the exporter"
        case .closedWithinMessage: "closed by the exporter within a message"
        case .failed(let reason): reason
        case .handshakeFailed(let reason): "the TLS handshake failed: \(reason)"
        case .handshakeTimedOut: "the TLS handshake took too long"
        case .idle: "no message for too long"
        case .messageTimedOut: "a message took too long"
        case .noIPFIX(let fault): "\(fault)"
        case .gaveWay: "had sent no message when its place was needed"
        case .malformed(let messages): "its last \(messages) messages were malformed"
        case .asked: "closed by the sensor"
        }
    }
}
