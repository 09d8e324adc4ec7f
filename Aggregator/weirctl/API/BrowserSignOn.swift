import Foundation
internal import NIOHTTP1
import OpenID

/// Signing in at a provider by a browser on this machine (RFC 8252): the browser brings a code to a port that this
/// program listens on, which is good with this program's verifier only.
struct BrowserSignOn {
    private var profile: Profile
    private let provider: String
    static let patience = Duration.seconds(300)

    init(_ profile: Profile, provider: String) {
        self.provider = provider
        self.profile = profile
        (self.profile.key, self.profile.session) = (nil, nil)
    }

    func session() async throws -> Profile {
        guard provider.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }), !provider.isEmpty else {
            throw Failure.usage("--sign-on: \"\(provider)\" is not a provider's name")
        }
        var chance = SystemRandomNumberGenerator()
        let verifier = Base64URL.encode((0..<32).map { _ in UInt8.random(in: 0...255, using: &chance) })
        let returned = try await LoopbackListener.answer(within: Self.patience) { port in
            let address =
                "\(profile.url)/v1/signon/\(provider)?port=\(port)&challenge=\(SignOnAttempt.challenge(of: verifier))"
            complain("Open this address in a browser on this machine, and sign in there:\n\n  \(address)\n")
        }
        guard let code = returned else {
            throw Failure.usage("the aggregator did not let you in; ask an administrator what your groups may do")
        }
        let client = APIClient(profile)
        let answer = try await client.answer(
            .POST, "/v1/signon/\(provider)/session", json: ["code": code, "verifier": verifier])
        guard answer.status == 200, let session = answer.session else { throw client.refusal(answer) }
        var signedIn = profile
        signedIn.session = session
        return signedIn
    }
}
