import Crypto
import CryptoExtras
import Foundation
import OpenID
import Settings
import Synchronization

/// A provider's side: keys, and tokens signed with them.
struct Issuer {
    static let url = "https://id.example"
    enum Key {
        case rsa(_RSA.Signing.PrivateKey)
        case p256(P256.Signing.PrivateKey)
    }
    var keys: [(kid: String, key: Key)] = []

    static func json(_ object: Any) -> [UInt8] {
        (try? JSONSerialization.data(withJSONObject: object, options: .sortedKeys)).map { [UInt8]($0) } ?? []
    }
    mutating func addP256(_ kid: String) { keys.append((kid, .p256(P256.Signing.PrivateKey()))) }
    mutating func addRSA(_ kid: String) throws {
        keys.append((kid, .rsa(try _RSA.Signing.PrivateKey(keySize: .bits2048))))
    }

    /// What it publishes.
    func set() throws -> [UInt8] {
        Self.json(["keys": try keys.map { try Self.entry($0.kid, $0.key) }])
    }
    static func entry(_ kid: String, _ key: Key) throws -> [String: Any] {
        switch key {
        case .p256(let key):
            let point = [UInt8](key.publicKey.x963Representation)
            return [
                "kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "use": "sig",
                "x": Base64URL.encode(point[1..<33]), "y": Base64URL.encode(point[33...]),
            ]
        case .rsa(let key):
            let parts = try key.publicKey.getKeyPrimitives()
            return [
                "kty": "RSA", "kid": kid, "use": "sig", "n": Base64URL.encode(parts.modulus),
                "e": Base64URL.encode(parts.publicExponent),
            ]
        }
    }

    static let now: Int64 = 1_700_000_000_000
    static func claims(_ nonce: String = "n") -> [String: Any] {
        [
            "iss": url, "aud": "weir", "sub": "u1", "nonce": nonce, "iat": now / 1_000, "exp": now / 1_000 + 300,
            "email": "ada@example.net", "email_verified": true, "name": "Ada", "groups": ["soc", "all"],
        ]
    }
    /// - Parameter header: what it says of itself, in the place of the truth.
    func token(
        _ claims: [String: Any], kid: String? = nil, header: [String: Any]? = nil
    ) throws -> String {
        guard let (name, key) = keys.first(where: { kid == nil || $0.kid == kid }) else { throw Missing() }
        var head: [String: Any] = ["kid": name, "typ": "JWT"]
        if case .rsa = key { head["alg"] = "RS256" } else { head["alg"] = "ES256" }
        let text = Base64URL.encode(Self.json(header ?? head)) + "." + Base64URL.encode(Self.json(claims))
        let signature: [UInt8]
        switch key {
        case .rsa(let key):
            signature = [UInt8](
                try key.signature(for: Array(text.utf8), padding: .insecurePKCS1v1_5).rawRepresentation)
        case .p256(let key): signature = [UInt8](try key.signature(for: Array(text.utf8)).rawRepresentation)
        }
        return text + "." + Base64URL.encode(signature)
    }
    struct Missing: Error {}
}

/// A provider that is asked in memory.
final class FakeProvider: SignOnTransport {
    struct State {
        var issuer = Issuer(), asked: [String: Int] = [:], forms: [String] = [], authorization: [String] = []
        /// The claims of the next token.
        var claims: [String: Any] = [:], isDown = false, discovery: [String: Any] = [:]
    }
    let state = Mutex(State())

    static var discovery: [String: Any] {
        [
            "issuer": Issuer.url, "authorization_endpoint": "https://id.example/authorize?ui=1",
            "token_endpoint": "https://id.example/token", "jwks_uri": "https://id.example/keys",
            "code_challenge_methods_supported": ["S256"], "response_types_supported": ["code"],
        ]
    }
    init() throws {
        state.withLock {
            $0.issuer.addP256("k1")
            $0.discovery = Self.discovery
        }
    }
    func asked(_ end: String) -> Int { state.withLock { $0.asked[Issuer.url + end] ?? 0 } }
    struct Down: Error {}

    func answer(to request: SignOnRequest, bytesMax: Int) async throws -> (status: Int, body: [UInt8]) {
        try state.withLock { state in
            guard !state.isDown else { throw Down() }
            state.asked[request.url, default: 0] += 1
            switch request.url {
            case "https://id.example/.well-known/openid-configuration": return (200, Issuer.json(state.discovery))
            case "https://id.example/keys": return (200, try state.issuer.set())
            case "https://id.example/token":
                state.forms.append(request.form ?? "")
                if let text = request.authorization?.text { state.authorization.append(text) }
                return (200, Issuer.json(["id_token": try state.issuer.token(state.claims), "access_token": "x"]))
            default: return (404, [])
            }
        }
    }
}
