import Foundation
import Platform
import TestKit
import Testing

@Suite(
    "A cluster of real processes", .serialized, .enabled(if: NATSServers.isInstalled, "nats-server is not installed"))
struct ClusterTests {
    /// Sends a datagram every few milliseconds, and does things in between.
    private func send(
        _ count: Int, _ source: inout FlowSource, by exporter: Exporter, meanwhile: [Int: () throws -> Void] = [:]
    ) throws {
        for index in 0..<count {
            try meanwhile[index]?()
            exporter.send(source.datagram())
            usleep(10_000)
        }
    }
    private func owned(_ site: ClusterSite, _ nodes: [Int]) throws -> [Int] {
        try nodes.map { try site.metric("weir_cluster_groups_owned", of: $0) }
    }
    /// The node that owns the tenant's group: it counts what it reads.
    private func worker(_ site: ClusterSite, of nodes: [Int]) throws -> Int? {
        try nodes.first { try site.metric("weir_pipeline_batches_total", of: $0) > 0 }
    }

    @Test(
        "kill -9 of the owner, of a NATS leader and a rolling restart: nothing answered is lost, nothing counts twice")
    func failover() throws {
        let site = try ClusterSite(nodes: 3)
        for node in 0..<3 { try site.start(node: node) }
        try site.wait("the nodes' start") { (0..<3).allSatisfy(site.isReady) }
        try site.wait("a group for each node") { try owned(site, [0, 1, 2]) == [1, 1, 1] }
        try site.startSensor()
        let exporter = try Exporter(to: site.udpPort)
        var source = FlowSource(seed: 7)
        try site.wait("the sensor's heartbeat") {
            try (0..<3).contains { try !site.ask($0, ["sensors"]).text.isEmpty }
        }
        try send(300, &source, by: exporter)
        var owner = -1
        try site.wait("the first batches") {
            owner = try worker(site, of: [0, 1, 2]) ?? -1
            return owner >= 0
        }
        // The owner dies with batches behind its last checkpoint; the next one replays them.
        try send(400, &source, by: exporter, meanwhile: [100: { site.kill(node: owner) }])
        let others = [0, 1, 2].filter { $0 != owner }
        try site.wait("the other nodes' taking over") { try owned(site, others).reduce(0, +) == 3 }
        try site.start(node: owner)
        try site.wait("its return") { site.isReady(owner) }
        try site.wait("its part") { try owned(site, [0, 1, 2]) == [1, 1, 1] }
        // A leader of NATS: for some seconds nothing is answered, and the sensor spools.
        for group in 0..<3 {
            if let leader = try site.servers.leader(of: "WEIR_LOG_\(group)") {
                try send(200, &source, by: exporter, meanwhile: [20: { site.servers.kill(leader) }])
                try site.servers.start(leader)
                break
            }
        }
        // A rolling restart: each gives its groups up behind a checkpoint.
        for node in 0..<3 {
            try send(100, &source, by: exporter)
            #expect(site.stop(node: node) == 0)
            try site.start(node: node)
            try site.wait("its return") { site.isReady(node) }
        }
        try site.wait("all flows in the checkpoints' sums", seconds: 120) {
            try site.totals(by: 0).flows >= source.flows
        }
        // More would be something counted twice: it would come within a checkpoint's pace.
        usleep(12_000_000)
        for node in 0..<3 {
            let got = try site.totals(by: node)
            #expect(got.flows == source.flows && got.octets == source.octets && got.packets == source.packets)
        }
        #expect(exporter.sent * 30 == source.flows)
        for node in 0..<3 { #expect(!site.log(node).contains("\"level\":\"critical\""), "\(site.logs())") }
    }

    private struct Found: Equatable {
        let id: String, rule: String, findings: [String]
    }
    private func incidents(_ site: ClusterSite, _ node: Int) throws -> [Found] {
        let answer = try site.ask(node, ["incidents"])
        guard answer.status == 0 else { throw Unexpected(answer.errors) }
        return try answer.text.split(separator: "\n").map { line in
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
            let findings = (object["findings"] as? [[String: Any]] ?? []).compactMap { $0["id"] as? String }
            return Found(
                id: object["id"] as? String ?? "?", rule: object["rule"] as? String ?? "?", findings: findings.sorted())
        }.sorted { $0.id < $1.id }
    }

    @Test(
        "an attack that goes on while its owner dies is one incident, the same on every node, also on one that was away"
    )
    func oneIncident() throws {
        let site = try ClusterSite(nodes: 3)
        for node in 0..<3 { try site.start(node: node) }
        try site.wait("the nodes' start") { (0..<3).allSatisfy(site.isReady) }
        try site.startSensor()
        try site.wait("the sensor's heartbeat") {
            try (0..<3).contains { try !site.ask($0, ["sensors"]).text.isEmpty }
        }
        func attack() throws {
            let made = try Program.run(
                "weirctl",
                [
                    "simulate", "--scenario", "scan-vertical", "--protocol", "netflow9", "--duration", "15", "--rate",
                    "20", "--seed", "5", "--to", "127.0.0.1:\(site.udpPort)",
                ])
            #expect(made.status == 0, "\(made.errors)")
        }
        try attack()
        try site.wait("an incident on every node") { try (0..<3).allSatisfy { try !incidents(site, $0).isEmpty } }
        let owner = try #require(try worker(site, of: [0, 1, 2]))
        site.kill(node: owner)
        try attack()
        let others = [0, 1, 2].filter { $0 != owner }
        try site.wait("the other nodes' taking over") { try owned(site, others).reduce(0, +) == 3 }
        try site.wait("what they find") { try worker(site, of: others) != nil }
        try site.start(node: owner)
        try site.wait("its return") { site.isReady(owner) }
        try site.wait("the same on all") {
            let all = try (0..<3).map { try incidents(site, $0) }
            return all[0] == all[1] && all[1] == all[2]
        }
        usleep(3_000_000)
        let all = try (0..<3).map { try incidents(site, $0) }
        #expect(all[0] == all[1] && all[1] == all[2])
        let scans = all[0].filter { $0.rule.contains("scan") }
        #expect(scans.count == 1, "\(all[0])")
        // What people do is refused by name, and changes nothing.
        let incident = try #require(scans.first)
        let refused = try site.tell(0, ["incidents", "edit", incident.id, "--comment", "mine"])
        #expect(refused.status == 1 && refused.errors.contains("cluster"), "\(refused.errors)")
        #expect(try incidents(site, 0) == all[0])
    }

    @Test("a wrong setting of the cluster is named before anything is opened")
    func refusals() throws {
        let folder = try TemporaryFolder("weir-cluster")
        let pki = folder.file("pki").path
        #expect(try Program.run("weirctl", ["certs", "init", pki, "--trust-domain", "weir.test"]).status == 0)
        #expect(try Program.run("weirctl", ["certs", "issue", "aggregator", pki, "--name", "n"]).status == 0)
        func check(_ cluster: String) throws -> Program.Outcome {
            let files = "certificate: pki/n.pem\n  key: pki/n.key"
            try """
            trustDomain: weir.test
            dataDirectory: data
            sensors:
              \(files)
              trust: pki/ca.pem
            api:
              \(files)
            cluster:
              \(cluster)

            """.write(to: folder.file("a.yaml"), atomically: true, encoding: .utf8)
            return try Program.run("weir-aggregator", ["check", "--config", folder.file("a.yaml").path])
        }
        #expect(try check("servers: [\"127.0.0.1:4222\"]\n  node: a").status == 0)
        for (text, problem) in [
            ("servers: [\"nats.example\"]\n  node: a", "cluster.certificate"),
            ("servers: [\"127.0.0.1:4222\"]", "cluster.node"), ("node: a", "cluster.servers"),
            ("servers: [\"127.0.0.1:4222\"]\n  node: a\n  replicas: 2", "cluster.replicas"),
            ("servers: [\"nats://a\"]\n  node: a", "cluster.servers"),
            ("servers: [\"127.0.0.1:4222\"]\n  node: a\n  groups: 0", "cluster.groups"),
        ] {
            let outcome = try check(text)
            #expect(outcome.status == 2 && outcome.errors.contains(problem), "\(text): \(outcome.errors)")
        }
    }
}
