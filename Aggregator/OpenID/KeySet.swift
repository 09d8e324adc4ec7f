internal import Crypto
internal import CryptoExtras
internal import Foundation

/// How a token may be signed. There is no third way: what a token says of itself is only ever compared with this list,
/// and the way belongs to the key and not to the token (ASVS 5.0 §9.1.2; RFC 8725 §3.1).
package enum SignatureAlgorithm: String, Sendable, CaseIterable {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    case rs256 = "RS256"
    /// ECDSA with P-256 and SHA-256 (RFC 7518 §3.4).
    case es256 = "ES256"
}

/// A provider's public keys (RFC 7517), as far as they can be used here: what is of another kind, or not for
/// signatures, is left out, as providers have keys for others too.
package struct KeySet: Sendable {
    package static let keysMax = 64, octetsMax = 256 << 10
    private enum Key: Sendable {
        case rsa(n: [UInt8], e: [UInt8])
        case p256(x963: [UInt8])
    }
    /// By their `kid`; a lone key without one is kept under "".
    private var keys: [String: Key] = [:]

    package var count: Int { keys.count }

    private struct Document: Decodable {
        struct Entry: Decodable {
            let kty: String
            var kid: String?, use: String?, alg: String?, crv: String?
            var n: String?, e: String?, x: String?, y: String?
        }
        let keys: [Entry]
    }

    /// - Returns: nil for what is no set of keys, or has none that can be used here.
    package init?(json: [UInt8]) {
        guard json.count <= Self.octetsMax,
            let document = try? JSONDecoder().decode(Document.self, from: Data(json)),
            document.keys.count <= Self.keysMax
        else { return nil }
        for entry in document.keys where entry.use ?? "sig" == "sig" {
            guard let key = Self.key(entry) else { continue }
            // A second key of the same name would make it a matter of chance which of them is asked.
            guard keys.updateValue(key, forKey: entry.kid ?? "") == nil else { return nil }
        }
        guard !keys.isEmpty else { return nil }
    }

    private static func key(_ entry: Document.Entry) -> Key? {
        switch entry.kty {
        case "RSA" where entry.alg ?? "RS256" == "RS256":
            guard let n = entry.n.flatMap({ Base64URL.decode($0) }), let e = entry.e.flatMap({ Base64URL.decode($0) }),
                (256...1_024).contains(n.count), (1...8).contains(e.count),
                (try? _RSA.Signing.PublicKey(n: n, e: e)) != nil
            else { return nil }
            return .rsa(n: n, e: e)
        case "EC" where entry.crv == "P-256" && entry.alg ?? "ES256" == "ES256":
            guard let x = entry.x.flatMap({ Base64URL.decode($0) }), let y = entry.y.flatMap({ Base64URL.decode($0) }),
                x.count == 32, y.count == 32, (try? P256.Signing.PublicKey(x963Representation: [4] + x + y)) != nil
            else { return nil }
            return .p256(x963: [4] + x + y)
        default: return nil
        }
    }

    /// Whether there is a key of that name; without one, whether there is one key only.
    package func has(_ kid: String?) -> Bool { key(kid) != nil }
    private func key(_ kid: String?) -> Key? {
        guard let kid else { return keys.count == 1 ? keys.first?.value : nil }
        return keys[kid]
    }

    /// - Returns: false also when the key is of another kind than `algorithm`.
    func verifies(
        _ signature: [UInt8], of octets: [UInt8], _ algorithm: SignatureAlgorithm, kid: String?
    ) -> Bool {
        switch (algorithm, key(kid)) {
        case (.rs256, .rsa(let n, let e)):
            guard let key = try? _RSA.Signing.PublicKey(n: n, e: e) else { return false }
            return key.isValidSignature(
                _RSA.Signing.RSASignature(rawRepresentation: signature), for: octets, padding: .insecurePKCS1v1_5)
        case (.es256, .p256(let x963)):
            guard let key = try? P256.Signing.PublicKey(x963Representation: x963),
                let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature)
            else { return false }
            return key.isValidSignature(signature, for: octets)
        default: return false
        }
    }
}
