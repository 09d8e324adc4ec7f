internal import BatchFormat
internal import Detect
internal import FlowLog
internal import FlowModel
internal import FlowStore
internal import Identity
internal import Intelligence
internal import Models
internal import Sigma
internal import WireBytes

/// What the pipeline does with a batch, as a fold: no clock, no storage. The detectors of all tenants, and where in the
/// log they are.
struct DetectionFold {
    /// What came of one batch.
    struct Outcome {
        let stored: StoredBatch
        /// In the order in which they were made.
        let findings: [Finding]
    }
    private var parameters: TenantParameters
    /// Of `LiveParameters`.
    private var limitsGeneration: UInt64
    private let places: PlaceLookup
    private var edition = IntelligenceEdition.none
    private var detectors: [TenantID: DetectorSet] = [:]
    private var changed: Set<TenantID> = []
    private var rules: RuleFolds
    private(set) var models: ModelFolds
    /// The last batch taken in.
    private(set) var offset: Int64
    /// Nil: the log tells repeats by itself, for ever.
    private(set) var keys: KeyIndex?
    /// Tenants whose snapshot could not be used, with the reason: their detectors, or rules, began anew. Whoever has
    /// told it takes it away.
    var restarted: [TenantID: String] = [:]

    init(
        from checkpoint: PipelineCheckpoint, limits: LiveParameters, places: PlaceLookup = .none,
        keys: KeyIndex? = nil
    ) {
        self.keys = keys
        (limitsGeneration, parameters) = limits.current
        self.places = places
        offset = checkpoint.offset
        rules = RuleFolds(from: checkpoint.sigma)
        models = ModelFolds(from: checkpoint.models)
        for (tenant, snapshot) in checkpoint.snapshots {
            do {
                var set = try DetectorSet(restoring: snapshot, tenant: tenant, parameters: parameters[tenant])
                set.use(places)
                detectors[tenant] = set
            } catch {
                restarted[tenant] = "\(error)"
            }
        }
    }

    /// What is known about strangers, for the batches from here on.
    mutating func use(_ edition: IntelligenceEdition) {
        guard edition.generation != self.edition.generation else { return }
        self.edition = edition
        for tenant in detectors.keys { detectors[tenant]?.use(edition[tenant]) }
    }

    private func begun(_ tenant: TenantID) -> DetectorSet {
        var set = DetectorSet(tenant: tenant, parameters: parameters[tenant])
        set.use(edition[tenant])
        set.use(places)
        return set
    }

    /// Whether this batch's key was taken in before, under another offset: the log forgot it. Then it is passed over.
    mutating func isRepeat(_ batch: LoggedBatch) -> Bool {
        guard keys != nil, keys?.take(batch) == false else { return false }
        offset = batch.offset
        return true
    }

    /// Takes in one batch; its offset must be larger than the last one's.
    /// - Throws: when the body can't be decoded. Ingest refuses such, so this one was damaged since; it is passed over.
    mutating func take(
        _ batch: LoggedBatch, decoder: inout BatchDecoder, columns: inout FlowColumns
    ) throws(BatchError) -> Outcome {
        precondition(batch.offset > offset, "batches come in log order")
        offset = batch.offset
        columns.removeAll()
        try batch.body.withBytes { span throws(BatchError) in try decoder.decode(span, into: &columns) }
        let tenant = batch.sensor.tenant
        var set = detectors.removeValue(forKey: tenant) ?? begun(tenant)
        var findings = set.observe(columns)
        for place in findings.indices { noteLateness(of: &findings[place], in: batch) }
        findings += rules.observe(columns, of: tenant) + models.observe(columns, of: tenant)
        detectors[tenant] = set
        changed.insert(tenant)
        for place in findings.indices.prefix(Self.sampledMax) {
            findings[place].takeSamples(of: columns, rows: columns.rows)
        }
        return Outcome(stored: Self.stored(batch, columns), findings: findings)
    }
    /// Findings of one batch that get samples of its flows: each takes a look at all of them.
    private static let sampledMax = 16

