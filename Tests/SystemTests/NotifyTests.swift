import Foundation
import Platform
import TestKit
import Testing

/// A target of webhooks that can be down: it checks signatures by itself and writes what it got, a JSON object a line.
private final class HookServer {
    static let isInstalled = Program.isInstalled("python3"), why = "python3 is not installed"
    static let key = Data(repeating: 9, count: 32)
    let port: Int
    private let folder: TemporaryFolder
    private var process: RunningProgram?

    init() throws {
        folder = try TemporaryFolder("weir-hooks")
        port = try freePort()
        try """
        import base64, hashlib, hmac, json, sys
        from http.server import BaseHTTPRequestHandler, HTTPServer
        key = base64.b64decode('\(Self.key.base64EncodedString())')
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['content-length']))
                id, at = self.headers['webhook-id'], self.headers['webhook-timestamp']
                code = hmac.new(key, f'{id}.{at}.'.encode() + body, hashlib.sha256).digest()
                good = 'v1,' + base64.b64encode(code).decode() in self.headers['webhook-signature'].split()
                with open(sys.argv[2], 'a') as f:
                    f.write(json.dumps({'id': id, 'isSigned': good, 'body': json.loads(body)}) + '\\n')
                self.send_response(204)
                self.end_headers()
        HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
        """.write(to: folder.file("server.py"), atomically: true, encoding: .utf8)
    }

    deinit { stop() }

    func start() throws {
        process = try Program.start(
            "python3", [folder.file("server.py").path, String(port), folder.file("got").path],
            output: folder.file("out"), errors: folder.file("err"))
    }
    func stop() { process?.kill() }
    struct Got {
        let id: String, isSigned: Bool, incident: String, change: String
    }
    func got() throws -> [Got] {
        let text = (try? String(contentsOf: folder.file("got"), encoding: .utf8)) ?? ""
        return try text.split(separator: "\n").map { line in
            let json = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            let weir = (json["body"] as? [String: Any])?["weir"] as? [String: Any] ?? [:]
            return Got(
                id: json["id"] as? String ?? "", isSigned: json["isSigned"] as? Bool ?? false,
                incident: "\(weir)", change: weir["change"] as? String ?? "")
        }
    }
}

@Suite(
    "Incidents are told by a running aggregator", .serialized,
    .enabled(if: HookServer.isInstalled, "\(HookServer.why)"))
struct NotifyTests {
    private func site(_ hooks: HookServer) throws -> Site {
        let site = try Site("notify")
        try makeFile(site.path("hook.key"), with: Array("whsec_\(HookServer.key.base64EncodedString())".utf8))
        try site.append(
            """
            notify:
              allow: [127.0.0.0/8]
              plainHTTP: true
              channels:
                - name: soc
                  tenant: acme
                  url: http://127.0.0.1:\(hooks.port)/weir
                  secrets: ["file:\(site.path("hook.key"))"]
              routes:
                - name: all
                  channels: [soc]

            """)
        return site
    }
    private func scan(_ site: Site) throws -> [String: Any] {
        try site.startSensor()
        try site.wait("the sensor's heartbeat") { try !site.rows("acme", ["sensors"]).isEmpty }
        let made = try Program.run(
            "weirctl",
            [
                "simulate", "--scenario", "scan-vertical", "--protocol", "netflow9", "--duration", "20", "--rate", "20",
                "--seed", "3", "--to", "127.0.0.1:\(site.udpPort)", "--unpaced",
            ])
        #expect(made.status == 0, "\(made.errors)")
        try site.wait("an incident") { try !site.rows("acme", ["incidents"]).isEmpty }
        return try #require(try site.rows("acme", ["incidents"]).first)
    }

    @Test("a finding gives one signed webhook, also when its target is down and the aggregator is killed meanwhile")
    func downAndUp() throws {
        let hooks = try HookServer(), site = try site(hooks)
        try site.startAggregator()
        try site.wait("the aggregator's start") { site.isReady() }
        let incident = try scan(site), id = try #require(incident["id"] as? String)
        let incidents = try site.rows("acme", ["incidents"]).count
        try site.wait("a failed try") {
            try site.rows("acme", ["notify", "outbox"]).contains { ($0["tries"] as? Int ?? 0) > 0 }
        }
        #expect(try site.rows("globex", ["notify", "outbox"]).isEmpty)
        site.crash(site.aggregator)
        try hooks.start()
        try site.startAggregator()
        try site.wait("the webhooks") { try hooks.got().count >= incidents }
        #expect(try hooks.got().allSatisfy { $0.isSigned })
        #expect(Set(try hooks.got().map(\.id)).count == incidents, "each incident once")
        try site.wait("an empty outbox") { try site.rows("acme", ["notify", "outbox"]).isEmpty }

        // What people do is told too; killed right after, it is told by the next start, under one id.
        let edited = try site.ask("acme", ["incidents", "edit", id, "--status", "triaged", "--assignee", "ada"])
        #expect(edited.status == 0, "\(edited.errors)")
        site.crash(site.aggregator)
        try site.startAggregator()
        try site.wait("the second webhook") { try Set(hooks.got().map(\.id)).count == incidents + 1 }
        let tested = try site.ask("acme", ["notify", "test", "soc"])
        #expect(tested.status == 0, "\(tested.errors)")
        let foreign = try site.ask("globex", ["notify", "test", "soc"])
        #expect(foreign.status == 2)
        let story = try site.ask("acme", ["incidents", "story", id])
        #expect(story.text.contains("new → triaged") && story.text.contains("weirctl flows --filter"))
        try site.wait("the gauge") { try site.metrics().contains(#"weir_notify_waiting{channel="soc"} 0"#) }
    }
}
