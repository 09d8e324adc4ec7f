import API
import Foundation
import HTTP2Client
import Hummingbird
import Incidents
import ServerChannel
import Tenancy
import TestKit
import Testing

/// A real client, wsproto and h2 of Python, against the API's router on a listener with TLS.
@Suite("Live streams as WebSocket", .enabled(if: SocketClient.isInstalled, "wsproto and h2 are not installed"))
struct LiveSocketTests {
    private let authority: Authority
    private var world: APIWorld

    init() async throws {
        authority = try Authority()
        world = try await APIWorld()
        world.sources.live.interval = .milliseconds(50)
    }

    private func with<Result: Sendable>(
        _ body: @escaping @Sendable (SocketClient) async throws -> Result
    ) async throws -> Result {
        let authority = authority, key = world.acmeKey
        return try await withServer(authority, options: .people, router: try apiRouter(world.sources)) { server in
            try await body(SocketClient(port: server.port, authority: authority, key: key))
        }
    }
    private func comment(_ text: String) throws {
        let incidents = world.sources.incidents
        let revision = try incidents.get(tenant: world.acme, id: world.incidentID).revision
        _ = try incidents.edit(
            world.incidentID, [.comment(text)], tenant: world.acme, expecting: revision, by: "test", at: APIWorld.now)
    }

    @Test("what happens comes as a text each, from where the client was, over both versions", arguments: ["1", "2"])
    func texts(_ version: String) async throws {
        let lines = try await with { client in
            async let said = client.run(version, "/v1/live/incidents?after=0", "listen:2")
            try await Task.sleep(for: .milliseconds(600))
            try comment("first")
            return try await said
        }
        #expect(lines.first == "status \(version == "1" ? 101 : 200)", "\(lines)")
        let texts = lines.filter { $0.hasPrefix("text ") }.map { String($0.dropFirst(5)) }
        #expect(texts.count == 2 && lines.contains("close 1000"), "\(lines)")
        let objects = try texts.map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
        #expect(objects.map { $0?["id"] as? String } == ["1", "2"])
        let data = objects.map { $0?["data"] as? [String: Any] }
        #expect(data.map { $0?["change"] as? String } == ["opened", "commented"], "\(texts)")
        let rest = try await with { try await $0.run(version, "/v1/live/incidents?after=1", "listen:1") }
        #expect(rest.contains { $0.contains("commented") }, "\(rest)")
    }

    @Test("a ping is answered, data and what is no frame end the stream by their codes", arguments: ["1", "2"])
    func frames(_ version: String) async throws {
        try await with { (client: SocketClient) async throws -> Void in
            let path = "/v1/live/incidents"
            #expect(try await client.run(version, path, "ping").contains("pong hello"))
            #expect(try await client.run(version, path, "data").contains("close 1003"))
            #expect(try await client.run(version, path, "raw:8900").contains("close 1002"), "not masked")
        }
    }

    @Test("a key that is revoked hears nothing more within a second", arguments: ["1", "2"])
    func revocation(_ version: String) async throws {
        let id = world.acmeKeyID
        let (lines, took) = try await with { [world] client in
            async let said = client.run(version, "/v1/live/sensors", "listen")
            #expect(
                await eventually {
                    (try? world.sources.control.keys(of: world.acme))?.contains {
                        $0.id == id && $0.usedMilliseconds != nil
                    } == true
                })
            try await Task.sleep(for: .milliseconds(500))
            try world.sources.control.revokeKey(id: id, by: "test", at: APIWorld.now)
            let revoked = ContinuousClock.now
            return (try await said, ContinuousClock.now - revoked)
        }
        #expect(lines.contains("close 1008"), "\(lines)")
        #expect(took < .seconds(2), "with the end of the client's process")
    }

    @Test("another site's page, a cookie without a page, another version and no caller are refused, and the end told")
    func refusals() async throws {
        try await with { (client: SocketClient) async throws -> Void in
            let path = "/v1/live/incidents"
            func status(_ version: String, _ fields: [String], key: Bool = true) async throws -> String? {
                try await client.run(version, path, "listen", fields, withKey: key).first
            }
            for version in ["1", "2"] {
                #expect(try await status(version, ["Origin: https://evil.example"]) == "status 403")
                #expect(try await status(version, [], key: false) == "status 401")
            }
            #expect(try await status("1", ["Sec-WebSocket-Version: 8"]) == "status 426")
            let own = try await client.run("1", path, "ping", ["Origin: https://127.0.0.1:\(client.port)"])
            #expect(own.contains("pong hello"), "\(own)")
            let refused = try await client.run("1", path, "listen", ["Origin: https://evil.example"])
            #expect(refused.last == "gone", "nothing is read behind a request that was no WebSocket: \(refused)")
        }
    }
}

/// `Tests/WebSocket/client.py`.
struct SocketClient: Sendable {
    let port: UInt16, authority: Authority, key: String

    /// The Python that the identity provider of the tests runs with has both libraries.
    private static let python = #"exec "$(dirname "$(command -v canaille)")/python" "$@""#
    static let isInstalled =
        (try? Program.run("bash", ["-c", python, "bash", "-c", "import h2, wsproto"]).status == 0) ?? false

    /// - Returns: what it said, line by line.
    func run(
        _ version: String, _ path: String, _ plan: String, _ fields: [String] = [], withKey: Bool = true
    ) async throws -> [String] {
        let script = PackageTree.root.appendingPathComponent("Tests/WebSocket/client.py").path
        let files = authority.sensor
        let shown = withKey ? ["Authorization: Bearer \(key)"] : []
        return try await onThread {
            let outcome = try Program.run(
                "bash",
                [
                    "-c", Self.python, "bash", script, "\(port)", authority.path("ca.pem"), files.certificate,
                    files.key, version, path, plan,
                ] + shown + fields)
            guard outcome.status == 0 else { throw ScriptFailed(errors: outcome.errors) }
            return String(decoding: outcome.output, as: UTF8.self).split(separator: "\n").map(String.init)
        }
    }
}
