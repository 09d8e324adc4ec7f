import Foundation
import TestKit

/// Three NATS servers under mutual TLS, some aggregators on them, and one sensor that knows them: real processes.
final class ClusterSite {
    let folder: TemporaryFolder, servers: NATSServers
    let apiPorts: [Int], sensorPorts: [Int], udpPort: Int
    private(set) var nodes: [RunningProgram?]
    private(set) var sensor: RunningProgram?

    init(nodes count: Int) throws {
        folder = try TemporaryFolder("weir-cluster")
        servers = try NATSServers(3, isSecure: true)
        nodes = Array(repeating: nil, count: count)
        apiPorts = try (0..<count).map { _ in try freePort() }
        sensorPorts = try (0..<count).map { _ in try freePort() }
        udpPort = try freePort()
        for name in ["logs", "keys"] {
            try FileManager.default.createDirectory(at: folder.file(name), withIntermediateDirectories: true)
        }
        try must("weirctl", ["certs", "init", path("pki"), "--trust-domain", "weir.test"])
        try must(
            "weirctl", ["certs", "issue", "sensor", path("pki"), "--tenant", "acme", "--site", "hq", "--name", "edge1"])
        for node in 0..<count {
            try must("weirctl", ["certs", "issue", "aggregator", path("pki"), "--name", "node\(node)"])
            try writeSettings(of: node)
            // Tenants and keys are each node's own.
            let settings = ["--config", path("node\(node).yaml")]
            try must("weir-aggregator", ["tenants", "create", "acme"] + settings)
            try must(
                "weir-aggregator",
                ["keys", "create", "--tenant", "acme", "--name", "test", "--out", path("keys/\(node)")] + settings)
        }
        try writeSensorSettings()
    }
    // Before the folder is.
    deinit {
        sensor?.kill()
        for node in nodes { node?.kill() }
    }

    func path(_ name: String) -> String { folder.file(name).path }

    private func writeSettings(of node: Int) throws {
        let list = servers.addresses.map { "\"\($0)\"" }.joined(separator: ", ")
        try """
        trustDomain: weir.test
        dataDirectory: data\(node)
        sensors:
          listen: 127.0.0.1:\(sensorPorts[node])
          certificate: pki/node\(node).pem
          key: pki/node\(node).key
          trust: pki/ca.pem
        api:
          listen: 127.0.0.1:\(apiPorts[node])
          certificate: pki/node\(node).pem
          key: pki/node\(node).key
        cluster:
          node: node\(node)
          servers: [\(list)]
          groups: 3
          certificate: \(servers.certificate)
          key: \(servers.key)
          trust: \(servers.trust)
          bytesMaxPerGroup: 128MiB

        """.write(to: folder.file("node\(node).yaml"), atomically: true, encoding: .utf8)
    }
    private func writeSensorSettings() throws {
        let list = sensorPorts.map { "\"127.0.0.1:\($0)\"" }.joined(separator: ", ")
        try """
        trustDomain: weir.test
        aggregators: [\(list)]
        listen:
          addresses: ["127.0.0.1:\(udpPort)"]
        tls:
          certificate: pki/edge1.pem
          key: pki/edge1.key
          trust: pki/ca.pem
        spool:
          directory: spool
        aggregate:
          window: 1s
        batch:
          rowsMax: 1500
        metrics:
          listen: ""

        """.write(to: folder.file("sensor.yaml"), atomically: true, encoding: .utf8)
    }

    func start(node: Int) throws {
        nodes[node] = try Program.start(
            "weir-aggregator", ["run", "--config", path("node\(node).yaml")],
            output: folder.file("logs/node\(node).out"), errors: folder.file("logs/node\(node).log"))
    }
    func kill(node: Int) {
        nodes[node]?.kill()
        nodes[node] = nil
    }
    /// As the service manager does.
    func stop(node: Int) -> Int32 {
        nodes[node]?.terminate()
        defer { nodes[node] = nil }
        return nodes[node]?.waitUntilExit() ?? -1
    }
    func startSensor() throws {
        sensor = try Program.start(
            "weir-sensor", ["run", "--config", path("sensor.yaml")], output: folder.file("logs/sensor.out"),
            errors: folder.file("logs/sensor.log"))
    }

    /// What the cluster says, by this node, that the sensor has sent in all, each batch once, as of its checkpoints.
    func totals(by node: Int) throws -> (flows: Int, octets: Int, packets: Int) {
        let answer = try ask(node, ["sensors"])
        guard answer.status == 0 else { throw Unexpected(answer.errors) }
        guard let line = answer.text.split(separator: "\n").first,
            let row = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        else { return (0, 0, 0) }
        return (row["flows"] as? Int ?? -1, row["octets"] as? Int ?? -1, row["packets"] as? Int ?? -1)
    }
    func ask(_ node: Int, _ arguments: [String]) throws -> Program.Outcome {
        try tell(node, arguments + ["--format", "ndjson"])
    }
    /// Of a command that answers in no form of its own.
    func tell(_ node: Int, _ arguments: [String]) throws -> Program.Outcome {
        try Program.run(
            "weirctl",
            arguments + [
                "--url", "https://127.0.0.1:\(apiPorts[node])", "--ca", path("pki/ca.pem"),
                "--key-file", path("keys/\(node)"),
            ])
    }
    func isReady(_ node: Int) -> Bool { (try? ask(node, ["incidents", "--limit", "1"]).status) == 0 }
    func metric(_ name: String, of node: Int) throws -> Int {
        let url = "https://127.0.0.1:\(apiPorts[node])/metrics"
        let page = try Program.run("curl", ["--silent", "--fail", "--cacert", path("pki/ca.pem"), url]).text
        let line = page.split(separator: "\n").first { $0.hasPrefix(name + " ") }
        return line?.split(separator: " ").last.flatMap { Double($0) }.map { Int($0) } ?? -1
    }

    func wait(_ what: String, seconds: Double = 60, until condition: () throws -> Bool) throws {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while (try? condition()) != true {
            guard Date() < deadline else { throw Unexpected("\(what) did not happen in \(seconds) s\n\(logs())") }
            usleep(200_000)
        }
    }
    func log(_ node: Int) -> String {
        (try? String(contentsOf: folder.file("logs/node\(node).log"), encoding: .utf8)) ?? ""
    }
    func logs() -> String {
        (nodes.indices.map { "node\($0).log" } + ["sensor.log"]).map { name in
            let text = (try? String(contentsOf: folder.file("logs/\(name)"), encoding: .utf8)) ?? ""
            return "--- \(name)\n" + text.split(separator: "\n").suffix(12).joined(separator: "\n")
        }.joined(separator: "\n")
    }
    private func must(_ program: String, _ arguments: [String]) throws {
        let outcome = try Program.run(program, arguments)
        guard outcome.status == 0 else {
            throw Unexpected("\(program) \(arguments.joined(separator: " ")): \(outcome.status)\n\(outcome.errors)")
        }
    }
}
