import Foundation
import Platform
import TestKit
import Testing

@Suite(
    "Keys at a key server, backups at an object store", .serialized,
    .enabled(if: BaoServer.isInstalled && SeaweedServer.isInstalled, "\(BaoServer.why), or \(SeaweedServer.why)"))
struct ElsewhereTests {
    private func stored(_ site: Site) throws -> Int {
        try site.rows("acme", ["flows", "top", "--by", "proto"]).reduce(0) { $0 + ($1["deltaFlowCount"] as? Int ?? 0) }
    }
    private func run(_ site: Site, _ program: String, _ arguments: [String]) throws -> Program.Outcome {
        try Program.run(program, arguments + ["--config", site.path("aggregator.yaml")])
    }
    private func backUp(_ site: Site) throws -> [String: Any] {
        let outcome = try run(site, "weir-aggregator", ["backup"])
        guard outcome.status == 0 else { throw Unexpected("\(outcome.status): \(outcome.errors)") }
        return try #require(try JSONSerialization.jsonObject(with: outcome.output) as? [String: Any])
    }
    private func send(_ site: Site, _ source: inout FlowSource) throws {
        let exporter = try Exporter(to: site.udpPort)
        for _ in 0..<40 {
            exporter.send(source.datagram())
            usleep(1_000)
        }
        let want = source.flows
        try site.wait("all flows in the store") { try stored(site) == want }
    }

    @Test("keys wrapped by OpenBao and a backup in S3 bring a point in time back on another node")
    func elsewhere() async throws {
        let bao = try BaoServer(port: 18_241), objects = try await SeaweedServer(base: 18_653)
        let site = try Site("elsewhere")
        try site.append(
            """
            keys:
              wrap: transit:\(bao.address)/transit/weir
              token: file:\(bao.token)
            backup:
              to: s3:flows/node1
              endpoint: \(objects.plain)
              accessKey: file:\(objects.folder.file("weir.id").path)
              secretKey: file:\(objects.folder.file("weir.key").path)

            """)
        try site.startAggregator()
        try site.wait("the aggregator's start") { site.isReady() }
        try site.startSensor()
        try site.wait("the sensor's heartbeat") { try !site.rows("acme", ["sensors"]).isEmpty }
        var source = FlowSource(seed: 41)
        try send(site, &source)
        let first = try backUp(site), flows = source.flows
        try send(site, &source)
        let second = try backUp(site)
        #expect(first["isFull"] as? Bool == true && second["isFull"] as? Bool == false)
        let listed = try run(site, "weirctl", ["backup", "list", "--format", "ndjson"])
        #expect(listed.text.split(separator: "\n").count == 2)
        let verified = try run(site, "weirctl", ["backup", "verify"])
        #expect(verified.status == 0 && verified.text.contains(#""isDeep":true"#), "\(verified.errors)")
        #expect(site.stop(site.sensor) == 0 && site.stop(site.aggregator) == 0)

        // Another node has the settings, the key server and the bucket, and nothing else of the first.
        try FileManager.default.removeItem(atPath: site.path("data"))
        let taken = try #require(first["takenMilliseconds"] as? Int)
        let time = Date(timeIntervalSince1970: Double(taken) / 1_000 + 1).formatted(.iso8601)
        let other = ["--set", "dataDirectory=\(site.path("other"))"]
        let restored = try run(site, "weir-aggregator", ["restore", "--at", time] + other)
        #expect(restored.status == 0 && restored.errors.contains("every hash equal"), "\(restored.errors)")
        try site.startAggregator(other)
        try site.wait("the other node's start") { site.isReady() }
        #expect(try stored(site) == flows)

        #expect(site.stop(site.aggregator) == 0)
        let refused = try run(site, "weirctl", ["backup", "verify", "--set", "backup.to=s3:flows/node2"])
        #expect(refused.status == 2 && refused.errors.contains("no backup"), "\(refused.errors)")
    }
}
