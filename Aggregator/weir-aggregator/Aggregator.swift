import API
import AggregatorPipeline
import FlowLog
import FlowStore
import Hummingbird
import Incidents
import Ingest
import Logging
import Platform
import Query
import ServerChannel
import ServiceLifecycle
import Telemetry
import Tenancy
internal import UnixSignals

/// All parts of one standalone node, made from settings and run as one group: what is listed first ends last.
///
/// Order: storage is opened, then the pipeline, the certificate files' watchers, the sensors' listener, the API's. At
/// a signal the listeners stop taking requests and finish those in work; then the pipeline writes its checkpoint.
struct Aggregator {
    private let settings: AggregatorSettings, time: any TimeSource, logger: Logger
    private let metrics = MetricRegistry(), registry = SensorRegistry()
    private let listeners: Listeners
    private let flowLog: SQLiteFlowLog, store: SQLiteFlowStore, incidents: IncidentLog, control: ControlLog
    private let pipeline: AggregatorPipeline

    private static let drainMax: Duration = .seconds(20)

    /// Makes the data folder if need be, and claims it. Before anything that opens a port.
    static func claim(_ settings: AggregatorSettings) throws(Failure) -> FolderLock {
        try makeFolder(settings.dataDirectory)
        return try FolderLock(settings.dataDirectory)
    }

    /// - Throws: `Failure`: exit 2 for files that settings name, 1 for storage that can't be opened.
    init(_ settings: AggregatorSettings, time: any TimeSource, logger: Logger) throws(Failure) {
        self.settings = settings
        self.time = time
        self.logger = logger
        listeners = try Listeners(settings, metrics: metrics, time: time, logger: logger)
        let folder = settings.dataDirectory
        do {
            flowLog = try SQLiteFlowLog(directory: folder)
            store = try SQLiteFlowStore(directory: folder + "/flows")
            incidents = try IncidentLog(directory: folder)
            control = try ControlLog(folder: folder)
            pipeline = try AggregatorPipeline(
                log: flowLog, store: store, incidents: incidents, directory: folder,
                time: time, registry: metrics, logger: logger)
        } catch {
            throw .work("dataDirectory: \(error)")
        }
    }

    /// Runs until SIGTERM or SIGINT, or until a part fails.
    func run() async throws {
        let services: [any Service] = [pipeline, listeners.sensors, listeners.api, sensorServer(), apiServer()]
        var configuration = ServiceGroupConfiguration(
            services: services.map { .init(service: $0) }, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        configuration.maximumGracefulShutdownDuration = Self.drainMax
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch {
            logger.critical("The aggregator stops: a part of it failed.", metadata: ["error": "\(error)"])
            throw Failure.work("\(error)")
        }
        try? flowLog.close()
        try? incidents.close()
        logger.notice("The aggregator has stopped.")
    }

    // MARK: Listeners

    private func sensorServer() -> some Service {
        var options = ServerOptions.sensors
        options.connectionAgeMax = settings.connectionAgeMax
        options.connectionsMax = settings.sensors.connectionsMax
        let ingest = BatchIngest(
            log: flowLog, registry: registry,
            quarantine: Quarantine(
                folder: settings.dataDirectory + "/quarantine", bytesMax: settings.quarantineBytesMax),
            admission: Admission(requestsMax: settings.ingestRequestsMax, bytesMax: settings.ingestBytesMax),
            metrics: metrics, time: time, logger: Logger(label: "ingest"))
        let listener = Listener(
            options: options, policy: .sensors(trustDomain: settings.trustDomain), tls: listeners.sensors,
            metrics: ConnectionMetrics(listener: "sensors", in: metrics), observer: registry, time: time)
        return server(ingest.router(), listener, at: settings.sensors.listen, named: "sensors")
    }

    private func apiServer() -> some Service {
        var options = ServerOptions.people
        options.connectionsMax = settings.api.connectionsMax
        let listener = Listener(
            options: options, policy: .anyone, tls: listeners.api,
            metrics: ConnectionMetrics(listener: "api", in: metrics), time: time)
        let router = apiRouter(
            APISources(
                query: FlowQuery(store: store, time: time), incidents: incidents, control: control, sensors: registry,
                log: flowLog, metrics: metrics, time: time,
                unready: { [flowLog] in
                    do { _ = try await flowLog.headOffset() } catch { return ["the log: \(error)"] }
                    return []
                }))
        return server(router, listener, at: settings.api.listen, named: "api")
    }

    private func server<Context: RequestContext>(
        _ router: Router<Context>, _ listener: Listener, at address: AggregatorSettings.Address, named name: String
    ) -> some Service where Context.Source == ApplicationRequestContextSource {
        let logger = Logger(label: name)
        return Application(
            router: router, server: listener.builder,
            configuration: .init(address: .hostname(address.host, port: address.port), serverName: nil),
            onServerRunning: { channel in
                logger.notice(
                    "Listening.",
                    metadata: ["listener": "\(name)", "address": "\(channel.localAddress?.description ?? "unknown")"])
            }, logger: logger)
    }
}
