internal import Crypto
internal import Foundation
package import Settings

/// Gives the browser something to carry in a form that it can neither read nor change, so that nothing is kept here of
/// who never comes back, and any node can take who does.
package struct AttemptSealer: Sendable {
    private let key: Secret

    /// - Parameter key: 32 octets or more; nil for fewer.
    package init?(_ key: Secret) {
        guard key.bytes.count >= 32 else { return nil }
        self.key = Secret(Array(SHA256.hash(data: Array("weir sign-on".utf8) + key.bytes)))
    }

    package func seal(_ attempt: SignOnAttempt) throws -> String { try seal(attempt, as: .attempt) }
    /// - Returns: nil for what was not sealed here.
    package func open(_ text: String) -> SignOnAttempt? { open(text, as: .attempt) }

    /// What is sealed as one is never opened as the other.
    enum Purpose: String {
        case attempt, session
    }
    func seal(_ value: some Encodable, as purpose: Purpose) throws -> String {
        let box = try AES.GCM.seal(
            try JSONEncoder().encode(value), using: SymmetricKey(data: key.bytes),
            authenticating: Array(purpose.rawValue.utf8))
        return Base64URL.encode([UInt8](box.nonce) + [UInt8](box.ciphertext) + [UInt8](box.tag))
    }
    func open<Value: Decodable>(_ text: String, as purpose: Purpose) -> Value? {
        guard text.utf8.count <= 4_096, let octets = Base64URL.decode(text),
            let box = try? AES.GCM.SealedBox(combined: octets),
            let plain = try? AES.GCM.open(
                box, using: SymmetricKey(data: key.bytes), authenticating: Array(purpose.rawValue.utf8))
        else { return nil }
        return try? JSONDecoder().decode(Value.self, from: plain)
    }
}
