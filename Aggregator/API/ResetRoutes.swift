internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import Platform
internal import Tenancy

/// For who has lost the password: `POST /v1/password/forgot` asks for a link by mail, `POST /v1/password/reset` sets
/// another password with its token, or with one from an administrator.
struct ResetRoutes {
    let control: ControlLog, signIn: SignIn, time: any TimeSource

    func add(to router: PolicedRoutes) {
        router.post("/v1/password/forgot") { request, context in
            _ = try Parameters(request, allowed: [])
            let asked = try await jsonBody(ForgotBody.self, of: request, bytesMax: SessionRoutes.bodyBytesMax)
            try signIn.attempt(asked.email, context, time)
            guard let forgot = signIn.forgot else {
                throw Problem(
                    .serviceUnavailable, "unavailable", "No mail is sent from here",
                    detail: "An administrator can let you in anew")
            }
            // Whoever the address is, or is not: what happens next is not this answer's.
            guard forgot(asked.email) else { throw Problem.unavailable }
            return Response(status: .accepted)
        }
        router.post("/v1/password/reset") { request, context in
            _ = try Parameters(request, allowed: [])
            let asked = try await jsonBody(ResetBody.self, of: request, bytesMax: SessionRoutes.bodyBytesMax)
            let now = time.wallMilliseconds()
            guard let person = try control.resetting(asked.token, at: now) else { throw Problem.badToken }
            let hash = try await signIn.hash(asked.password, words: [person.email, person.name])
            guard try control.resetPassword(asked.token, to: hash, at: now) else { throw Problem.badToken }
            context.logger.notice("A password was reset.", metadata: ["person": "\(person.id)"])
            return Response(status: .noContent)
        }
    }
}

private struct ForgotBody: Decodable { let email: String }
private struct ResetBody: Decodable { let token: String, password: String }
