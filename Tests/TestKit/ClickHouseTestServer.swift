internal import Foundation
internal import Platform

/// A real ClickHouse: Debian's `clickhouse-server` on ports of its own, with nothing in it.
package final class ClickHouseTestServer {
    package static let isInstalled = Program.isInstalled("clickhouse-server")
    package static let why = "clickhouse-server is not installed"
    package let url: String
    private let folder: TemporaryFolder
    private let port: Int
    private var process: RunningProgram?

    package struct Fault: Error { package let problem: String }

    package init() async throws {
        folder = try TemporaryFolder("weir-clickhouse")
        let ports = try (0..<3).map { _ in try Self.freePort() }
        port = ports[0]
        url = "http://127.0.0.1:\(port)"
        func path(_ name: String) -> String { folder.file(name).path }
        for name in ["data", "tmp", "formats"] { try makeFolders(path(name)) }
        let config = """
            <?xml version="1.0"?>
            <yandex>
              <logger><level>warning</level><log>\(path("log"))</log><errorlog>\(path("errors"))</errorlog></logger>
              <listen_host>127.0.0.1</listen_host><http_port>\(ports[0])</http_port><tcp_port>\(ports[1])</tcp_port>
              <interserver_http_port>\(ports[2])</interserver_http_port>
              <interserver_http_host>127.0.0.1</interserver_http_host>
              <path>\(path("data"))/</path><tmp_path>\(path("tmp"))/</tmp_path>
              <format_schema_path>\(path("formats"))/</format_schema_path>
              <users_config>\(path("users.xml"))</users_config>
              <default_profile>default</default_profile><default_database>default</default_database>
              <mark_cache_size>67108864</mark_cache_size>
            </yandex>
            """
        let users = """
            <?xml version="1.0"?>
            <yandex>
              <profiles><default><max_memory_usage>1000000000</max_memory_usage></default></profiles>
              <users><default><password>history</password><networks><ip>127.0.0.1</ip></networks>
                <profile>default</profile><quota>default</quota></default></users>
              <quotas><default></default></quotas>
            </yandex>
            """
        try makeFile(path("config.xml"), with: Array(config.utf8))
        try makeFile(path("users.xml"), with: Array(users.utf8))
        try makeFile(path("password"), with: Array("history\n".utf8))
        try await start()
    }
    deinit { stop() }

    /// The file with the password of its only user, `default`.
    package var password: String { folder.file("password").path }

    package func start() async throws {
        process = try Program.start(
            "clickhouse-server", ["--config-file=\(folder.file("config.xml").path)"], output: folder.file("out"),
            errors: folder.file("err"))
        for _ in 0..<300 {
            if try Program.run("curl", ["-sf", "\(url)/ping"]).status == 0 { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        let log = (try? String(contentsOf: folder.file("errors"), encoding: .utf8)) ?? ""
        throw Fault(problem: "clickhouse-server did not start: \(log)")
    }
    /// As a machine that is gone: nothing is said before.
    package func stop() {
        process?.signal(SIGKILL)
        _ = process?.waitUntilExit()
        process = nil
    }
    private static func freePort() throws -> Int {
        let script = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"
        let told = try Program.run("python3", ["-c", script]).text
        guard let port = Int(told.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw Fault(problem: "no port is free")
        }
        return port
    }
}
