import Foundation
import Identity
import Platform
import Settings
import Synchronization
import Tenancy
import TestKit
import Testing

@testable import OpenID

@Suite("Signing in at a provider") struct FlowTests {
    private let time = ManualTime(wallMilliseconds: Issuer.now), fake: FakeProvider, desk: SignOnDesk
    private let provider: SignOnProvider, folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder("weir-signon")
        fake = try FakeProvider()
        try makeFile(folder.file("secret").path, with: Array("se cret\n".utf8))
        var provider = SignOnProvider(
            name: "corp", tenant: try #require(TenantID("acme")), issuer: Issuer.url, client: "weir")
        provider.secret = .file(folder.file("secret").path)
        self.provider = provider
        desk = SignOnDesk(
            [provider], transport: fake, sealer: try #require(AttemptSealer(Secret([UInt8](repeating: 3, count: 32)))),
            ownURL: "https://weir.example", time: time)
    }

    private func begin() async throws -> (query: [String: String], kept: String, location: String) {
        var chance = SystemRandomNumberGenerator()
        let begun = try await desk.begin(provider, using: &chance)
        let items = try #require(URLComponents(string: begun.location)?.queryItems)
        return (Dictionary(items.map { ($0.name, $0.value ?? "") }) { $1 }, begun.kept, begun.location)
    }
    private func back(_ query: [String: String], _ kept: String?) async throws -> IDToken {
        try await desk.finish(provider, query: query, kept: kept).token
    }
    private func fault(_ query: [String: String], _ kept: String?) async -> SignOnFault? {
        do throws(SignOnFault) {
            _ = try await desk.finish(provider, query: query, kept: kept)
            return nil
        } catch { return error }
    }
    private func says(_ nonce: String?) { fake.state.withLock { $0.claims = Issuer.claims(nonce ?? "") } }

