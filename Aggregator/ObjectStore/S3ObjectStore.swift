internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
package import Platform
internal import Settings
internal import Synchronization

/// Objects in a bucket of any S3 endpoint: AWS, SeaweedFS, Ceph, MinIO.
///
/// Every request is signed with its body's SHA-256, so a changed body is refused by the server. Failures that may pass
/// (no connection, 408, 429, 5xx) are tried again with back-off and jitter. Redirects are not followed. Credentials are
/// references, read for each request.
package final class S3ObjectStore: ObjectStore {
    private let settings: S3Settings
    private let client: HTTPClient
    private let time: any TimeSource
    private let random: Mutex<any RandomNumberGenerator & Sendable>
    private let firstPause: Duration
    package static let tries = 6
    private static let errorBytesMax = 1 << 20, listBytesMax = 8 << 20

    /// - Parameter firstPause: before the second try; each further one waits twice as long, less some jitter.
    package init(
        _ settings: S3Settings, time: any TimeSource, random: some RandomNumberGenerator & Sendable,
        firstPause: Duration = .milliseconds(200)
    ) {
        self.settings = settings
        self.time = time
        self.random = Mutex(random)
        self.firstPause = firstPause
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if let trust = settings.trust { tls.trustRoots = .file(trust) }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        configuration.timeout.connect = .seconds(10)
        // Tries are counted here.
        configuration.connectionPool.retryConnectionEstablishment = false
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }
    deinit { client.shutdown { _ in } }
    package var description: String { settings.description }

    @discardableResult
    package func put(
        _ name: ObjectName, _ bytes: [UInt8], digest: ObjectDigest, onlyIfAbsent: Bool
    ) async throws(ObjectStoreError) -> Bool {
        guard bytes.count <= objectBytesMax else { throw .tooLarge(name, bytes: bytes.count) }
        guard ObjectDigest(of: bytes) == digest else { throw .digestMismatch(name) }
        var call = S3Call(.PUT, name)
        call.body = bytes
        call.digest = digest
        if onlyIfAbsent { call.headers.append(("if-none-match", "*")) }
        let answer = try await ask(call, bytesMax: Self.errorBytesMax)
        switch answer.status {
        case 200..<300: return true
        // Who was first? Perhaps this very call, whose answer got lost.
        case 409 where onlyIfAbsent, 412: return try await get(name) == bytes
        default: throw refusal(answer, name)
        }
    }

    package func get(_ name: ObjectName, range: Range<Int>?) async throws(ObjectStoreError) -> [UInt8] {
        var call = S3Call(.GET, name)
        if let range {
            guard !range.isEmpty else {
                guard try await size(of: name) != nil else { throw .notFound(name) }
                return []
            }
            call.headers.append(("range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)"))
        }
        let answer = try await ask(call, bytesMax: objectBytesMax)
        switch answer.status {
        // 206: a server that knows no ranges would answer 200 with everything.
        case 206: return answer.body
        case 200:
            guard let range else { return answer.body }
            return Array(answer.body.dropFirst(range.lowerBound).prefix(range.count))
        case 416: return []
        default: throw refusal(answer, name)
        }
    }

    package func size(of name: ObjectName) async throws(ObjectStoreError) -> Int? {
        let answer = try await ask(S3Call(.HEAD, name), bytesMax: 0)
        switch answer.status {
        case 200: return answer.contentLength
        case 404: return nil
        default: throw refusal(answer, name)
        }
    }

    package func list(
        prefix: String, after: ObjectName?, limit: Int
    ) async throws(ObjectStoreError) -> ObjectPage {
        var call = S3Call(.GET, nil)
        call.query = [
            ("list-type", "2"), ("max-keys", "\(limit)"), ("prefix", settings.key(prefix)),
        ]
        if let after { call.query.append(("start-after", settings.key(after.text))) }
        let answer = try await ask(call, bytesMax: Self.listBytesMax)
        guard answer.status == 200 else { throw refusal(answer, nil) }
        guard let listing = S3Listing(answer.body) else { throw .refused("\(self): the list is no XML of S3's") }
        // A key that no name can be is not ours.
        let objects = listing.objects.compactMap { key, bytes -> ObjectEntry? in
            guard let text = settings.name(ofKey: key), let name = try? ObjectName(text) else { return nil }
            return ObjectEntry(name: name, bytes: bytes)
        }
        return ObjectPage(objects: objects, isLast: !listing.isTruncated)
    }

    package func delete(_ name: ObjectName) async throws(ObjectStoreError) {
        let answer = try await ask(S3Call(.DELETE, name), bytesMax: Self.errorBytesMax)
        guard (200..<300).contains(answer.status) || answer.status == 404 else { throw refusal(answer, name) }
    }

    private func refusal(_ answer: S3Answer, _ name: ObjectName?) -> ObjectStoreError {
        let code = S3Listing.errorCode(answer.body)
        if answer.status == 404, let name, code == nil || code == "NoSuchKey" { return .notFound(name) }
        let text = "\(self): status \(answer.status)" + (code.map { ", \($0)" } ?? "")
        return .refused(code == "RequestTimeTooSkewed" ? text + ": this machine's clock is wrong" : text)
    }

    // MARK: Asking

    private func ask(_ call: S3Call, bytesMax: Int) async throws(ObjectStoreError) -> S3Answer {
        var problem = ""
        for attempt in 0..<Self.tries {
            if attempt > 0 { try await pause(beforeTry: attempt) }
            do {
                let answer = try await send(call, bytesMax: bytesMax)
                guard [408, 429].contains(answer.status) || answer.status >= 500 else { return answer }
                problem = "status \(answer.status)"
            } catch is CancellationError {
                throw .cancelled
            } catch let error as ObjectStoreError {
                throw error
            } catch {
                // The case's name only; what it carries may quote a URL.
                problem = "\(error)"
            }
        }
        throw .unavailable("\(self): \(problem), after \(Self.tries) tries")
    }

    private func pause(beforeTry attempt: Int) async throws(ObjectStoreError) {
        let share = random.withLock { Double.random(in: 0.5...1, using: &$0) }
        do {
            try await Task.sleep(for: firstPause * share * Double(1 << (attempt - 1)))
        } catch {
            throw .cancelled
        }
    }

    private func send(_ call: S3Call, bytesMax: Int) async throws -> S3Answer {
        let digest = call.digest ?? ObjectDigest(of: call.body)
        let path = settings.path(of: call.name)
        let headers = SigV4(region: settings.region, service: "s3").signed(
            method: call.method.rawValue, path: path, query: call.query,
            headers: call.headers + [("host", settings.host), ("x-amz-content-sha256", digest.hex)],
            payloadDigest: digest.hex, milliseconds: time.wallMilliseconds(), credentials: try settings.credentials())
        let query = call.query.isEmpty ? "" : "?" + SigV4.canonicalQuery(call.query)
        var request = HTTPClientRequest(url: "\(settings.scheme)://\(settings.host)\(path)\(query)")
        request.method = call.method
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if call.method == .PUT { request.body = .bytes(ByteBuffer(bytes: call.body)) }
        let response = try await client.execute(request, timeout: .seconds(60))
        let length = response.headers.first(name: "content-length").flatMap { Int($0) }
        let body = call.method == .HEAD ? ByteBuffer() : try await response.body.collect(upTo: bytesMax)
        return S3Answer(
            status: Int(response.status.code), contentLength: length, body: [UInt8](body.readableBytesView))
    }
}

struct S3Call: Sendable {
    let method: HTTPMethod
    /// Nil: the bucket.
    let name: ObjectName?
    var query: [(String, String)] = []
    var headers: [(String, String)] = []
    var body: [UInt8] = []
    var digest: ObjectDigest?
    init(_ method: HTTPMethod, _ name: ObjectName?) {
        self.method = method
        self.name = name
    }
}

struct S3Answer: Sendable {
    let status: Int
    let contentLength: Int?
    let body: [UInt8]
}
