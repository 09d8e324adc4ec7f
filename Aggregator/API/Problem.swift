internal import FilterLanguage
internal import Foundation
package import HTTPTypes
package import Hummingbird
internal import NIOCore
internal import NIOFoundationEssentialsCompat

/// A refusal as the caller sees it: RFC 9457 "Problem Details for HTTP APIs". The `type` is stable and documented in
/// `openapi.json`; `detail` says what to do and never holds another tenant's data.
package struct Problem: Error, Sendable {
    package let status: HTTPResponse.Status
    /// The last part of the type URI: `urn:weir:problem:<kind>`.
    package let kind: String
    package let title: String
    package let detail: String?
    let headers: HTTPFields
    /// Where a filter is wrong.
    private var place: FilterError?

    init(
        _ status: HTTPResponse.Status, _ kind: String, _ title: String, detail: String? = nil, headers: HTTPFields = [:]
    ) {
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.headers = headers
    }

    static func badParameter(_ name: String, _ value: String, allowed: String) -> Problem {
        Problem(
            .badRequest, "bad-parameter", "A query parameter is wrong",
            detail: "\(name): \"\(value.prefix(200))\" is not \(allowed)")
    }
    static func badFilter(_ error: FilterError) -> Problem {
        var problem = Problem(.badRequest, "bad-filter", "The filter cannot be read", detail: error.explanation)
        problem.place = error
        return problem
    }
    static let notFound = Problem(.notFound, "not-found", "There is nothing here")
    static let unauthorized = Problem(
        .unauthorized, "unauthorized", "A valid API key is needed",
        detail: "Send it as: Authorization: Bearer weir_... (or sign in: POST /v1/session)",
        headers: [.wwwAuthenticate: #"Bearer realm="weir""#])
    static func forbidden(_ scope: String) -> Problem {
        Problem(.forbidden, "forbidden", "This key may not do that", detail: "It lacks the scope \(scope)")
    }
    /// The cause goes to the log, not to the caller.
    static let internalError = Problem(.internalServerError, "internal", "The aggregator failed to answer")
    static let unavailable = Problem(.serviceUnavailable, "unavailable", "The aggregator cannot answer now")
}

extension Problem: HTTPResponseError {
    private struct Body: Encodable {
        let type: String, title: String, status: Int, detail: String?
        var line: Int?, column: Int?, length: Int?, suggestion: String?
    }

    package func response(from request: Request, context: some RequestContext) throws -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let body = Body(
            type: "urn:weir:problem:\(kind)", title: title, status: Int(status.code), detail: detail, line: place?.line,
            column: place?.column, length: place?.length, suggestion: place?.suggestion)
        var fields = headers
        fields[.contentType] = "application/problem+json"
        return Response(
            status: status, headers: fields, body: ResponseBody(byteBuffer: ByteBuffer(data: try encoder.encode(body))))
    }
}
