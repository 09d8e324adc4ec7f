internal import BatchFormat
internal import Detect
internal import FlowLog
internal import FlowModel
internal import FlowStore
internal import GRDB
internal import Identity
internal import Incidents
internal import Intelligence
internal import Logging
internal import ModelRegister
internal import Platform
internal import ProgramDesk
internal import ServiceLifecycle
internal import Telemetry

#if WEIR_PLANTED
internal import Planted
#endif

/// One life of the pipeline, from a checkpoint on.
struct PipelineRun: ~Copyable {
    let pipeline: AggregatorPipeline
    private var fold: DetectionFold
    private var decoder = BatchDecoder()
    var columns = FlowColumns()
    private var batchesSinceCheckpoint = 0
    private var lastCheckpoint: Duration
    private(set) var savedOffset: Int64
    /// Of the checkpoint that this life begins with.
    let savedPrograms: [TenantID: [UInt8]]
    /// Programs kept bodies in the log that a checkpoint would have given up.
    var isHeldBack = false
    private var damagedFiles = 0

    init(_ pipeline: AggregatorPipeline) async throws {
        self.pipeline = pipeline
        var checkpoint = try await pipeline.checkpoints.load()
        if try await pipeline.log.isOlder(than: checkpoint.offset) {
            let head = try await pipeline.log.headOffset()
            // The log is older than the checkpoint: restored, or made anew. Its next batches come after its head.
            pipeline.logger.warning(
                "The log ends before the checkpoint.",
                metadata: ["head": "\(head)", "checkpoint": "\(checkpoint.offset)"])
            checkpoint.offset = head
            // Durable before the log's head passes the old checkpoint, or the batches between would be skipped next
            // time.
            try await pipeline.checkpoints.save(PipelineCheckpoint(offset: head))
        }
        if pipeline.checkpoints.wasDamaged { pipeline.logger.error("A damaged checkpoint was set aside.") }
        fold = DetectionFold(
            from: checkpoint, limits: pipeline.limits, places: pipeline.places,
            keys: try Self.keys(of: checkpoint, in: pipeline.checkpoints))
        for (tenant, reason) in fold.restarted {
            pipeline.logger.warning(
                "A tenant's detectors begin anew.", metadata: ["tenant": "\(tenant)", "reason": "\(reason)"])
        }
        fold.restarted = [:]
        (savedOffset, savedPrograms) = (checkpoint.offset, checkpoint.programs)
        lastCheckpoint = pipeline.time.monotonic()
        pipeline.metrics.offset.set(Double(checkpoint.offset))
    }

    private static func keys(
        of checkpoint: PipelineCheckpoint, in store: any CheckpointStore
    ) throws -> KeyIndex? {
        guard store.keepsKeys else { return nil }
        if checkpoint.keys.isEmpty { return KeyIndex() }
        // Without it batches would be counted twice: better that somebody looks.
        guard let keys = KeyIndex(restoring: checkpoint.keys) else {
            throw FlowLogError.storage("the index of keys in the checkpoint is damaged")
        }
        return keys
    }

    /// Takes in a group of batches, or waits for one; writes a checkpoint when one is due.
    mutating func step() async throws {
        if try await !takeGroup() {
            try await checkpointWhenDue()
            try await waitForWork()
        } else if batchesSinceCheckpoint >= pipeline.pace.checkpointBatches {
            try await checkpoint()
        } else {
            try await checkpointWhenDue()
        }
    }

    /// - Returns: false when the log has nothing new.
    mutating func takeGroup() async throws -> Bool {
        let offset = fold.offset
        let batches = try await waitingForRoom {
            try await pipeline.log.read(
                after: offset, limit: pipeline.pace.readBatches, bytesMax: pipeline.pace.readBytes)
        }
        guard let last = batches.last else {
            try await filePrograms()
            try await noteLag(receivedMilliseconds: nil)
            return false
        }
        let tenants = Set(batches.map(\.sensor.tenant))
        try await giveLimits()
        try await giveRules(to: tenants)
        try await giveModels(to: tenants)
        fold.use(pipeline.intelligence.begin())
        defer { pipeline.intelligence.end() }
        var stored: [StoredBatch] = [], findings: [TenantID: [Finding]] = [:]
        var trace = GroupTrace(pipeline.tracer, pipeline.time)
        for batch in batches {
            pipeline.metrics.batches.add()
            let begin = trace.now
            if let outcome = take(batch) {
                stored.append(outcome.stored)
                findings[batch.sensor.tenant, default: []] += outcome.findings
                trace.detected(batch, outcome.findings, since: begin)
                offerPrograms(batch)
            }
            await Task.yield()
        }
        #if WEIR_PLANTED
        if Planted.checkpointBeforeStore.isActive { try await checkpoint() }
        #endif
        let begin = trace.now
        try await store(stored)
        trace.stored(since: begin)
        let filing = trace.now
        for (tenant, found) in findings { try await file(found, of: tenant) }
        trace.filed(since: filing)
        try await filePrograms()
        if let register = pipeline.sigma { fold.note(in: register, tenants) }
        if let register = pipeline.models {
            for tenant in tenants { if let fold = fold.models[tenant] { register.note(fold) } }
        }
        batchesSinceCheckpoint += batches.count
        try await noteLag(receivedMilliseconds: last.receivedMilliseconds)
        return true
    }

