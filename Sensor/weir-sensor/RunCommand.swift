import Logging
import Platform
import SensorPipeline
import Telemetry

struct RunCommand {
    private let configured: Configured

    init(_ arguments: [String]) throws(Failure) {
        let parsed = try Arguments(arguments, options: ["config", "set"], help: Help.run)
        guard parsed.operands.isEmpty else { throw .usage("\(parsed.operands[0]) is not an option", Help.run) }
        configured = try Configured(parsed, help: Help.run)
    }

    func run() throws(Failure) {
        SystemSignals.hold()
        let settings = configured.settings, logger = logger(for: settings)
        do throws(SensorError) {
            let sensor = try Sensor(
                settings: settings, version: WeirSensor.version, time: SystemTime(), logger: logger)
            try sensor.start()
            while SystemSignals.next() == .reload {
                logger.notice("SIGHUP: certificates are reloaded by themselves; settings need a restart.")
            }
            SystemSignals.release()
            logger.notice("Stopping.")
            sensor.stop()
        } catch {
            throw failure(error)
        }
    }
}

struct CheckCommand {
    private let configured: Configured

    init(_ arguments: [String]) throws(Failure) {
        let parsed = try Arguments(arguments, options: ["config", "set"], help: Help.check)
        guard parsed.operands.isEmpty else { throw .usage("\(parsed.operands[0]) is not an option", Help.check) }
        configured = try Configured(parsed, help: Help.check)
    }

    func run(to output: inout StandardOutput) throws(Failure) {
        do throws(SensorError) {
            try Sensor.checkIdentity(configured.settings, time: SystemTime())
        } catch {
            throw failure(error)
        }
        output.write("\(configured.path): settings and certificates are sound\n")
    }
}

/// The one logger of the process: JSON lines on standard error.
func logger(for settings: SensorSettings) -> Logger {
    let level = Logger.Level(rawValue: settings.logLevel) ?? .info
    return Logger(label: "sensor") { JSONLogHandler(label: $0, level: level, time: SystemTime()) }
}

/// Certificates are settings; ports, disks and threads are the machine's.
func failure(_ error: SensorError) -> Failure {
    if case .identity = error { return .wrong("\(error)") }
    return .failed("\(error)")
}
