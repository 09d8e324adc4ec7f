/// Secrets from the key-value engine, version 2, of OpenBao or Vault.
///
/// Invariants: a secret that was rotated there is used within `freshFor`; one that was read once is used on while the
/// server can't be asked; token and secrets are in no URL, error or log. Redirects are not followed.
/// Not here: leases, other engines (`DataKeys` has the transit engine).
internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
package import Platform
package import Settings
internal import Synchronization

package final class SecretServer: Sendable {
    private struct Kept {
        let secret: Secret, at: Duration
    }
    private let settings: SecretServerSettings, time: any TimeSource, client: HTTPClient
    private let kept = Mutex<[SecretReference: Kept]>([:])

    package static let freshFor: Duration = .seconds(30)
    static let answerBytesMax = 256 << 10

    package init(_ settings: SecretServerSettings, time: any TimeSource) {
        (self.settings, self.time) = (settings, time)
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if let trust = settings.trust { tls.trustRoots = .file(trust) }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        configuration.timeout.connect = .seconds(5)
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }
    deinit { client.shutdown { _ in } }

    /// Blocks the calling thread for some seconds at most; within `freshFor` of an answer it does not.
    /// - Throws: naming the reference, when the secret was never read and can't be now.
    package func read(_ reference: SecretReference) throws(SecretError) -> Secret {
        let old = kept.withLock { $0[reference] }
        if let old, time.monotonic() - old.at < Self.freshFor { return old.secret }
        do throws(SecretError) {
            let secret = try ask(reference), now = time.monotonic()
            kept.withLock { $0[reference] = Kept(secret: secret, at: now) }
            return secret
        } catch {
            guard let old else { throw error }
            return old.secret
        }
    }

    private func ask(_ reference: SecretReference) throws(SecretError) -> Secret {
        func error(_ problem: String) -> SecretError { SecretError(reference: reference, problem: problem) }
        guard case .server(let path, let field) = reference else { throw error("is not the server's") }
        let token = try settings.token.read()
        let steps = path.split(separator: "/", maxSplits: 1)
        guard steps.count == 2 else { throw error("has no mount") }
        let response: HTTPClient.Response
        do {
            let request = try HTTPClient.Request(
                url: "\(settings.server)/v1/\(steps[0])/data/\(steps[1])", headers: ["X-Vault-Token": token.text])
            let accumulator = ResponseAccumulator(request: request, maxBodySize: Self.answerBytesMax)
            response = try client.execute(
                request: request, delegate: accumulator, deadline: NIODeadline.now() + .seconds(10)
            ).wait()
        } catch let failure {
            throw error("\(settings.server) does not answer: \(failure)")
        }
        guard response.status == .ok else { throw error("was answered \(response.status.code)") }
        let octets = response.body.map { Data($0.readableBytesView) } ?? Data()
        guard let answer = (try? JSONSerialization.jsonObject(with: octets)) as? [String: Any],
            let entry = (answer["data"] as? [String: Any])?["data"] as? [String: Any]
        else { throw error("is in no key-value engine of version 2") }
        guard let text = entry[field] as? String, !text.isEmpty else { throw error("has no such field") }
        return Secret(Array(text.utf8))
    }
}