    /// When a tenant's limits have changed, goes on under the new ones from here, behind a checkpoint.
    private mutating func giveLimits() async throws {
        guard fold.isBehind(pipeline.limits) else { return }
        try await checkpoint()
        for tenant in fold.turn(to: pipeline.limits) { tellRestart(of: tenant) }
    }

    /// When rules have changed, goes on with the new ones from here, behind a checkpoint.
    private mutating func giveRules(to tenants: Set<TenantID>) async throws {
        guard let register = pipeline.sigma else { return }
        if fold.isBehind(register) {
            try await checkpoint()
            try fold.turn(to: register)
        }
        for tenant in tenants {
            try fold.prepare(tenant, register)
            tellRestart(of: tenant)
        }
    }
    /// The same with models: a promotion or a rollback counts from here on.
    private mutating func giveModels(to tenants: Set<TenantID>) async throws {
        guard let register = pipeline.models else { return }
        let generation = register.generation, isBehind = generation != fold.models.generation
        if isBehind { try await checkpoint() }
        for tenant in isBehind ? tenants.union(fold.models.known) : tenants.subtracting(fold.models.known) {
            let promoted = try await waitingForRoom { try pipeline.promotedModel(of: tenant, in: register) }
            fold.use(promoted, for: tenant)
            tellRestart(of: tenant)
        }
        fold.noteModels(of: generation)
    }
    private mutating func tellRestart(of tenant: TenantID) {
        guard let reason = fold.restarted.removeValue(forKey: tenant) else { return }
        pipeline.logger.warning(
            "A tenant's rules or models begin anew.", metadata: ["tenant": "\(tenant)", "reason": "\(reason)"])
    }

    private mutating func take(_ batch: LoggedBatch) -> DetectionFold.Outcome? {
        if fold.isRepeat(batch) {
            pipeline.metrics.repeats.add()
            return nil
        }
        do {
            let outcome = try fold.take(batch, decoder: &decoder, columns: &columns)
            pipeline.metrics.rows.add(outcome.stored.rows)
            return outcome
        } catch {
            pipeline.metrics.undecodable.add()
            pipeline.logger.error(
                "A logged batch can't be decoded.",
                metadata: [
                    "offset": "\(batch.offset)", "tenant": "\(batch.sensor.tenant)", "reason": "\(error)",
                ])
            return nil
        }
    }

    private func store(_ batches: [StoredBatch]) async throws {
        // A tenant at a time, so that one whose key was destroyed keeps nobody else's batches out.
        for (tenant, batches) in Dictionary(grouping: batches, by: \.sensor.tenant) {
            do {
                let totals = try await waitingForRoom { try await pipeline.store.store(batches) }
                pipeline.metrics.note(totals)
            } catch FlowStoreError.keyDestroyed {
                pipeline.metrics.keyDestroyed.add(batches.count)
                pipeline.logger.warning(
                    "Batches of a tenant whose data key was destroyed are not stored.",
                    metadata: ["tenant": "\(tenant)", "batches": "\(batches.count)"])
            }
        }
    }

    func file(_ findings: [Finding], of tenant: TenantID) async throws {
        if findings.isEmpty { return }
        pipeline.metrics.findings.add(findings.count)
        pipeline.metrics.matches.add(findings.count { $0.rule == ThreatIntelligenceDetector.rule.id })
        let opened = try await waitingForRoom {
            try await pipeline.incidents.file(findings, tenant: tenant, at: pipeline.time.wallMilliseconds())
        }
        pipeline.metrics.incidents.add(opened)
    }