    @Test("the browser goes with a state, a nonce and a challenge, and the code with the verifier and the secret")
    func flow() async throws {
        let (query, kept, location) = try await begin()
        #expect(
            location.hasPrefix(
                "https://id.example/authorize?ui=1&response_type=code&client_id=weir&redirect_uri=https%3A"))
        #expect(query["redirect_uri"] == "https://weir.example/v1/signon/corp/callback")
        #expect(query["scope"] == "openid email profile groups" && query["code_challenge_method"] == "S256")
        #expect(query["state"]?.count == 43 && query["nonce"]?.count == 43 && query["state"] != query["nonce"])
        says(query["nonce"])
        let token = try await back(["code": "c&1", "state": query["state"] ?? "", "session_state": "x"], kept)
        #expect(token.subject == "u1")
        let form = try #require(fake.state.withLock { $0.forms.last })
        let verifier = try #require(form.firstMatch(of: /code_verifier=([\w-]{43})$/)?.output.1)
        #expect(form.hasPrefix("grant_type=authorization_code&code=c%261&redirect_uri=https%3A%2F%2Fweir.example"))
        #expect(SignOnAttempt.challenge(of: String(verifier)) == query["code_challenge"])
        let basic = Data("weir:se%20cret".utf8).base64EncodedString()
        #expect(fake.state.withLock { $0.authorization } == ["Basic \(basic)"] && !form.contains("secret"))
        #expect(try await begin().query["state"] != query["state"])
    }

    @Test("an answer that is another browser's, late, another provider's, or a refusal, leads nowhere") func wrong()
        async throws
    {
        let (query, kept, _) = try await begin(), other = try await begin()
        says(query["nonce"])
        let state = query["state"] ?? ""
        #expect(await fault(["code": "c", "state": other.query["state"] ?? ""], kept) == .attempt(.state))
        #expect(await fault(["code": "c"], kept) == .attempt(.state))
        #expect(await fault(["code": "c", "state": state], nil) == .noAttempt)
        #expect(await fault(["code": "c", "state": state], kept + "A") == .noAttempt)
        #expect(await fault(["code": "c", "state": state, "iss": "https://evil.example"], kept) == .attempt(.issuer))
        #expect(
            await fault(["error": "access_denied<b>", "state": state], kept) == .attempt(.denied("access_deniedb")))
        #expect(await fault(["state": state], kept) == .attempt(.malformed))
        #expect(fake.asked("/token") == 0, "no code was given to anybody")
        #expect(
            await fault(["code": "c", "state": other.query["state"] ?? ""], other.kept) == .token(.nonce),
            "a token of another way")
        time.advance(by: .seconds(600))
        #expect(await fault(["code": "c", "state": state], kept) == .attempt(.expired))
        fake.state.withLock { $0.isDown = true }
        time.advance(by: .seconds(3_600))
        #expect(await fault(["code": "c", "state": state], kept) == .unreachable("Down()"))
    }

    @Test("new keys are fetched when a token names one, and not more often than every 30 s") func rotation()
        async throws
    {
        func enter() async throws -> SignOnFault? {
            let (query, kept, _) = try await begin()
            says(query["nonce"])
            return await fault(["code": "c", "state": query["state"] ?? ""], kept)
        }
        #expect(try await enter() == nil)
        #expect(try await enter() == nil)
        #expect(fake.asked("/keys") == 1 && fake.asked("/.well-known/openid-configuration") == 1)
        time.advance(by: .seconds(31))
        fake.state.withLock {
            $0.issuer.keys = []
            $0.issuer.addP256("k2")
        }
        #expect(try await enter() == nil, "the key was changed")
        #expect(fake.asked("/keys") == 2)
        let foreign = try FakeProvider().state.withLock { $0.issuer.keys }
        let own = fake.state.withLock { $0.issuer.keys }
        let transport = Forger(fake, foreign: foreign, own: own)
        let forged = SignOnDesk(
            [provider], transport: transport,
            sealer: try #require(AttemptSealer(Secret([UInt8](repeating: 3, count: 32)))),
            ownURL: "https://weir.example",
            time: time)
        for _ in 0..<20 {
            var chance = SystemRandomNumberGenerator()
            let begun = try await forged.begin(provider, using: &chance)
            let items = try #require(URLComponents(string: begun.location)?.queryItems)
            says(items.first { $0.name == "nonce" }?.value)
            let query = ["code": "c", "state": items.first { $0.name == "state" }?.value ?? ""]
            do throws(SignOnFault) {
                _ = try await forged.finish(provider, query: query, kept: begun.kept)
                Issue.record("a forged token was taken")
            } catch { #expect(error == .token(.unknownKey("k1"))) }
            time.advance(by: .seconds(1))
        }
        #expect(fake.asked("/keys") == 3, "once for 20 forged tokens in 20 s")
    }

    @Test("a document that is another's, or offers what is not taken, is refused") func discovery() throws {
        let good = FakeProvider.discovery
        _ = try Discovery(json: Issuer.json(good), issuer: Issuer.url)
        let wrong: [(String, Any?, Discovery.Refusal)] = [
            ("issuer", "https://id.example/", .issuer), ("issuer", nil, .malformed),
            ("token_endpoint", nil, .endpoint("token_endpoint")),
            ("token_endpoint", "http://id.example/token", .endpoint("token_endpoint")),
            ("jwks_uri", "https://id.example/a b", .endpoint("jwks_uri")),
            ("code_challenge_methods_supported", ["plain"], .unsupported("code_challenge_methods_supported")),
            ("response_types_supported", ["token"], .unsupported("response_types_supported")),
            (
                "id_token_signing_alg_values_supported", ["HS256", "none"],
                .unsupported("id_token_signing_alg_values_supported")
            ),
        ]
        for (name, value, refusal) in wrong {
            var changed = good
            changed[name] = value
            #expect(throws: refusal, "\(name)") { try Discovery(json: Issuer.json(changed), issuer: Issuer.url) }
        }
        #expect(throws: Discovery.Refusal.malformed) { try Discovery(json: [], issuer: Issuer.url) }
    }

    @Test("what the browser keeps can't be read, changed, or used with another key") func sealing() throws {
        var chance = SystemRandomNumberGenerator()
        let attempt = SignOnAttempt(provider: "corp", at: 0, using: &chance)
        let sealer = try #require(AttemptSealer(Secret([UInt8](repeating: 3, count: 32)))),
            text = try sealer.seal(attempt)
        #expect(sealer.open(text) == attempt && !text.contains(attempt.state))
        let other = try #require(AttemptSealer(Secret([UInt8](repeating: 4, count: 32))))
        #expect(other.open(text) == nil && sealer.open("") == nil && sealer.open("AAAA") == nil)
        var octets = try #require(Base64URL.decode(text))
        octets[20] ^= 1
        #expect(sealer.open(Base64URL.encode(octets)) == nil && AttemptSealer(Secret([1])) == nil)
    }

    @Test("a session for a program is good with its verifier only, at the same provider, for a minute") func programs()
        async throws
    {
        let verifier = String(repeating: "v", count: 43)
        let program = try #require(ProgramReturn(port: 40_000, challenge: SignOnAttempt.challenge(of: verifier)))
        var chance = SystemRandomNumberGenerator()
        let begun = try await desk.begin(provider, for: program, using: &chance)
        let items = try #require(URLComponents(string: begun.location)?.queryItems)
        let query = Dictionary(items.map { ($0.name, $0.value ?? "") }) { $1 }
        says(query["nonce"])
        let back = try await desk.finish(
            provider, query: ["code": "c", "state": query["state"] ?? ""], kept: begun.kept)
        #expect(back.program == program && back.token.subject == "u1")
        let address = try desk.handOver("secret", of: provider, to: program)
        #expect(address.hasPrefix("http://127.0.0.1:40000/?code=") && !address.contains("secret"))
        let code = String(address.dropFirst("http://127.0.0.1:40000/?code=".count))
        #expect(desk.take(code, verifier: verifier, from: provider) == "secret")
        #expect(desk.take(code, verifier: verifier + "v", from: provider) == nil)
        #expect(desk.take(begun.kept, verifier: verifier, from: provider) == nil, "an attempt is no session")
        let other = SignOnProvider(name: "other", tenant: provider.tenant, issuer: Issuer.url, client: "weir")
        #expect(desk.take(code, verifier: verifier, from: other) == nil)
        time.advance(by: .seconds(60))
        #expect(desk.take(code, verifier: verifier, from: provider) == nil)
    }

    @Test("a program listens where anybody may, and shows 256 bits of challenge") func programReturns() {
        let challenge = SignOnAttempt.challenge(of: "x")
        #expect(ProgramReturn(port: 1_024, challenge: challenge) != nil)
        for port in [-1, 0, 80, 1_023, 65_536, .max] {
            #expect(ProgramReturn(port: port, challenge: challenge) == nil, "\(port)")
        }
        for text in ["", "x", challenge + "A", String(challenge.dropLast()), String(challenge.dropLast()) + "&"] {
            #expect(ProgramReturn(port: 40_000, challenge: text) == nil, "\(text)")
        }
    }

    @Test("the first group in the list says what somebody is") func groups() throws {
        var provider = provider
        provider.mappings = [
            .init(group: "boss", Standing(role: "admin")), .init(group: "soc", Standing(role: "analyst")),
        ]
        #expect(
            provider.standing(of: ["soc", "boss"])?.role == "admin" && provider.standing(of: ["soc"])?.role == "analyst"
        )
        #expect(provider.standing(of: ["SOC"]) == nil)
        provider.standing = Standing(role: "viewer")
        #expect(provider.standing(of: [])?.role == "viewer")
    }
}

/// Signs with a key that the provider does not publish.
private final class Forger: SignOnTransport {
    private let fake: FakeProvider, foreign: [(kid: String, key: Issuer.Key)], own: [(kid: String, key: Issuer.Key)]

    init(_ fake: FakeProvider, foreign: [(kid: String, key: Issuer.Key)], own: [(kid: String, key: Issuer.Key)]) {
        (self.fake, self.foreign, self.own) = (fake, foreign, own)
    }
    func answer(to request: SignOnRequest, bytesMax: Int) async throws -> (status: Int, body: [UInt8]) {
        let keys = request.url.hasSuffix("/token") ? foreign : own
        fake.state.withLock { $0.issuer.keys = keys }
        return try await fake.answer(to: request, bytesMax: bytesMax)
    }
}
