import Foundation
import TestKit

/// One aggregator and one sensor as real processes, with their own certificates, settings, ports and folders.
final class Site {
    let folder: TemporaryFolder
    let sensorPort: Int, apiPort: Int, udpPort: Int
    private(set) var aggregator: RunningProgram?
    private(set) var sensor: RunningProgram?

    init(_ label: String) throws {
        folder = try TemporaryFolder("weir-\(label)")
        (sensorPort, apiPort, udpPort) = (try freePort(), try freePort(), try freePort())
        for name in ["logs", "keys"] {
            try FileManager.default.createDirectory(at: folder.file(name), withIntermediateDirectories: true)
        }
        try must("weirctl", ["certs", "init", path("pki"), "--trust-domain", "weir.test"])
        try must("weirctl", ["certs", "issue", "aggregator", path("pki"), "--name", "node1"])
        try must(
            "weirctl", ["certs", "issue", "sensor", path("pki"), "--tenant", "acme", "--site", "hq", "--name", "edge1"])
        try writeSettings()
        for tenant in ["acme", "globex"] {
            try must("weir-aggregator", ["tenants", "create", tenant, "--config", path("aggregator.yaml")])
            try must(
                "weir-aggregator",
                [
                    "keys", "create", "--tenant", tenant, "--name", "test", "--out", path("keys/\(tenant)"),
                    "--config", path("aggregator.yaml"),
                ])
        }
    }

    // Before the folder is.
    deinit {
        crash(sensor)
        crash(aggregator)
    }

    func path(_ name: String) -> String { folder.file(name).path }

    private func writeSettings() throws {
        try """
        trustDomain: weir.test
        dataDirectory: data
        sensors:
          listen: 127.0.0.1:\(sensorPort)
          certificate: pki/node1.pem
          key: pki/node1.key
          trust: pki/ca.pem
        api:
          listen: 127.0.0.1:\(apiPort)
          certificate: pki/node1.pem
          key: pki/node1.key

        """.write(to: folder.file("aggregator.yaml"), atomically: true, encoding: .utf8)
        try """
        trustDomain: weir.test
        aggregators: ["127.0.0.1:\(sensorPort)"]
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
        metrics:
          listen: ""

        """.write(to: folder.file("sensor.yaml"), atomically: true, encoding: .utf8)
    }

    // MARK: Processes

    /// Puts more keys at the end of a settings file.
    func append(_ yaml: String, to name: String = "aggregator.yaml") throws {
        let text = try String(contentsOf: folder.file(name), encoding: .utf8)
        try (text + yaml).write(to: folder.file(name), atomically: true, encoding: .utf8)
    }
    func startAggregator(_ extra: [String] = []) throws {
        aggregator = try Program.start(
            "weir-aggregator", ["run", "--config", path("aggregator.yaml")] + extra,
            output: folder.file("logs/aggregator.out"),
            errors: folder.file("logs/aggregator.log"))
    }
    func startSensor(_ extra: [String] = []) throws {
        sensor = try Program.start(
            "weir-sensor", ["run", "--config", path("sensor.yaml")] + extra, output: folder.file("logs/sensor.out"),
            errors: folder.file("logs/sensor.log"))
    }
    /// As a power failure would: no signal handler runs.
    func crash(_ process: RunningProgram?) { process?.kill() }
    /// As the service manager does.
    /// - Returns: the exit status.
    @discardableResult
    func stop(_ process: RunningProgram?) -> Int32 {
        guard let process else { return -1 }
        process.terminate()
        return process.waitUntilExit()
    }

    /// A key of tenant acme for `ask`, by the name of its file.
    func makeKey(_ name: String, _ scopes: [String]) throws {
        try must(
            "weir-aggregator",
            ["keys", "create", "--tenant", "acme", "--name", name, "--out", path("keys/\(name)")]
                + scopes.flatMap { ["--scope", $0] } + ["--config", path("aggregator.yaml")])
    }

    // MARK: Questions

