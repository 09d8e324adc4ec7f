internal import Crypto
internal import Foundation
package import Settings
internal import Synchronization

/// Encrypts data keys, so that a stolen disk holds none. Blocking.
package protocol KeyWrapper: Sendable {
    func wrap(_ key: Secret, version: UInt32, owner: KeyOwner) throws(DataKeyError) -> WrappedKey
    /// - Throws: `.wrappingKey` when this wrapper did not wrap it, or not for that owner and version.
    func unwrap(_ wrapped: WrappedKey, version: UInt32, owner: KeyOwner) throws(DataKeyError) -> Secret
}

/// An encrypted data key: harmless without the wrapping key.
package struct WrappedKey: Hashable, Sendable, Codable {
    /// What wrapped it: `local:` and the wrapping key's fingerprint, or `transit:` and the server's name of it.
    package let by: String
    package let octets: [UInt8]
    package init(by: String, octets: [UInt8]) {
        self.by = by
        self.octets = octets
    }
}

/// Wraps with a key that a file or the environment holds: 32 octets, or their 64 hexadecimal digits or 44 characters of
/// base64. AES-256-GCM, nonce :12 | ciphertext :32 | tag :16, with owner and version as associated data.
package final class LocalKeyWrapper: KeyWrapper {
    private let reference: SecretReference
    private let random: Mutex<any RandomNumberGenerator & Sendable>

    package init(_ reference: SecretReference, random: some RandomNumberGenerator & Sendable) {
        self.reference = reference
        self.random = Mutex(random)
    }

    package func wrap(_ key: Secret, version: UInt32, owner: KeyOwner) throws(DataKeyError) -> WrappedKey {
        let kek = try readKey()
        do {
            let box = try AES.GCM.seal(
                key.bytes, using: kek, nonce: AES.GCM.Nonce(data: random.octets(12)),
                authenticating: label(version, owner))
            guard let octets = box.combined else { throw DataKeyError.wrappingKey("\(reference): no result") }
            return WrappedKey(by: Self.fingerprint(kek), octets: [UInt8](octets))
        } catch {
            throw .wrappingKey("\(reference): can't wrap")
        }
    }

    package func unwrap(_ wrapped: WrappedKey, version: UInt32, owner: KeyOwner) throws(DataKeyError) -> Secret {
        let kek = try readKey(), name = Self.fingerprint(kek)
        guard wrapped.by == name else {
            throw .wrappingKey("\(reference) is \(name), but the key of \(owner) was wrapped by \(wrapped.by)")
        }
        do {
            let box = try AES.GCM.SealedBox(combined: wrapped.octets)
            return Secret([UInt8](try AES.GCM.open(box, using: kek, authenticating: label(version, owner))))
        } catch {
            throw .wrappingKey("the wrapped key of \(owner), version \(version), is damaged")
        }
    }

    private func label(_ version: UInt32, _ owner: KeyOwner) -> [UInt8] {
        Array("weir data key ".utf8) + bigEndian(version) + owner.description.utf8
    }
    /// Tells wrapping keys apart without telling anything about them.
    private static func fingerprint(_ kek: SymmetricKey) -> String {
        "local:" + hex(HMAC<SHA256>.authenticationCode(for: Array("weir wrapping key".utf8), using: kek).prefix(8))
    }

    private func readKey() throws(DataKeyError) -> SymmetricKey {
        let secret: Secret
        do throws(SecretError) { secret = try reference.read() } catch { throw .wrappingKey("\(error)") }
        if secret.bytes.count == DataKey.keyBytes { return SymmetricKey(data: secret.bytes) }
        let text = secret.text
        let decoded = text.utf8.count == 64 ? unhex(text) : Data(base64Encoded: text).map { [UInt8]($0) }
        guard let decoded, decoded.count == DataKey.keyBytes else {
            throw .wrappingKey("\(reference) is not 32 octets, 64 hexadecimal digits or base64 of 32 octets")
        }
        return SymmetricKey(data: decoded)
    }
}

func unhex(_ text: String) -> [UInt8]? {
    let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
    guard digits.count == text.utf8.count, digits.count.isMultiple(of: 2) else { return nil }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

extension Mutex where Value == any RandomNumberGenerator & Sendable {
    func octets(_ count: Int) -> [UInt8] {
        withLock { generator in (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) } }
    }
}
