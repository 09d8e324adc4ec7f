import AggregatorPipeline
import DataKeys
import Detect
import FlowLog
import FlowStore
import Incidents
import Ingest
import Logging
import ModelRegister
import Platform
import ProgramDesk
import Sigma
import Telemetry
import Tenancy

/// The log of a node, alone or in a cluster, and what is made of it.
extension Aggregator {
    static func log(
        _ settings: AggregatorSettings, _ cluster: ClusterLink?, _ keys: DataKeys, _ incidents: IncidentLog,
        _ registry: SensorRegistry, _ metrics: MetricRegistry, _ time: any TimeSource,
        _ make: @escaping NodeLog.MakePipeline
    ) throws -> NodeLog {
        let logger = Logger(label: "log")
        if let cluster {
            return NodeLog(
                cluster, incidents: incidents, folder: settings.dataDirectory, time: time, registry: metrics,
                logger: Logger(label: "cluster"), make)
        }
        let file = try SQLiteFlowLog(directory: settings.dataDirectory, sealing: keys.sealing)
        announce(file.damage, in: metrics, logger)
        askForTheLost(file, registry, at: time.wallMilliseconds())
        return try NodeLog(file: file, incidents: incidents, make)
    }

    typealias Parts = (
        store: any FlowStore, limits: LiveParameters, surroundings: Surroundings, sigma: SigmaRegister,
        models: ModelRegister, programs: ProgramDesk
    )
    static func pipelines(
        _ settings: AggregatorSettings, _ parts: Parts, _ keys: DataKeys, _ metrics: MetricRegistry,
        _ time: any TimeSource, _ logger: Logger, _ tracer: Tracer
    ) -> NodeLog.MakePipeline {
        { log, incidents, checkpoints, group in
            // Programs have one dialogue with one pipeline: a group's has none.
            let hasPrograms = !settings.programs.programs.isEmpty && group == nil
            return try AggregatorPipeline(
                log: log, store: parts.store, incidents: incidents, directory: settings.dataDirectory,
                limits: parts.limits, intelligence: parts.surroundings.intelligence,
                places: parts.surroundings.lookup, sigma: parts.sigma, models: parts.models,
                programs: hasPrograms ? parts.programs : nil, time: time, registry: metrics, logger: logger,
                sealing: keys.sealing, checkpoints: checkpoints, group: group, tracer: tracer)
        }
    }

    private static func announce(_ damage: LogDamage?, in metrics: MetricRegistry, _ logger: Logger) {
        let files = metrics.counter("weir_log_damaged_files_total", help: "Damaged log files set aside at the start.")
        let batches = metrics.counter(
            "weir_log_damaged_batches_total", help: "Batches lost with them, which sensors are asked for again.")
        guard let damage else { return }
        files.add()
        batches.add(damage.batches ?? 0)
        logger.critical(
            "The log was damaged: it was set aside, and what could be read is in a new one.",
            metadata: ["file": "\(damage.file)", "lost batches": "\(damage.batches.map { "\($0)" } ?? "unknown")"])
    }

    /// A log that is younger than what sensors keep may stand in the place of one that is lost: they are asked for all
    /// they have. What is here already is recognised by its keys.
    private static func askForTheLost(_ log: SQLiteFlowLog, _ registry: SensorRegistry, at now: Int64) {
        guard let born = log.bornMilliseconds, born == 0 || (0..<86_400_000).contains(now - born) else { return }
        registry.askForAll(sinceMilliseconds: 0, id: String(UInt64(max(born == 0 ? now : born, 0)), radix: 16))
    }

    static func ingest(
        _ settings: AggregatorSettings, _ log: NodeLog, _ registry: SensorRegistry, _ gate: SensorGate,
        _ held: HeldBatches, _ control: ControlLog, _ metrics: MetricRegistry, _ time: any TimeSource,
        _ tracer: Tracer
    ) -> BatchIngest {
        BatchIngest(
            log: log.sink, registry: registry,
            quarantine: Quarantine(
                folder: settings.dataDirectory + "/quarantine", bytesMax: settings.quarantineBytesMax),
            admission: Admission(requestsMax: settings.ingestRequestsMax, bytesMax: settings.ingestBytesMax),
            gate: gate, held: held, renewal: renewal(settings, control, time), metrics: metrics, time: time,
            logger: Logger(label: "ingest"), tracer: tracer,
            tenants: settings.metersTenants ? TenantMeters(in: metrics) : nil)
    }
}
