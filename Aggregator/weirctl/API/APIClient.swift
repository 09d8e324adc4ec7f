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
        if let key = profile.key {
            request.headers.add(name: "authorization", value: "Bearer \(key)")
        } else if let session = profile.session {
            request.headers.add(name: "cookie", value: "\(Self.cookie)=\(session)")
            // Shows that no other site's page asks.
            request.headers.add(name: "weir-request", value: "1")
        }
        request.headers.add(name: "accept", value: "application/json")
        return request
    }

    private func ask(_ request: HTTPClientRequest) async throws -> [String: Any] {
        let answer = try await whole(request)
        if answer.status == 204 { return [:] }
        guard (200..<300).contains(answer.status) else { throw refusal(answer) }
        guard let json = answer.json else {
            throw Failure.work("\(profile.url) answered something that is not JSON; is it Weir's API?")
        }
        return json
    }

    /// An answer, whatever its status.
    struct Answer {
        let status: UInt, headers: HTTPHeaders, json: [String: Any]?
        /// Of a refusal: the last part of its type, such as `code-needed`.
        var kind: String? { (json?["type"] as? String)?.split(separator: ":").last.map(String.init) }
        /// The session that it begins.
        var session: String? {
            for field in headers["set-cookie"] where field.hasPrefix("\(cookie)=") {
                return field.split(separator: ";").first.map { String($0.dropFirst(cookie.count + 1)) }
            }
            return nil
        }
    }
    static let cookie = "__Host-sid"

    /// Sends JSON, or asks only.
    func answer(_ method: HTTPMethod, _ path: String, json: [String: Any]? = nil) async throws -> Answer {
        var request = try request(path, [:])
        request.method = method
        if let json {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: try JSONSerialization.data(withJSONObject: json)))
        }
        return try await whole(request)
    }
    private func whole(_ request: HTTPClientRequest) async throws -> Answer {
        var body = Data()
        let head = try await exchange(request, within: .seconds(300)) { piece, _ in
            guard body.count + piece.readableBytes <= Self.answerBytesMax else {
                throw Failure.work("the answer is longer than \(Self.answerBytesMax >> 20) MiB: ask for less")
            }
            body.append(contentsOf: piece.readableBytesView)
        }
        let json = try? JSONSerialization.jsonObject(with: body) as? [String: Any]
        return Answer(status: head.status, headers: head.headers, json: json)
    }

    /// An answer of any length, piece by piece as it comes.
    /// - Throws: when the answer is cut off, too: an incomplete export must not pass for a whole one.
    func download(
        _ path: String, _ query: [String: String], _ body: (ByteBuffer) throws -> Void
    ) async throws {
        var problem = Data()
        let request = try request(path, query)
        let head = try await exchange(request, within: .hours(24)) { piece, status in
            if status == 200 { return try body(piece) }
            if problem.count < 1 << 20 { problem.append(contentsOf: piece.readableBytesView) }
        }
        guard head.status == 200 else {
            let json = try? JSONSerialization.jsonObject(with: problem) as? [String: Any]
            throw refusal(Answer(status: head.status, headers: head.headers, json: json))
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
    /// - Returns: the answer's status and fields.
    private func exchange(
        _ request: HTTPClientRequest, within time: TimeAmount, _ body: (ByteBuffer, _ status: UInt) throws -> Void
    ) async throws -> (status: UInt, headers: HTTPHeaders) {
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
            return (response.status.code, response.headers)
        } catch {
            try? await client.shutdown()
            if error is Failure { throw error }
            throw Failure.work("\(profile.url) cannot be asked: \(error)")
        }
    }

    func refusal(_ answer: Answer) -> Failure {
        let (status, problem) = (answer.status, answer.json)
        if status == 401, profile.key == nil, profile.session != nil {
            return .usage("the session at \(profile.url) is over: sign in again with 'weirctl login'")
        }
        let title = problem?["title"] as? String ?? "no reason given"
        // A filter's fault comes with the filter and carets under it, on lines of their own.
        let separator = problem?["column"] == nil ? ": " : ":\n"
        let detail = (problem?["detail"] as? String).map { separator + $0 } ?? ""
        let message = "\(profile.url) says \(status) \(title)\(detail)"
        return [400, 401, 403, 404, 422].contains(status) ? .usage(message) : .work(message)
    }
}
