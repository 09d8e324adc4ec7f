import Detect
import Foundation
import Identity
import Incidents
import Logging
import Notify
import NotifyChannels
import Platform
import Settings
import Telemetry
import TestKit
import Testing

/// Incidents in a folder, settings as an operator writes them, and a server that gets what is told.
@Suite("Incidents are told", .serialized, .enabled(if: PythonServer.hasPython, "\(PythonServer.why)"))
struct NotifyServiceTests {
    private let folder: TemporaryFolder, acme: TenantID, globex: TenantID
    private static let secret = "whsec_" + Data(repeating: 7, count: 32).base64EncodedString()

    init() throws {
        folder = try TemporaryFolder("weir-notify")
        acme = try #require(TenantID("acme"))
        globex = try #require(TenantID("globex"))
        try makeFile(folder.file("secret").path, with: Array(Self.secret.utf8))
    }

    private func settings(_ server: PythonServer, _ more: String = "") throws -> NotifySettings {
        let yaml = """
            notify:
              host: node1
              allow: [127.0.0.0/8]
              plainHTTP: true
              channels:
                - name: soc
                  url: http://127.0.0.1:\(server.port)/200
                  secrets: ["file:\(folder.file("secret").path)"]
                - name: soar
                  tenant: acme
                  url: http://127.0.0.1:\(server.port)/201
              routes:
                - name: grave
                  severityMin: high
                  channels: [soc]
            \(more)
            """
        let reader = try SettingsReader(text: Array(yaml.utf8), file: "a.yaml")
        let settings = try NotifySettings(reader.scoped(to: "notify"))
        try reader.checkAllUsed()
        return settings
    }
    private func finding(_ id: String, severity: Severity = .high, update: Int = 0) -> Finding {
        Finding(
            id: String(repeating: "0", count: 32 - id.utf8.count) + id, rule: "scan", title: "Scan \(id)",
            severity: severity, tactics: ["TA0043"], techniques: [],
            entities: [FindingEntity(type: "ipv4-addr", role: .attacker, value: "203.0.113.\(id.utf8.count)\(id)")],
            ports: [22], start: Setup.noon, end: Setup.noon, windowStart: Setup.noon,
            evidence: Evidence(observed: 2, threshold: 1, unit: "ports", flows: 1, packets: 2, octets: 3),
            update: update)
    }
    private func service(
        _ settings: NotifySettings, _ incidents: IncidentLog, _ registry: MetricRegistry = MetricRegistry()
    ) throws -> NotifyService {
        try NotifyService(
            settings, incidents: incidents, folder: folder.path, time: SystemTime(), registry: registry,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }
    /// Runs a service until `isDone`, then cuts it off.
    private func run(_ service: NotifyService, until isDone: @escaping () async throws -> Bool) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await service.run() }
            var isOver = false
            for _ in 0..<200 where !isOver {
                isOver = try await isDone()
                if !isOver { try await Task.sleep(for: .milliseconds(50)) }
            }
            if !isOver { Issue.record("did not come about in 10 s") }
            group.cancelAll()
        }
    }
    private func headers(_ request: [String: Any]) -> [String: String] {
        request["headers"] as? [String: String] ?? [:]
    }

    private func receiver() throws -> WebhookSigner {
        let secret = try #require(WebhookSecret(Secret(Array(Self.secret.utf8))))
        return try #require(WebhookSigner([secret]))
    }

    @Test("a grave incident gives one signed webhook; a light one none; each event is taken from the feed once")
    func one() async throws {
        let server = try await PythonServer.web(isPlain: true), incidents = try IncidentLog(directory: folder.path)
        let registry = MetricRegistry(), service = try service(try settings(server), incidents, registry)
        _ = try incidents.record([finding("1"), finding("2", severity: .low)], tenant: acme, at: Setup.noon)
        try await run(service) {
            try incidents.feed(after: 0).entries.isEmpty && registry.prometheusText().contains("delivered_total")
        }
        let got = try await server.got(1)
        #expect(got.count == 1)
        let headers = headers(got[0]), body = try #require(got[0]["body"] as? String)
        let receiver = try receiver()
        let now = try #require(Int64(headers["webhook-timestamp"] ?? ""))
        #expect(
            receiver.verifies(
                id: headers["webhook-id"] ?? "", timestamp: now, body: Array(body.utf8),
                signatures: headers["webhook-signature"] ?? "", now: now))
        #expect(body.contains("Scan 1"))
        let page = registry.prometheusText()
        #expect(
            page.contains(#"weir_notify_delivered_total{channel="soc"} 1"#)
                && page.contains("weir_notify_events_total 2"))
        #expect(page.contains("weir_notify_unrouted_total 1"))
        // The next start tells nothing again.
        let next = try self.service(try settings(server), incidents)
        var looks = 0
        try await run(next) {
            looks += 1
            return looks > 20
        }
        #expect(try await server.got(1).count == 1)
    }

    @Test("whatever is lost of the state in between, what is told again has the ids it had") func again() async throws {
        let server = try await PythonServer.web(isPlain: true), incidents = try IncidentLog(directory: folder.path)
        let changes = try incidents.record((1...5).map { finding("\($0)") }, tenant: acme, at: Setup.noon)
        let feed = try incidents.feed(after: 0)
        func tell(_ incidents: IncidentLog) async throws {
            let registry = MetricRegistry()
            try await run(try service(try settings(server), incidents, registry)) {
                registry.prometheusText().contains(#"weir_notify_delivered_total{channel="soc"} 5"#)
            }
        }
        try await tell(incidents)
        let first = Set(try await server.got(5).map { headers($0)["webhook-id"] })
        #expect(first.count == 5 && changes.count == 5 && feed.entries.count == 5)
        // A kill before the place was saved: another file of the same incidents begins its feed anew.
        let other = try TemporaryFolder("weir-notify"), copy = try IncidentLog(directory: other.path)
        _ = try copy.record((1...5).map { finding("\($0)") }, tenant: acme, at: Setup.noon)
        try FileManager.default.removeItem(at: folder.file("notify"))
        try await tell(copy)
        let second = Set(try await server.got(10).suffix(5).map { headers($0)["webhook-id"] })
        #expect(second == first)
    }

    @Test("an approved action tells its channel, whatever the routes; another tenant's can't be named") func action()
        async throws
    {
        let server = try await PythonServer.web(isPlain: true)
        var policy = IncidentPolicy(), playbook = Playbook(name: "isolate")
        playbook.rules = ["scan"]
        playbook.steps = [.init(title: "block the port", channel: "soar")]
        policy.playbooks = [playbook]
        let incidents = try IncidentLog(directory: folder.path, policy: policy)
        let registry = MetricRegistry(), service = try service(try settings(server), incidents, registry)
        for tenant in [acme, globex] {
            let made = try #require(
                try incidents.record([finding("1", severity: .low)], tenant: tenant, at: Setup.noon).first?.incident)
            try incidents.edit(
                made.id, [.taskState(id: "t1", .approved)], tenant: tenant, expecting: made.revision, by: "key-1",
                at: Setup.noon)
        }
        try await run(service) {
            try incidents.feed(after: 0).entries.isEmpty && registry.prometheusText().contains("delivered_total")
        }
        let got = try await server.got(1)
        #expect(got.count == 1 && got[0]["path"] as? String == "/201")
        #expect((got[0]["body"] as? String)?.contains("block the port") == true)
        #expect(registry.prometheusText().contains(#"weir_notify_unknown_channel_total{channel="soar"} 1"#))
    }

    @Test("a forgotten tenant's messages are in no file, nor in memory") func forgotten() async throws {
        let server = try await PythonServer.web(isPlain: true), incidents = try IncidentLog(directory: folder.path)
        let settings = try settings(
            server, "    - name: weekly\n      channels: [soc]\n      changes: [commented]\n      digest: 7d")
        for tenant in [acme, globex] {
            let made = try #require(
                try incidents.record([finding("1", severity: .low)], tenant: tenant, at: Setup.noon).first?.incident)
            try incidents.edit(
                made.id, [.comment("x")], tenant: tenant, expecting: 1, by: "k",
                at: SystemTime().wallMilliseconds())
        }
        let service = try service(settings, incidents)
        try await run(service) { try incidents.feed(after: 0).entries.isEmpty }
        func isKept(_ name: String) throws -> Bool {
            try String(contentsOf: folder.file("notify/state.json"), encoding: .utf8).contains("\"\(name)\"")
        }
        #expect(try isKept("acme") && isKept("globex"))
        await service.forget(acme)
        #expect(try !isKept("acme") && isKept("globex"))
        try NotifyTraces.erase(globex, in: folder.path)
        #expect(try !isKept("globex"))
    }
}