    /// Tries again while the disk is full or the log does not answer: the batches are safe in the log.
    private func waitingForRoom<Result>(_ work: () async throws -> Result) async throws -> Result {
        while true {
            do {
                return try await work()
            } catch  where Self.isFull(error) && !Task.isShuttingDownGracefully {
                pipeline.logger.error(
                    "The disk is full, or a data key, the log or the history can't be had: batches wait.",
                    metadata: ["reason": "\(error)"])
                try await sleep(pipeline.pace.fullDiskWait)
            }
        }
    }
    private static func isFull(_ error: any Error) -> Bool {
        if case FlowStoreError.keyUnavailable = error { return true }
        if case FlowStoreError.unavailable = error { return true }
        if case ModelRegisterError.keyUnavailable = error { return true }
        if case FlowLogError.unavailable = error { return true }
        return error as? FlowStoreError == .full || error as? IncidentError == .full || error as? FlowLogError == .full
            || (error as? DatabaseError)?.resultCode == .SQLITE_FULL
    }

    private mutating func noteLag(receivedMilliseconds: Int64?) async throws {
        let head = try await waitingForRoom { try await pipeline.log.headOffset() }, metrics = pipeline.metrics
        metrics.offset.set(Double(fold.offset))
        metrics.head.set(Double(head))
        metrics.lagBatches.set(Double(max(head - fold.offset, 0)))
        let age = receivedMilliseconds.map { pipeline.time.wallMilliseconds() - $0 } ?? 0
        metrics.lagSeconds.set(head > fold.offset ? Double(max(age, 0)) / 1_000 : 0)
        metrics.note(evictions: fold.evictions, reopenings: fold.reopenings)
        metrics.note(models: fold.models.working)
        let damaged = await pipeline.store.quarantinedFiles
        if damaged > damagedFiles {
            pipeline.logger.error("A damaged day file was set aside.", metadata: ["since start": "\(damaged)"])
        }
        damagedFiles = damaged
        metrics.quarantined.set(damaged)
    }

    // MARK: Checkpoints

    private mutating func checkpointWhenDue() async throws {
        let age = pipeline.time.monotonic() - lastCheckpoint
        guard age >= pipeline.pace.checkpointInterval else { return }
        if isCheckpointOfUse { try await checkpoint() }
    }
    /// It would save something, or give something up.
    private var isCheckpointOfUse: Bool {
        if isHeldBack { return true }
        return fold.offset > savedOffset
    }

    /// Makes the present state durable, then gives up the bodies behind it.
    mutating func checkpoint() async throws {
        lastCheckpoint = pipeline.time.monotonic()
        batchesSinceCheckpoint = 0
        try await filePrograms()
        guard isCheckpointOfUse else { return }
        let state = checkpointState()
        #if WEIR_PLANTED
        if Planted.trimBeforeCheckpoint.isActive { try await pipeline.log.trim(through: fold.offset) }
        #endif
        try await waitingForRoom { try await pipeline.checkpoints.save(state) }
        let saved = fold.offset
        savedOffset = saved
        pipeline.metrics.checkpoints.add()
        // What a program has not settled is offered again after a crash.
        let needed = pipeline.programs?.oldestOpen.map { $0 - 1 } ?? saved
        isHeldBack = needed < saved
        try await trimLog(through: min(needed, saved))
    }
    /// Once for each checkpoint: it holds only what has changed since the last.
    private mutating func checkpointState() -> PipelineCheckpoint {
        var state = fold.checkpoint()
        if let programs = pipeline.programs { state.programs = programs.checkpoint() }
        return state
    }
    /// Without room the next checkpoint trims.
    private func trimLog(through offset: Int64) async throws {
        do throws(FlowLogError) {
            try await pipeline.log.trim(through: offset)
        } catch {
            if case .unavailable = error { return }
            guard error == .full else { throw error }
        }
    }

    // MARK: Waiting

    /// Until there is a batch, a checkpoint is due, or the service is to stop.
    private func waitForWork() async throws {
        let log = pipeline.log, offset = fold.offset
        let interval = isCheckpointOfUse ? pipeline.pace.checkpointInterval : nil
        let timeout = pipeline.programs?.oldestOpen == nil ? interval : Self.programsLook
        do {
            try await cancelWhenGracefulShutdown {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await log.waitForBatch(after: offset) }
                    if let timeout { group.addTask { try await Task.sleep(for: timeout) } }
                    try await group.next()
                    group.cancelAll()
                }
            }
        } catch FlowLogError.cancelled where !Task.isCancelled {
        } catch is CancellationError where !Task.isCancelled {
        }
    }
    func sleep(_ duration: Duration) async throws {
        do {
            try await cancelWhenGracefulShutdown { try await Task.sleep(for: duration) }
        } catch is CancellationError where !Task.isCancelled {
        }
    }
}
