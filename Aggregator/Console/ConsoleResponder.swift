package import HTTPTypes
package import Hummingbird
internal import NIOCore

/// Answers for the console's pages, and asks `next` for everything else.
///
/// Invariants: nothing of a request but its method, path and `If-None-Match` is looked at, so a page is the same for
/// everybody and holds nothing of anybody; every answer forbids whatever the pages don't need.
package struct ConsoleResponder<Next: HTTPResponder>: HTTPResponder where Next.Context: RequestContext {
    package typealias Context = Next.Context
    /// Nil: there is no console.
    private let files: ConsoleFiles?, next: Next

    package init(_ files: ConsoleFiles?, before next: Next) { (self.files, self.next) = (files, next) }

    package func respond(to request: Request, context: Context) async throws -> Response {
        guard let files, request.method == .get || request.method == .head else {
            return try await next.respond(to: request, context: context)
        }
        let path = request.uri.path
        if path == "/" || path == ConsoleFiles.root.dropLast() {
            var fields = ConsoleFields.all
            fields[.location] = ConsoleFiles.root
            return Response(status: .found, headers: fields)
        }
        guard let file = files[path] else { return try await next.respond(to: request, context: context) }
        return answer(request, with: file)
    }

    private func answer(_ request: Request, with file: ConsoleFiles.File) -> Response {
        var fields = ConsoleFields.all
        fields[.eTag] = file.tag
        fields[.contentType] = file.type
        if let known = request.headers[.ifNoneMatch], Self.names(known, file.tag) {
            return Response(status: .notModified, headers: fields)
        }
        guard request.method == .get else {
            fields[.contentLength] = String(file.body.readableBytes)
            return Response(status: .ok, headers: fields)
        }
        return Response(status: .ok, headers: fields, body: ResponseBody(byteBuffer: file.body))
    }

    /// RFC 9110, section 13.1.2: any of a list, compared weakly.
    private static func names(_ field: String, _ tag: String) -> Bool {
        field.split(separator: ",").contains { part in
            let name = part.drop { $0 == " " }.prefix { $0 != " " }
            return name == "*" || name == tag || name == "W/\(tag)"
        }
    }
}

/// What goes with every page. ASVS 5.0 §3.4, for pages that only load what is beside them.
package enum ConsoleFields {
    /// Nothing inline, nothing evaluated, nothing from elsewhere; text becomes markup nowhere (Trusted Types), but for
    /// the one address that the policy `weir` gives: the service worker's.
    package static let contentSecurityPolicy = [
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "font-src 'self'",
        "connect-src 'self'", "manifest-src 'self'", "worker-src 'self'", "form-action 'none'",
        "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'", "trusted-types weir",
    ].joined(separator: "; ")

    package static let all: HTTPFields = {
        var fields: HTTPFields = [
            .contentSecurityPolicy: contentSecurityPolicy, .xContentTypeOptions: "nosniff",
            .strictTransportSecurity: "max-age=63072000; includeSubDomains",
            // Asked about each time; most answers are 304.
            .cacheControl: "no-cache",
        ]
        for (name, value) in [
            ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"), ("X-Frame-Options", "DENY"),
            ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
        ] {
            guard let name = HTTPField.Name(name) else { continue }
            fields[name] = value
        }
        return fields
    }()
}
