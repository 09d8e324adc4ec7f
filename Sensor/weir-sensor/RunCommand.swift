import Intake
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
        // Both take their variables out of the environment, so before any thread.
        let inherited = InheritedSockets.ofThisProcess(), manager = ServiceManager.ofThisProcess()
        let settings = configured.settings, level = LogLevel(settings.level)
        let reports = ErrorReports(settings.errors, release: "weir-sensor@\(WeirSensor.version)", time: SystemTime())
        reports?.start()
        defer { reports?.stop() }
        let logger = Logger(label: "sensor") {
            JSONLogHandler(label: $0, level: level, reports: reports, time: SystemTime())
        }
        do throws(SensorError) {
            let sensor = try Sensor(
                settings: settings, version: WeirSensor.version, time: SystemTime(), logger: logger)
            reports?.show(in: sensor.metrics)
            try sensor.start(inherited: inherited)
            manager.ready(status: "receiving on \(sensor.listenPorts)")
            serve(sensor, manager, logger, level)
            SystemSignals.release()
            logger.notice("Stopping.")
            manager.stopping(status: "spooling and shipping what is open")
            sensor.stop()
        } catch {
            throw failure(error)
        }
    }
    /// Until a signal to stop: says that it is alive, and reloads when asked.
    private func serve(_ sensor: Sensor, _ manager: ServiceManager, _ logger: Logger, _ level: LogLevel) {
        let pause = (manager.watchdog ?? .seconds(120)) / 2
        while true {  // ends: with a signal to stop
            switch SystemSignals.next(within: pause) {
            case .stop: return
            case .reload: reload(sensor, manager, logger, level)
            case nil: if sensor.isHealthy { manager.alive() }
            }
        }
    }
    private func reload(_ sensor: Sensor, _ manager: ServiceManager, _ logger: Logger, _ level: LogLevel) {
        manager.reloading(monotonic: SystemTime().monotonic())
        do {
            let settings = try configured.again().settings
            let needsRestart = try sensor.reload(settings)
            level.value = settings.level
            logger.notice(
                "The settings were read again.",
                metadata: [
                    "ports": "\(sensor.listenPorts)",
                    "restartNeeded": "\(needsRestart)",
                ])
        } catch let failure as Failure {
            logger.error("The settings are wrong; nothing has changed.", metadata: ["error": "\(failure.message)"])
        } catch {
            logger.error("Reloading failed; nothing has changed.", metadata: ["error": "\(error)"])
        }
        manager.ready(status: "receiving on \(sensor.listenPorts)")
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

extension SensorSettings {
    var level: Logger.Level { Logger.Level(rawValue: logLevel) ?? .info }
}

/// Asks the running sensor.
struct HealthCommand {
    private let configured: Configured

    init(_ arguments: [String]) throws(Failure) {
        let parsed = try Arguments(arguments, options: ["config", "set"], help: Help.health)
        guard parsed.operands.isEmpty else { throw .usage("\(parsed.operands[0]) is not an option", Help.health) }
        configured = try Configured(parsed, help: Help.health)
    }

    func run(to output: inout StandardOutput) throws(Failure) {
        guard let address = configured.settings.metricsListen else {
            throw .wrong("metrics.listen is empty: nothing can be asked")
        }
        let any = ["0.0.0.0": "127.0.0.1", "::": "::1"]
        let page = PlainHTTP(host: any[address.address] ?? address.address, port: address.port, path: "/healthz")
        let answer: PlainHTTP.Answer
        do throws(SystemError) {
            answer = try page.ask(within: .seconds(5))
        } catch {
            throw .failed("\(address): \(error); is the sensor running?")
        }
        output.write(String(decoding: answer.body, as: UTF8.self))
        guard answer.status == 200 else { throw .failed("the sensor is not healthy") }
    }
}

/// The one logger of a command: JSON lines on standard error.
func logger(for settings: SensorSettings) -> Logger {
    Logger(label: "sensor") { JSONLogHandler(label: $0, level: settings.level, time: SystemTime()) }
}

/// Certificates are settings; ports, disks and threads are the machine's.
func failure(_ error: SensorError) -> Failure {
    if case .identity = error { return .wrong("\(error)") }
    return .failed("\(error)")
}
