internal import Synchronization
package import Telemetry

/// What a listener counts about its connections.
package final class ConnectionMetrics: Sendable {
    private let open = Atomic<Int>(0)
    let opened: Counter, overLimit: Counter, expired: Counter
    /// Requests given up: not sent, or their answers not read, in time.
    let slow: Counter
    private let handshakes: [String: Counter], refusals: [String: Counter], misconduct: [String: Counter]

    package init(listener: String, in registry: MetricRegistry) {
        let label = ["listener": listener]
        opened = registry.counter("weir_connections_opened_total", help: "Connections accepted.", labels: label)
        overLimit = registry.counter(
            "weir_connections_over_limit_total", help: "Connections closed at once: too many open.", labels: label)
        expired = registry.counter(
            "weir_connections_expired_total", help: "Connections closed because the peer's certificate ended.",
            labels: label)
        slow = registry.counter(
            "weir_requests_too_slow_total", help: "Requests given up: not sent, or their answers not read, in time.",
            labels: label)
        func family(_ name: String, _ help: String, _ reasons: [String]) -> [String: Counter] {
            Dictionary(
                uniqueKeysWithValues: reasons.map {
                    ($0, registry.counter(name, help: help, labels: label.merging(["reason": $0]) { $1 }))
                })
        }
        handshakes = family(
            "weir_handshake_failures_total", "TLS handshakes that did not finish, by reason.",
            HandshakeFailure.allCases.map(\.rawValue))
        refusals = family(
            "weir_peer_refusals_total", "Peers refused after the handshake for what their certificate says.",
            PeerRefusal.labels)
        misconduct = family(
            "weir_connections_misconduct_total", "Connections closed because the peer broke HTTP/2's rules.",
            Misconduct.allCases.map(\.rawValue))
        let gauge = registry.gauge("weir_connections_open", help: "Connections open now.", labels: label)
        registry.beforeEachPage { [weak self] in gauge.set(self?.openCount ?? 0) }
    }

    /// Connections open now, those in their handshake included.
    package var openCount: Int { open.load(ordering: .relaxed) }
    /// - Returns: false when there is no room for one more; then it isn't counted as open.
    func enter(max: Int) -> Bool {
        guard open.wrappingAdd(1, ordering: .relaxed).newValue <= max else {
            open.wrappingSubtract(1, ordering: .relaxed)
            overLimit.add()
            return false
        }
        opened.add()
        return true
    }
    func leave() { open.wrappingSubtract(1, ordering: .relaxed) }
    func count(_ failure: HandshakeFailure) { handshakes[failure.rawValue]?.add() }
    func count(_ refusal: PeerRefusal) { refusals[refusal.label]?.add() }
    func count(_ reason: Misconduct) { misconduct[reason.rawValue]?.add() }
}

/// Why a peer's HTTP/2 connection is closed.
enum Misconduct: String, CaseIterable, Sendable {
    /// A connection error (RFC 9113 §5.4.1), floods that NIO counts among them: resets, CONTINUATION, PING, SETTINGS.
    case protocolError = "protocol_error"
    /// More frames without use than its answers account for (`FrameMeter`).
    case idleFrames = "idle_frames"
}

/// How a TLS handshake can fail, as far as BoringSSL tells.
enum HandshakeFailure: String, CaseIterable, Sendable {
    case timedOut = "timed_out"
    /// The peer went away; health probes do that.
    case closed
    case noCertificate = "no_certificate"
    /// Other authority, expired, or not yet valid.
    case badCertificate = "bad_certificate"
    case badVersion = "bad_version"
    case notTLS = "not_tls"
    /// The peer sent an alert: mostly, it doesn't believe *our* certificate.
    case alert
    case other

    /// BoringSSL's errors have no public cases; its reason strings are stable (`err_data`).
    init(_ description: String) {
        let known: [(String, HandshakeFailure)] = [
            ("PEER_DID_NOT_RETURN_A_CERTIFICATE", .noCertificate), ("CERTIFICATE_VERIFY_FAILED", .badCertificate),
            ("UNSUPPORTED_PROTOCOL", .badVersion), ("WRONG_VERSION_NUMBER", .notTLS), ("HTTP_REQUEST", .notTLS),
            ("_ALERT_", .alert), ("uncleanShutdown", .closed), ("eofDuringHandshake", .closed),
        ]
        self = known.first { description.contains($0.0) }?.1 ?? .other
    }
}
