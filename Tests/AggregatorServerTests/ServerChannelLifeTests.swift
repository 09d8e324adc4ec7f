import Foundation
import HTTP2Client
import Ingest
import Platform
import ServerChannel
import TestKit
import Testing

@Suite("a connection's life on the sensors' listener") struct ServerChannelLifeTests {
    @Test("new files are taken into use for new connections, and an old connection goes on")
    func reload() async throws {
        let world = try IngestWorld(), authority = world.authority
        try await world.connected { old, server in
            #expect(old.connection.peerName == "spiffe://weir.test/aggregator/agg1")
            #expect(try old.send(try SentBatch(sequence: 0)).status == 200)
            try authority.run("aggregator", authority.folder.path, "agg2", authority.path("agg1"))
            #expect(server.tls.refresh() == .reloaded)
            #expect(server.tls.refresh() == .unchanged)
            let new = try IngestClient(authority.sensor, port: server.port)
            #expect(new.connection.peerName == "spiffe://weir.test/aggregator/agg2")
            #expect(try new.send(try SentBatch(sequence: 1)).status == 200)
            #expect(try old.send(try SentBatch(sequence: 2)).status == 200)
            #expect(server.value("weir_tls_reloads_total{listener=\"sensors\"}") == 1)
        }
    }

    @Test("trust roots are reloaded too: a new authority's sensors come in without a restart")
    func reloadTrust() async throws {
        let world = try IngestWorld(), other = try Authority(), authority = world.authority
        let files = TLSFiles(
            certificate: other.path("edge1.pem"), key: other.path("edge1.key"), trust: authority.path("ca.pem"))
        try await world.run { server in
            await #expect(throws: HTTP2Error.self) {
                try await onThread { try IngestClient(files, port: server.port).send(try SentBatch()).status }
            }
            let both =
                try Data(contentsOf: authority.folder.file("ca.pem")) + Data(contentsOf: other.folder.file("ca.pem"))
            try both.write(to: authority.folder.file("ca.pem"), options: .atomic)
            #expect(server.tls.refresh() == .reloaded)
            let status = try await onThread {
                try IngestClient(files, port: server.port).send(try SentBatch()).status
            }
            #expect(status == 200)
        }
    }

    @Test("files that are half-written, mismatching, expired or gone keep the old ones in use, and say so")
    func badFiles() async throws {
        let world = try IngestWorld(), authority = world.authority
        try authority.run("aggregator", authority.folder.path, "agg2")
        try authority.run(
            "leaf", authority.folder.path, authority.path("old"), "URI:spiffe://weir.test/aggregator/agg1",
            environment: ["NOT_AFTER": Authority.stamp(secondsFromNow: -60)])
        try await world.connected { _, server in
            let certificate = authority.folder.file("agg1.pem"), good = try Data(contentsOf: certificate)
            let bad = [
                good.prefix(good.count / 2), Data(), try Data(contentsOf: authority.folder.file("agg2.pem")),
                try Data(contentsOf: authority.folder.file("old.pem")),
            ]
            for data in bad {
                try data.write(to: certificate, options: .atomic)
                guard case .refused = server.tls.refresh() else {
                    Issue.record("taken: \(String(decoding: data, as: UTF8.self))")
                    continue
                }
                #expect(server.value("weir_tls_files_refused{listener=\"sensors\"}") == 1)
                let status = try IngestClient(authority.sensor, port: server.port).send(try SentBatch()).status
                #expect(status == 200)
            }
            try FileManager.default.removeItem(at: certificate)
            guard case .refused = server.tls.refresh() else { throw Absent() }
            try good.write(to: certificate, options: .atomic)
            #expect(server.tls.refresh() == .reloaded)
            #expect(server.value("weir_tls_files_refused{listener=\"sensors\"}") == 0)
        }
    }

    @Test("at its maximum age a connection gets a GOAWAY, and the request in work is answered")
    func maximumAge() async throws {
        let world = try IngestWorld()
        var options = ServerOptions.sensors
        options.connectionAgeMax = .seconds(1)
        let files = world.authority.sensor
        try await world.run(options: options) { server in
            try await onThread {
                let client = try IngestClient(files, port: server.port)
                #expect(try client.send(try SentBatch()).status == 200)
                #expect(!client.connection.isGoingAway)
                do {
                    try client.pump { $0.isGoingAway }
                    #expect(client.connection.isGoingAway)
                } catch HTTP2Error.closedByPeer {
                    #expect(client.connection.isGoingAway, "closed without a GOAWAY")
                }
            }
        }
    }

    @Test("a peer that neither answers nor leaves is cut soon after its maximum age")
    func stubbornPeer() async throws {
        let world = try IngestWorld(), authority = world.authority
        var options = ServerOptions.sensors
        options.connectionAgeMax = .milliseconds(500)
        options.graceMax = .milliseconds(500)
        let open = "weir_connections_open{listener=\"sensors\"}"
        try await world.run(options: options) { server in
            let peer = try StubbornPeer(authority, port: server.port)
            defer { peer.process.terminate() }
            #expect(await eventually { !world.registry.sensors(of: world.acme).isEmpty })
            #expect(await eventually { server.value(open) == 0 })
        }
    }

    @Test("a peer that neither answers nor leaves does not hold up a shutdown for longer than the grace")
    func stubbornAtShutdown() async throws {
        let world = try IngestWorld(), authority = world.authority
        var options = ServerOptions.sensors
        options.graceMax = .milliseconds(500)
        let (peer, begin) = try await world.run(options: options) { server in
            let peer = try StubbornPeer(authority, port: server.port)
            #expect(await eventually { world.registry.sensors(of: world.acme).first?.isConnected == true })
            return (peer, Date())
        }
        // The test's own service group would cut it after 5 s, by force.
        #expect(Date().timeIntervalSince(begin) < 4)
        peer.process.terminate()
    }

    @Test("a connection ends with its peer's certificate, also when it is the clock that jumps")
    func certificateEnds() async throws {
        let world = try IngestWorld(), files = world.authority.sensor
        let clock = ManualTime(wallMilliseconds: SystemTime().wallMilliseconds())
        var options = ServerOptions.sensors
        options.expiryCheckInterval = .milliseconds(50)
        try await world.run(options: options, time: clock) { server in
            try await onThread {
                let client = try IngestClient(files, port: server.port)
                #expect(try client.send(try SentBatch()).status == 200)
                clock.jumpWall(byMilliseconds: 29 * 86_400_000)
                #expect(try client.send(try SentBatch()).status == 200)
                clock.jumpWall(byMilliseconds: 2 * 86_400_000)
                #expect(throws: HTTP2Error.closedByPeer) { try client.pump { _ in false } }
            }
            #expect(server.value("weir_connections_expired_total{listener=\"sensors\"}") == 1)
        }
    }

    @Test("a peer that never finishes its handshake is closed in time; one too many is closed at once")
    func handshakeLimit() async throws {
        let world = try IngestWorld(), files = world.authority.sensor
        var options = ServerOptions.sensors
        options.handshakeMax = .milliseconds(300)
        options.connectionsMax = 1
        try await world.run(options: options) { server in
            let silent = try await onThread { try RawSocket(port: server.port) }
            #expect(await eventually { server.value("weir_connections_open{listener=\"sensors\"}") == 1 })
            await #expect(throws: HTTP2Error.self) {
                try await onThread { _ = try IngestClient(files, port: server.port) }
            }
            let counter = "weir_handshake_failures_total{listener=\"sensors\",reason=\"timed_out\"}"
            #expect(await eventually { server.value(counter) == 1 })
            #expect(await eventually { server.value("weir_connections_open{listener=\"sensors\"}") == 0 })
            #expect(server.value("weir_connections_over_limit_total{listener=\"sensors\"}") == 1)
            withExtendedLifetime(silent) {}
        }
    }
}

/// A sensor's TLS connection that says nothing after the handshake, and answers nothing.
final class StubbornPeer: Sendable {
    let process: RunningProgram
    private let folder: TemporaryFolder

    init(_ authority: Authority, port: UInt16) throws {
        folder = try TemporaryFolder("weir-peer")
        process = try Program.start(
            "openssl",
            [
                "s_client", "-connect", "127.0.0.1:\(port)", "-CAfile", authority.path("ca.pem"), "-alpn", "h2",
                "-quiet",
                "-cert", authority.path("edge1.pem"), "-key", authority.path("edge1.key"),
            ], output: folder.file("out"), errors: folder.file("err"))
    }
}

/// A TCP connection that says nothing.
final class RawSocket: Sendable {
    private let descriptor: Int32
    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Absent() }
    }
    deinit { close(descriptor) }
}
