import Logging
import Platform
import ServerChannel
import Telemetry

/// The TLS side of both ports, from files that have been read and fit.
struct Listeners {
    let sensors: TLSReloader, api: TLSReloader

    init(
        _ settings: AggregatorSettings, metrics: MetricRegistry, time: any TimeSource, logger: Logger
    ) throws(Failure) {
        sensors = try Self.sensors(settings, metrics: metrics, time: time, logger: logger)
        api = try Self.api(settings, metrics: metrics, time: time, logger: logger)
    }

    static func sensors(
        _ settings: AggregatorSettings, metrics: MetricRegistry, time: any TimeSource, logger: Logger
    ) throws(Failure) -> TLSReloader {
        try reloader("sensors", settings.sensors, .sensors, metrics, time, logger)
    }
    static func api(
        _ settings: AggregatorSettings, metrics: MetricRegistry, time: any TimeSource, logger: Logger
    ) throws(Failure) -> TLSReloader {
        try reloader("api", settings.api, .people, metrics, time, logger)
    }
    private static func reloader(
        _ name: String, _ port: AggregatorSettings.Port, _ options: ServerOptions, _ metrics: MetricRegistry,
        _ time: any TimeSource, _ logger: Logger
    ) throws(Failure) -> TLSReloader {
        do throws(ServerTLSError) {
            return try TLSReloader(
                port.files, listener: name, protocols: options.protocols, time: time, metrics: metrics, logger: logger)
        } catch {
            throw .usage("\(name): \(error)")
        }
    }
}
