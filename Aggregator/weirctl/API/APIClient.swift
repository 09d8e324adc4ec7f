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
        try await ask(try request(path, query))
    }
    /// - Returns: the answer's JSON object; empty when there is none.
    func send(
        _ method: HTTPMethod, _ path: String, query: [String: String] = [:], json: Any? = nil, text: String? = nil,
        ifMatch: Int? = nil
    ) async throws -> [String: Any] {
        var request = try request(path, query)
        request.method = method
        if let ifMatch { request.headers.add(name: "if-match", value: "\"\(ifMatch)\"") }
        if let text {
            request.headers.add(name: "content-type", value: "text/csv")
            request.body = .bytes(ByteBuffer(string: text))
        }
        if let json {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: try JSONSerialization.data(withJSONObject: json)))
        }
        return try await ask(request)
    }

    private func request(_ path: String, _ query: [String: String]) throws -> HTTPClientRequest {
        var components = URLComponents(string: profile.url)
        components?.path += path
        if !query.isEmpty {
            components?.queryItems = query.sorted { $0.key < $1.key }.map {
                URLQueryItem(name: $0.key, value: $0.value)
            }
            // URLComponents leaves the plus sign, which servers read as a space.
            let encoded = components?.percentEncodedQuery
            components?.percentEncodedQuery = encoded?.replacingOccurrences(of: "+", with: "%2B")
        }
        guard let url = components?.url?.absoluteString else { throw Failure.usage("\(profile.url): not an address") }
        var request = HTTPClientRequest(url: url)
        request.headers.add(name: "authorization", value: "Bearer \(profile.key)")
        request.headers.add(name: "accept", value: "application/json")
        return request
    }

    private func ask(_ request: HTTPClientRequest) async throws -> [String: Any] {
        var body = Data()
        let status = try await exchange(request, within: .seconds(300)) { piece, _ in
            guard body.count + piece.readableBytes <= Self.answerBytesMax else {
                throw Failure.work("the answer is longer than \(Self.answerBytesMax >> 20) MiB: ask for less")
            }
            body.append(contentsOf: piece.readableBytesView)
        }
        if status == 204 { return [:] }
        let json = try? JSONSerialization.jsonObject(with: body) as? [String: Any]
        guard (200..<300).contains(status) else { throw refusal(status, json) }
        guard let json else {
            throw Failure.work("\(profile.url) answered something that is not JSON; is it Weir's API?")
        }
        return json
    }

    /// An answer of any length, piece by piece as it comes.
    /// - Throws: when the answer is cut off, too: an incomplete export must not pass for a whole one.
    func download(
        _ path: String, _ query: [String: String], _ body: (ByteBuffer) throws -> Void
    ) async throws {
        var problem = Data()
        let request = try request(path, query)
        let status = try await exchange(request, within: .hours(24)) { piece, status in
            if status == 200 { return try body(piece) }
            if problem.count < 1 << 20 { problem.append(contentsOf: piece.readableBytesView) }
        }
        guard status == 200 else {
            throw refusal(status, try? JSONSerialization.jsonObject(with: problem) as? [String: Any])
        }
    }

    /// All pages of a list, one call of `body` an item, until `limit` items; `page` gets each page as a whole.
    func list(
        _ path: String, _ query: [String: String], limit: Int, page see: ([String: Any]) -> Void = { _ in },
        _ body: ([String: Any]) throws -> Void
    ) async throws {
        var query = query, left = limit
        while left > 0 {
            query["limit"] = String(min(left, 1_000))
            let page = try await get(path, query)
            see(page)
            let items = page["items"] as? [[String: Any]] ?? []
            for item in items.prefix(left) { try body(item) }
            left -= items.count
            guard let next = page["next"] as? String, !items.isEmpty else { return }
            query["cursor"] = next
        }
    }

    /// Sends a request and gives the answer's pieces to `body`.
    /// - Returns: the answer's status.
    private func exchange(
        _ request: HTTPClientRequest, within time: TimeAmount, _ body: (ByteBuffer, _ status: UInt) throws -> Void
    ) async throws -> UInt {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv13
        if let ca = profile.ca {
            guard FileManager.default.isReadableFile(atPath: ca) else {
                throw Failure.usage("--ca: \(ca) cannot be read")
            }
            tls.trustRoots = .file(ca)
        }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
        // A busy aggregator may be slow to take a connection.
        configuration.timeout = HTTPClient.Configuration.Timeout(connect: .seconds(30))
        let client = HTTPClient(configuration: configuration)
        do {
            let response = try await client.execute(request, timeout: time)
            for try await piece in response.body { try body(piece, response.status.code) }
            try await client.shutdown()
            return response.status.code
        } catch {
            try? await client.shutdown()
            if error is Failure { throw error }
            throw Failure.work("\(profile.url) cannot be asked: \(error)")
        }
    }

    private func refusal(_ status: UInt, _ problem: [String: Any]?) -> Failure {
        let title = problem?["title"] as? String ?? "no reason given"
        // A filter's fault comes with the filter and carets under it, on lines of their own.
        let separator = problem?["column"] == nil ? ": " : ":\n"
        let detail = (problem?["detail"] as? String).map { separator + $0 } ?? ""
        let message = "\(profile.url) says \(status) \(title)\(detail)"
        return [400, 401, 403, 404, 422].contains(status) ? .usage(message) : .work(message)
    }
}
