import Foundation
import Hummingbird
import Ingest
import NIOCore
import ServerChannel
import TestKit
import Testing

@Suite("peers that break HTTP/2's rules or hold exchanges open") struct MisconductTests {
    @Test("a flood of PING, SETTINGS or resets ends the connection, and so does a header block without end")
    func floods() async throws {
        let world = try IngestWorld(), authority = world.authority
        let floods = [
            Frame(6, [UInt8](repeating: 0, count: 8)).octets(times: 100), Frame(4).octets(times: 100), Self.resets(200),
            Frame(1, flags: 1, stream: 1, Frame.headers("GET", "/")).octets + Frame(9, stream: 1).octets(times: 20),
            Frame(6, [1]).octets,
        ]
        try await world.run { server in
            for (number, flood) in floods.enumerated() {
                let peer = try RawPeer(authority, port: server.port, flood)
                #expect(
                    await eventually { server.value(Self.misconduct("protocol_error")) == Double(number + 1) },
                    "flood \(number)")
                #expect(await eventually { server.value(Self.open) == 0 }, "flood \(number)")
                withExtendedLifetime(peer) {}
            }
        }
    }

    @Test("frames that carry nothing end the connection once there are more than answers account for")
    func idleFrames() async throws {
        let world = try IngestWorld(), authority = world.authority
        for type: UInt8 in [8, 0xEE] {
            let flood = Frame(type, [0, 0, 0, 1]).octets(times: 1_100)
            try await world.run { server in
                let before = server.value(Self.misconduct("idle_frames"))
                let peer = try RawPeer(authority, port: server.port, flood)
                #expect(await eventually { server.value(Self.misconduct("idle_frames")) == max(before, 0) + 1 })
                #expect(await eventually { server.value(Self.open) == 0 })
                withExtendedLifetime(peer) {}
            }
        }
    }

    @Test("a request that never ends, and an answer that nobody reads, are given up")
    func slowExchanges() async throws {
        let world = try IngestWorld(), authority = world.authority
        var options = ServerOptions.sensors
        options.requestMax = .milliseconds(300)
        options.idleMax = .seconds(60)
        let slow = "weir_requests_too_slow_total{listener=\"sensors\"}"
        let unended = Frame(1, flags: 4, stream: 1, Frame.headers("POST", "/v1/heartbeat")).octets
        try await world.run(options: options) { server in
            let peer = try RawPeer(authority, port: server.port, unended)
            #expect(await eventually { server.value(slow) == 1 })
            withExtendedLifetime(peer) {}
        }
        options.idleMax = .milliseconds(300)
        options.answerRateMin = 1 << 30
        options.requestMax = .seconds(60)
        let router = Router(context: SensorContext.self)
        router.get("/long") { _, _ in
            Response(
                status: .ok,
                body: ResponseBody { writer in
                    for _ in 0..<10_000 { try await writer.write(ByteBuffer(repeating: 0, count: 1 << 16)) }
                    try await writer.finish(nil)
                })
        }
        // SETTINGS_INITIAL_WINDOW_SIZE 0: nothing of the body can be sent.
        let unread =
            Frame(4, [0, 4, 0, 0, 0, 0]).octets + Frame(1, flags: 5, stream: 1, Frame.headers("GET", "/long")).octets
        try await withServer(authority, options: options, router: router) { server in
            let peer = try RawPeer(authority, port: server.port, unread)
            #expect(await eventually { server.value(slow) == 1 })
            withExtendedLifetime(peer) {}
        }
    }

    @Test("frames are counted however they are cut, payloads are not looked into, and answers earn more")
    func meter() {
        let update = Frame(8, [0, 0, 0, 1]).octets, data = Frame(0, stream: 1, update + update).octets
        let preface = [UInt8](repeating: 0, count: 24)
        let connection = preface + data + update + data + update
        for size in [1, 2, 7, 9, 24, 1_000] {
            var meter = FrameMeter(), rest = connection[...], isFine = true
            while !rest.isEmpty {
                isFine = meter.read(rest.prefix(size)) && isFine
                rest = rest.dropFirst(size)
            }
            #expect(isFine && meter.left == FrameMeter.free - 2, "in pieces of \(size)")
        }
        var meter = FrameMeter()
        let first = meter.read(preface + Frame(8, [0, 0, 0, 1]).octets(times: FrameMeter.free))
        meter.sent(octets: 10 * FrameMeter.octetsForOne)
        let second = meter.read(Frame(8, [0, 0, 0, 1]).octets(times: 11)), third = meter.read(update)
        #expect(first && second && !third)
        let after = meter.read(data)
        #expect(!after)
    }

    @Test("a request that comes when the listener's tasks were cancelled ends its connection and not the process")
    func cancelled() async throws {
        let world = try IngestWorld()
        let request = Frame(1, flags: 5, stream: 1, Frame.headers("GET", "/")).octets
        try await world.run { server in
            let peer = try RawPeer(world.authority, port: server.port, [], later: request)
            #expect(await eventually { server.log.contains("A peer connected.") })
            server.cancel()
            try peer.goOn()
            #expect(await eventually { server.value(Self.open) == 0 })
            withExtendedLifetime(peer) {}
        }
    }

    /// Requests, each of them reset at once.
    private static func resets(_ count: Int) -> [UInt8] {
        var octets: [UInt8] = []
        for number in 0..<count {
            octets += Frame(1, flags: 5, stream: 2 * number + 1, Frame.headers("GET", "/")).octets
            octets += Frame(3, stream: 2 * number + 1, [0, 0, 0, 8]).octets
        }
        return octets
    }

    private static let open = "weir_connections_open{listener=\"sensors\"}"
    private static func misconduct(_ reason: String) -> String {
        "weir_connections_misconduct_total{listener=\"sensors\",reason=\"\(reason)\"}"
    }
}

