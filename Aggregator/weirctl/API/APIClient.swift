import AsyncHTTPClient
import Foundation
import NIOCore
internal import NIOHTTP1
import NIOSSL

/// Asks an aggregator's API and gives back JSON, or a `Failure` that says what to do.
struct APIClient {
    private let profile: Profile
    private static let answerBytesMax = 64 << 20

    init(_ profile: Profile) { self.profile = profile }

    /// - Returns: the body's JSON object.
    func get(_ path: String, _ query: [String: String] = [:]) async throws -> [String: Any] {
        var components = URLComponents(string: profile.url + path)
        if !query.isEmpty {
            components?.queryItems = query.sorted { $0.key < $1.key }.map {
                URLQueryItem(name: $0.key, value: $0.value)
            }
        }
        guard let url = components?.url?.absoluteString else { throw Failure.usage("\(profile.url): not an address") }
        let (status, body) = try await send(url)
        let json = try? JSONSerialization.jsonObject(with: body) as? [String: Any]
        guard status == 200 else { throw refusal(status, json) }
        guard let json else {
            throw Failure.work("\(profile.url) answered something that is not JSON; is it Weir's API?")
        }
        return json
    }

    /// All pages of a list, one call of `body` an item, until `limit` items.
    func list(
        _ path: String, _ query: [String: String], limit: Int, _ body: ([String: Any]) throws -> Void
    ) async throws {
        var query = query, left = limit
        while left > 0 {
            query["limit"] = String(min(left, 1_000))
            let page = try await get(path, query)
            let items = page["items"] as? [[String: Any]] ?? []
            for item in items.prefix(left) { try body(item) }
            left -= items.count
            guard let next = page["next"] as? String, !items.isEmpty else { return }
            query["cursor"] = next
        }
    }

    private func send(_ url: String) async throws -> (UInt, Data) {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv13
        if let ca = profile.ca {
            guard FileManager.default.isReadableFile(atPath: ca) else {
                throw Failure.usage("--ca: \(ca) cannot be read")
            }
            tls.trustRoots = .file(ca)
        }
        let client = HTTPClient(configuration: HTTPClient.Configuration(tlsConfiguration: tls))
        do {
            var request = HTTPClientRequest(url: url)
            request.headers.add(name: "authorization", value: "Bearer \(profile.key)")
            request.headers.add(name: "accept", value: "application/json")
            let response = try await client.execute(request, timeout: .seconds(60))
            let body = try await response.body.collect(upTo: Self.answerBytesMax)
            try await client.shutdown()
            return (response.status.code, Data(body.readableBytesView))
        } catch {
            try? await client.shutdown()
            throw Failure.work("\(profile.url) cannot be asked: \(error)")
        }
    }

    private func refusal(_ status: UInt, _ problem: [String: Any]?) -> Failure {
        let title = problem?["title"] as? String ?? "no reason given"
        let detail = (problem?["detail"] as? String).map { ": \($0)" } ?? ""
        let message = "\(profile.url) says \(status) \(title)\(detail)"
        return [400, 401, 403, 404].contains(status) ? .usage(message) : .work(message)
    }
}
