internal import AsyncHTTPClient
internal import FlowModel
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
package import Notify
package import NotifyChannels
package import OpenID
internal import Settings

/// Asks providers: HTTPS, TLS 1.2 at least, no redirects, no proxy; only addresses that may be reached. A provider's
/// endpoints are what its own document says, so they are checked like any address that somebody else wrote.
package struct HTTPSignOnTransport: SignOnTransport {
    private let policy: EgressPolicy, resolver: any NameResolver, timeout: Duration

    /// - Parameter timeout: of one question, with all of its answer.
    package init(
        _ policy: EgressPolicy, resolver: any NameResolver = SystemResolver(), timeout: Duration = .seconds(10)
    ) {
        (self.policy, self.resolver, self.timeout) = (policy, resolver, timeout)
    }
    struct Fault: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    package func answer(
        to asked: SignOnRequest, bytesMax: Int
    ) async throws -> (status: Int, body: [UInt8]) {
        let url = try WebhookURL(asked.url)
        try policy.check(url)
        let address: IPAddress
        if let literal = url.address { address = literal } else { address = try await resolver.address(of: url.host) }
        try policy.check(address)
        // The client goes by the name that Foundation reads: another one would be resolved, and not checked.
        let read = URL(string: url.text)?.host ?? ""
        guard read == url.host || read == "[\(url.host)]" else { throw Fault("its host can be read in two ways") }
        let client = HTTPClient(
            eventLoopGroupProvider: .singleton, configuration: configuration(asked, url.host, address))
        do {
            let answer = try await exchange(request(asked, url), client, bytesMax: bytesMax)
            try? await client.shutdown()
            return answer
        } catch {
            try? await client.shutdown()
            throw error
        }
    }

    private func request(_ asked: SignOnRequest, _ url: WebhookURL) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url.text)
        request.headers.add(name: "accept", value: "application/json")
        request.headers.add(name: "user-agent", value: "Weir/1")
        if let secret = asked.authorization { request.headers.add(name: "authorization", value: secret.text) }
        if let form = asked.form {
            request.method = .POST
            request.headers.add(name: "content-type", value: "application/x-www-form-urlencoded")
            request.body = .bytes(ByteBuffer(string: form))
        }
        return request
    }
    private func configuration(
        _ asked: SignOnRequest, _ host: String, _ address: IPAddress
    ) -> HTTPClient.Configuration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if let trust = asked.trust { tls.trustRoots = .file(trust) }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        configuration.timeout.connect = .seconds(5)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.dnsOverride = [host: address.description]
        return configuration
    }
    private func exchange(
        _ request: HTTPClientRequest, _ client: HTTPClient, bytesMax: Int
    ) async throws -> (status: Int, body: [UInt8]) {
        let answer = try await client.execute(request, timeout: .seconds(timeout.components.seconds))
        var body: [UInt8] = []
        for try await piece in answer.body {
            guard body.count + piece.readableBytes <= bytesMax else { throw Fault("the answer is too long") }
            body += piece.readableBytesView
        }
        return (Int(answer.status.code), body)
    }
}
