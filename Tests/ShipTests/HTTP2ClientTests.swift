import Foundation
import HTTP2Client
import Platform
import Ship
import TestKit
import Testing

@Suite("The HTTP/2 client against a real server", .enabled(if: TestIdentities.isPossible, "\(TestIdentities.why)"))
struct HTTP2ClientTests {
    let identities: TestIdentities
    init() throws { identities = try TestIdentities() }

    private func connect(
        _ endpoint: HTTP2Endpoint, _ context: TLSContext? = nil, patience: HTTP2Connection.Patience = .init()
    ) throws -> HTTP2Connection {
        try HTTP2Connection(
            to: endpoint, context: try context ?? identities.context(), patience: patience, time: SystemTime()
        ) { ShipSettings.refusal(of: $0, trustDomain: "weir.test") }
    }
    /// Pumps until `count` outcomes are there; by tag, failures as nil.
    private func outcomes(_ count: Int, of connection: HTTP2Connection) throws -> [UInt64: HTTPResponse?] {
        var found: [UInt64: HTTPResponse?] = [:]
        let deadline = Date().addingTimeInterval(20)
        while found.count < count, Date() < deadline {
            for outcome in try connection.pump(timeout: .milliseconds(100)) {
                switch outcome {
                case .response(let response, let tag): found.updateValue(response, forKey: tag)
                case .failed(_, let tag): found.updateValue(nil, forKey: tag)
                }
            }
        }
        return found
    }
    private func post(_ connection: HTTP2Connection, _ path: String, _ body: [UInt8], tag: UInt64) throws {
        try connection.submit(
            HTTPRequestHead(method: "POST", path: path, fields: [HTTPField("x-test", "1")]), body: body, tag: tag)
    }
    private func fault(_ body: () throws -> Void) -> HTTP2Error? {
        do {
            try body()
            return nil
        } catch {
            return error as? HTTP2Error
        }
    }

    @Test("several requests at once are answered by tag, with status, fields, trailers and body")
    func answers() throws {
        let server = try LocalServer.nghttpd(identities, options: ["--echo-upload", "--trailer=weir-sha256: abc"])
        let connection = try connect(server.endpoint)
        #expect(connection.peerName == "spiffe://weir.test/aggregator/a1")
        for tag in 1...20 {
            try post(connection, "/x", [UInt8](repeating: UInt8(tag), count: tag * 50), tag: UInt64(tag))
        }
        #expect(connection.activeStreams == 20)
        let found = try outcomes(20, of: connection)
        for tag in 1...20 {
            let response = try #require(found[UInt64(tag)] ?? nil)
            #expect(response.status == 200)
            #expect(response.body == [UInt8](repeating: UInt8(tag), count: tag * 50))
            #expect(response.field("weir-sha256") == "abc")
            #expect(response.field("server")?.hasPrefix("nghttpd") == true)
        }
        #expect(connection.activeStreams == 0)
    }

    @Test("a path that isn't there is answered with 404; the connection goes on") func notFound() throws {
        let server = try LocalServer.nghttpd(identities)
        let connection = try connect(server.endpoint)
        try connection.submit(HTTPRequestHead(method: "GET", path: "/nothing"), body: [], tag: 1)
        #expect(try outcomes(1, of: connection)[1]??.status == 404)
        try connection.submit(HTTPRequestHead(method: "GET", path: "/trust-domain"), body: [], tag: 2)
        let second = try outcomes(1, of: connection)
        #expect(second[2]??.body == Array("weir.test\n".utf8))
    }

