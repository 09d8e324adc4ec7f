import ArgumentParser
import Logging
import Platform
import Settings
import Telemetry

/// `--config` and `--set`, which all commands share.
struct SettingsOptions: ParsableArguments {
    @Option(name: .long, help: "The settings file.")
    var config: String

    @Option(name: .long, help: ArgumentHelp("Sets one key, over file and environment.", valueName: "key=value"))
    var set: [String] = []

    func read() throws(Failure) -> AggregatorSettings {
        do throws(SettingError) {
            return try AggregatorSettings(try SettingsReader(path: config, overrides: set))
        } catch {
            throw .usage("\(error)")
        }
    }
}

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Runs the service until SIGTERM or SIGINT.",
        discussion: """
            Example: weir-aggregator run --config aggregator.yaml --set log.level=debug
            Log lines go to standard error, one JSON object each.
            Flows are kept for history.days (30), their sums by time for history.rollupDays (400). A tenant that has
            more than history.bytesMaxPerTenant (100GiB) loses its oldest days, counted and logged.
            """)
    @OptionGroup var options: SettingsOptions

    func run() async throws {
        // Bodies on their way from the log to the store, and what segments are made in.
        keepFreedMemory(blockBytes: 8 << 20, keptBytes: 64 << 20)
        let settings = try options.read()
        LoggingSystem.bootstrap { JSONLogHandler(label: $0, level: settings.logLevel, time: SystemTime()) }
        let lock = try Aggregator.claim(settings)
        defer { lock.release() }
        let aggregator = try Aggregator(settings, time: SystemTime(), logger: Logger(label: "aggregator"))
        try await aggregator.run()
    }
}

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Checks the settings and the certificate files, and opens no port.",
        discussion: "Example: weir-aggregator check --config aggregator.yaml")
    @OptionGroup var options: SettingsOptions

    func run() throws {
        let settings = try options.read()
        let logger = Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }
        _ = try settings.console.files()
        _ = try Listeners(settings, metrics: MetricRegistry(), time: SystemTime(), logger: logger)
        print("\(options.config): the settings and certificate files are fine")
    }
}