    /// Asks the API with a tenant's key.
    func ask(_ tenant: String, _ arguments: [String]) throws -> Program.Outcome {
        try Program.run(
            "weirctl",
            arguments + [
                "--url", "https://127.0.0.1:\(apiPort)", "--ca", path("pki/ca.pem"), "--key-file",
                path("keys/\(tenant)"),
            ])
    }
    func rows(_ tenant: String, _ arguments: [String]) throws -> [[String: Any]] {
        let answer = try ask(tenant, arguments + ["--format", "ndjson"])
        guard answer.status == 0 else { throw Unexpected("\(arguments): \(answer.errors)") }
        return try answer.text.split(separator: "\n").map { line in
            guard let row = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else {
                throw Unexpected("not an object: \(line)")
            }
            return row
        }
    }
    /// The API's answer to a plain GET, as curl gets it.
    func get(_ tenant: String, _ path: String) throws -> [String: Any] {
        let key = try String(contentsOf: folder.file("keys/\(tenant)"), encoding: .utf8)
        let answer = try Program.run(
            "curl",
            [
                "--silent", "--show-error", "--fail", "--cacert", self.path("pki/ca.pem"), "--header",
                "Authorization: Bearer \(key.trimmingCharacters(in: .whitespacesAndNewlines))",
                "https://127.0.0.1:\(apiPort)\(path)",
            ])
        let body = try? JSONSerialization.jsonObject(with: Data(answer.text.utf8))
        guard answer.status == 0, let object = body as? [String: Any] else {
            throw Unexpected("GET \(path): \(answer.status) \(answer.errors)")
        }
        return object
    }
    func metrics() throws -> String {
        let url = "https://127.0.0.1:\(apiPort)/metrics"
        return try Program.run("curl", ["--silent", "--fail", "--cacert", path("pki/ca.pem"), url]).text
    }
    func isReady() -> Bool { (try? ask("acme", ["incidents", "--limit", "1"]).status) == 0 }

    /// The rows of a query on a database of Weir's, read by SQLite's own shell.
    func query(_ database: String, _ sql: String) throws -> [[String]] {
        let outcome = try Program.run("sqlite3", ["-readonly", "-separator", "|", path(database), sql])
        guard outcome.status == 0 else { throw Unexpected("\(database): \(outcome.errors)") }
        return outcome.text.split(separator: "\n").map {
            $0.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
        }
    }

    /// Waits until `condition` holds, and says what didn't when it never does.
    func wait(_ what: String, seconds: Double = 60, until condition: () throws -> Bool) throws {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while try !condition() {
            guard Date() < deadline else { throw Unexpected("\(what) did not happen in \(seconds) s\n\(logs())") }
            usleep(200_000)
        }
    }
    func logs() -> String {
        ["logs/aggregator.log", "logs/sensor.log"].map { name in
            let text = (try? String(contentsOf: folder.file(name), encoding: .utf8)) ?? ""
            return "--- \(name)\n" + text.split(separator: "\n").suffix(15).joined(separator: "\n")
        }.joined(separator: "\n")
    }
    private func must(_ program: String, _ arguments: [String]) throws {
        let outcome = try Program.run(program, arguments)
        guard outcome.status == 0 else {
            throw Unexpected("\(program) \(arguments.joined(separator: " ")): \(outcome.status)\n\(outcome.errors)")
        }
    }
}

struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A port that nothing listens on now.
func freePort() throws -> Int {
    let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(fd) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(fd, $0, length) == 0 && getsockname(fd, $0, &length) == 0
        }
    }
    guard bound else { throw Unexpected("no free port") }
    return Int(UInt16(bigEndian: address.sin_port))
}

/// Sends datagrams to a loopback port, all from one socket, as one exporter does.
final class Exporter {
    private let fd: Int32
    private(set) var sent = 0

    /// - Parameter source: 127.0.0.x, where x is this.
    init(to port: Int, from source: UInt32 = 1) throws {
        fd = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = (0x7F00_0000 | source).bigEndian
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isBound else { throw Unexpected("cannot send from 127.0.0.\(source)") }
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard connected else { throw Unexpected("cannot send to port \(port)") }
    }
    deinit { close(fd) }

    /// A refused datagram (nobody listens just now) is the network's business, as in life.
    func send(_ payload: [UInt8]) {
        if Glibc.send(fd, payload, payload.count, 0) == payload.count { sent += 1 }
    }
}
