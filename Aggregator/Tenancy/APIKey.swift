internal import Crypto

/// The secret that a program shows to the API: `weir_`, 30 random base-62 digits (178 bits), 6 base-62 digits of
/// their CRC-32.
///
/// The prefix lets secret scanners find it, the checksum tells a typing error from a wrong key without asking the
/// database. Only the SHA-256 of a key is ever stored: with 178 random bits there is nothing to guess, so no slow
/// hash is needed (ASVS 5.0 §6.5.2).
package struct APIKey: Sendable {
    package static let prefix = "weir_"
    private static let randomDigits = 30, checkDigits = 6

    /// The whole key. Shown once, when it is made.
    package let secret: String

    package init(using generator: inout some RandomNumberGenerator) {
        let random = (0..<Self.randomDigits).map { _ in Base62.digits[Int.random(in: 0..<62, using: &generator)] }
        secret = Self.prefix + String(decoding: random + Self.check(of: random), as: UTF8.self)
    }

    /// - Returns: nil when `text` is not a key: wrong prefix, length, alphabet or checksum.
    package init?(_ text: some StringProtocol) {
        let octets = Array(text.utf8)
        guard octets.count == Self.prefix.utf8.count + Self.randomDigits + Self.checkDigits,
            octets.starts(with: Self.prefix.utf8)
        else { return nil }
        let random = Array(octets.dropFirst(Self.prefix.utf8.count).prefix(Self.randomDigits))
        guard random.allSatisfy(Base62.digits.contains),
            Array(octets.suffix(Self.checkDigits)) == Self.check(of: random)
        else { return nil }
        secret = String(text)
    }

    /// What the ControlLog keeps: 32 octets.
    package var digest: [UInt8] { [UInt8](SHA256.hash(data: Array(secret.utf8))) }

    private static func check(of digits: [UInt8]) -> [UInt8] {
        Base62.encode(CRC32.checksum(digits), digits: checkDigits)
    }
}

enum Base62 {
    static let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    /// `value` in exactly `count` digits, most significant first. Six digits hold any UInt32 (62^6 > 2^32).
    static func encode(_ value: UInt32, digits count: Int) -> [UInt8] {
        var rest = value, out = [UInt8](repeating: digits[0], count: count)
        for index in stride(from: count - 1, through: 0, by: -1) {
            out[index] = digits[Int(rest % 62)]
            rest /= 62
        }
        return out
    }
}

enum CRC32 {
    /// CRC-32 as in IEEE 802.3 (reflected, polynomial 0xEDB88320).
    static func checksum(_ octets: [UInt8]) -> UInt32 {
        ~octets.reduce(~0) { sum, octet in
            (0..<8).reduce(sum ^ UInt32(octet)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
        }
    }
}
