import Foundation
import HTTP2Client
import Identity
import Platform
import Ship
import TestKit

/// Certificates of a test's own, from the project's development authority.
struct TestIdentities {
    let folder: TemporaryFolder
    static let isPossible = Program.isInstalled("openssl") && Program.isInstalled("nghttpd")
    static let why = "needs openssl and nghttpd (Debian: nghttp2-server)"

    init() throws {
        folder = try TemporaryFolder("weir-tls")
        try run("init", folder.path)
        try run("aggregator", folder.path, "a1")
        try run("sensor", folder.path, "acme", "berlin", "s1")
    }
    /// Calls `certs/dev-ca`.
    func run(_ arguments: String..., environment: [String: String] = [:]) throws {
        let script = PackageTree.root.appendingPathComponent("certs/dev-ca").path
        let outcome = try Program.run("bash", [script] + arguments, environment: environment)
        guard outcome.status == 0 else { throw LocalFault(description: outcome.errors + outcome.text) }
    }
    func path(_ name: String) -> String { folder.file(name).path }
    func files(_ name: String = "s1", trust: String = "ca") -> TLSFiles {
        TLSFiles(certificate: path("\(name).pem"), key: path("\(name).key"), trust: path("\(trust).pem"))
    }
    func context(_ name: String = "s1", trust: String = "ca") throws -> TLSContext {
        try TLSContext(files(name, trust: trust), time: SystemTime())
    }
}

/// `nghttpd` (libnghttp2's own server) or `openssl s_server` as a process of the test; ends with its last reference.
final class LocalServer {
    let port: UInt16
    let process: RunningProgram
    let log: URL

    /// nghttpd answers a POST with its body where `echoes`, with this trailer field if any.
    static func nghttpd(
        _ identities: TestIdentities, as name: String = "a1", port: UInt16? = nil, options: [String] = []
    ) throws -> LocalServer {
        let port = try port ?? freePort()
        return try LocalServer(
            "nghttpd",
            ["-v", "--verify-client", "-d", identities.folder.path, "-a", "127.0.0.1"] + options
                + ["\(port)", identities.path("\(name).key"), identities.path("\(name).pem")],
            port: port, folder: identities.folder)
    }
    /// A TLS server that demands a certificate of `trust` and speaks `protocols`. It says `frames` and nothing else.
    static func openssl(
        _ identities: TestIdentities, as name: String = "a1", trust: String = "ca", options: [String] = ["-tls1_3"],
        protocols: String = "h2", frames: [UInt8] = []
    ) throws -> LocalServer {
        let port = try freePort(), said = identities.folder.file("frames-\(port)")
        try Data(frames).write(to: said)
        // A named pipe that is open for both never ends, as a terminal; at the end of its input s_server would end.
        let pipe = identities.path("pipe-\(port)")
        let command =
            [
                "mkfifo \(pipe) && exec 3<>\(pipe) && cat \(said.path) >&3 &&",
                "exec openssl s_server -quiet -accept 127.0.0.1:\(port) -cert \(identities.path("\(name).pem"))",
                "-key \(identities.path("\(name).key")) -CAfile \(identities.path("\(trust).pem"))",
                "-Verify 2 -verify_return_error -alpn \(protocols)",
            ] + options + ["<&3"]
        return try LocalServer(
            "bash", ["-c", command.joined(separator: " ")], port: port, folder: identities.folder)
    }

    private init(_ program: String, _ arguments: [String], port: UInt16, folder: TemporaryFolder) throws {
        self.port = port
        log = folder.file("\(program)-\(port).log")
        process = try Program.start(program, arguments, output: log, errors: folder.file("\(program)-\(port).err"))
        let deadline = Date().addingTimeInterval(10)
        while !Self.isListening(port) {
            guard Date() < deadline, process.isRunning else {
                throw LocalFault(description: "\(program) does not listen on \(port)")
            }
            usleep(20_000)
        }
    }

    deinit { stop() }

    func stop() { process.kill() }
    func signal(_ number: Int32) { process.signal(number) }
    var endpoint: HTTP2Endpoint { HTTP2Endpoint(host: "127.0.0.1", port: port) }

    /// The kernel's list, so that looking is not itself a connection.
    private static func isListening(_ port: UInt16) -> Bool {
        let hex = String(port, radix: 16, uppercase: true)
        let suffix = ":" + String(repeating: "0", count: 4 - hex.count) + hex
        guard let table = try? String(contentsOfFile: "/proc/net/tcp", encoding: .utf8) else { return false }
        return table.split(separator: "\n").contains { line in
            let words = line.split(separator: " ")
            return words.count > 3 && words[1].hasSuffix(suffix) && words[3] == "0A"
        }
    }
    static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in(), length = socklen_t(MemoryLayout<sockaddr_in>.size)
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let failed = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) + getsockname(descriptor, $0, &length)
            }
        }
        guard failed == 0 else { throw LocalFault(description: "no free port") }
        return UInt16(bigEndian: address.sin_port)
    }
}

/// Why a test's surroundings could not be made.
struct LocalFault: Error, CustomStringConvertible {
    let description: String
}
