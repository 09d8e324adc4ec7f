import ArgumentParser
import Logging
import Platform
import SecretServer
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
            let settings = try AggregatorSettings(try SettingsReader(path: config, overrides: set))
            if let secrets = settings.secrets {
                let server = SecretServer(secrets, time: SystemTime())
                SecretReference.readFromServer { reference throws(SecretError) in try server.read(reference) }
            }
            return settings
        } catch {
            throw .usage(problems ?? "\(error)")
        }
    }
    /// All that is wrong, a line each.
    private var problems: String? {
        // Standard input was read before.
        guard config != "-", let reader = try? SettingsReader(path: config, overrides: set) else { return nil }
        let all = reader.problems { reader throws(SettingError) in try AggregatorSettings(reader) }
        return all.isEmpty ? nil : all.map { "\($0)" }.joined(separator: "\n")
    }
}

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Runs the service until SIGTERM or SIGINT.",
        discussion: """
            Example: weir-aggregator run --config aggregator.yaml --set log.level=debug
            Log lines go to standard error, one JSON object each.
            SIGHUP reads the settings again: log.level takes effect at once, the rest with a restart.
            Flows are kept for history.days (30), their sums by time for history.rollupDays (400). A tenant that has
            more than history.bytesMaxPerTenant (100GiB) loses its oldest days, counted and logged.
            """)
    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let manager = ServiceManager.ofThisProcess()
        // Bodies on their way from the log to the store, and what segments are made in.
        keepFreedMemory(blockBytes: 8 << 20, keptBytes: 64 << 20)
        let settings = try options.read()
        let level = LogLevel(settings.logLevel)
        let release = "weir-aggregator@\(WeirAggregator.version)"
        let reports = ErrorReports(settings.errors, release: release, time: SystemTime())
        LoggingSystem.bootstrap { JSONLogHandler(label: $0, level: level, reports: reports, time: SystemTime()) }
        reports?.start()
        defer { reports?.stop() }
        let lock = try Aggregator.claim(settings)
        defer { lock.release() }
        let time = SystemTime(), logger = Logger(label: "aggregator")
        var cluster: ClusterLink?
        if let settings = settings.cluster {
            cluster = try await ClusterLink.open(settings, time: time, logger: Logger(label: "cluster"))
        }
        let aggregator = try Aggregator(settings, cluster: cluster, time: time, logger: logger)
        let reload = SettingsReload(
            file: options.config, overrides: options.set, started: settings, level: level, manager: manager,
            logger: logger)
        try await aggregator.run(under: manager, reload: reload, reports: reports)
    }
}

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Names all that is wrong with settings and certificate files.",
        discussion: "Example: weir-aggregator check --config aggregator.yaml")
    @OptionGroup var options: SettingsOptions

    func run() throws {
        let settings = try options.read()
        let logger = Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }
        let metrics = MetricRegistry(), time = SystemTime()
        let problems = [
            problem { _ = try settings.console.files() },
            problem { _ = try Listeners.sensors(settings, metrics: metrics, time: time, logger: logger) },
            problem { _ = try Listeners.api(settings, metrics: metrics, time: time, logger: logger) },
        ].compactMap { $0 }
        guard problems.isEmpty else { throw Failure.usage(problems.joined(separator: "\n")) }
        print("\(options.config): the settings and certificate files are fine")
    }
    private func problem(_ body: () throws -> Void) -> String? {
        do { try body() } catch { return (error as? Failure)?.message ?? "\(error)" }
        return nil
    }
}
