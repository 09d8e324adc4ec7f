internal import Foundation
internal import Platform

/// A real OpenBao in development mode on a port of its own, with a transit engine.
package final class BaoServer {
    package static let isInstalled = Program.isInstalled("bao")
    package static let why = "bao (OpenBao) is not installed"
    package struct Fault: Error { package let problem: String }
    package let folder: TemporaryFolder
    package let address: String
    /// Its root token is in this file.
    package var token: String { folder.file("token").path }
    private let process: RunningProgram

    package init(port: Int) throws {
        folder = try TemporaryFolder("weir-bao")
        address = "http://127.0.0.1:\(port)"
        try makeFile(folder.file("token").path, with: Array("dev-only-root\n".utf8))
        process = try Program.start(
            "bao",
            [
                "server", "-dev", "-dev-root-token-id=dev-only-root", "-dev-listen-address=127.0.0.1:\(port)",
                "-dev-no-store-token",
            ], output: folder.file("out"), errors: folder.file("err"))
        for _ in 0..<100 {
            if try bao("status") == 0 { break }
            Thread.sleep(forTimeInterval: 0.1)
        }
        guard try bao("secrets", "enable", "transit") == 0,
            try bao("write", "-f", "transit/keys/weir", "type=aes256-gcm96") == 0
        else { throw Fault(problem: (try? String(contentsOf: folder.file("err"), encoding: .utf8)) ?? "no bao") }
    }
    deinit { stop() }
    package func stop() {
        guard process.isRunning else { return }
        process.terminate()
        process.waitUntilExit()
    }

    @discardableResult
    package func bao(_ arguments: String...) throws -> Int32 {
        try Program.run(
            "bao", arguments, environment: ["BAO_ADDR": address, "BAO_TOKEN": "dev-only-root", "HOME": folder.path]
        ).status
    }
}
