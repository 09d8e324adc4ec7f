internal import Crypto
internal import Foundation
package import Settings

/// One version of an owner's key, ready for use: AES-256-GCM (NIST SP 800-38D).
///
///     sealed := "WSB1" :4 | key version :4 | nonce :12 | ciphertext | tag :16          big-endian
///     associated data := the first 8 octets | owner's length :1 | owner | context
///
/// The nonce is 96 random bits. Random nonces allow 2^32 seals under one key (§8.3); `DataKeys` makes a new version
/// before that.
package struct DataKey: Sendable {
    package static let magic: [UInt8] = Array("WSB1".utf8)
    package static let nonceBytes = 12, tagBytes = 16, headBytes = magic.count + 4
    package static let overhead = headBytes + nonceBytes + tagBytes
    package static let keyBytes = 32

    package let version: UInt32
    private let owner: String
    private let key: SymmetricKey

    /// - Returns: nil unless `secret` has 32 octets.
    package init?(_ secret: Secret, version: UInt32, owner: KeyOwner) {
        guard secret.bytes.count == Self.keyBytes else { return nil }
        self.version = version
        self.owner = owner.description
        key = SymmetricKey(data: secret.bytes)
    }

    /// The key version that sealed `blob`; nil when it is no sealed blob.
    package static func version(of blob: [UInt8]) -> UInt32? {
        guard blob.count >= overhead, blob.starts(with: magic) else { return nil }
        return blob[magic.count..<headBytes].reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// - Parameter nonce: 12 octets, never used before under this key.
    package func seal(_ plain: [UInt8], nonce: [UInt8], context: String) throws(DataKeyError) -> [UInt8] {
        let head = Self.magic + bigEndian(version)
        do {
            let box = try AES.GCM.seal(
                plain, using: key, nonce: AES.GCM.Nonce(data: nonce), authenticating: associated(head, context))
            var sealed: [UInt8] = []
            sealed.reserveCapacity(plain.count + Self.overhead)
            sealed += head
            sealed += nonce
            sealed += box.ciphertext
            sealed += box.tag
            return sealed
        } catch {
            throw .damaged(context: context)
        }
    }

    package func open(_ sealed: [UInt8], context: String) throws(DataKeyError) -> [UInt8] {
        guard let found = Self.version(of: sealed) else { throw .notSealed(context: context) }
        guard found == version else { throw .unknownVersion(owner: owner, version: found) }
        let cipherStart = Self.headBytes + Self.nonceBytes, tagStart = sealed.count - Self.tagBytes
        do {
            let box = try AES.GCM.SealedBox(
                nonce: AES.GCM.Nonce(data: sealed[Self.headBytes..<cipherStart]),
                ciphertext: sealed[cipherStart..<tagStart], tag: sealed[tagStart...])
            let head = Array(sealed[..<Self.headBytes])
            return [UInt8](try AES.GCM.open(box, using: key, authenticating: associated(head, context)))
        } catch {
            throw .damaged(context: context)
        }
    }

    /// A keyed digest: names things by their content without telling the content's digest to who has no key.
    package func name(of content: [UInt8]) -> String {
        hex(HMAC<SHA256>.authenticationCode(for: content, using: key))
    }

    private func associated(_ head: [UInt8], _ context: String) -> [UInt8] {
        // A length before the owner: else ("ab", "c") and ("a", "bc") would be one.
        head + [UInt8(truncatingIfNeeded: owner.utf8.count)] + owner.utf8 + context.utf8
    }
}

func bigEndian(_ value: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
}
func hex(_ octets: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: octets.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
