import Foundation
import TestKit
import Testing

/// A feed over HTTPS: a list that can be changed, and what was asked for.
private final class FeedServer {
    static let isInstalled = Program.isInstalled("python3"), why = "python3 is not installed"
    let port: Int
    private let folder: TemporaryFolder
    private var process: RunningProgram?

    init(certificate: String, key: String) throws {
        folder = try TemporaryFolder("weir-feed")
        port = try freePort()
        try """
        import hashlib, ssl, sys
        from http.server import BaseHTTPRequestHandler, HTTPServer
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = open(sys.argv[4], 'rb').read()
                tag = '"' + hashlib.sha256(body).hexdigest()[:16] + '"'
                same = self.headers.get('if-none-match') == tag
                with open(sys.argv[5], 'a') as f:
                    f.write(f'{self.path} {304 if same else 200}\\n')
                self.send_response(304 if same else 200)
                self.send_header('etag', tag)
                self.send_header('content-length', '0' if same else str(len(body)))
                self.end_headers()
                if not same: self.wfile.write(body)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        server = HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.serve_forever()
        """.write(to: folder.file("server.py"), atomically: true, encoding: .utf8)
        try lists([])
        process = try Program.start(
            "python3",
            [
                folder.file("server.py").path, String(port), certificate, key, folder.file("list").path,
                folder.file("asked").path,
            ], output: folder.file("out"), errors: folder.file("err"))
    }
    deinit { process?.kill() }
    func lists(_ addresses: [String]) throws {
        let text = (["# listed"] + addresses).joined(separator: "\n") + "\n"
        try text.write(to: folder.file("list"), atomically: true, encoding: .utf8)
    }
    var asked: [String] {
        let text = (try? String(contentsOf: folder.file("asked"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }
}

@Suite(
    "A feed over HTTPS makes incidents", .serialized, .enabled(if: FeedServer.isInstalled, "\(FeedServer.why)"))
struct FeedTests {
    private static func settings(port: Int) -> String {
        """
        intelligence:
          egress:
            allow: [127.0.0.0/8]
            ports: [\(port)]
          feeds:
            - name: botnets
              url: https://localhost:\(port)/ips.txt
              refresh: 1m
              weight: 1
              confidence: 90
              labels: [c2]
              trust: pki/ca.pem

        """
    }

    @Test("what a feed lists is an incident of the tenant that met it, also when it is listed after they met")
    func incidents() throws {
        let site = try Site("feed")
        let server = try FeedServer(certificate: site.path("pki/node1.pem"), key: site.path("pki/node1.key"))
        try site.append(Self.settings(port: server.port))
        try server.lists(["203.0.113.9"])
        try site.startAggregator()
        try site.wait("the aggregator's start") { site.isReady() }
        try site.wait("the feed's indicators") {
            try site.metrics().contains(#"weir_intelligence_indicators{feed="botnets",tenant="*"} 1"#)
        }
        try site.startSensor()
        try site.wait("the sensor's heartbeat") { try !site.rows("acme", ["sensors"]).isEmpty }
        let exporter = try Exporter(to: site.udpPort)
        var source = FlowSource(seed: 5)
        func meet() throws {
            exporter.send(source.datagram(records: 1))
            try site.wait("the flow in the store") {
                let row = try site.rows("acme", ["flows", "--filter", "tcp", "--top", "dstport"]).first
                return row?["deltaFlowCount"] as? Int == source.flows
            }
        }
        func found() throws -> [String] {
            try site.rows("acme", ["incidents"]).filter { $0["rule"] as? String == "threat-intelligence" }.map {
                "\($0)"
            }
        }
        try meet()
        #expect(try found().isEmpty)
        // Listed after the meeting: history is hunted. A start asks for feeds at once.
        site.crash(site.aggregator)
        try server.lists(["203.0.113.9", "198.51.100.7"])
        try site.startAggregator()
        try site.wait("the second start") { site.isReady() }
        try site.wait("the incident of history") { try found().count == 1 }
        let first = try #require(try found().first)
        #expect(first.contains("198.51.100.7") && first.contains("10.0.0.1") && first.contains("c2"), "\(first)")
        // Live, by another host.
        try meet()
        try site.wait("the live incident") { try found().contains { $0.contains("10.0.0.2") } }
        #expect(try site.rows("globex", ["incidents"]).isEmpty)

        // What is as it was is not sent again, and nothing new is made of what is known.
        let count = try found().count
        site.crash(site.aggregator)
        try site.startAggregator()
        try site.wait("the third start") { site.isReady() }
        try site.wait("the answer that nothing changed") { server.asked.contains("/ips.txt 304") }
        #expect(try found().count == count && server.asked.first == "/ips.txt 200")
        #expect(site.stop(site.sensor) == 0 && site.stop(site.aggregator) == 0)
    }
}
