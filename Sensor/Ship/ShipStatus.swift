package import HTTP2Client

/// What shipping has done and how it stands, for metrics, heartbeats and people. A snapshot.
package struct ShipStatus: Sendable {
    /// Nil while there is no connection.
    package var connectedEndpoint: HTTP2Endpoint?
    /// The aggregator's URI name, of the present or the last connection.
    package var peerName: String?
    package var inFlight = 0
    package var sentBatches: UInt64 = 0
    package var acknowledgedBatches: UInt64 = 0
    package var acknowledgedBytes: UInt64 = 0
    package var deadLetters: UInt64 = 0
    /// That aggregators asked for again.
    package var reshippedBatches: UInt64 = 0
    package var heartbeatsAnswered: UInt64 = 0
    package var connections: UInt64 = 0
    /// By label: faults of connections and requests, `busy_503`-like answers, `source`, `identity`.
    package var failures: [String: UInt64] = [:]
    package var lastError: String?
    package var certificateReloads: UInt64 = 0
    package var certificateReloadFailures: UInt64 = 0
    /// Of the certificate in use, in ms since 1970 UTC; nil while none is usable.
    package var certificateExpiryMilliseconds: Int64?

    package init() {}

    mutating func note(failure label: String, _ text: String) {
        failures[label, default: 0] += 1
        lastError = text
    }
}
