internal import Crypto
internal import Foundation
package import Settings

/// Signatures of Standard Webhooks (version 1.0): HMAC-SHA256 over `id.timestamp.body`, one for each secret.
package struct WebhookSigner: Sendable {
    package static let secretsMax = 4, toleranceSeconds: Int64 = 300
    private let secrets: [WebhookSecret]

    /// - Parameter secrets: the newest first; two while one takes the other's place. Nil for none or more than
    ///   `secretsMax`.
    package init?(_ secrets: [WebhookSecret]) {
        guard (1...Self.secretsMax).contains(secrets.count) else { return nil }
        self.secrets = secrets
    }

    /// - Parameter timestamp: of this try, in s since 1970 UTC.
    package func headers(id: String, timestamp: Int64, body: [UInt8]) -> [(name: String, value: String)] {
        let signatures = secrets.map { "v1," + Data($0.code(id, timestamp, body)).base64EncodedString() }
        return [
            ("webhook-id", id), ("webhook-timestamp", String(timestamp)),
            ("webhook-signature", signatures.joined(separator: " ")),
        ]
    }

    /// Whether a signature of one of the secrets is there and the time is near: what receivers do.
    package func verifies(id: String, timestamp: Int64, body: [UInt8], signatures: String, now: Int64) -> Bool {
        guard timestamp >= now &- Self.toleranceSeconds, timestamp <= now &+ Self.toleranceSeconds else { return false }
        let codes = signatures.split(separator: " ").filter { $0.hasPrefix("v1,") }.prefix(16)
            .compactMap { Data(base64Encoded: String($0.dropFirst(3))) }
        return secrets.contains { secret in codes.contains { secret.isCode($0, id, timestamp, body) } }
    }
}

/// A shared secret: `whsec_` and base64 of 24 to 64 octets.
package struct WebhookSecret: Sendable, CustomStringConvertible {
    package static let octets = 24...64
    private let key: Secret
    package var description: String { "(secret)" }

    /// Nil for anything else; what it was is not said.
    package init?(_ secret: Secret) {
        let text = secret.text
        guard text.hasPrefix("whsec_"), let octets = Data(base64Encoded: String(text.dropFirst(6))),
            Self.octets.contains(octets.count)
        else { return nil }
        key = Secret(Array(octets))
    }

    func code(_ id: String, _ timestamp: Int64, _ body: [UInt8]) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: signed(id, timestamp, body), using: SymmetricKey(data: key.bytes)))
    }
    /// In constant time.
    func isCode(_ code: Data, _ id: String, _ timestamp: Int64, _ body: [UInt8]) -> Bool {
        HMAC<SHA256>.isValidAuthenticationCode(
            code, authenticating: signed(id, timestamp, body), using: SymmetricKey(data: key.bytes))
    }
    private func signed(_ id: String, _ timestamp: Int64, _ body: [UInt8]) -> [UInt8] {
        Array("\(id).\(timestamp).".utf8) + body
    }
}
