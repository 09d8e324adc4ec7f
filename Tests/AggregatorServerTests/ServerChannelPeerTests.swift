import Foundation
import HTTP2Client
import Ingest
import ServerChannel
import TestKit
import Testing

@Suite("who may come in on the sensors' listener") struct ServerChannelPeerTests {
    /// A certificate that must be refused, and the reason that is counted: after the handshake, or by TLS itself.
    struct Refused: CustomTestStringConvertible, Sendable {
        enum Counter: Sendable { case peer(String), handshake(String) }
        let testDescription: String, names: String, counter: Counter
        var environment: [String: String] = [:]
    }
    static let sensor = "URI:" + Authority.sensorID
    static let refused = [
        Refused(testDescription: "no URI name", names: "DNS:localhost", counter: .peer("uri_names")),
        Refused(testDescription: "no names at all", names: "", counter: .peer("uri_names")),
        Refused(
            testDescription: "two URI names", names: sensor + ",URI:spiffe://weir.test/tenant/globex/site/a/sensor/b",
            counter: .peer("uri_names")),
        Refused(
            testDescription: "another trust domain", names: "URI:spiffe://evil.test/tenant/acme/site/rome/sensor/edge1",
            counter: .peer("foreign_trust_domain")),
        Refused(
            testDescription: "an aggregator's name", names: "URI:spiffe://weir.test/aggregator/agg1",
            counter: .peer("wrong_kind")),
        Refused(
            testDescription: "upper case", names: "URI:spiffe://weir.test/tenant/ACME/site/rome/sensor/edge1",
            counter: .peer("bad_name")),
        Refused(
            testDescription: "a path with dots", names: "URI:spiffe://weir.test/tenant/acme/site/../sensor/edge1",
            counter: .peer("bad_name")),
        Refused(
            testDescription: "not a SPIFFE ID", names: "URI:https://weir.test/tenant/acme/site/rome/sensor/edge1",
            counter: .peer("bad_name")),
    ]

    @Test("a certificate with the wrong names is refused before a request is read", arguments: refused)
    func wrongNames(_ refused: Refused) async throws {
        let world = try IngestWorld(), batch = try SentBatch()
        let files = try world.authority.leaf("bad", refused.names)
        try await expectRefused(files, in: world, batch, refused.counter)
    }

    @Test("a certificate of another authority is refused by TLS, with the peer's address in the log")
    func otherAuthority() async throws {
        let world = try IngestWorld(), batch = try SentBatch(), other = try Authority()
        let files = TLSFiles(
            certificate: other.path("edge1.pem"), key: other.path("edge1.key"), trust: world.authority.path("ca.pem"))
        try await expectRefused(files, in: world, batch, .handshake("bad_certificate"))
    }

    @Test("a peer without a certificate, or with an expired one, is refused by TLS")
    func noCertificate() async throws {
        let world = try IngestWorld(), authority = world.authority
        try authority.run(
            "leaf", authority.folder.path, authority.path("old"), Self.sensor,
            environment: ["NOT_AFTER": Authority.stamp(secondsFromNow: -60)])
        try await world.run { server in
            let old = ["-cert", authority.path("old.pem"), "-key", authority.path("old.key")]
            for arguments in [[], old] { try await onThread { try Self.openSSL(arguments, server, authority) } }
            let counter = "weir_handshake_failures_total{listener=\"sensors\",reason="
            #expect(await eventually { server.value(counter + "\"no_certificate\"}") == 1 })
            #expect(await eventually { server.value(counter + "\"bad_certificate\"}") == 1 })
            #expect(server.value("weir_ingest_batches_received_total") == 0)
            #expect(server.log.contains("A TLS handshake failed.", "127.0.0.1:", "no_certificate"))
            #expect(server.log.contains("A TLS handshake failed.", "127.0.0.1:", "bad_certificate"))
        }
    }

    /// Our own client checks its certificate's dates first, and always has one; OpenSSL's does as it is told.
    private static func openSSL(_ arguments: [String], _ server: RunningServer, _ authority: Authority) throws {
        try Program.run(
            "openssl",
            ["s_client", "-connect", "127.0.0.1:\(server.port)", "-CAfile", authority.path("ca.pem"), "-alpn", "h2"]
                + arguments)
    }

    private func expectRefused(
        _ files: TLSFiles, in world: IngestWorld, _ batch: SentBatch, _ counter: Refused.Counter
    ) async throws {
        try await world.run { server in
            await #expect(throws: HTTP2Error.self) {
                try await onThread { try IngestClient(files, port: server.port).send(batch).status }
            }
            let name: String
            switch counter {
            case .peer(let reason): name = "weir_peer_refusals_total{listener=\"sensors\",reason=\"\(reason)\"}"
            case .handshake(let reason):
                name = "weir_handshake_failures_total{listener=\"sensors\",reason=\"\(reason)\"}"
            }
            #expect(await eventually { server.value(name) == 1 }, "\(server.log.all)")
            #expect(server.value("weir_ingest_batches_received_total") == 0)
            #expect(server.log.contains("\"level\":\"warning\"", "127.0.0.1:"))
        }
        #expect(world.registry.sensors(of: world.acme).isEmpty)
    }
}
