/// Signing in at a provider: OpenID Connect's code flow with PKCE.
///
/// Values first: `IDToken`, `KeySet`, `Discovery` and `SignOnAttempt` check and make what goes back and forth; here
/// they are put in a row around a transport. Who a subject is, and what that person may, is `Tenancy`'s.
/// Invariants: nothing is kept of who does not come back; a provider is asked for its keys at most once in
/// `KnownProvider.askAgain` however many tokens name keys that it does not have.
package import Identity
package import Platform
package import Settings
internal import Synchronization
package import Tenancy

/// What a provider is asked.
package struct SignOnRequest: Sendable {
    package let url: String
    /// Nil: GET.
    package var form: String?
    package var authorization: Secret?
    package var trust: String?
}
package protocol SignOnTransport: Sendable {
    /// - Throws: when there is no answer, or one longer than `bytesMax`.
    func answer(to request: SignOnRequest, bytesMax: Int) async throws -> (status: Int, body: [UInt8])
}

/// Why somebody can't be signed in; told in the log, and to nobody outside.
package enum SignOnFault: Error, Equatable, Sendable {
    case unreachable(String)
    case status(Int)
    case secret
    case discovery(Discovery.Refusal), keys, attempt(SignOnAttempt.Refusal), noAttempt, noToken, token(IDToken.Refusal)
}

/// What is known of a provider, and when it is asked again. Pure.
struct KnownProvider: Sendable {
    static let fresh = Duration.seconds(3_600), askAgain = Duration.seconds(30)
    private(set) var discovery: (document: Discovery, at: Duration)?, keys: (set: KeySet, at: Duration)?

    func discovery(at now: Duration) -> Discovery? {
        discovery.flatMap { now - $0.at < Self.fresh ? $0.document : nil }
    }
    /// - Parameter missed: a token named a key that is not among these.
    /// - Returns: nil: the provider is to be asked.
    func keys(at now: Duration, missed: Bool) -> KeySet? {
        keys.flatMap { now - $0.at < (missed ? Self.askAgain : Self.fresh) ? $0.set : nil }
    }
    mutating func learn(_ document: Discovery, at now: Duration) { discovery = (document, now) }
    mutating func learn(_ set: KeySet, at now: Duration) { keys = (set, now) }
}

