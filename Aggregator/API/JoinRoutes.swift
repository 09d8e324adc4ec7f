internal import HTTPTypes
internal import Hummingbird
internal import Platform
internal import Tenancy

/// How people come to be: `POST /v1/setup` makes the first operator, `POST /v1/invitations/accept` a member. Both ask
/// for a token that was given once, and choose nobody's password but the own.
struct JoinRoutes {
    let control: ControlLog, signIn: SignIn, time: any TimeSource

    func add(to router: PolicedRoutes) {
        router.post("/v1/setup") { request, _ in
            _ = try Parameters(request, allowed: [])
            let asked = try await jsonBody(SetUpBody.self, of: request, bytesMax: SessionRoutes.bodyBytesMax)
            guard try control.isSetUpToken(asked.token, at: now) else { throw Problem.badToken }
            let hash = try await signIn.hash(asked.password, words: [asked.email, asked.name])
            let made = try joining { () throws(ControlError) in
                var chance = SystemRandomNumberGenerator()
                return try control.setUp(
                    asked.token, email: asked.email, name: asked.name, passwordHash: hash, at: now, using: &chance)
            }
            guard made != nil else { throw Problem.badToken }
            return Response(status: .noContent)
        }
        router.post("/v1/invitations/accept") { try await accept($0, $1) }
    }

    private var now: Int64 { time.wallMilliseconds() }

    private func accept(_ request: Request, _: APIContext) async throws -> Response {
        _ = try Parameters(request, allowed: [])
        let asked = try await jsonBody(AcceptBody.self, of: request, bytesMax: SessionRoutes.bodyBytesMax)
        guard let invited = try control.invited(by: asked.token, at: now) else { throw Problem.badToken }
        var hash: String?
        if invited.isNew {
            guard let name = asked.name, let password = asked.password else {
                throw Problem.badBody("Who is new says a name and a password")
            }
            hash = try await signIn.hash(password, words: [invited.email, name])
        }
        _ = try joining { () throws(ControlError) in
            var chance = SystemRandomNumberGenerator()
            return try control.acceptInvitation(
                asked.token, name: asked.name ?? "", passwordHash: hash, at: now, using: &chance)
        }
        return Response(status: .noContent)
    }

    private func joining<Value>(_ body: () throws(ControlError) -> Value) throws -> Value {
        do throws(ControlError) {
            return try body()
        } catch {
            guard case .refused(let refusal) = error else { throw error }
            switch refusal {
            case .unknownInvitation: throw Problem.badToken
            case .badEmail: throw Problem.badBody("email is no address")
            case .badName: throw Problem.badBody("name has 1 to 100 characters")
            default: throw Problem(.conflict, "refused", "That can't be done", detail: "\(refusal)")
            }
        }
    }
}

private struct SetUpBody: Decodable { let token: String, email: String, name: String, password: String }
private struct AcceptBody: Decodable {
    let token: String
    var name: String?, password: String?
}
