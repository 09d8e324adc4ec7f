internal import HTTPTypes
internal import Hummingbird
internal import Passwords
internal import Platform
internal import Settings
internal import Tenancy

/// `/v1/session/factor`: the own authenticator. `POST` makes a secret, `PUT` with a code of it confirms it and gives
/// the recovery codes, `POST /v1/session/factor/remove` takes it away.
struct FactorRoutes {
    let control: ControlLog, signIn: SignIn, time: any TimeSource

    func add(to router: PolicedRoutes) {
        router.post("/v1/session/factor") { request, context in
            let person = try context.person.withPassword
            _ = try Parameters(request, allowed: [])
            guard let sealer = signIn.factors else { throw Problem.unavailable }
            var chance = SystemRandomNumberGenerator()
            let code = OneTimeCode(using: &chance)
            let sealed = try sealer.seal(code, of: person.id)
            guard try control.offerFactor(sealed, of: person.id, at: now) else {
                throw Problem(
                    .conflict, "factor-there", "There is an authenticator already", detail: "Remove it first")
            }
            return try jsonResponse(["address": code.address(of: person.email)])
        }
        router.put("/v1/session/factor") { request, context in
            let person = try context.person.withPassword
            _ = try Parameters(request, allowed: [])
            let asked = try await jsonBody(CodeBody.self, of: request, bytesMax: SessionRoutes.bodyBytesMax)
            try signIn.attempt(person.email, context, time)
            var chance = SystemRandomNumberGenerator()
            let codes = RecoveryCodes.make(using: &chance)
            let isRight = try control.confirmFactor(
                of: person.id, recovery: codes.map { RecoveryCodes.digest(of: $0) }, at: now,
                step: signIn.step(of: asked.code, person.id, at: now))
            guard isRight else { throw Problem.wrongCode }
            return try jsonResponse(["recoveryCodes": codes])
        }
        router.post("/v1/session/factor/remove") { request, context in
            let person = try context.person.withPassword
            _ = try Parameters(request, allowed: [])
            let asked = try await jsonBody(CodeBody.self, of: request, bytesMax: SessionRoutes.bodyBytesMax)
            try signIn.attempt(person.email, context, time)
            guard try signIn.accepts(asked.code, of: person.id, control, time) else { throw Problem.wrongCode }
            _ = try control.removeFactor(of: person.id, by: person.id, at: now)
            return Response(status: .noContent)
        }
    }

    private var now: Int64 { time.wallMilliseconds() }
}

extension SignIn {
    /// One try of the account from there, or when there will be another.
    func attempt(_ email: String, _ context: APIContext, _ time: any TimeSource) throws(Problem) {
        let wait = limits.wait(account: email, address: context.address, at: time.monotonic())
        if let wait { throw .tooMany(waiting: wait) }
    }

    /// The step of a code of this person's secret; nil also for a secret that can't be opened any more.
    func step(of code: String, _ person: String, at now: Int64) -> ([UInt8], Int64) -> Int64? {
        { [factors] sealed, last in
            factors?.open(sealed, of: person)?.step(of: code, atMilliseconds: now, after: last)
        }
    }

    /// Takes a code of the authenticator, or a recovery code. Six digits could be guessed, so they have an allowance of
    /// their own; who is held up by another's guesses has recovery codes, which can't be.
    func accepts(_ code: String, of person: String, _ control: ControlLog, _ time: any TimeSource) throws -> Bool {
        let now = time.wallMilliseconds()
        guard code.utf8.count == 6 else {
            return try control.useRecoveryCode(digest: RecoveryCodes.digest(of: code), of: person, at: now)
        }
        if let wait = limits.waitForCode(person, at: time.monotonic()) { throw Problem.tooMany(waiting: wait) }
        guard try control.useFactor(of: person, step: step(of: code, person, at: now)) else { return false }
        limits.codeWasRight(person)
        return true
    }
}

extension SignedIn {
    /// The person, unless a provider only said so: who runs it must not change what others go by.
    var withPassword: Person {
        get throws(Problem) {
            guard session.provider == nil else { throw .needsPassword }
            return person
        }
    }
}

extension Problem {
    static let needsPassword = Problem(
        .forbidden, "forbidden", "That needs a session that began with a password",
        detail: "This one is from the tenant's provider")
    static let codeNeeded = Problem(
        .unauthorized, "code-needed", "A code of the authenticator is needed",
        detail: "Send it, or a recovery code, as code", headers: [.wwwAuthenticate: #"Bearer realm="weir""#])
    static let wrongCode = Problem(
        .unprocessableContent, "refused", "That can't be done", detail: "The code is wrong, or was used")
}

private struct CodeBody: Decodable { let code: String }
