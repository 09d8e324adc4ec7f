internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Platform
internal import ServiceLifecycle
internal import Synchronization
internal import Tenancy

/// One thing that happened: server-sent events have its parts as fields, a WebSocket as one JSON text.
struct LiveMessage: Equatable, Sendable {
    /// Where to go on behind it; nil: nowhere, such things are not kept.
    let id: String?
    let event: String
    /// JSON without line breaks.
    let data: String

    init(_ event: String, id: String? = nil, data: String) { (self.id, self.event, self.data) = (id, event, data) }
    init(_ event: String, id: String? = nil, _ value: some Encodable) throws {
        self.init(event, id: id, data: String(decoding: try jsonOctets(value), as: UTF8.self))
    }

    /// HTML Living Standard §9.2.6.
    var eventStream: String { (id.map { "id: \($0)\n" } ?? "") + "event: \(event)\ndata: \(data)\n\n" }
    /// Ids and names of events are words.
    var text: String { "{" + (id.map { #""id":"\#($0)","# } ?? "") + #""event":"\#(event)","data":\#(data)}"# }
}

/// What a stream is of. Asked once an interval, and at once after a full page.
protocol LiveSource: Sendable {
    /// - Returns: what is new, at most a page; and whether there is more already.
    mutating func next() async throws -> (messages: [LiveMessage], hasMore: Bool)
}

/// Streams of all kinds: their places, the look at whether the caller still may, signs of life, the end.
struct LiveStreams: Sendable {
    let authentication: Authentication, time: any TimeSource, limits: LiveLimits
    private let places: LivePlaces

    init(_ authentication: Authentication, _ time: any TimeSource, _ limits: LiveLimits) {
        (self.authentication, self.time, self.limits) = (authentication, time, limits)
        places = LivePlaces(limits)
    }

    static let lastEventID = HTTPField.Name("Last-Event-ID")

    /// The position that the caller was at: `Last-Event-ID`, or else `after`; nil: the caller gives none.
    static func position(_ request: Request, _ parameters: Parameters) throws(Problem) -> Int64? {
        let asked = try parameters.integer("after", in: 0...Int.max).map { Int64($0) }
        guard let seen = lastEventID.flatMap({ request.headers[$0] }) else { return asked }
        guard let position = Int64(seen), position >= 0 else {
            throw .badParameter("Last-Event-ID", seen, allowed: "an id of an event before")
        }
        return position
    }

    /// The answer: server-sent events, or a WebSocket if one was asked for. Both are the same route, with the same row.
    func answer(_ source: some LiveSource, _ request: Request, _ caller: Principal) throws -> Response {
        let opening = try WebSocketOpening(request, origins: limits.origins)
        guard let place = places.take(caller) else {
            throw Problem(
                .tooManyRequests, "too-many-streams", "There are too many streams already",
                detail: "At most \(limits.perCaller) of a caller", headers: [.retryAfter: "30"])
        }
        guard let opening else {
            return Response(
                status: .ok, headers: [.contentType: "text/event-stream"],
                body: ResponseBody { writer in
                    var sink = EventSink(writer: writer)
                    try await follow(source, caller, request, place, &sink)
                    try await writer.finish(nil)
                })
        }
        return Response(
            status: .switchingProtocols, headers: opening.fields,
            body: ResponseBody { writer in
                var sink = SocketSink(writer: writer)
                try await sink.listening(to: request.body) { sink in
                    try await follow(source, caller, request, place, &sink)
                }
                try await writer.finish(nil)
            })
    }

    private func follow(
        _ source: some LiveSource, _ caller: Principal, _ request: Request, _ place: LivePlaces.Place,
        _ sink: inout some LiveSink
    ) async throws {
        defer { withExtendedLifetime(place) {} }
        var source = source
        let begun = time.monotonic()
        var beaten = begun
        try await sink.open()
        while true {  // ends: after `lasts`, when the caller may no more, with the client, or with the server
            guard mayStill(caller, request) else { return try await sink.close(.mayNoMore) }
            let (messages, hasMore) = try await source.next()
            let now = time.monotonic()
            if !messages.isEmpty { try await sink.send(messages) }
            // Whatever else is said: who hears a WebSocket answers pings only, and an idle peer is cut.
            if now - beaten >= limits.heartbeat {
                try await sink.beat()
                beaten = now
            }
            guard try await sink.settle() else { return }
            if hasMore { continue }
            guard now - begun < limits.lasts, !Task.isCancelled, !Task.isShuttingDownGracefully else {
                return try await sink.close(.over)
            }
            try await Task.sleep(for: limits.interval)
        }
    }

    /// Whoever may other things than at the start, more or less, connects anew.
    private func mayStill(_ caller: Principal, _ request: Request) -> Bool {
        (try? authentication.identify(request, isActive: false).principal) == caller
    }
}

/// How a stream is written.
protocol LiveSink {
    mutating func open() async throws
    mutating func send(_ messages: [LiveMessage]) async throws
    /// A sign of life.
    mutating func beat() async throws
    /// - Returns: false when the client has gone.
    mutating func settle() async throws -> Bool
    mutating func close(_ end: LiveEnd) async throws
}
/// Why the server ends a stream.
enum LiveEnd {
    /// To be gone on with.
    case over
    case mayNoMore
}

struct EventSink: LiveSink {
    var writer: any ResponseBodyWriter

    mutating func open() async throws { try await write("retry: 2000\n\n") }
    mutating func send(_ messages: [LiveMessage]) async throws { try await write(messages.map(\.eventStream).joined()) }
    mutating func beat() async throws { try await write(":\n\n") }
    mutating func settle() -> Bool { true }
    mutating func close(_ end: LiveEnd) {}
    private mutating func write(_ text: String) async throws { try await writer.write(ByteBuffer(string: text)) }
}

/// RFC 6455. What the client says is heard in a task of its own and answered at the next look.
struct SocketSink: LiveSink {
    var writer: any ResponseBodyWriter
    private let heard = Heard()

    init(writer: any ResponseBodyWriter) { self.writer = writer }

    private final class Heard: Sendable {
        struct State: Sendable {
            /// The newest is enough (§5.5.3).
            var ping: [UInt8]?
            /// The code to end with; 0: the client is gone.
            var end: UInt16?
        }
        let state = Mutex(State())

        func take(_ words: [WebSocketWord]) {
            for word in words {
                state.withLock { state in
                    guard state.end == nil else { return }
                    switch word {
                    case .ping(let payload): state.ping = payload
                    case .pong: break
                    case .close(let code): state.end = code ?? 1000
                    }
                }
            }
        }
        func end(_ code: UInt16) { state.withLock { $0.end = $0.end ?? code } }
    }

    /// Runs `body`, and hears the client meanwhile.
    mutating func listening(
        to request: RequestBody, _ body: (inout SocketSink) async throws -> Void
    ) async throws {
        let heard = heard
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var reader = WebSocketReader()
                do {
                    for try await buffer in request { heard.take(try reader.take(buffer.readableBytesView)) }
                    heard.end(0)
                } catch let fault as WebSocketFault {
                    heard.end(fault.rawValue)
                } catch {
                    heard.end(0)
                }
            }
            try await body(&self)
            group.cancelAll()
        }
    }

    mutating func open() {}
    mutating func send(_ messages: [LiveMessage]) async throws {
        try await write(messages.flatMap { WebSocketFrame.text($0.text) })
    }
    mutating func beat() async throws { try await write(WebSocketFrame.ping()) }
    mutating func settle() async throws -> Bool {
        let (ping, end) = heard.state.withLock { state in
            defer { state.ping = nil }
            return (state.ping, state.end)
        }
        if let ping { try await write(WebSocketFrame.pong(ping)) }
        guard let end else { return true }
        if end != 0 { try await write(WebSocketFrame.close(end)) }
        return false
    }
    /// Going away, or a policy (RFC 6455 §7.4.1).
    mutating func close(_ end: LiveEnd) async throws {
        try await write(WebSocketFrame.close(end == .over ? 1001 : 1008))
    }
    private mutating func write(_ octets: [UInt8]) async throws { try await writer.write(ByteBuffer(bytes: octets)) }
}