/// An HTTP/2 frame (RFC 9113 §4.1).
private struct Frame {
    let octets: [UInt8]

    init(_ type: UInt8, flags: UInt8 = 0, stream: Int = 0, _ payload: [UInt8] = []) {
        let length = UInt32(payload.count), id = UInt32(stream)
        var octets = [16, 8, 0].map { shift in UInt8(truncatingIfNeeded: length >> UInt32(shift)) }
        octets += [type, flags]
        octets += [24, 16, 8, 0].map { shift in UInt8(truncatingIfNeeded: id >> UInt32(shift)) }
        self.octets = octets + payload
    }
    func octets(times count: Int) -> [UInt8] { (0..<count).flatMap { _ in octets } }

    /// Literal fields without indexing and without Huffman coding (RFC 7541 §6.2.2).
    static func headers(_ method: String, _ path: String) -> [UInt8] {
        var octets: [UInt8] = []
        for (name, value) in [(":method", method), (":scheme", "https"), (":path", path), (":authority", "localhost")] {
            octets += [0, UInt8(name.utf8.count)]
            octets += Array(name.utf8)
            octets.append(UInt8(value.utf8.count))
            octets += Array(value.utf8)
        }
        return octets
    }
}

/// A sensor's connection that says these octets after the preface and its SETTINGS, reads all and never closes.
private final class RawPeer: Sendable {
    private let process: RunningProgram
    private let folder: TemporaryFolder

    /// - Parameter later: what it says once `goOn` was called.
    init(_ authority: Authority, port: UInt16, _ octets: [UInt8], later: [UInt8] = []) throws {
        folder = try TemporaryFolder("weir-peer")
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + Frame(4).octets
        try Data(preface + octets).write(to: folder.file("in"))
        try Data(later).write(to: folder.file("later"))
        process = try Program.start(
            "bash",
            [
                "-c",
                "exec openssl s_client -connect 127.0.0.1:\(port) -CAfile \(authority.path("ca.pem")) -alpn h2 -quiet"
                    + " -cert \(authority.path("edge1.pem")) -key \(authority.path("edge1.key"))"
                    + " < <(cd \(folder.path); cat in; for _ in {1..400}; do [ ! -e go ] || exec cat later;"
                    + " sleep 0.05; done)",
            ], output: folder.file("out"), errors: folder.file("err"))
    }
    func goOn() throws { try Data().write(to: folder.file("go")) }
    deinit { process.terminate() }
}