    @Test("bodies far larger than the windows arrive; an answer over 64 KiB fails its own request only")
    func big() throws {
        let server = try LocalServer.nghttpd(identities, options: ["--echo-upload"])
        let connection = try connect(server.endpoint)
        let body = (0..<(4 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try post(connection, "/big", body, tag: 1)
        try post(connection, "/small", [1, 2, 3], tag: 2)
        let found = try outcomes(2, of: connection)
        #expect(found[1] == .some(nil))
        #expect(found[2]??.body == [1, 2, 3])
        let exact = [UInt8](repeating: 9, count: HTTPLimit.answerBytesMax)
        try post(connection, "/exact", exact, tag: 3)
        #expect(try outcomes(1, of: connection)[3]??.body == exact)
    }

    @Test("a server of another authority is refused before anything is sent") func wrongAuthority() throws {
        let other = try TestIdentities(), server = try LocalServer.nghttpd(identities)
        var files = identities.files()
        files.trust = other.path("ca.pem")
        let context = try TLSContext(files, time: SystemTime())
        guard case .handshakeFailed(let reason)? = fault({ _ = try connect(server.endpoint, context) }) else {
            Issue.record("a server of another authority was believed")
            return
        }
        #expect(reason.contains("certificate verify failed"))
    }

    /// The subjectAltName of a server, the host it is called by, and the fault that this must be.
    struct Names: Sendable, CustomTestStringConvertible {
        let names: String, fault: String?, host: String
        init(_ names: String, _ fault: String?, host: String = "127.0.0.1") {
            self.names = names
            self.fault = fault
            self.host = host
        }
        var testDescription: String { names }
    }
    private static let own = "URI:spiffe://weir.test/aggregator/a2"
    private static let servers = [
        Names("\(own),DNS:localhost", nil, host: "localhost"), Names("\(own),IP:127.0.0.1", nil),
        Names("\(own),DNS:elsewhere.test", "handshake_failed"), Names("\(own),DNS:127.0.0.1", "handshake_failed"),
        Names("IP:127.0.0.1", "wrong_peer"),
        Names("\(own),URI:spiffe://weir.test/aggregator/b,IP:127.0.0.1", "wrong_peer"),
        Names("URI:spiffe://weir.test/tenant/t/site/s/sensor/n,IP:127.0.0.1", "wrong_peer"),
        Names("URI:spiffe://other.test/aggregator/a,IP:127.0.0.1", "wrong_peer"),
    ]
    @Test("a server's host name and its one URI name must be right", arguments: servers)
    func wrongServer(_ given: Names) throws {
        try identities.run("leaf", identities.folder.path, identities.path("other"), given.names)
        let server = try LocalServer.nghttpd(identities, as: "other")
        let found = fault { _ = try connect(HTTP2Endpoint(host: given.host, port: server.port)) }
        #expect(found?.label == given.fault, "\(String(describing: found))")
    }

    @Test("a server that does not take our certificate is heard as its alert") func refused() throws {
        let other = try TestIdentities()
        try FileManager.default.copyItem(atPath: other.path("ca.pem"), toPath: identities.path("other.pem"))
        let server = try LocalServer.openssl(identities, trust: "other")
        let found = fault {
            let connection = try connect(server.endpoint)
            try post(connection, "/x", [1], tag: 1)
            _ = try outcomes(1, of: connection)
        }
        guard case .refusedByPeer(let alert)? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect(alert.contains("unknown ca"))
    }

    @Test("TLS 1.2 and a server without HTTP/2 are refused") func oldProtocols() throws {
        let old = try LocalServer.openssl(identities, options: ["-tls1_2"])
        let found = fault { _ = try connect(old.endpoint) }
        guard case .refusedByPeer? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        let plain = try LocalServer.openssl(identities, protocols: "http/1.1")
        let second = fault { _ = try connect(plain.endpoint) }
        switch second {
        case .noHTTP2?, .refusedByPeer?, .handshakeFailed?: break
        default: Issue.record("\(String(describing: second))")
        }
    }

    @Test("a dead port, a silent port and an unknown name fail in time, each with its own fault")
    func unreachable() throws {
        let port = try LocalServer.freePort()
        guard case .connectFailed? = fault({ _ = try connect(HTTP2Endpoint(host: "127.0.0.1", port: port)) }) else {
            Issue.record("a port where nobody listens was connected")
            return
        }
        let server = try LocalServer.nghttpd(identities)
        server.signal(SIGSTOP)
        let start = Date()
        let found = fault { _ = try connect(server.endpoint, patience: .init(connect: .milliseconds(300))) }
        #expect(found == .handshakeTimedOut)
        #expect(Date().timeIntervalSince(start) < 2)
        let nowhere = HTTP2Endpoint(host: "no.such.host.invalid", port: 1)
        guard case .nameNotFound? = fault({ _ = try connect(nowhere) }) else {
            Issue.record("a name that can't exist was found")
            return
        }
    }

    @Test("a stopped server is noticed by its silence; a killed one at once") func stopped() throws {
        let server = try LocalServer.nghttpd(identities, options: ["--echo-upload"])
        let patience = HTTP2Connection.Patience(silence: .milliseconds(200), ping: .milliseconds(300))
        let connection = try connect(server.endpoint, patience: patience)
        try post(connection, "/x", [1], tag: 1)
        #expect(try outcomes(1, of: connection).count == 1)
        server.signal(SIGSTOP)
        try post(connection, "/x", [UInt8](repeating: 1, count: 100_000), tag: 2)
        let start = Date()
        let found = fault { _ = try outcomes(1, of: connection) }
        guard case .peerSilent? = found else {
            Issue.record("\(String(describing: found))")
            return
        }
        #expect((0.4...3).contains(Date().timeIntervalSince(start)))
        #expect(fault { _ = try connection.pump(timeout: .zero) } == .closed)

        server.signal(SIGCONT)
        let next = try connect(server.endpoint)
        try post(next, "/x", [UInt8](repeating: 1, count: 4 << 20), tag: 1)
        server.stop()
        #expect(fault { _ = try outcomes(1, of: next) } == .closedByPeer)
    }

    @Test("after GOAWAY requests beyond the server's last are known unsent, earlier ones stay, new ones are refused")
    func goAway() throws {
        // RFC 9113 §6.5: an empty SETTINGS frame. §6.8: GOAWAY with last stream 1 and no error.
        let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
        let goAway: [UInt8] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
        let server = try LocalServer.openssl(identities, frames: settings + goAway)
        let connection = try connect(server.endpoint)
        try post(connection, "/x", [1], tag: 1)
        try post(connection, "/x", [2], tag: 2)
        #expect(!connection.isGoingAway)
        let found = try outcomes(1, of: connection)
        #expect(found.keys.sorted() == [2])
        #expect(connection.isGoingAway)
        #expect(connection.activeStreams == 1)
        #expect(fault { try post(connection, "/x", [3], tag: 3) } == .goingAway)
    }

    @Test("a request that is never answered ends alone, at its deadline") func deadline() throws {
        // s_server takes the bytes and says nothing, not even to a PING, so silence must be allowed for here.
        let server = try LocalServer.openssl(identities)
        let patience = HTTP2Connection.Patience(request: .milliseconds(300), silence: .seconds(60))
        let connection = try connect(server.endpoint, patience: patience)
        try post(connection, "/x", [], tag: 7)
        let start = Date()
        var failed: [UInt64] = []
        while failed.isEmpty, Date().timeIntervalSince(start) < 5 {
            for case .failed(.requestTimedOut, let tag) in try connection.pump(timeout: .seconds(5)) {
                failed.append(tag)
            }
        }
        #expect(failed == [7])
        #expect((0.25...2).contains(Date().timeIntervalSince(start)))
    }

    @Test("what it sends at full speed, in MB/s, is said") func speed() throws {
        let server = try LocalServer.nghttpd(identities, options: ["-w", "24", "-W", "26"])
        let connection = try connect(server.endpoint)
        let body = [UInt8](repeating: 7, count: 256 << 10)
        let total = 200
        let start = Date()
        var done = 0, next: UInt64 = 0
        while done < total, Date().timeIntervalSince(start) < 60 {
            while connection.activeStreams < 4, next < total {
                next += 1
                try post(connection, "/trust-domain", body, tag: next)
            }
            done += try connection.pump(timeout: .seconds(1)).count
        }
        let seconds = Date().timeIntervalSince(start)
        let rate = Int(Double(total * body.count) / 1e6 / seconds)
        print("HTTP2Client: \(rate) MB/s to nghttpd, 256 KiB bodies, 4 streams")
        #expect(done == total)
    }
}
