/// Why a connection or one of its requests failed: the world's doing, so the caller tries again later or elsewhere.
package enum HTTP2Error: Error, Equatable, Sendable {
    // While connecting.
    case nameNotFound(host: String, reason: String)
    case connectFailed(reason: String)
    case connectTimedOut
    case handshakeTimedOut
    /// The server's certificate did not convince us, or TLS failed otherwise; OpenSSL's words.
    case handshakeFailed(reason: String)
    case noHTTP2
    /// X509-SVID §2 demands exactly one URI name in a certificate; the server's has this many, -1 when unreadable.
    case peerURINames(Int)
    /// The caller's `verifyPeer` refused the server.
    case wrongPeer(name: String, reason: String)

    // While connected: all open requests are lost.
    /// The server sent a TLS alert: mostly, it does not take our certificate.
    case refusedByPeer(alert: String)
    case closedByPeer
    /// No byte in this time, and no answer to a PING.
    case peerSilent(for: Duration)
    case protocolViolation(reason: String)
    case socketFailed(reason: String)
    /// The connection has ended before; this says nothing new.
    case closed

    // One request only.
    case requestTimedOut
    /// RST_STREAM with this code (RFC 9113 §7).
    case streamReset(code: UInt32)
    case answerTooLong
    case goingAway

    /// Memory was short.
    case outOfMemory
}

extension HTTP2Error: CustomStringConvertible {
    package var description: String {
        switch self {
        case .nameNotFound(let host, let reason): "\(host): \(reason)"
        case .connectFailed(let reason): "no connection: \(reason)"
        case .connectTimedOut: "no connection in time"
        case .handshakeTimedOut: "no TLS handshake in time"
        case .handshakeFailed(let reason): "TLS handshake failed: \(reason)"
        case .noHTTP2: "the server does not speak HTTP/2"
        case .peerURINames(let count): "the server's certificate has \(count) URI names, not one"
        case .wrongPeer(let name, let reason): "the server is \(name): \(reason)"
        case .refusedByPeer(let alert): "the server refused us: \(alert)"
        case .closedByPeer: "the server closed the connection"
        case .peerSilent(let time): "the server was silent for \(time)"
        case .protocolViolation(let reason): "HTTP/2: \(reason)"
        case .socketFailed(let reason): "socket: \(reason)"
        case .closed: "the connection is closed"
        case .requestTimedOut: "no answer in time"
        case .streamReset(let code): "the server reset the request (code \(code))"
        case .answerTooLong: "the answer is longer than \(HTTPLimit.answerBytesMax) bytes"
        case .goingAway: "the server takes no more requests on this connection"
        case .outOfMemory: "out of memory"
        }
    }

    /// One word for metrics, the same for all faults of a kind.
    package var label: String {
        switch self {
        case .nameNotFound: "name_not_found"
        case .connectFailed: "connect_failed"
        case .connectTimedOut: "connect_timed_out"
        case .handshakeTimedOut: "handshake_timed_out"
        case .handshakeFailed, .noHTTP2: "handshake_failed"
        case .peerURINames, .wrongPeer: "wrong_peer"
        case .refusedByPeer: "refused_by_peer"
        case .closedByPeer, .closed: "closed_by_peer"
        case .peerSilent: "peer_silent"
        case .protocolViolation: "protocol_violation"
        case .socketFailed: "socket_failed"
        case .requestTimedOut: "request_timed_out"
        case .streamReset: "stream_reset"
        case .answerTooLong: "answer_too_long"
        case .goingAway: "going_away"
        case .outOfMemory: "out_of_memory"
        }
    }
}
