internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
package import Settings

/// Wraps with a key that never leaves OpenBao or Vault: their transit engine's `encrypt` and `decrypt`. The server's
/// own rotation needs nothing here, its ciphertexts say which version they have (`vault:v2:…`).
///
/// The token comes from a file or the environment and is read for each request, so an agent may renew it at any time.
/// It goes into a header, never into a URL, an error or a log line. Redirects are not followed.
package final class TransitKeyWrapper: KeyWrapper {
    /// Where the key is: `transit:https://bao.example:8200/transit/weir`, the last two being mount and key.
    package struct Location: Hashable, Sendable, CustomStringConvertible {
        package let server: String
        package let mount: String
        package let key: String

        /// Nil unless `text` is of that form. Plain HTTP is for this machine's own addresses only.
        package init?(_ text: String) {
            guard text.hasPrefix("transit:"), let url = URLComponents(string: String(text.dropFirst(8))),
                let scheme = url.scheme, let host = url.host, !host.isEmpty, url.user == nil, url.query == nil,
                scheme == "https" || (scheme == "http" && ["127.0.0.1", "localhost", "[::1]", "::1"].contains(host))
            else { return nil }
            var parts = url.path.split(separator: "/").map(String.init)
            let allowed = { (part: String) in
                part.utf8.allSatisfy {
                    $0 < 128 && (Character(UnicodeScalar($0)).isLetter || $0 < 58 && $0 > 47)
                        || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
                }
            }
            guard parts.count >= 2, parts.allSatisfy(allowed) else { return nil }
            key = parts.removeLast()
            mount = parts.joined(separator: "/")
            server = "\(scheme)://\(host)" + (url.port.map { ":\($0)" } ?? "")
        }
        package var description: String { "transit:\(server)/\(mount)/\(key)" }
    }

    private let location: Location
    private let token: SecretReference
    private let timeout: Duration
    private let client: HTTPClient
    static let answerBytesMax = 64 << 10, tries = 3

    /// - Parameters:
    ///   - trust: a PEM file of certificate authorities; the machine's own without.
    ///   - timeout: of one try; there are three.
    package init(
        _ location: Location, token: SecretReference, trust: String?, timeout: Duration = .seconds(5)
    ) {
        self.location = location
        self.token = token
        self.timeout = timeout
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if let trust { tls.trustRoots = .file(trust) }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        configuration.timeout.connect = .seconds(timeout.components.seconds)
        // Tries are counted here.
        configuration.connectionPool.retryConnectionEstablishment = false
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }
    deinit { client.shutdown { _ in } }

    package func wrap(_ key: Secret, version: UInt32, owner: KeyOwner) throws(DataKeyError) -> WrappedKey {
        let answer = try ask(
            "encrypt",
            ["plaintext": Data(key.bytes).base64EncodedString(), "associated_data": label(version, owner)])
        guard let ciphertext = answer["ciphertext"] else { throw .keyServer("\(location): no ciphertext") }
        return WrappedKey(by: location.description, octets: Array(ciphertext.utf8))
    }

    package func unwrap(_ wrapped: WrappedKey, version: UInt32, owner: KeyOwner) throws(DataKeyError) -> Secret {
        guard wrapped.by.hasPrefix("transit:") else {
            throw .wrappingKey("\(location) did not wrap the key of \(owner): \(wrapped.by) did")
        }
        let answer = try ask(
            "decrypt",
            [
                "ciphertext": String(decoding: wrapped.octets, as: UTF8.self),
                "associated_data": label(version, owner),
            ])
        guard let plain = answer["plaintext"].flatMap({ Data(base64Encoded: $0) }) else {
            throw .keyServer("\(location): no plaintext")
        }
        return Secret([UInt8](plain))
    }

    private func label(_ version: UInt32, _ owner: KeyOwner) -> String {
        Data("weir data key \(version) \(owner)".utf8).base64EncodedString()
    }

    // MARK: HTTP

    /// Blocks the calling thread: keys are unwrapped once, by callers that may wait. Waits on NIO's own threads only,
    /// so it can't block what it waits for.
    private func ask(_ operation: String, _ body: [String: String]) throws(DataKeyError) -> [String: String] {
        var last = DataKeyError.keyServer("\(location)")
        for attempt in 0..<Self.tries {
            if attempt > 0 { Thread.sleep(forTimeInterval: 0.2 * Double(attempt)) }
            let response: HTTPClient.Response
            do {
                let request = try request(operation, body)
                let accumulator = ResponseAccumulator(request: request, maxBodySize: Self.answerBytesMax)
                let deadline = NIODeadline.now() + .seconds(timeout.components.seconds)
                response = try client.execute(request: request, delegate: accumulator, deadline: deadline).wait()
            } catch let error as DataKeyError {
                throw error
            } catch {
                last = .keyServer("\(location) does not answer: \(error)")
                continue
            }
            let status = response.status.code
            if (200..<300).contains(status) { return try fields(of: response) }
            last = .keyServer("\(location): \(operation) was answered \(status)")
            // 4xx is said once: the token, the policy or the ciphertext is wrong. 429 and 5xx pass.
            guard status == 429 || status >= 500 else { break }
        }
        throw last
    }

    private func request(_ operation: String, _ body: [String: String]) throws -> HTTPClient.Request {
        let secret: Secret
        do { secret = try token.read() } catch { throw DataKeyError.keyServer("token: \(error)") }
        let headers: HTTPHeaders = ["X-Vault-Token": secret.text, "Content-Type": "application/json"]
        return try HTTPClient.Request(
            url: "\(location.server)/v1/\(location.mount)/\(operation)/\(location.key)", method: .POST,
            headers: headers, body: .data(JSONEncoder().encode(body)))
    }

    private func fields(of response: HTTPClient.Response) throws(DataKeyError) -> [String: String] {
        let octets = response.body.map { Data($0.readableBytesView) } ?? Data()
        guard let data = (try? JSONSerialization.jsonObject(with: octets)) as? [String: Any],
            let fields = data["data"] as? [String: Any]
        else { throw .keyServer("\(location): the answer is not JSON") }
        return fields.compactMapValues { $0 as? String }
    }
}
