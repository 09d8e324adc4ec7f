/// How a batch travels: `POST /v1/batches` over HTTP/2 with mutual TLS 1.3, the body being the sealed batch byte for
/// byte.
///
///     weir-epoch: <32 hex>   weir-sequence: <decimal>   weir-sha256: <64 hex, of the body>
///
/// The answer repeats `weir-sha256`: the digest of what is now durable. See `IngestAnswer` for the status codes.
package enum IngestWire {
    package static let path = "/v1/batches"
    package static let heartbeatPath = "/v1/heartbeat"
    /// A sensor sends a PKCS #10 request (DER) for its next certificate, and gets that with its issuer's (PEM).
    package static let certificatePath = "/v1/certificate"
    package static let epochField = "weir-epoch"
    package static let sequenceField = "weir-sequence"
    package static let digestField = "weir-sha256"
    /// A sealed batch is never larger; a longer body is refused with 413 before it is read.
    package static let bodyBytesMax = 4 << 20
}

/// What an aggregator says to a batch, and what the sensor does on it.
package enum IngestAnswer: Equatable, Sendable {
    /// 200: durable with its key, now or since an earlier try. The sensor may delete its copy if the digest is its own.
    case stored(BatchDigest)
    /// 409: the key is taken by other bytes. Never silent: the sensor keeps the batch in its dead-letter folder and
    /// alarms.
    case conflict
    /// 400, 413, 422: these bytes will never be taken. To the dead-letter folder, with the reason.
    case refused(status: Int, reason: String)
    /// 429, 503, and anything else: later, and not before `after` if the aggregator said when.
    case busy(status: Int, after: Duration?)

    /// - Parameters:
    ///   - digest: the answer's `weir-sha256`; a 200 without one is busy, since nothing proves the batch is kept.
    ///   - retryAfter: the answer's Retry-After (RFC 9110 §10.2.3) in whole seconds; aggregators send no dates.
    package init(status: Int, digest: String?, retryAfter: String?, reason: String) {
        switch status {
        case 200:
            if let digest = digest.flatMap({ BatchDigest($0) }) {
                self = .stored(digest)
            } else {
                self = .busy(status: status, after: nil)
            }
        case 409: self = .conflict
        case 400, 413, 422: self = .refused(status: status, reason: reason)
        default:
            self = .busy(
                status: status, after: retryAfter.flatMap { Int64($0) }.map { .seconds(min(max($0, 0), 3_600)) })
        }
    }
}
