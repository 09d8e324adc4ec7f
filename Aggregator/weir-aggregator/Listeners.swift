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
        func reloader(
            _ name: String, _ port: AggregatorSettings.Port, _ protocols: [String]
        ) throws(Failure) -> TLSReloader {
            do throws(ServerTLSError) {
                return try TLSReloader(
                    port.files, listener: name, protocols: protocols, time: time, metrics: metrics, logger: logger)
            } catch {
                throw .usage("\(name): \(error)")
            }
        }
        sensors = try reloader("sensors", settings.sensors, ServerOptions.sensors.protocols)
        api = try reloader("api", settings.api, ServerOptions.people.protocols)
    }
}
