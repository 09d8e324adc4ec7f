internal import Foundation

/// What a provider says of who signed in there (OpenID Connect Core 1.0 §2), after all of §3.1.3.7 was checked.
package struct IDToken: Sendable, Equatable {
    package let issuer: String, subject: String
    /// Nil also when the provider does not say that it has verified it.
    package let email: String?, name: String?
    package let groups: [String]

    /// Why a token is not taken: always the provider's doing, or somebody's in between.
    package enum Refusal: Error, Equatable, Sendable {
        case malformed
        /// Signed in a way, or of a type, that is not taken.
        case algorithm, type
        /// No key of that name: the provider may have new ones.
        case unknownKey(String?)
        case signature
        case issuer, audience, nonce, subject
        case expired, notYet
    }
    /// What a token must say.
    package struct Expectation: Sendable {
        package var issuer: String, client: String, nonce: String, groupsClaim: String
        /// An address counts although the provider does not say that it has verified it; not if it says that it hasn't.
        package var trustsEmail = false

        package init(issuer: String, client: String, nonce: String, groupsClaim: String = "groups") {
            (self.issuer, self.client, self.nonce, self.groupsClaim) = (issuer, client, nonce, groupsClaim)
        }
    }
    package static let octetsMax = 64 << 10, groupsMax = 1_000
    /// How far clocks may be apart, and how old a token may be.
    static let driftSeconds = 60.0, ageSecondsMax = 600.0

    private struct Header: Decodable {
        let alg: String
        var kid: String?, typ: String?
        var crit: [String]?
    }

    /// - Parameter now: in ms since 1970 UTC.
    package init(
        _ text: String, _ keys: KeySet, _ expected: Expectation, at now: Int64
    ) throws(Refusal) {
        guard text.utf8.count <= Self.octetsMax else { throw .malformed }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let head = Base64URL.decode(parts[0]), let body = Base64URL.decode(parts[1]),
            let signature = Base64URL.decode(parts[2]),
            let header = try? JSONDecoder().decode(Header.self, from: Data(head))
        else { throw .malformed }
        // Extensions that must be understood are none that are.
        guard header.crit == nil, header.typ.map({ $0.uppercased() == "JWT" }) ?? true else { throw .type }
        guard let algorithm = SignatureAlgorithm(rawValue: header.alg) else { throw .algorithm }
        guard keys.has(header.kid) else { throw .unknownKey(header.kid) }
        guard keys.verifies(signature, of: Array("\(parts[0]).\(parts[1])".utf8), algorithm, kid: header.kid) else {
            throw .signature
        }
        guard let claims = (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any] else {
            throw .malformed
        }
        try Self.check(claims, expected, Double(now) / 1_000)
        guard let subject = claims["sub"] as? String, (1...255).contains(subject.utf8.count) else { throw .subject }
        (self.subject, issuer) = (subject, expected.issuer)
        let isVerified = claims["email_verified"].map { $0 as? Bool == true } ?? expected.trustsEmail
        email = isVerified ? claims["email"] as? String : nil
        name = claims["name"] as? String
        groups = Self.groups(claims[expected.groupsClaim])
    }

    private static func check(
        _ claims: [String: Any], _ expected: Expectation, _ now: Double
    ) throws(Refusal) {
        guard claims["iss"] as? String == expected.issuer else { throw .issuer }
        let audience = (claims["aud"] as? String).map { [$0] } ?? claims["aud"] as? [String] ?? []
        // A token for several is one that any of them could show here: `azp` says for whom it was made.
        let isForUs = audience.contains(expected.client) && (audience.count == 1 || claims["azp"] != nil)
        guard isForUs, claims["azp"] as? String ?? expected.client == expected.client else { throw .audience }
        guard claims["nonce"] as? String == expected.nonce else { throw .nonce }
        guard let expires = number(claims["exp"]), let issued = number(claims["iat"]) else { throw .malformed }
        guard expires + driftSeconds > now, issued + ageSecondsMax > now else { throw .expired }
        guard issued - driftSeconds < now, (number(claims["nbf"]) ?? issued) - driftSeconds < now else {
            throw .notYet
        }
    }
    private static func number(_ value: Any?) -> Double? {
        (value as? NSNumber).map(\.doubleValue).flatMap { $0.isFinite ? $0 : nil }
    }
    /// Names, or one name, or objects with a name: providers differ.
    private static func groups(_ claim: Any?) -> [String] {
        if let one = claim as? String { return [one] }
        let all = claim as? [Any] ?? []
        return all.prefix(groupsMax).compactMap { entry in
            entry as? String ?? (entry as? [String: Any])?["name"] as? String
                ?? (entry as? [String: Any])?["display"] as? String
        }
    }
}

extension IDToken {
    /// The token in what a provider answers to a code; access tokens have no use here, and are not read.
    static func text(ofAnswer json: [UInt8]) -> String? {
        struct Answer: Decodable { let idToken: String }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return (try? decoder.decode(Answer.self, from: Data(json)))?.idToken
    }
}

enum Base64 {
    static func encode(_ octets: [UInt8]) -> String { Data(octets).base64EncodedString() }
}
