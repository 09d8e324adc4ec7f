internal import Crypto

/// One way to a provider and back (RFC 6749 §4.1 with RFC 7636): what was made up for it and must come back.
package struct SignOnAttempt: Sendable, Codable, Equatable {
    /// Who the provider is, by its name in settings.
    package let provider: String
    /// Ties the way back to this browser, the token to this way, the code to this client: 256 random bits each.
    package let state: String, nonce: String, verifier: String
    /// Who is to have the session; nil: the browser.
    package let program: ProgramReturn?
    package let expiresMilliseconds: Int64

    package static let lifetime: Int64 = 10 * 60_000
    private static let octets = 32

    package init(
        provider: String, for program: ProgramReturn? = nil, at now: Int64,
        using generator: inout some RandomNumberGenerator
    ) {
        func chance() -> String {
            Base64URL.encode((0..<Self.octets).map { _ in UInt8.random(in: 0...255, using: &generator) })
        }
        (self.provider, state, nonce, verifier) = (provider, chance(), chance(), chance())
        (self.program, expiresMilliseconds) = (program, now + Self.lifetime)
    }

    /// RFC 7636 §4.2, S256.
    package static func challenge(of verifier: String) -> String {
        Base64URL.encode(SHA256.hash(data: Array(verifier.utf8)))
    }

    /// Where the browser is sent.
    package func address(_ discovery: Discovery, client: String, redirect: String, scopes: [String]) -> String {
        let query = FormText.encode([
            ("response_type", "code"), ("client_id", client), ("redirect_uri", redirect),
            ("scope", scopes.joined(separator: " ")), ("state", state), ("nonce", nonce),
            ("code_challenge", Self.challenge(of: verifier)), ("code_challenge_method", "S256"),
        ])
        return discovery.authorization + (discovery.authorization.contains("?") ? "&" : "?") + query
    }

    /// Why a way back leads nowhere.
    package enum Refusal: Error, Equatable, Sendable {
        /// Not this browser's, or too late.
        case state, expired
        /// Another provider sends people here.
        case issuer
        /// The provider's word, such as `access_denied`.
        case denied(String)
        case malformed
    }

    /// The code of a query that the provider sent the browser back with.
    package func code(
        _ query: [String: String], _ discovery: Discovery, at now: Int64
    ) throws(Refusal) -> String {
        guard query["state"] == state else { throw .state }
        guard now < expiresMilliseconds else { throw .expired }
        // RFC 9207 §2.4: another's answer must not be taken for this one's.
        guard query["iss"] ?? (discovery.namesIssuer ? "" : discovery.issuer) == discovery.issuer else {
            throw .issuer
        }
        if let error = query["error"] {
            throw .denied(String(error.prefix(60).filter { $0.isASCII && ($0.isLetter || $0 == "_") }))
        }
        guard let code = query["code"], (1...4_096).contains(code.utf8.count) else { throw .malformed }
        return code
    }
}

/// `application/x-www-form-urlencoded`: all but letters, digits and `-._~` as octets in hexadecimal digits.
package enum FormText {
    package static func encode(_ pairs: [(String, String)]) -> String {
        pairs.map { "\(escaped($0.0))=\(escaped($0.1))" }.joined(separator: "&")
    }
    package static func escaped(_ text: String) -> String {
        var out = ""
        for octet in text.utf8 {
            switch octet {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: out += String(UnicodeScalar(octet))
            default: out += "%" + (octet < 16 ? "0" : "") + String(octet, radix: 16, uppercase: true)
            }
        }
        return out
    }
}