@Suite("Notification's settings")
struct NotifySettingsTests {
    private func read(_ yaml: String) throws -> NotifySettings {
        let reader = try SettingsReader(text: Array(yaml.utf8), file: "a.yaml")
        let settings = try NotifySettings(reader.scoped(to: "notify"))
        try reader.checkAllUsed()
        return settings
    }

    @Test("every type of channel, and a route with all it may have") func all() throws {
        let settings = try read(
            """
            notify:
              incidentURL: https://weir.example/incidents/
              channels:
                - name: chat
                  type: slack
                  urlFrom: env:SLACK_URL
                - name: post
                  type: mail
                  server: mail.example:587
                  user: weir
                  password: file:/run/mail
                  from: weir@example.org
                  to: [soc@example.org, noc@example.org]
                - name: siem
                  type: syslog
                  tenant: acme
                  server: "[2001:db8::1]:6514"
                  format: cef
              routes:
                - name: night
                  tenants: [acme]
                  rules: [port-scan-*]
                  severityMin: medium
                  tags: [pci]
                  changes: [opened, overdue]
                  days: [6, 7]
                  from: "20:00"
                  to: "06:30"
                  zone: Europe/Berlin
                  channels: [chat, post]
                  storm: 5
                  stormWindow: 1m
                  last: true
                - name: quiet
                  rules: [noise]
                  mute: true
              mitigation:
                ownNetworks: [192.0.2.0/24]
                lifetime: 30m
            """)
        #expect(settings.channels.map(\.port) == [nil, 587, 6_514] && settings.senders().count == 3)
        #expect(settings.owners["siem"] == TenantID("acme") && settings.owners["chat"] == .some(nil))
        let route = try #require(settings.routes.first)
        #expect(route.action == .deliver(to: ["chat", "post"], .folding(messagesMax: 5, seconds: 60)) && route.isLast)
        #expect(route.schedule == Schedule(days: [6, 7], from: 1_200, to: 390, zone: "Europe/Berlin"))
        #expect(route.changes == [.opened, .overdue] && settings.routes.last?.action == .mute)
        #expect(settings.mitigation.lifetimeSeconds == 1_800 && settings.mitigation.automatic.isEmpty)
    }

