package import Settings

/// One question over HTTP: GET, redirects not followed.
package struct FeedRequest: Sendable {
    package var url: String
    /// Names in lower case.
    package var headers: [String: String] = [:]
    /// Read when the request is sent; the value of the header of that name.
    package var authorization: SecretReference?
    package var trust: String?
    /// A longer answer is a fault.
    package var bytesMax: Int

    package init(url: String, bytesMax: Int) { (self.url, self.bytesMax) = (url, bytesMax) }
}

package struct FeedResponse: Sendable {
    package var status: Int
    /// Names in lower case.
    package var headers: [String: String]
    package var body: [UInt8]

    package init(status: Int, headers: [String: String] = [:], body: [UInt8] = []) {
        (self.status, self.headers, self.body) = (status, headers, body)
    }
}

/// Why there is no answer, in words for operators, without secrets.
package struct FeedTransportFault: Error, Equatable, Sendable, CustomStringConvertible {
    /// A label for metrics.
    package enum Kind: String, Sendable, CaseIterable {
        /// Where it leads must not be connected to.
        case refused
        case unreachable
        case tooLarge = "too_large"
        case secret
    }
    package let kind: Kind, reason: String
    package var description: String { reason }

    package init(_ kind: Kind, _ reason: String) { (self.kind, self.reason) = (kind, reason) }
}

/// The way out; `KnowledgeUpkeep` has one over HTTPS.
package protocol FeedTransport: Sendable {
    func fetch(_ request: FeedRequest) async throws(FeedTransportFault) -> FeedResponse
}
