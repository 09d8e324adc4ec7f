internal import Crypto
package import Settings

/// Codes of an authenticator (RFC 6238): six digits from a shared secret and the time in steps of 30 s, HMAC-SHA-1 as
/// all authenticators know it.
package struct OneTimeCode: Sendable {
    package static let secretOctets = 20, stepSeconds: Int64 = 30
    /// Steps that a clock may be off, either way.
    private static let drift: Int64 = 1
    let secret: Secret

    package init(_ secret: Secret) { self.secret = secret }
    package init(using generator: inout some RandomNumberGenerator) {
        secret = Secret((0..<Self.secretOctets).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    package func digits(of step: Int64) -> String {
        let counter = octets(step)
        let code = Array(
            HMAC<Insecure.SHA1>.authenticationCode(for: counter, using: SymmetricKey(data: secret.bytes)))
        // RFC 4226 §5.3: four octets from the place that the last one names, without the sign.
        let place = Int(code[code.count - 1] & 0x0F)
        let word = code[place..<place + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF
        let text = String(word % 1_000_000)
        return String(repeating: "0", count: 6 - text.count) + text
    }

    /// - Parameter last: the step of the last code that was taken: that one and older ones are no good any more.
    /// - Returns: the step of this code; nil when it is none.
    package func step(of code: String, atMilliseconds now: Int64, after last: Int64?) -> Int64? {
        guard code.utf8.count == 6 else { return nil }
        let current = now / 1_000 / Self.stepSeconds, asked = Array(code.utf8)
        var found: Int64?
        for step in max(current - Self.drift, 0)...(max(current, 0) + Self.drift) {
            // All octets of all steps, whatever the first say.
            let difference = zip(digits(of: step).utf8, asked).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) }
            if difference == 0, step > last ?? -1 { found = step }
        }
        return found
    }

    /// What an authenticator scans.
    package func address(of account: String) -> String {
        let name = account.utf8.map { octet -> String in
            let isPlain =
                (0x30...0x39).contains(octet) || (0x41...0x5A).contains(octet) || (0x61...0x7A).contains(octet)
                || [0x2D, 0x2E, 0x5F].contains(octet)
            let hex = String(octet, radix: 16, uppercase: true)
            return isPlain ? String(UnicodeScalar(octet)) : "%" + (hex.count < 2 ? "0" : "") + hex
        }
        return "otpauth://totp/Weir:\(name.joined())?secret=\(Base32.encode(secret.bytes))&issuer=Weir"
    }

    private func octets(_ step: Int64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: step >> (56 - 8 * $0)) }
    }
}

/// RFC 4648 §6, without padding.
enum Base32 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)

    static func encode(_ octets: [UInt8]) -> String {
        var text: [UInt8] = [], bits: UInt32 = 0, count: UInt32 = 0
        for octet in octets {
            bits = (bits << 8 | UInt32(octet)) & 0xFFFF
            count += 8
            while count >= 5 {  // ends: each turn takes 5 of at most 12
                count -= 5
                text.append(digits[Int(bits >> count & 31)])
            }
        }
        if count > 0 { text.append(digits[Int(bits << (5 - count) & 31)]) }
        return String(decoding: text, as: UTF8.self)
    }
}

/// For who lost the authenticator: each works once. 80 random bits each, so their SHA-256 may be kept.
package enum RecoveryCodes {
    package static let count = 10
    private static let octets = 10

    /// `ABCD-EFGH-IJKL-MNOP`.
    package static func make(using generator: inout some RandomNumberGenerator) -> [String] {
        (0..<count).map { _ in
            let text = Base32.encode((0..<octets).map { _ in UInt8.random(in: 0...255, using: &generator) })
            return stride(from: 0, to: 16, by: 4).map { start in
                String(text.dropFirst(start).prefix(4))
            }.joined(separator: "-")
        }
    }
    /// What is kept of one, as a person may type it: in either case, with or without hyphens.
    package static func digest(of code: String) -> String {
        let plain = code.uppercased().filter { $0 != "-" && $0 != " " }
        return SHA256.hash(data: Array(plain.utf8)).map {
            String($0 >> 4, radix: 16) + String($0 & 15, radix: 16)
        }.joined()
    }
}
