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
        let isSCIM = request.uri.path.hasPrefix("/scim/")
        fields[.contentType] = isSCIM ? "application/scim+json" : "application/problem+json"
        let octets = try isSCIM ? encoder.encode(SCIMError(self)) : encoder.encode(body)
        return Response(
            status: status, headers: fields, body: ResponseBody(byteBuffer: ByteBuffer(data: octets)))
    }
}

/// A refusal as RFC 7644 §3.12 has it.
private struct SCIMError: Encodable {
    private let schemas = ["urn:ietf:params:scim:api:messages:2.0:Error"], status: String, scimType: String?
    private let detail: String

    /// RFC 7644, table 9.
    private static let types: Set = [
        "invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax", "invalidPath", "noTarget",
        "invalidValue", "invalidVers", "sensitive",
    ]

    init(_ problem: Problem) {
        status = "\(problem.status.code)"
        scimType = problem.kind == "bad-body" ? "invalidSyntax" : Self.types.contains(problem.kind) ? problem.kind : nil
        detail = [problem.title, problem.detail].compactMap { $0 }.joined(separator: ": ")
    }
}
