internal import Crypto
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Platform
internal import Synchronization
internal import Tenancy

/// `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): who did not hear the answer asks again with the same
/// key, and gets the answer that was given, for a day; nothing is made twice.
///
/// The answer may hold a key or a token, so it is sealed (AES-256-GCM) under what the caller showed: the database alone
/// opens none of them, and who signed in anew is told only that it was done.
struct OnlyOnce: Sendable {
    let control: ControlLog, time: any TimeSource

    static let keyMax = 255, bodyBytesMax = 4 << 20, answerBytesMax = 256 << 10
    private static let key = HTTPField.Name("Idempotency-Key"), replayed = HTTPField.Name("Idempotency-Replayed")
    private static let fields: [HTTPField.Name] = [.contentType, .eTag, .location]

    func answer(
        _ request: Request, _ context: APIContext, _ route: String, _ handler: PolicedRoutes.Handler
    ) async throws -> Response {
        guard let key = Self.key.flatMap({ request.headers[$0] }) else { return try await handler(request, context) }
        guard (1...Self.keyMax).contains(key.utf8.count), key.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw Problem.badKey
        }
        let caller = try context.caller
        let (request, body) = try await Self.collected(request)
        let id = Self.digest(["\(caller.tenant)", caller.keyID, route, key])
        let asked = Self.digest([
            request.uri.string, request.headers[.ifMatch] ?? "", Self.hex(SHA256.hash(data: body)),
        ])
        let seal = Seal(request, key)
        switch try control.claim(id, request: asked, of: caller.tenant, at: time.wallMilliseconds()) {
        case .first: break
        case .begun: throw Problem.begun
        case .otherRequest: throw Problem.otherRequest
        case .answered(let status, let sealed):
            guard let kept = sealed.flatMap({ seal?.open($0) }) else { throw Problem.done(status) }
            return Self.response(status, kept)
        }
        return try await first(request, context, handler, id, seal)
    }

    private func first(
        _ request: Request, _ context: APIContext, _ handler: PolicedRoutes.Handler, _ id: String, _ seal: Seal?
    ) async throws -> Response {
        let response: Response
        do {
            response = try await handler(request, context)
        } catch {
            // What a handler throws changed nothing.
            try control.forgetClaim(id)
            throw error
        }
        let sink = Collector()
        try await response.body.write(sink)
        let kept = Kept(
            fields: Self.fields.compactMap { name in response.headers[name].map { [name.rawName, $0] } },
            body: Data(sink.octets.withLock { $0 }))
        let sealed = kept.body.count <= Self.answerBytesMax ? try seal?.close(kept) : nil
        try control.keep(id, status: Int(response.status.code), sealed: sealed)
        var again = response
        again.body = ResponseBody(byteBuffer: ByteBuffer(bytes: kept.body))
        return again
    }
    private static func response(_ status: Int, _ kept: Kept) -> Response {
        var response = Response(
            status: .init(code: status), body: ResponseBody(byteBuffer: ByteBuffer(bytes: kept.body)))
        for pair in kept.fields where pair.count == 2 {
            if let name = HTTPField.Name(pair[0]) { response.headers[name] = pair[1] }
        }
        if let replayed { response.headers[replayed] = "true" }
        return response
    }

    private static func collected(_ request: Request) async throws -> (Request, Data) {
        var request = request
        do {
            let body = try await request.body.collect(upTo: bodyBytesMax)
            request.body = RequestBody(buffer: body)
            return (request, Data(body.readableBytesView))
        } catch is NIOTooManyBytesError {
            throw Problem(
                .contentTooLarge, "too-large", "The body is too large", detail: "At most \(bodyBytesMax) octets")
        }
    }
    private static func digest(_ parts: [String]) -> String {
        hex(SHA256.hash(data: Data(parts.map { "\($0.utf8.count) \($0)" }.joined(separator: "\n").utf8)))
    }
    private static func hex(_ octets: some Sequence<UInt8>) -> String {
        octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

/// An answer, to be given again.
private struct Kept: Codable {
    let fields: [[String]], body: Data
}

/// Opens for who shows the same credential and the same key.
private struct Seal {
    private let key: SymmetricKey

    init?(_ request: Request, _ name: String) {
        guard let shown = request.headers[.authorization] ?? SessionCookie.token(in: request) else { return nil }
        key = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: Data(shown.utf8)), salt: Data(name.utf8),
            info: Data("weir answered".utf8), outputByteCount: 32)
    }
    func close(_ kept: Kept) throws -> [UInt8]? {
        try AES.GCM.seal(try JSONEncoder().encode(kept), using: key).combined.map { [UInt8]($0) }
    }
    func open(_ sealed: [UInt8]) -> Kept? {
        guard let box = try? AES.GCM.SealedBox(combined: Data(sealed)), let data = try? AES.GCM.open(box, using: key)
        else { return nil }
        return try? JSONDecoder().decode(Kept.self, from: data)
    }
}

/// Keeps what a body writes.
private final class Collector: ResponseBodyWriter, Sendable {
    let octets = Mutex<[UInt8]>([])
    func write(_ buffer: ByteBuffer) async throws { octets.withLock { $0 += buffer.readableBytesView } }
    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}

extension Problem {
    fileprivate static let badKey = Problem(
        .badRequest, "bad-idempotency-key", "The Idempotency-Key is wrong",
        detail: "It has 1 to \(OnlyOnce.keyMax) printable ASCII characters")
    fileprivate static let otherRequest = Problem(
        .unprocessableContent, "idempotency-key-used", "The Idempotency-Key was used for another request")
    fileprivate static let begun = Problem(
        .conflict, "idempotency-begun", "That was asked, and is not answered",
        detail: "It goes on, or the aggregator was stopped meanwhile: look whether it was done before you ask anew",
        headers: [.retryAfter: "2"])
    fileprivate static func done(_ status: Int) -> Problem {
        Problem(
            .conflict, "idempotency-done", "That was done",
            detail: "It was answered \(status); the answer can't be shown again to who signed in meanwhile")
    }
}
