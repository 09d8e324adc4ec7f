internal import Crypto
package import Settings

/// Keeps authenticators' secrets unreadable without a key that is in no database and no backup of one: AES-256-GCM,
/// bound to whose it is.
package struct FactorSealer: Sendable {
    private let key: Secret

    /// - Parameter key: 32 octets or more; nil for fewer.
    package init?(_ key: Secret) {
        guard key.bytes.count >= 32 else { return nil }
        self.key = Secret(Array(SHA256.hash(data: Array("weir second factors".utf8) + key.bytes)))
    }

    package func seal(_ code: OneTimeCode, of person: String) throws -> [UInt8] {
        let box = try AES.GCM.seal(
            code.secret.bytes, using: SymmetricKey(data: key.bytes), authenticating: Array(person.utf8))
        return [UInt8](box.nonce) + [UInt8](box.ciphertext) + [UInt8](box.tag)
    }
    /// - Returns: nil for what was not sealed here for this person.
    package func open(_ sealed: [UInt8], of person: String) -> OneTimeCode? {
        guard let box = try? AES.GCM.SealedBox(combined: sealed),
            let plain = try? AES.GCM.open(
                box, using: SymmetricKey(data: key.bytes), authenticating: Array(person.utf8))
        else { return nil }
        return OneTimeCode(Secret([UInt8](plain)))
    }
}
