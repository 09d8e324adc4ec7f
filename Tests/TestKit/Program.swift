package import Foundation

/// Runs programs for tests: the project's own, from where they were built, and the machine's.
package struct Program {
    package struct Outcome: Sendable {
        package let status: Int32, output: Data, errors: String
        package var text: String { String(decoding: output, as: UTF8.self) }
    }
    package struct Missing: Error, CustomStringConvertible {
        package let description: String
    }

    /// The folder that holds the built programs: `WEIR_BIN`, or where this test itself was built.
    package static let built: URL = {
        if let path = ProcessInfo.processInfo.environment["WEIR_BIN"] { return URL(fileURLWithPath: path) }
        return URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
    }()

    /// Whether the machine has `name` on its path.
    package static func isInstalled(_ name: String) -> Bool { find(name) != nil }

    private static func find(_ name: String) -> URL? {
        if name.hasPrefix("/") { return URL(fileURLWithPath: name) }
        let own = built.appendingPathComponent(name)
        if name.hasPrefix("weir"), FileManager.default.isExecutableFile(atPath: own.path) { return own }
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin") + ":/usr/sbin:/sbin"
        return folders.split(separator: ":").map { URL(fileURLWithPath: "\($0)/\(name)") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }

    /// Starts a program with its output in files, so that no full pipe can stop it.
    package static func start(
        _ name: String, _ arguments: [String], environment: [String: String] = [:], output: URL, errors: URL
    ) throws -> RunningProgram {
        guard let url = find(name) else { throw Missing(description: "\(name) is neither built nor installed") }
        for file in [output, errors] where !FileManager.default.fileExists(atPath: file.path) {
            try Data().write(to: file)
        }
        let environment = ProcessInfo.processInfo.environment
            .merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }.merging(environment) { $1 }
        return try RunningProgram(
            command: [url.path] + arguments, environment: environment, output: output, errors: errors)
    }

    /// Runs a program to its end.
    @discardableResult
    package static func run(
        _ name: String, _ arguments: [String], environment: [String: String] = [:]
    ) throws -> Outcome {
        let folder = try TemporaryFolder("weir-run")
        let output = folder.file("out"), errors = folder.file("err")
        let process = try start(name, arguments, environment: environment, output: output, errors: errors)
        return Outcome(
            status: process.waitUntilExit(), output: try Data(contentsOf: output),
            errors: String(decoding: try Data(contentsOf: errors), as: UTF8.self))
    }
}
