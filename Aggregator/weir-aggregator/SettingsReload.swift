import Logging
import Platform
import ServiceLifecycle
import Settings
import Telemetry
internal import UnixSignals

/// At SIGHUP the settings are read again: the log's level takes effect at once; what else has changed is said to need a
/// restart. Wrong settings change nothing.
struct SettingsReload: Service {
    let file: String, overrides: [String]
    let started: AggregatorSettings, level: LogLevel
    let manager: ServiceManager, logger: Logger

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() { reload() }
    }

    private func reload() {
        do throws(SettingError) {
            let now = try AggregatorSettings(try SettingsReader(path: file, overrides: overrides))
            level.value = now.logLevel
            logger.notice(
                "The settings were read again.",
                metadata: ["log.level": "\(now.logLevel)", "restartNeeded": "\(now.needsRestart(after: started))"])
        } catch {
            logger.error("The settings are wrong; nothing has changed.", metadata: ["error": "\(error)"])
        }
    }
}

extension AggregatorSettings {
    fileprivate func needsRestart(after old: AggregatorSettings) -> Bool {
        var same = self
        same.logLevel = old.logLevel
        return same != old
    }
}
