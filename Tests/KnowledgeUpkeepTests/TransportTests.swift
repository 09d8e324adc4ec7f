import FlowModel
import Foundation
import Identity
import Intelligence
import Knowledge
import KnowledgeUpkeep
import Logging
import Settings
import Telemetry
import TestKit
import Testing

@Suite("Feeds over HTTP", .enabled(if: FeedServer.isInstalled, Comment(rawValue: FeedServer.why)))
struct TransportTests {
    private let server: FeedServer, folder: TemporaryFolder, acme: TenantID
    private let time = ManualTime(wallMilliseconds: 1_795_262_400_000), current = CurrentIntelligence()

    init() async throws {
        server = try await FeedServer()
        folder = try TemporaryFolder("weir-transport")
        acme = try #require(TenantID("acme"))
    }
    private func upkeep(_ feed: String, egress: String? = nil) throws -> FeedUpkeep {
        let egress = egress ?? "allow: [127.0.0.1/32], ports: [\(server.port)], plain: true"
        let lines = egress.split(separator: ", ").map { "    \($0)\n" }.joined()
        let yaml =
            "intelligence:\n  egress:\n\(lines)  feeds:\n    - name: remote\n"
            + feed.split(separator: "\n").map { "      \($0)\n" }.joined()
        let settings = try KnowledgeSettings(
            SettingsReader(text: Array(yaml.utf8), file: folder.file("weir.yaml").path),
            urlProblem: HTTPFeedTransport.problem)
        return FeedUpkeep(
            settings, folder: folder.file("intelligence").path, current: current,
            transport: HTTPFeedTransport(HTTPFeedTransport.policy(settings.egress)), time: time,
            registry: MetricRegistry(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }
    private func url(_ path: String) -> String { "url: http://127.0.0.1:\(server.port)/\(path)" }
    private func knows(_ text: String) throws -> Bool {
        let address = try #require(IPAddress(text)), known = current.edition[acme].indicators
        return !known.matches(address, at: time.wallMilliseconds()).isEmpty
    }

    @Test("a list is fetched, asked for again by its tag, and replaced") func list() async throws {
        try server.write("list.txt", "198.51.100.7\n")
        let upkeep = try upkeep(url("file/list.txt"))
        await upkeep.load()
        await upkeep.refresh()
        #expect(try knows("198.51.100.7"))
        time.advance(by: .seconds(3_600))
        await upkeep.refresh()
        #expect(server.requests.map { $0.split(separator: " ")[1] } == ["200", "304"])
        try server.write("list.txt", "198.51.100.8\n")
        time.advance(by: .seconds(3_600))
        await upkeep.refresh()
        #expect(try knows("198.51.100.8"))
        #expect(try !knows("198.51.100.7"))
        try server.write("list.txt", "<!doctype html><p>maintenance</p>")
        time.advance(by: .seconds(3_600))
        await upkeep.refresh()
        #expect(try knows("198.51.100.8"))
        #expect(await upkeep.states(for: acme).first?.problem?.hasPrefix("nothing of it is an indicator") == true)
    }

    @Test("where it may not lead it does not go: no loopback, no plain HTTP, no other port, no redirect")
    func egress() async throws {
        try server.write("list.txt", "198.51.100.7\n")
        let port = server.port
        for (egress, path, reason) in [
            ("ports: [\(port)], plain: true", "file/list.txt", "(loopback)"),
            ("allow: [127.0.0.1/32], ports: [\(port)]", "file/list.txt", "intelligence.egress.plain"),
            ("allow: [127.0.0.1/32], plain: true", "file/list.txt", "intelligence.egress.ports"),
            ("allow: [127.0.0.1/32], ports: [\(port)], plain: true", "redirect", "the server says 302"),
        ] {
            let upkeep = try upkeep(url(path), egress: egress)
            await upkeep.load()
            await upkeep.refresh()
            let problem = await upkeep.states(for: acme).first?.problem
            #expect(problem?.contains(reason) == true, "\(String(describing: problem))")
        }
        #expect(server.requests.map { $0.split(separator: " ")[0] } == ["/redirect"])
        #expect(try !knows("198.51.100.7"))
    }

    @Test("a TAXII server is asked by its rules, with a secret from a file") func taxii() async throws {
        func indicator(_ id: Int, _ address: String) -> String {
            """
            {"type":"indicator","id":"indicator--00000000-0000-4000-8000-00000000000\(id)","pattern_type":"stix",
            "modified":"2026-01-01T00:00:00Z","valid_from":"2026-01-01T00:00:00Z","valid_until":"2027-01-01T00:00:00Z",
            "pattern":"[ipv4-addr:value = '\(address)']"}
            """
        }
        try server.write("one.json", #"{"more":true,"next":"two","objects":[\#(indicator(1, "198.51.100.1"))]}"#)
        try server.write("two.json", #"{"objects":[\#(indicator(2, "198.51.100.2"))]}"#)
        try server.write("later.json", #"{"objects":[\#(indicator(3, "198.51.100.3"))]}"#)
        try Data("Bearer abc\n".utf8).write(to: folder.file("token"))
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o600], ofItemAtPath: folder.file("token").path)
        let feed = "\(url("taxii"))\nformat: taxii\ncollection: c1\nrefresh: 1m\nauthorization: file:"
        let upkeep = try upkeep(feed + folder.file("token").path)
        await upkeep.load()
        await upkeep.refresh()
        for last in 1...2 { #expect(try knows("198.51.100.\(last)")) }
        time.advance(by: .seconds(60))
        await upkeep.refresh()
        for last in 1...3 { #expect(try knows("198.51.100.\(last)")) }
        #expect(server.requests.count == 3)
        #expect(server.requests.last?.contains("added_after=2026-11-02T00%3A00%3A00Z") == true)

        try Data("Bearer wrong".utf8).write(to: folder.file("token"))
        time.advance(by: .seconds(60))
        await upkeep.refresh()
        #expect(try knows("198.51.100.3"))
        #expect(await upkeep.states(for: acme).first?.problem == "the TAXII server: notAllowed")
    }
}
