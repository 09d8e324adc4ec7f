internal import COpenSSL

/// The SHA-256 (FIPS 180-4) of a sealed batch's bytes as they are spooled, sent, answered and stored.
package struct BatchDigest: Hashable, Sendable, CustomStringConvertible {
    /// Always 32 octets.
    package let octets: [UInt8]

    package init(of body: [UInt8]) {
        var out = [UInt8](repeating: 0, count: 32)
        let done = unsafe EVP_Digest(body, body.count, &out, nil, EVP_sha256(), nil)
        precondition(done == 1, "SHA-256 is part of every OpenSSL 3")
        octets = out
    }
    /// Nil unless there are 32 octets.
    package init?(octets: [UInt8]) {
        guard octets.count == 32 else { return nil }
        self.octets = octets
    }
    /// 64 lower-case hexadecimal digits.
    package var description: String {
        octets.map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined()
    }
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count == 64, text.utf8.allSatisfy(isLowerHexadecimal) else { return nil }
        var octets: [UInt8] = [], rest = text[...]
        while let octet = UInt8(rest.prefix(2), radix: 16) {
            octets.append(octet)
            rest = rest.dropFirst(2)
        }
        self.init(octets: octets)
    }
}
