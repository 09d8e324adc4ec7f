/// RFC 4648 §5 without padding, as all of JOSE has it (RFC 7515 §2). Strict: one text for each octet string.
package enum Base64URL {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    package static func encode(_ octets: some Sequence<UInt8>) -> String {
        var text: [UInt8] = [], word: UInt32 = 0, bits: UInt32 = 0
        for octet in octets {
            word = (word << 8 | UInt32(octet)) & 0xFFFF
            bits += 8
            while bits >= 6 {  // ends: each turn takes 6 of at most 13
                bits -= 6
                text.append(digits[Int(word >> bits & 63)])
            }
        }
        if bits > 0 { text.append(digits[Int(word << (6 - bits) & 63)]) }
        return String(decoding: text, as: UTF8.self)
    }

    /// - Returns: nil for other letters, a length that no octets have, and bits that are left over.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var octets: [UInt8] = [], word: UInt32 = 0, bits: UInt32 = 0
        for letter in text.utf8 {
            guard let digit = digits.firstIndex(of: letter) else { return nil }
            word = (word << 6 | UInt32(digit)) & 0x3FFF
            bits += 6
            if bits >= 8 {
                bits -= 8
                octets.append(UInt8(truncatingIfNeeded: word >> bits))
            }
        }
        guard bits < 6, word & ((1 << bits) - 1) == 0 else { return nil }
        return octets
    }
}
