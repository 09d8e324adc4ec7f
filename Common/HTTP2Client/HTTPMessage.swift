/// Where a server is.
package struct HTTP2Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// A DNS name or a numeric address, without brackets; the server's certificate must be valid for it.
    package let host: String
    package let port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }
    /// RFC 3986 §3.2: an IPv6 address goes in brackets.
    package var authority: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)" }
    package var description: String { authority }
}

/// One header field; names are in lower case (RFC 9113 §8.2).
package struct HTTPField: Hashable, Sendable {
    package let name: String, value: String
    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

package struct HTTPRequestHead: Sendable {
    /// Such as "POST".
    package var method: String
    package var path: String
    /// Without pseudo fields and `content-length`, which the client adds.
    package var fields: [HTTPField]

    package init(method: String, path: String, fields: [HTTPField] = []) {
        self.method = method
        self.path = path
        self.fields = fields
    }
}

package struct HTTPResponse: Hashable, Sendable {
    package let status: Int
    /// Header and trailer fields in the order they came; at most 16 KiB, later ones are left out.
    package let fields: [HTTPField]
    /// At most `HTTPLimit.answerBytesMax`.
    package let body: [UInt8]

    /// The first field called `name` (lower case).
    package func field(_ name: String) -> String? { fields.first { $0.name == name }?.value }
}

/// How one request ended.
package enum HTTP2Outcome: Sendable {
    case response(HTTPResponse, tag: UInt64)
    /// This request failed, the connection lives on.
    case failed(HTTP2Error, tag: UInt64)
}

package enum HTTPLimit {
    /// A longer answer fails its request with `.answerTooLong`.
    package static let answerBytesMax = 64 << 10
    static let answerFieldBytesMax = 16 << 10
    /// Frames are gathered up to this size before they are encrypted: fewer, fuller TLS records.
    static let outputBytesTarget = 128 << 10
    static let inputBytes = 32 << 10
    /// How much the kernel may hold unsent: more only makes a PING wait behind it.
    static let unsentBytesMax: Int32 = 256 << 10
}
