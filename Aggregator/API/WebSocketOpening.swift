internal import Crypto
internal import Foundation
internal import HTTPTypes
internal import Hummingbird

/// Whether a request asks for a WebSocket, and what it is answered (RFC 6455 §4.2, RFC 8441 §5).
struct WebSocketOpening: Sendable {
    let fields: HTTPFields

    private static let version = HTTPField.Name("Sec-WebSocket-Version"), key = HTTPField.Name("Sec-WebSocket-Key")
    private static let accept = HTTPField.Name("Sec-WebSocket-Accept")
    /// RFC 6455 §1.3.
    private static let magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// Nil: the request asks for no WebSocket.
    /// - Parameter origins: whose pages may, beside this origin's own.
    /// - Throws: `Problem`: 403 for another site's page, 426 for another version, 400 for what is no opening.
    init?(_ request: Request, origins: Set<String>) throws(Problem) {
        guard request.headers[.upgrade]?.lowercased() == "websocket" else { return nil }
        try Self.checkOrigin(request, origins)
        guard Self.version.flatMap({ request.headers[$0] }) == "13" else { throw .webSocketVersion }
        var fields: HTTPFields = [.upgrade: "websocket", .connection: "Upgrade"]
        // Over HTTP/2 there is no key.
        if let key = Self.key.flatMap({ request.headers[$0] }), let accept = Self.accept {
            guard Data(base64Encoded: key)?.count == 16 else { throw .badOpening }
            let digest = Insecure.SHA1.hash(data: Data((key + Self.magic).utf8))
            fields[accept] = Data(digest).base64EncodedString()
        }
        self.fields = fields
    }

    /// A browser opens a WebSocket to any site, with the cookies of that site: so what it shows must be asked for by a
    /// page of this origin, or of one that is listed. Programs, which have keys, send no `Origin`.
    private static func checkOrigin(_ request: Request, _ origins: Set<String>) throws(Problem) {
        let hasKey = request.headers[.authorization] != nil
        guard let origin = request.headers[.origin] else {
            guard hasKey else { throw .crossSite }
            return
        }
        if let authority = request.head.authority, origin == "https://\(authority)" { return }
        // Another origin's page shows a key of its own: cookies are of this one.
        guard hasKey, origins.contains(origin) else { throw .crossSite }
    }
}

extension Problem {
    static let badOpening = Problem(
        .badRequest, "bad-websocket", "This opens no WebSocket",
        detail: "Sec-WebSocket-Key has to be 16 octets in base64"
    )
    static let webSocketVersion: Problem = {
        var headers: HTTPFields = [.upgrade: "websocket"]
        if let name = HTTPField.Name("Sec-WebSocket-Version") { headers[name] = "13" }
        return Problem(.upgradeRequired, "bad-websocket", "WebSocket's version is 13", headers: headers)
    }()
}
