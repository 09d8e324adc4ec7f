internal import Foundation

/// Where a provider's parts are (OpenID Connect Discovery 1.0 §3).
package struct Discovery: Sendable, Equatable {
    package let issuer: String, authorization: String, token: String, keys: String
    /// Whether the provider says who it is when it sends people back (RFC 9207).
    package let namesIssuer: Bool
    /// Whether the client's secret goes into the body, for want of another way.
    package let secretInBody: Bool

    package enum Refusal: Error, Equatable, Sendable {
        case malformed
        /// It is another's, so everything in it may be.
        case issuer
        /// An endpoint is not there, or not `https`.
        case endpoint(String)
        /// It has no code flow, no PKCE with SHA-256, or no signature that is taken here.
        case unsupported(String)
    }
    package static let octetsMax = 256 << 10

    private struct Document: Decodable {
        let issuer: String
        var authorizationEndpoint: String?, tokenEndpoint: String?, jwksUri: String?
        var responseTypesSupported: [String]?, codeChallengeMethodsSupported: [String]?
        var idTokenSigningAlgValuesSupported: [String]?, tokenEndpointAuthMethodsSupported: [String]?
        var authorizationResponseIssParameterSupported: Bool?
    }

    /// Where it is asked for (§4).
    package static func address(of issuer: String) -> String {
        (issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer) + "/.well-known/openid-configuration"
    }

    /// - Parameters:
    ///   - expected: the issuer that settings name.
    ///   - allowsPlain: `http` too, for a provider on this machine.
    package init(json: [UInt8], issuer expected: String, allowsPlain: Bool = false) throws(Refusal) {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard json.count <= Self.octetsMax,
            let document = try? decoder.decode(Document.self, from: Data(json))
        else { throw .malformed }
        guard document.issuer == expected else { throw .issuer }
        issuer = expected
        func endpoint(_ name: String, _ text: String?) throws(Refusal) -> String {
            guard let text, text.hasPrefix("https://") || allowsPlain && text.hasPrefix("http://"),
                text.utf8.count <= 2_048, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x23 })
            else { throw .endpoint(name) }
            return text
        }
        authorization = try endpoint("authorization_endpoint", document.authorizationEndpoint)
        token = try endpoint("token_endpoint", document.tokenEndpoint)
        keys = try endpoint("jwks_uri", document.jwksUri)
        // What a provider does not say, it may do.
        func check(_ name: String, _ said: [String]?, _ wanted: Set<String>) throws(Refusal) {
            guard said.map({ !wanted.isDisjoint(with: $0) }) ?? true else { throw .unsupported(name) }
        }
        try check("response_types_supported", document.responseTypesSupported, ["code"])
        try check("code_challenge_methods_supported", document.codeChallengeMethodsSupported, ["S256"])
        try check(
            "id_token_signing_alg_values_supported", document.idTokenSigningAlgValuesSupported,
            Set(SignatureAlgorithm.allCases.map(\.rawValue)))
        namesIssuer = document.authorizationResponseIssParameterSupported ?? false
        let ways = document.tokenEndpointAuthMethodsSupported ?? ["client_secret_basic"]
        secretInBody = !ways.contains("client_secret_basic") && ways.contains("client_secret_post")
    }
}
