/// From the log to history and incidents: reads batches in log order, stores them, folds the detectors over them, files
/// what they find, and gives the log's bodies up once all that is durable.
///
/// Invariants: a batch's body leaves the log only after it is in the store and a checkpoint behind it is durable; so
/// whatever the moment of a crash, the next start resumes from the checkpoint and repeats what came after it. Repeats
/// change nothing: the store knows batches by key, incidents know findings by id. One batch that can't be decoded is
/// counted and skipped. A full disk is waited out; any other storage fault ends the service, so that the process is
/// started afresh (`FlowLogError.failed`).
/// Not here: which batches are let in (`Ingest`), what detectors look for (`Detect`).
internal import BatchFormat
package import Detect
package import FlowLog
internal import FlowModel
package import FlowStore
package import Identity
package import Intelligence
package import Logging
package import ModelRegister
package import Platform
package import ProgramDesk
import ServiceLifecycle
package import Sigma
package import Telemetry

/// The one reader of a node's log.
package final class AggregatorPipeline: Service {
    /// How often the state is made durable, and how much is read at a time.
    package struct Pace: Sendable {
        package var checkpointBatches = 256
        package var checkpointInterval = Duration.seconds(10)
        package var readBatches = 64
        package var readBytes = 32 << 20
        /// Between two tries to write to a full disk.
        package var fullDiskWait = Duration.seconds(5)
        /// How long the programs' last answers are waited for at the end; and at the start, until they have room for
        /// what they may have missed.
        package var programsWait = Duration.seconds(5), programsMissedWait = Duration.seconds(30)
        package init() {}
    }

    let log: any FlowLog
    let store: any FlowStore
    let incidents: any FindingSink
    let checkpoints: any CheckpointStore
    let limits: LiveParameters
    let intelligence: CurrentIntelligence
    let places: PlaceLookup
    let sigma: SigmaRegister?
    let models: ModelRegister?
    let programs: ProgramDesk?
    let pace: Pace
    let time: any TimeSource
    let logger: Logger
    let metrics: PipelineMetrics
    let tracer: Tracer

    /// Opens or makes `checkpoint.sqlite` in `directory`, which must exist.
    /// - Parameter checkpoints: in place of that file, for the pipeline of a `group` of a cluster.
    /// - Parameter limits: in place of `parameters`, where tenants' people may change theirs; what they change counts
    ///   from the next group of batches on.
    /// - Parameter intelligence: what all tenants know about strangers; a new edition counts from the next group of
    ///   batches on.
    /// - Parameter places: where addresses are, for rules about new countries and systems.
    /// - Parameter programs: started with the first batch's checkpoint; whoever has made it ends them.
    package init(
        log: any FlowLog, store: any FlowStore, incidents: any FindingSink, directory: String,
        parameters: TenantParameters = TenantParameters(), limits: LiveParameters? = nil,
        intelligence: CurrentIntelligence = CurrentIntelligence(), places: PlaceLookup = .none,
        sigma: SigmaRegister? = nil, models: ModelRegister? = nil, programs: ProgramDesk? = nil,
        pace: Pace = Pace(), time: any TimeSource,
        registry: MetricRegistry, logger: Logger, sealing: TenantSealing = .none,
        checkpoints: (any CheckpointStore)? = nil, group: Int? = nil, tracer: Tracer = .off
    ) throws {
        self.log = log
        self.store = store
        self.incidents = incidents
        self.limits = limits ?? LiveParameters(parameters)
        self.intelligence = intelligence
        self.places = places
        self.sigma = sigma
        self.models = models
        self.programs = programs
        self.pace = pace
        self.time = time
        self.logger = logger
        self.tracer = tracer
        metrics = PipelineMetrics(registry, group: group)
        self.checkpoints = try checkpoints ?? CheckpointFile(directory: directory, sealing: sealing)
    }

    /// Works until graceful shutdown, then writes a last checkpoint. Throws when storage fails.
    package func run() async throws {
        var run = try await PipelineRun(self)
        try await run.startPrograms()
        while !Task.isShuttingDownGracefully {
            try await run.step()
        }
        try await run.settlePrograms()
        try await run.checkpoint()
    }

    /// Takes in everything that the log has by now, writes a checkpoint and returns: for tests and tools.
    package func drain() async throws {
        var run = try await PipelineRun(self)
        try await run.startPrograms()
        while try await run.takeGroup() {}
        try await run.settlePrograms()
        try await run.checkpoint()
    }
}
