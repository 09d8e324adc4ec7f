package import Settings

/// What may be a password (NIST SP 800-63B-4 §3.1.1.2, ASVS 5.0 §6.2): long, and not what everybody would try. No rules
/// about kinds of characters, and no expiry.
package enum PasswordRules {
    /// Without a second factor a password has to stand alone.
    package static let charactersMin = 15, octetsMax = 512

    package enum Refusal: Error, Equatable, Sendable {
        case tooShort(min: Int), tooLong(max: Int), notText
        /// It is one of the words of the place, or little more than one character.
        case tooPlain
    }

    /// - Parameter words: of the account: the name, the address, the tenant.
    package static func check(_ password: Secret, words: [String]) throws(Refusal) {
        let octets = password.bytes
        guard octets.count <= octetsMax else { throw .tooLong(max: octetsMax) }
        guard let text = String(validating: octets, as: UTF8.self) else { throw .notText }
        guard text.count >= charactersMin else { throw .tooShort(min: charactersMin) }
        guard Set(text.lowercased()).count >= 5 else { throw .tooPlain }
        var rest = text.lowercased()
        for word in (words + usualWords).map({ $0.lowercased() }) where word.count >= 4 {
            rest = rest.split(separator: word, omittingEmptySubsequences: true).joined()
        }
        guard rest.count >= charactersMin / 2 else { throw .tooPlain }
    }

    private static let usualWords = [
        "password", "passwort", "letmein", "welcome", "qwerty", "qwertz", "asdfgh", "zxcvbn", "123456", "0123456789",
        "abcdef", "admin", "iloveyou", "monkey", "dragon", "weir", "netflow", "network", "changeme",
    ]
}
