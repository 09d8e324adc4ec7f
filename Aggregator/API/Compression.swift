internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// Codes answers to who accepts it: to GET only, so that no answer that holds something secret just made is coded
/// together with what somebody sent (the length of the two would tell of both).
///
/// Left as they are: short ones, streams of events, and those with an entity tag, which names these very octets.
struct Compressed: RouterMiddleware {
    static let octetsMin = 1_024
    private static let types = [
        "application/json", "application/problem+json", "application/scim+json", "application/x-ndjson",
        "application/yaml", "text/csv", "text/plain", "text/markdown",
    ]

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        var response = try await next(request, context)
        guard request.method == .get, Self.isWorthwhile(response) else { return response }
        response.headers.append(HTTPField(name: .vary, value: "Accept-Encoding"))
        guard let coding = ContentCoding(accepting: request.headers[.acceptEncoding]) else { return response }
        response.headers[.contentEncoding] = coding.rawValue
        response.headers[.contentLength] = nil
        let body = response.body
        response.body = ResponseBody { writer in
            guard let encoder = coding.encoder() else { throw CodingUnavailable() }
            try await body.write(CodedWriter(next: writer, encoder: encoder))
        }
        return response
    }

    private static func isWorthwhile(_ response: Response) -> Bool {
        guard response.status == .ok, response.headers[.contentEncoding] == nil, response.headers[.eTag] == nil,
            let type = response.headers[.contentType]?.split(separator: ";").first
        else { return false }
        return types.contains { $0 == type } && response.body.contentLength.map { $0 >= octetsMin } ?? true
    }
}

/// There was no memory: the answer ends as one that was cut.
private struct CodingUnavailable: Error {}

private struct CodedWriter: ResponseBodyWriter {
    var next: any ResponseBodyWriter
    let encoder: any StreamEncoder

    mutating func write(_ buffer: ByteBuffer) async throws {
        let coded = encoder.encode(buffer, isLast: false)
        if coded.readableBytes > 0 { try await next.write(coded) }
    }
    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        try await next.write(encoder.encode(ByteBuffer(), isLast: true))
        try await next.finish(trailingHeaders)
    }
}