    @Test(
        "a setting that is wrong names its key",
        arguments: [
            (
                "channels",
                "channels:\n    - name: a\n      url: https://x.example/\n    - name: a\n      url: https://y.example/"
            ),
            ("url", "channels:\n    - name: a\n      url: http://x.example/"),
            ("url", "channels:\n    - name: a\n      url: https://user@x.example/"),
            ("server", "channels:\n    - name: a\n      type: syslog\n      server: x.example"),
            (
                "from",
                "channels:\n    - name: a\n      type: mail\n      server: x:25\n      from: x\n      to: a@b.example"
            ),
            ("secrets", "channels:\n    - name: a\n      url: https://x.example/\n      secrets: [whsec_abc]"),
            ("channels", "routes:\n    - name: r\n      channels: [none]"),
            ("channels", "routes:\n    - name: r"),
            ("changes", "routes:\n    - name: r\n      mute: true\n      changes: [x]"),
            ("zone", "routes:\n    - name: r\n      mute: true\n      days: [1]\n      zone: Nowhere/None"),
            ("digest", "routes:\n    - name: r\n      mute: true\n      digest: 1h\n      storm: 5"),
            ("lifetime", "mitigation:\n    lifetime: 8d"), ("channel", "channel:\n    - name: a"),
        ])
    func wrong(_ key: String, _ yaml: String) throws {
        let error = try #require(throws: SettingError.self) { _ = try read("notify:\n  \(yaml)\n") }
        #expect(error.key.hasSuffix(key), "\(error)")
        #expect(!"\(error)".contains("whsec_abc"))
    }
}
