internal import HTTPTypes
package import Hummingbird
internal import NIOCore

/// A refusal as a sensor sees it: a problem document (RFC 9457) of type `urn:weir:problem:<kind>`.
///
/// The status decides what the sensor does (`IngestAnswer`): 400, 413 and 422 send the batch to its dead letters, so
/// they are said only about the bytes themselves; 409 says that its key is taken by other bytes; all else is "later".
package struct IngestProblem: Error, Equatable, Sendable {
    package let status: HTTPResponse.Status
    /// The last part of the type, and the metric's label.
    package let kind: String
    let title: String
    var detail: String?
    /// In whole seconds; with 415, 429 and 503.
    var retryAfter: Int?

    static func badField(_ name: String, _ allowed: String) -> IngestProblem {
        IngestProblem(
            status: .badRequest, kind: "bad-field", title: "A header field is missing or wrong",
            detail: "\(name): must be given once, as \(allowed)")
    }
    static func tooLarge(max: Int) -> IngestProblem {
        IngestProblem(
            status: .contentTooLarge, kind: "too-large", title: "The body is too large",
            detail: "At most \(max) octets")
    }
    /// Damaged on the way: the sensor's own copy may be sound, so this is not a 4xx.
    static let digestMismatch = IngestProblem(
        status: .serviceUnavailable, kind: "digest-mismatch", title: "The body does not match its digest",
        detail: "It was damaged on the way; send it again", retryAfter: 1)
    static func undecodable(_ reason: String) -> IngestProblem {
        IngestProblem(
            status: .unprocessableContent, kind: "undecodable", title: "The body is not a sound batch", detail: reason)
    }
    /// Sensors may be upgraded before aggregators, and aggregators go back a version: sound bytes, for a later one.
    static func laterVersion(_ version: UInt16) -> IngestProblem {
        IngestProblem(
            status: .unsupportedMediaType, kind: "later-version", title: "The batch is of a later version",
            detail: "Version \(version) of the format; upgrade this aggregator", retryAfter: 60)
    }
    static let conflict = IngestProblem(
        status: .conflict, kind: "key-conflict", title: "The key is taken by other bytes",
        detail: "A batch with this epoch and sequence and another digest is stored. Nothing was overwritten.")
    /// - Parameter seconds: until what is in work will have been dealt with.
    static func overloaded(seconds: Int) -> IngestProblem {
        IngestProblem(
            status: .tooManyRequests, kind: "overloaded", title: "Too many batches are in work", retryAfter: seconds)
    }
    static func logBusy(seconds: Int) -> IngestProblem {
        IngestProblem(
            status: .serviceUnavailable, kind: "log-busy", title: "The disk is behind", retryAfter: seconds)
    }
    /// The aggregator has more to do than it can, which says nothing about this batch.
    var isLoad: Bool { kind == "overloaded" || kind == "log-busy" }
    static let logFull = IngestProblem(
        status: .serviceUnavailable, kind: "log-full", title: "The disk is full", retryAfter: 30)
    /// Whether the batch is kept, nobody knows: the sensor's next try will tell.
    static let logUnavailable = IngestProblem(
        status: .serviceUnavailable, kind: "log-unavailable", title: "The log does not answer now", retryAfter: 1)
    static let logFailed = IngestProblem(
        status: .serviceUnavailable, kind: "log-failed", title: "The log can't be written", retryAfter: 10)
    static let heldFull = IngestProblem(
        status: .serviceUnavailable, kind: "held-full", title: "The sensor is in quarantine, and its room is used up",
        retryAfter: 60)
    static let revoked = IngestProblem(
        status: .forbidden, kind: "revoked", title: "The certificate, or the sensor, was revoked")
    static let noIdentity = IngestProblem(
        status: .forbidden, kind: "no-identity", title: "The connection has no sensor identity")
    static let badHeartbeat = IngestProblem(
        status: .badRequest, kind: "bad-heartbeat", title: "The heartbeat can't be read")
    static let interrupted = IngestProblem(
        status: .serviceUnavailable, kind: "interrupted", title: "The body ended early", retryAfter: 1)

    /// Every kind that a batch can be refused with: a counter for each exists from the start.
    static let kinds: [String] = [
        badField("", ""), tooLarge(max: 0), digestMismatch, undecodable(""), laterVersion(0), conflict,
        overloaded(seconds: 0), logBusy(seconds: 0), logFull, logUnavailable, logFailed, heldFull, revoked, noIdentity,
        interrupted,
    ].map(\.kind)
}

extension IngestProblem: HTTPResponseError {
    package func response(from request: Request, context: some RequestContext) throws -> Response {
        var fields: HTTPFields = [.contentType: "application/problem+json"]
        if let retryAfter { fields[.retryAfter] = "\(retryAfter)" }
        var text = #"{"type":"urn:weir:problem:\#(kind)","title":"\#(title)","status":\#(status.code)"#
        if let detail { text += #","detail":"\#(escaped(detail))""# }
        text += "}"
        return Response(status: status, headers: fields, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}

/// The inside of a JSON string (RFC 8259 §7).
private func escaped(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"", "\\": out += "\\\(scalar)"
        case _ where scalar.value < 0x20:
            let digits = String(scalar.value, radix: 16)
            out += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
        default: out.unicodeScalars.append(scalar)
        }
    }
    return out
}
