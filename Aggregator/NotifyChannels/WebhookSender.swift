internal import AsyncHTTPClient
import FlowModel
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
package import Notify
package import Settings

/// Posts messages to a URL, signed as Standard Webhooks has it if there are secrets (Slack and Teams have theirs in the
/// URL).
package struct WebhookSender: ChannelSender {
    package struct Target: Equatable, Sendable {
        /// Slack's and Teams' URLs are secrets themselves.
        package enum Place: Equatable, Sendable {
            case url(WebhookURL)
            case secret(SecretReference)
        }
        package var place: Place
        package var format: Format
        /// The newest first; see `WebhookSigner`.
        package var secrets: [SecretReference]
        /// A PEM file of certificate authorities; the machine's own without.
        package var trust: String?

        package init(url: WebhookURL, format: Format, secrets: [SecretReference] = [], trust: String? = nil) {
            self.init(place: .url(url), format: format, secrets: secrets, trust: trust)
        }
        package init(place: Place, format: Format, secrets: [SecretReference] = [], trust: String? = nil) {
            self.place = place
            self.format = format
            self.secrets = secrets
            self.trust = trust
        }

        /// Nil when there is none to be had now.
        var url: WebhookURL? {
            switch place {
            case .url(let url): return url
            case .secret(let reference):
                guard let text = try? reference.read().text else { return nil }
                var line = text[...]
                while let last = line.last, last.isWhitespace { line = line.dropLast() }
                return try? WebhookURL(String(line))
            }
        }
    }

    private let target: Target, rendering: Rendering, egress: Egress, timeout: Duration

    /// - Parameter timeout: of one try, connecting included.
    package init(_ target: Target, rendering: Rendering, egress: Egress, timeout: Duration = .seconds(15)) {
        self.target = target
        self.rendering = rendering
        self.egress = egress
        self.timeout = timeout
    }

    package func send(_ message: Message, at now: Int64) async -> Outbox.Result {
        guard let url = target.url else { return .failed(retryAfter: nil) }
        guard egress.policy.schemes.contains(url.scheme) else { return .refused }
        return await egress.reach(url.host, url.address, port: url.port) { address in
            // Secrets that can't be read may be mended.
            guard let request = request(message, to: url, at: now) else { return .failed(retryAfter: nil) }
            return await post(request, url, to: address)
        }
    }

    /// Nil when a secret is not there or is none.
    private func request(_ message: Message, to url: WebhookURL, at now: Int64) -> HTTPClientRequest? {
        let (contentType, octets) = rendering.body(message, as: target.format)
        var request = HTTPClientRequest(url: url.text)
        request.method = .POST
        request.headers.add(name: "content-type", value: contentType)
        request.headers.add(name: "user-agent", value: "Weir/1")
        if !target.secrets.isEmpty {
            let secrets = target.secrets.compactMap { reference in
                (try? reference.read()).flatMap { WebhookSecret($0) }
            }
            guard secrets.count == target.secrets.count, let signer = WebhookSigner(secrets) else { return nil }
            for (name, value) in signer.headers(id: message.id, timestamp: now / 1_000, body: octets) {
                request.headers.add(name: name, value: value)
            }
        }
        request.body = .bytes(ByteBuffer(bytes: octets))
        return request
    }

    /// A client for one try: which address its name stands for is settled when it is made.
    private func post(
        _ request: HTTPClientRequest, _ url: WebhookURL, to address: IPAddress
    ) async -> Outbox.Result {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if let trust = target.trust { tls.trustRoots = .file(trust) }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        configuration.timeout.connect = .seconds(max(1, min(timeout.components.seconds, 10)))
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.dnsOverride = [url.host: address.description]
        // The client goes by the name that Foundation reads: another one would be resolved, and not checked.
        let read = URL(string: url.text)?.host ?? ""
        guard read == url.host || read == "[\(url.host)]" else { return .refused }
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let result: Outbox.Result
        do {
            let response = try await client.execute(
                request, timeout: .seconds(max(1, timeout.components.seconds)))
            result = Self.result(
                status: Int(response.status.code),
                retryAfter: response.headers.first(name: "retry-after").flatMap { Int64($0) })
        } catch {
            result = .failed(retryAfter: nil)
        }
        try? await client.shutdown()
        return result
    }

    /// What an answer means. Redirects are refusals: where they lead was not checked.
    package static func result(status: Int, retryAfter: Int64?) -> Outbox.Result {
        switch status {
        case 200..<300: .delivered
        case 410: .gone
        case 408, 425, 429, 500...: .failed(retryAfter: retryAfter)
        default: .refused
        }
    }
}
