internal import Crypto

/// 256 random bits as text, for who holds an invitation or a link: a word that says what it is for, and 43 base-62
/// digits. Shown once; only its SHA-256 is kept.
package struct OpaqueToken: Sendable {
    package enum Use: String, Sendable, CaseIterable {
        case invitation = "weir-invitation_", session = "weir-session_", setUp = "weir-setup_", reset = "weir-reset_"
        case enrolment = "weir-enrol_"
    }
    private static let digits = 43

    /// The whole token.
    package let secret: String

    package init(_ use: Use, using generator: inout some RandomNumberGenerator) {
        let random = (0..<Self.digits).map { _ in Base62.digits[Int.random(in: 0..<62, using: &generator)] }
        secret = use.rawValue + String(decoding: random, as: UTF8.self)
    }

    /// - Returns: nil for what is none of this use.
    package init?(_ text: some StringProtocol, for use: Use) {
        let octets = Array(text.utf8), start = use.rawValue.utf8.count
        guard octets.count == start + Self.digits, octets.starts(with: use.rawValue.utf8),
            octets.dropFirst(start).allSatisfy(Base62.digits.contains)
        else { return nil }
        secret = String(text)
    }

    /// In hexadecimal digits.
    package var digest: String {
        SHA256.hash(data: Array(secret.utf8)).map {
            String($0 >> 4, radix: 16) + String($0 & 15, radix: 16)
        }.joined()
    }
}
