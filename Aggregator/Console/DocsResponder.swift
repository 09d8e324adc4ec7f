internal import Crypto
internal import HTTPTypes
package import Hummingbird
internal import NIOCore
internal import Platform

/// Swagger UI over `openapi.json`, from a folder that `deploy/api-docs` made: nothing of it is in the source tree, and
/// a file that is not the one that was reviewed is not served.
package struct DocsFiles: Sendable {
    package static let root = "/docs/"
    /// SHA-256, the same as in `deploy/api-docs.txt` (a test compares them).
    package static let digests = [
        "swagger-ui-bundle.js": "050bc415ee7048dcd881682678f720264e7da5e373f7461d7c58c755305255f7",
        "swagger-ui.css": "1ac324f7dcd27e4b9386b4bd6421271ec147e922a22c05ba24b11515e9aa6321",
    ]
    private static let fileBytesMax = 4 << 20
    private let files: [String: ByteBuffer]

    /// - Throws: `ConsoleError` for a file that is not there, or another one.
    package init(folder: String) throws(ConsoleError) {
        var files = ["index.html": ByteBuffer(string: Self.page), "docs.js": ByteBuffer(string: Self.script)]
        for (name, digest) in Self.digests.sorted(by: { $0.key < $1.key }) {
            let path = "\(folder)/\(name)", octets: [UInt8]
            do { octets = try readFile(path, bytesMax: Self.fileBytesMax) } catch {
                throw .unreadable(path, "\(error)")
            }
            let own = SHA256.hash(data: octets).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            guard own == digest else { throw .unreadable(path, "it is not the one of deploy/api-docs.txt") }
            files[name] = ByteBuffer(bytes: octets)
        }
        self.files = files
    }
    subscript(path: String) -> ByteBuffer? {
        let name = path.dropFirst(Self.root.count)
        return files[name.isEmpty ? "index.html" : String(name)]
    }

    private static let page = """
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8"><title>Weir API</title>
        <link rel="stylesheet" href="swagger-ui.css">
        <main id="ui"></main>
        <script src="swagger-ui-bundle.js"></script><script src="docs.js"></script>
        </html>

        """
    /// With a session, what changes something needs the field that no form can send.
    private static let script = """
        SwaggerUIBundle({
            url: "/openapi.json", dom_id: "#ui", deepLinking: true, persistAuthorization: false, validatorUrl: null,
            requestInterceptor: (request) => { request.headers["Weir-Request"] = "1"; return request; },
        });

        """
}

/// Answers for `/docs/`, and asks `next` for everything else. Without a folder: 404, and how to get one.
package struct DocsResponder<Next: HTTPResponder>: HTTPResponder where Next.Context: RequestContext {
    package typealias Context = Next.Context
    private let files: DocsFiles?, next: Next

    package init(_ files: DocsFiles?, before next: Next) { (self.files, self.next) = (files, next) }

    package func respond(to request: Request, context: Context) async throws -> Response {
        let path = request.uri.path
        guard request.method == .get, path == "/docs" || path.hasPrefix(DocsFiles.root) else {
            return try await next.respond(to: request, context: context)
        }
        var fields = Self.fields
        guard let files else {
            fields[.contentType] = "application/problem+json"
            let hint = "Swagger UI is not installed here: deploy/api-docs makes its folder, and api.docs names it. "
            let body = #"{"type":"urn:weir:problem:not-found","title":"There is nothing here","status":404,"detail":""#
            return Response(
                status: .notFound, headers: fields,
                body: ResponseBody(byteBuffer: ByteBuffer(string: body + hint + #"See /openapi.json."}"#)))
        }
        if path == "/docs" {
            fields[.location] = DocsFiles.root
            return Response(status: .found, headers: fields)
        }
        guard let file = files[path] else { return try await next.respond(to: request, context: context) }
        fields[.contentType] =
            path.hasSuffix(".js")
            ? "text/javascript; charset=utf-8"
            : path.hasSuffix(".css") ? "text/css; charset=utf-8" : "text/html; charset=utf-8"
        return Response(status: .ok, headers: fields, body: ResponseBody(byteBuffer: file))
    }

    /// As the console's, but for what Swagger UI needs: styles of its own making, and icons in them.
    private static var fields: HTTPFields {
        var fields = ConsoleFields.all
        fields[.contentSecurityPolicy] = [
            "default-src 'none'", "script-src 'self'", "style-src 'self' 'unsafe-inline'", "img-src 'self' data:",
            "connect-src 'self'", "form-action 'none'", "frame-ancestors 'none'", "base-uri 'none'",
        ].joined(separator: "; ")
        return fields
    }
}