    /// Detectors tell of what is there at once, but for silence, so what was over long ago came late, as from a sensor
    /// that was cut off. Rules and models may wait for the end of their windows.
    private func noteLateness(of finding: inout Finding, in batch: LoggedBatch) {
        guard !DetectorSet.waits(for: finding.rule) else { return }
        let (late, isOver) = batch.receivedMilliseconds.subtractingReportingOverflow(finding.end)
        guard !isOver, late >= parameters[batch.sensor.tenant].latenessMilliseconds else { return }
        finding.evidence.lateMilliseconds = late
    }

    /// The bounds are those of starts and ends together: an exporter's end may lie before its start.
    private static func stored(_ batch: LoggedBatch, _ columns: FlowColumns) -> StoredBatch {
        var lowest = Int64.max, highest = Int64.min
        for row in columns.rows {
            let start = columns.flowStartMilliseconds[row], end = columns.flowEndMilliseconds[row]
            lowest = min(lowest, start, end)
            highest = max(highest, start, end)
        }
        if columns.count == 0 { (lowest, highest) = (batch.receivedMilliseconds, batch.receivedMilliseconds) }
        return StoredBatch(
            sensor: batch.sensor, key: batch.key, logOffset: batch.offset,
            receivedMilliseconds: batch.receivedMilliseconds, flowStartMin: lowest, flowEndMax: highest,
            rows: columns.count, tally: columns.tally, body: batch.body)
    }

    /// The present state, with the snapshots that differ from the ones taken before.
    mutating func checkpoint() -> PipelineCheckpoint {
        defer { changed = [] }
        return PipelineCheckpoint(
            offset: offset,
            snapshots: detectors.filter { changed.contains($0.key) }.mapValues { $0.snapshot() },
            sigma: rules.checkpoint(), models: models.checkpoint(), keys: keys?.snapshot() ?? [])
    }

    // MARK: Limits

    func isBehind(_ limits: LiveParameters) -> Bool { limits.generation != limitsGeneration }
    /// Goes on under the present limits, with all that was learned. Take a checkpoint before, as with rules.
    /// - Returns: tenants whose detectors changed.
    mutating func turn(to limits: LiveParameters) -> [TenantID] {
        (limitsGeneration, parameters) = limits.current
        let turned = detectors.filter { $0.value.parameters != parameters[$0.key] }
        for (tenant, set) in turned {
            do {
                var next = try DetectorSet(restoring: set.snapshot(), tenant: tenant, parameters: parameters[tenant])
                next.use(edition[tenant])
                next.use(places)
                detectors[tenant] = next
            } catch {
                // Its own snapshot is never refused; were it, the detectors would begin anew.
                restarted[tenant] = "\(error)"
                detectors[tenant] = nil
            }
            changed.insert(tenant)
        }
        return Array(turned.keys)
    }

    // MARK: Rules

    /// The register has changed since `turn`.
    func isBehind(_ register: SigmaRegister) -> Bool { rules.generation != register.generation }
    /// Goes on with the register's present rules. Take a checkpoint before: what is repeated after a crash must be
    /// repeated with the rules that it is repeated with.
    /// - Throws: what the register throws; then nothing has changed.
    mutating func turn(to register: SigmaRegister) throws { try rules.turn(to: register) }
    /// Gives a tenant its rules before its first batch.
    mutating func prepare(_ tenant: TenantID, _ register: SigmaRegister) throws {
        if let reason = try rules.prepare(tenant, register) { restarted[tenant] = reason }
    }
    func note(in register: SigmaRegister, _ tenants: some Sequence<TenantID>) { rules.note(in: register, tenants) }

    // MARK: Models

    /// Scores a tenant's hosts with this from its next batch on. Take a checkpoint before it changes.
    mutating func use(_ promoted: PromotedModel?, for tenant: TenantID) {
        let reason = models.use(promoted, for: tenant, parameters: parameters[tenant])
        if let reason { restarted[tenant] = reason }
    }
    /// All that was promoted in this generation of the register is in use.
    mutating func noteModels(of generation: UInt64) { models.generation = generation }

    /// Table entries dropped by all tenants' detectors to make room, by detector.
    var evictions: [String: UInt64] {
        detectors.values.reduce(into: [:]) { sum, set in sum.merge(set.evictions) { $0 &+ $1 } }
    }
    /// Entries begun anew by records older than what was dropped, by detector.
    var reopenings: [String: UInt64] {
        detectors.values.reduce(into: [:]) { sum, set in sum.merge(set.reopenings) { $0 &+ $1 } }
    }
}
