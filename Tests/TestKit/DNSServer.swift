internal import Foundation

/// A real DNS server: dnsmasq on a port of its own, which knows what it is told and asks nobody.
package final class DNSServer {
    package static let isInstalled = Program.isInstalled("dnsmasq")
    package static let why = "dnsmasq is not installed"
    package let port: Int
    private let folder: TemporaryFolder, process: RunningProgram

    /// - Parameter knowing: dnsmasq's own options, such as `--ptr-record=7.100.51.198.in-addr.arpa,www.example`.
    package init(port: Int, knowing options: [String]) throws {
        folder = try TemporaryFolder("weir-dns")
        self.port = port
        process = try Program.start(
            "dnsmasq",
            [
                "--no-daemon", "--conf-file=/dev/null", "--port=\(port)", "--listen-address=127.0.0.1",
                "--bind-interfaces", "--no-resolv", "--no-hosts", "--user=root", "--pid-file", "--log-queries",
                "--local=/in-addr.arpa/", "--local=/ip6.arpa/", "--local-ttl=600",
            ] + options, output: folder.file("out"), errors: folder.file("err"))
        // A minute, for a machine on which hundreds of tests run at once.
        for _ in 0..<1_200 where !log.contains("started, version") && process.isRunning {
            Thread.sleep(forTimeInterval: 0.05)
        }
        // Another one on the port would answer in its place.
        guard process.isRunning, log.contains("started, version") else {
            throw Program.Missing(description: "dnsmasq did not start on port \(port): \(log)")
        }
    }
    deinit { stop() }
    package func stop() { process.kill() }
    /// What it has said, questions among it.
    package var log: String { (try? String(contentsOf: folder.file("err"), encoding: .utf8)) ?? "" }
}
