internal import Foundation
internal import Platform
internal import Synchronization

/// Real NATS servers with JetStream: one alone in the clear, or several as a cluster under mutual TLS, on free ports.
package final class NATSServers: Sendable {
    package static let isInstalled = Program.isInstalled("nats-server")
    package static let why = "nats-server is not installed"
    package struct Fault: Error { package let problem: String }
    package let folder: TemporaryFolder
    /// `127.0.0.1:PORT` of each.
    package let addresses: [String]
    package let isSecure: Bool
    private let ports: [Int]
    private let processes: Mutex<[RunningProgram?]>

    /// Paths of PEM files: a client's certificate and key, and who vouches for the servers.
    package var certificate: String { folder.file("client.pem").path }
    package var key: String { folder.file("client.key").path }
    package var trust: String { folder.file("ca.pem").path }

    /// - Parameters:
    ///   - count: 1 or 3.
    ///   - settings: lines for every server's file.
    package init(_ count: Int, isSecure: Bool, settings: String = "") throws {
        folder = try TemporaryFolder("weir-nats")
        self.isSecure = isSecure
        ports = try Self.freePorts(count * 3)
        addresses = ports.prefix(count).map { "127.0.0.1:\($0)" }
        processes = Mutex(Array(repeating: nil, count: count))
        if isSecure { try makeCertificates() }
        for number in 0..<count { try writeSettings(number, settings) }
        for number in 0..<count { try launch(number) }
        for number in 0..<count { try waitUntilHealthy(number) }
    }
    deinit { for process in processes.withLock({ $0 }) { process?.kill() } }

    package func kill(_ number: Int) {
        processes.withLock { processes in
            processes[number]?.kill()
            processes[number] = nil
        }
    }
    package func start(_ number: Int) throws {
        try launch(number)
        try waitUntilHealthy(number)
    }
    /// By a signal, such as the one that makes it stand still.
    package func signal(_ number: Int, _ signal: Int32) {
        processes.withLock { $0[number]?.signal(signal) }
    }
    package func log(_ number: Int) -> String {
        (try? String(contentsOf: folder.file("err\(number)"), encoding: .utf8)) ?? ""
    }
    /// The server that leads a stream, by its monitoring; nil while none does.
    package func leader(of stream: String) throws -> Int? {
        for number in addresses.indices where processes.withLock({ $0[number] != nil }) {
            let url = "http://127.0.0.1:\(monitor(number))/jsz?streams=true"
            let text = try Program.run("curl", ["-s", "--max-time", "2", url]).output
            guard let page = try? JSONSerialization.jsonObject(with: text) as? [String: Any],
                let accounts = page["account_details"] as? [[String: Any]]
            else { continue }
            for detail in accounts.flatMap({ $0["stream_detail"] as? [[String: Any]] ?? [] })
            where detail["name"] as? String == stream {
                let cluster = detail["cluster"] as? [String: Any]
                if let name = cluster?["leader"] as? String, let found = Int(name.dropFirst()) { return found }
            }
        }
        return nil
    }

    private func monitor(_ number: Int) -> Int { ports[addresses.count + number] }
    private func route(_ number: Int) -> Int { ports[2 * addresses.count + number] }

    private func writeSettings(_ number: Int, _ more: String) throws {
        let files = """
            cert_file: "\(folder.file("server.pem").path)", key_file: "\(folder.file("server.key").path)", \
            ca_file: "\(folder.file("ca.pem").path)", verify: true, timeout: 5
            """
        var text = """
            server_name: n\(number)
            listen: "127.0.0.1:\(ports[number])"
            http: "127.0.0.1:\(monitor(number))"
            max_payload: 8MB
            jetstream { store_dir: "\(folder.file("js\(number)").path)", max_file_store: 1GB, sync_interval: always }
            \(more)

            """
        if addresses.count > 1 {
            let routes = addresses.indices.map { "\"nats-route://127.0.0.1:\(route($0))\"" }.joined(separator: ", ")
            text += """
                cluster { name: weir, listen: "127.0.0.1:\(route(number))", routes: [ \(routes) ]
                \(isSecure ? "tls { \(files) }" : "") }

                """
        }
        if isSecure { text += "tls { \(files) }\n" }
        try makeFile(folder.file("n\(number).conf").path, with: Array(text.utf8))
    }
    private func launch(_ number: Int) throws {
        let process = try Program.start(
            "nats-server", ["-c", folder.file("n\(number).conf").path], output: folder.file("out\(number)"),
            errors: folder.file("err\(number)"))
        processes.withLock { $0[number] = process }
    }
    private func waitUntilHealthy(_ number: Int) throws {
        for _ in 0..<300 {
            let url = "http://127.0.0.1:\(monitor(number))/healthz"
            if try Program.run("curl", ["-sf", "--max-time", "2", url]).status == 0 { return }
            Thread.sleep(forTimeInterval: 0.1)
        }
        throw Fault(problem: "nats-server did not start: \(log(number))")
    }

    private static func freePorts(_ count: Int) throws -> [Int] {
        let script = """
            import socket
            all = [socket.socket() for _ in range(\(count))]
            for s in all: s.bind(('127.0.0.1', 0))
            print(*(s.getsockname()[1] for s in all))
            """
        let outcome = try Program.run("python3", ["-c", script])
        let ports = outcome.text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        guard ports.count == count else { throw Fault(problem: outcome.errors) }
        return ports
    }

    private func makeCertificates() throws {
        func make(_ arguments: [String]) throws {
            let made = try Program.run("openssl", arguments)
            guard made.status == 0 else { throw Fault(problem: made.errors) }
        }
        let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        try make(
            ["req", "-x509", "-days", "2", "-subj", "/CN=test authority"] + newKey
                + ["-keyout", folder.file("ca.key").path, "-out", trust])
        for name in ["server", "client"] {
            try make(
                [
                    "req", "-x509", "-days", "2", "-subj", "/CN=\(name)", "-CA", trust, "-CAkey",
                    folder.file("ca.key").path, "-addext", "basicConstraints=critical,CA:FALSE", "-addext",
                    "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "extendedKeyUsage=serverAuth,clientAuth",
                ] + newKey + ["-keyout", folder.file("\(name).key").path, "-out", folder.file("\(name).pem").path])
        }
    }
}
