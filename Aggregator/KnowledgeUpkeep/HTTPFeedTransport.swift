internal import AsyncHTTPClient
internal import FlowModel
internal import Foundation
package import Knowledge
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
package import Notify
package import NotifyChannels
internal import Settings

/// Fetches feeds: HTTPS, TLS 1.2 at least, no redirects, no proxy.
package struct HTTPFeedTransport: FeedTransport {
    private let policy: EgressPolicy
    private let resolver: any NameResolver
    private let timeout: Duration

    /// - Parameter timeout: of one question, with all of its answer.
    package init(
        _ policy: EgressPolicy, resolver: any NameResolver = SystemResolver(), timeout: Duration = .seconds(120)
    ) {
        (self.policy, self.resolver, self.timeout) = (policy, resolver, timeout)
    }

    /// The policy of the settings.
    package static func policy(_ egress: FeedEgress) -> EgressPolicy {
        var policy = EgressPolicy()
        policy.allowed = egress.allowed
        policy.ports = Set(egress.ports)
        if egress.allowsPlain { policy.schemes.insert(.http) }
        return policy
    }
    /// What is wrong with a feed's URL, for `KnowledgeSettings`; says nothing of the text, which may hold a token.
    package static func problem(with text: String) -> String? {
        do throws(WebhookURLError) {
            _ = try WebhookURL(text)
            return nil
        } catch {
            return "is not https://HOST[:PORT]/PATH: \(error)"
        }
    }

    package func fetch(_ asked: FeedRequest) async throws(FeedTransportFault) -> FeedResponse {
        let url: WebhookURL
        do throws(WebhookURLError) { url = try WebhookURL(asked.url) } catch {
            throw FeedTransportFault(.refused, "it is no URL that may be asked: \(error)")
        }
        let address = try await checked(url)
        let request = try request(asked, url)
        // The client goes by the name that Foundation reads: another one would be resolved, and not checked.
        let read = URL(string: url.text)?.host ?? ""
        guard read == url.host || read == "[\(url.host)]" else {
            throw FeedTransportFault(.refused, "the host of \(url) can be read in two ways")
        }
        let client = HTTPClient(
            eventLoopGroupProvider: .singleton, configuration: configuration(asked, url.host, address))
        let answer = await exchange(request, client, bytesMax: asked.bytesMax, url)
        try? await client.shutdown()
        return try answer.get()
    }

    /// The address to connect to.
    private func checked(_ url: WebhookURL) async throws(FeedTransportFault) -> IPAddress {
        do {
            try policy.check(url)
            if let literal = url.address { return literal }
            let address = try await resolver.address(of: url.host)
            try policy.check(address)
            return address
        } catch let refusal as EgressPolicy.Refusal {
            throw FeedTransportFault(.refused, "\(url) may not be asked: \(Self.reason(of: refusal))")
        } catch {
            throw FeedTransportFault(.unreachable, "the name of \(url) has no address now")
        }
    }

    private static func reason(of refusal: EgressPolicy.Refusal) -> String {
        switch refusal {
        case .scheme: "HTTP without TLS needs intelligence.egress.plain"
        case .port(let port): "the port \(port) is not in intelligence.egress.ports"
        case .address(let address, let kind):
            "\(address) is no address of the Internet (\(kind.rawValue)), nor in intelligence.egress.allow"
        }
    }

    private func request(_ asked: FeedRequest, _ url: WebhookURL) throws(FeedTransportFault) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url.text)
        for (name, value) in asked.headers.sorted(by: { $0.key < $1.key }) {
            request.headers.add(name: name, value: value)
        }
        request.headers.add(name: "user-agent", value: "Weir/1")
        guard let secret = asked.authorization else { return request }
        let value: String
        do throws(SecretError) { value = try secret.read().text } catch {
            throw FeedTransportFault(.secret, "\(error)")
        }
        guard value.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw FeedTransportFault(.secret, "\(secret) is no value of a header")
        }
        request.headers.add(name: "authorization", value: value)
        return request
    }

    private func configuration(
        _ asked: FeedRequest, _ host: String, _ address: IPAddress
    ) -> HTTPClient.Configuration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if let trust = asked.trust { tls.trustRoots = .file(trust) }
        // Nothing is unpacked: no encoding is asked for.
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        configuration.timeout.connect = .seconds(10)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.dnsOverride = [host: address.description]
        return configuration
    }

    private func exchange(
        _ request: HTTPClientRequest, _ client: HTTPClient, bytesMax: Int, _ url: WebhookURL
    ) async -> Result<FeedResponse, FeedTransportFault> {
        do {
            let answer = try await client.execute(request, timeout: .seconds(timeout.components.seconds))
            var body: [UInt8] = []
            for try await piece in answer.body {
                guard body.count + piece.readableBytes <= bytesMax else {
                    return .failure(FeedTransportFault(.tooLarge, "\(url) gives more than \(bytesMax >> 20) MiB"))
                }
                body += piece.readableBytesView
            }
            let headers = Dictionary(
                answer.headers.map { ($0.name.lowercased(), $0.value) }, uniquingKeysWith: { first, _ in first })
            return .success(FeedResponse(status: Int(answer.status.code), headers: headers, body: body))
        } catch {
            // The case's name only; what it carries may quote a URL.
            let kind = "\(error)".prefix { $0 != "(" && $0 != "\n" }.prefix(100)
            return .failure(FeedTransportFault(.unreachable, "\(url) can't be asked: \(kind)"))
        }
    }
}
