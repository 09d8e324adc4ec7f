import ArgumentParser
import Backup
import DataKeys
import Foundation
import Platform

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Backs up the data folder to where backup.to says, while the service runs.",
        discussion: """
            Example: weir-aggregator backup --config aggregator.yaml --every 15m
            Prints one JSON object a backup. Builds on the former one: only what is new is brought there.
            """)
    @Flag(help: "Builds on no former backup and begins a new chain.") var full = false
    @Option(help: ArgumentHelp("Goes on, with so long a pause: 30s, 15m, 6h.", valueName: "duration")) var every:
        String?
    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let settings = try options.read().backup, pause = try every.map { try duration($0) }
        var isFull = full
        while true {
            try await once(settings, isFull)
            guard let pause else { return }
            isFull = false
            try await Task.sleep(for: pause)
        }
    }

    private func once(_ settings: BackupSettings, _ isFull: Bool) async throws {
        let report = try await backingUp {
            let random = SystemRandomNumberGenerator(), keys = try KeyFile(directory: settings.dataDirectory)
            defer { keys.close() }
            return try await BackupRun(
                folder: settings.dataDirectory, target: try settings.open(time: SystemTime(), random: random),
                keys: keys, wrapper: try settings.keys.wrapper(random: random), time: SystemTime(), random: random
            ).run(full: isFull, progress: progress())
        }
        try printJSON(report)
        if let note = report.note, !full { complain("this backup is full: \(note)") }
        complain(
            "\(report.id): \(report.files) files, \(size(report.bytes)), \(size(report.bytesNew)) new, "
                + "\(seconds(report.seconds))")
    }
}

struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Brings a backup back into an empty data folder, on this node or another.",
        discussion: """
            Example: weir-aggregator restore --config aggregator.yaml --at 2026-11-21T11:00:00Z
            Needs the wrapping key of the node that was backed up; see the handbook, "Keys and sealing".
            """)
    @Option(help: "The newest backup at that time or before; the newest of all without.") var at: String?
    @Option(help: "This backup, as `weirctl backup list` shows it.") var id: String?
    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let settings = try options.read(), folder = settings.dataDirectory
        let moment = try at.map { try milliseconds($0) }
        try makeFolder(folder)
        let lock = try FolderLock(folder)
        defer { lock.release() }
        let report = try await backingUp {
            let random = SystemRandomNumberGenerator()
            let target = try settings.backup.open(time: SystemTime(), random: random)
            let newest = id == nil ? try await target.newest(before: moment ?? .max) : ""
            return try await RestoreRun(
                folder: folder, target: target,
                wrapper: try settings.backup.keys.wrapper(random: random, makesOwn: false), time: SystemTime()
            ).run(id: id ?? newest, progress: progress())
        }
        try printJSON(report)
        for tenant in report.destroyed { complain("the data of \(tenant) stays unreadable: its key was destroyed") }
        let age = Double(SystemTime().wallMilliseconds() - report.takenMilliseconds) / 1_000
        complain(
            "\(report.id): \(report.files) files, \(size(report.bytes)), every hash equal. "
                + "Restored in \(seconds(report.seconds)) (RTO); the state is \(seconds(age)) old (RPO)")
    }
}

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Reads backups back and compares every octet with what their manifests say.",
        discussion: "Example: weir-aggregator verify --config aggregator.yaml")
    @Option(help: "This backup only; all without.") var id: String?
    @Flag(help: "Compares what is stored, without the wrapping key.") var stored = false
    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let settings = try options.read().backup
        let report = try await backingUp {
            let random = SystemRandomNumberGenerator()
            let wrapper = stored ? nil : try settings.keys.wrapper(random: random, makesOwn: false)
            return try await VerifyRun(
                target: try settings.open(time: SystemTime(), random: random), wrapper: wrapper, time: SystemTime()
            ).run(id: id, progress: progress())
        }
        try printJSON(report)
        for problem in report.problems { complain(problem) }
        guard report.problems.isEmpty else { throw Failure.work("\(report.problems.count) problems") }
        complain(
            "\(report.backups) backups, \(report.pieces) pieces, \(size(report.bytes)): all as they were made; "
                + "\(seconds(report.seconds))")
    }
}

/// What backing up throws, as a command says it.
private func backingUp<Value>(_ body: () async throws -> Value) async throws -> Value {
    do {
        return try await body()
    } catch let error as Failure {
        throw error
    } catch BackupError.noBackup(let reason) {
        throw Failure.usage(reason)
    } catch {
        throw Failure.work("\(error)")
    }
}

private func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}

/// A line on standard error every two seconds, when it is a terminal.
private func progress() -> @Sendable (Int) -> Void {
    guard standardErrorIsTerminal else { return { _ in } }
    let start = SystemTime().monotonic()
    return { bytes in
        let passed = SystemTime().monotonic() - start
        if passed > .seconds(2) { complain("\(size(bytes)) in \(passed)") }
    }
}

private func size(_ bytes: Int) -> String {
    bytes < 10_000_000 ? "\(bytes / 1_000) kB" : "\(bytes / 1_000_000) MB"
}
private func seconds(_ seconds: Double) -> String { "\(Double(Int(seconds * 10)) / 10) s" }

private func milliseconds(_ text: String) throws -> Int64 {
    guard let date = try? Foundation.Date(text, strategy: .iso8601) else {
        throw Failure.usage("--at: \"\(text)\" is not a time such as 2026-11-21T11:00:00Z")
    }
    return Int64(date.timeIntervalSince1970 * 1_000)
}

private func duration(_ text: String) throws -> Duration {
    let units: [Character: Int] = ["s": 1, "m": 60, "h": 3_600]
    guard let unit = text.last.flatMap({ units[$0] }), let count = Int(text.dropLast()), (1...100_000).contains(count)
    else { throw Failure.usage("--every: \"\(text)\" is not a duration such as 30s, 15m or 6h") }
    return .seconds(count * unit)
}