package final class SignOnDesk: Sendable {
    private let providers: [String: SignOnProvider], transport: any SignOnTransport
    private let sealer: AttemptSealer, ownURL: String, time: any TimeSource
    private let known = Mutex<[String: KnownProvider]>([:])

    /// - Parameter ownURL: how browsers reach this API, without a path: `https://weir.example`.
    package init(
        _ providers: [SignOnProvider], transport: any SignOnTransport, sealer: AttemptSealer, ownURL: String,
        time: any TimeSource
    ) {
        self.providers = Dictionary(providers.map { ($0.name, $0) }) { first, _ in first }
        (self.transport, self.sealer, self.ownURL, self.time) = (transport, sealer, ownURL, time)
    }

    package func provider(_ name: String) -> SignOnProvider? { providers[name] }
    /// What groups mean in a tenant: of its providers, by name, the first that says anything.
    package func standing(of groups: [String], in tenant: TenantID) -> Standing? {
        providers.values.filter { $0.tenant == tenant }.sorted { $0.name < $1.name }.lazy
            .compactMap { $0.standing(of: groups) }.first
    }

    /// Where the browser goes, and what it keeps until it comes back.
    /// - Parameter program: that is to have the session; nil: the browser.
    package func begin(
        _ provider: SignOnProvider, for program: ProgramReturn? = nil, using generator: inout some RandomNumberGenerator
    ) async throws(SignOnFault) -> (location: String, kept: String) {
        let attempt = SignOnAttempt(
            provider: provider.name, for: program, at: time.wallMilliseconds(), using: &generator)
        let discovery = try await discovery(of: provider)
        guard let kept = try? sealer.seal(attempt) else { throw .noAttempt }
        let location = attempt.address(
            discovery, client: provider.client, redirect: redirect(provider), scopes: provider.scopes)
        return (location, kept)
    }

    /// Who came back, and for which program.
    package func finish(
        _ provider: SignOnProvider, query: [String: String], kept: String?
    ) async throws(SignOnFault) -> (token: IDToken, program: ProgramReturn?) {
        guard let attempt = kept.flatMap({ sealer.open($0) }), attempt.provider == provider.name else {
            throw .noAttempt
        }
        let discovery = try await discovery(of: provider), code: String
        do throws(SignOnAttempt.Refusal) {
            code = try attempt.code(query, discovery, at: time.wallMilliseconds())
        } catch {
            throw .attempt(error)
        }
        let text = try await token(for: code, attempt, provider, discovery)
        var expected = IDToken.Expectation(
            issuer: provider.issuer, client: provider.client, nonce: attempt.nonce, groupsClaim: provider.groupsClaim)
        expected.trustsEmail = provider.trustsEmail
        return (try await check(text, expected, provider, discovery), attempt.program)
    }

    // MARK: Sessions for programs

    /// Where the browser is sent with a session that it cannot use.
    package func handOver(_ secret: String, of provider: SignOnProvider, to program: ProgramReturn) throws -> String {
        let handed = HandedSession(
            provider: provider.name, secret: secret, challenge: program.challenge,
            expiresMilliseconds: time.wallMilliseconds() + HandedSession.lifetime)
        return program.address([("code", try sealer.seal(handed, as: .session))])
    }
    /// The secret of the session that a program was sent.
    /// - Returns: nil for another program's, another provider's, or too late.
    package func take(_ code: String, verifier: String, from provider: SignOnProvider) -> String? {
        guard let handed: HandedSession = sealer.open(code, as: .session), handed.provider == provider.name,
            handed.challenge == SignOnAttempt.challenge(of: verifier),
            time.wallMilliseconds() < handed.expiresMilliseconds
        else { return nil }
        return handed.secret
    }

    // MARK: What goes back and forth

    private func redirect(_ provider: SignOnProvider) -> String { "\(ownURL)/v1/signon/\(provider.name)/callback" }

    /// With new keys if the token names one that is not known: providers change them when they like.
    private func check(
        _ text: String, _ expected: IDToken.Expectation, _ provider: SignOnProvider, _ discovery: Discovery
    ) async throws(SignOnFault) -> IDToken {
        var missed = false
        while true {  // ends: two turns at most
            let keys = try await keys(of: provider, discovery, missed: missed)
            do throws(IDToken.Refusal) {
                return try IDToken(text, keys, expected, at: time.wallMilliseconds())
            } catch {
                guard case .unknownKey = error, !missed else { throw .token(error) }
                missed = true
            }
        }
    }

    // MARK: What the provider is asked

    private func discovery(of provider: SignOnProvider) async throws(SignOnFault) -> Discovery {
        let now = time.monotonic()
        if let document = known.withLock({ $0[provider.name]?.discovery(at: now) }) { return document }
        let body = try await get(Discovery.address(of: provider.issuer), provider, bytesMax: Discovery.octetsMax)
        do throws(Discovery.Refusal) {
            let document = try Discovery(json: body, issuer: provider.issuer, allowsPlain: provider.allowsPlain)
            known.withLock { $0[provider.name, default: KnownProvider()].learn(document, at: now) }
            return document
        } catch {
            throw .discovery(error)
        }
    }
    private func keys(
        of provider: SignOnProvider, _ discovery: Discovery, missed: Bool
    ) async throws(SignOnFault) -> KeySet {
        let now = time.monotonic()
        if let set = known.withLock({ $0[provider.name]?.keys(at: now, missed: missed) }) { return set }
        let body = try await get(discovery.keys, provider, bytesMax: KeySet.octetsMax)
        guard let set = KeySet(json: body) else { throw .keys }
        known.withLock { $0[provider.name, default: KnownProvider()].learn(set, at: now) }
        return set
    }
    private func get(_ url: String, _ provider: SignOnProvider, bytesMax: Int) async throws(SignOnFault) -> [UInt8] {
        try await ask(SignOnRequest(url: url, trust: provider.trust), bytesMax: bytesMax)
    }
    private func ask(_ request: SignOnRequest, bytesMax: Int) async throws(SignOnFault) -> [UInt8] {
        let answer: (status: Int, body: [UInt8])
        do { answer = try await transport.answer(to: request, bytesMax: bytesMax) } catch {
            throw .unreachable("\(error)")
        }
        guard answer.status == 200 else { throw .status(answer.status) }
        return answer.body
    }

    private func token(
        for code: String, _ attempt: SignOnAttempt, _ provider: SignOnProvider, _ discovery: Discovery
    ) async throws(SignOnFault) -> String {
        var form = [
            ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect(provider)),
            ("client_id", provider.client), ("code_verifier", attempt.verifier),
        ]
        var request = SignOnRequest(url: discovery.token, trust: provider.trust)
        if let reference = provider.secret {
            guard let secret = try? reference.read().text else { throw .secret }
            if discovery.secretInBody {
                form.append(("client_secret", secret))
            } else {
                request.authorization = Self.basic(provider.client, secret)
            }
        }
        request.form = FormText.encode(form)
        let body = try await ask(request, bytesMax: 2 * IDToken.octetsMax)
        guard let text = IDToken.text(ofAnswer: body) else { throw .noToken }
        return text
    }

    /// RFC 6749 §2.3.1: both are encoded as in a form first.
    static func basic(_ client: String, _ secret: String) -> Secret {
        Secret(
            Array("Basic \(Base64.encode(Array("\(FormText.escaped(client)):\(FormText.escaped(secret))".utf8)))".utf8))
    }
}
