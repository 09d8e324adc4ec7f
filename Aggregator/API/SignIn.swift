internal import Hummingbird
internal import Logging
package import Passwords
internal import Platform
internal import Settings

/// What signing in needs.
package struct SignIn: Sendable {
    package var passwords: PasswordDesk, limits: SignInLimits
    /// Nil: nobody can begin to use an authenticator, and who has one can't sign in.
    package var factors: FactorSealer?
    /// Nil: new passwords are not compared with any list.
    package var breaches: BreachList?
    /// Takes an address that a link for a new password was asked for, or says that it has no room. It MUST take as long
    /// for who is known as for who is not. Nil: there is no mail.
    package var forgot: (@Sendable (_ email: String) -> Bool)?

    package init(
        passwords: PasswordDesk = PasswordDesk(), limits: SignInLimits = SignInLimits(), factors: FactorSealer? = nil
    ) {
        (self.passwords, self.limits, self.factors) = (passwords, limits, factors)
    }
}

extension SignIn {
    /// Checks and hashes a password that somebody chose.
    func hash(_ password: String, words: [String]) async throws -> String {
        let secret = Secret(Array(password.utf8))
        do throws(PasswordRules.Refusal) {
            try PasswordRules.check(secret, words: words)
        } catch {
            throw Problem(.unprocessableContent, "weak-password", "Take another password", detail: error.advice)
        }
        try await checkBreaches(secret)
        return try await hashing { () async throws(PasswordDesk.Failure) in
            var chance = SystemRandomNumberGenerator()
            return try await passwords.hash(secret, using: &chance)
        }
    }
    /// A list that can't be read lets nothing through: its absence must not pass for safety.
    private func checkBreaches(_ secret: Secret) async throws {
        guard let breaches else { return }
        let found = await onThread { Result { () throws(SystemError) in try breaches.contains(secret) } }
        switch found {
        case .success(false): return
        case .success(true):
            throw Problem(
                .unprocessableContent, "weak-password", "Take another password",
                detail: "It is known from a breach of some other site")
        case .failure(let error):
            Logger(label: "api").error("The list of breached passwords can't be read.", metadata: ["error": "\(error)"])
            throw Problem.unavailable
        }
    }
}

/// Says in the caller's terms that there is no room for another hash.
func hashing<Value>(_ body: () async throws(PasswordDesk.Failure) -> Value) async throws(Problem) -> Value {
    do throws(PasswordDesk.Failure) {
        return try await body()
    } catch {
        throw Problem(.serviceUnavailable, "busy", "Too many sign in at once", headers: [.retryAfter: "2"])
    }
}

extension PasswordRules.Refusal {
    fileprivate var advice: String {
        switch self {
        case .tooShort(let min): "It needs at least \(min) characters"
        case .tooLong(let max): "It may have at most \(max) octets"
        case .notText: "It is not UTF-8 text"
        case .tooPlain: "It is too close to what everybody tries, or to your name or address"
        }
    }
}
