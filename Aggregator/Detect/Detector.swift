/// Detection as a pure fold: `(state, batches in log order) → (state, findings)`. No clock, no input or output, no
/// chance; the time is the records' own.
///
/// Invariants: the same batches in the same order give the same findings, bit for bit, on every machine and across a
/// snapshot. Memory is bounded by `DetectorParameters`; what makes room is always what is stalest by event time, and
/// it is counted (`evictions`). Not here: which detectors there are (`DetectorKind.all`), grouping into incidents
/// (`Incidents`), where the log comes from.
package import FlowModel
package import Identity
package import Intelligence

/// One detector's part of the fold.
protocol Detector: Sendable {
    /// Names its counter of evictions; a snapshot is of these names in this order.
    static var name: String { get }
    static var rules: [RuleInfo] { get }
    /// Records with none of these are not given to `observe`.
    static var interest: Aspects { get }
    init(tenant: TenantID, parameters: DetectorParameters)
    /// Called between two batches, when what is known about strangers has changed; no part of the state.
    mutating func use(_ intelligence: Intelligence)
    /// The same for where addresses are.
    mutating func use(_ places: PlaceLookup)
    /// Called before a batch's records, for what isn't in a `FlowSight`.
    mutating func begin(_ columns: FlowColumns, rows: Range<Int>)
    /// Takes in one record.
    mutating func observe(_ sight: FlowSight)
    /// Takes in records in order: so that one call through the protocol serves many.
    mutating func observe(_ chunk: borrowing SightChunk)
    /// Called after each batch: weighs what the batch touched and says what is new or has grown.
    /// - Parameter received: the latest receive time so far, in ms; paces the updates of running attacks.
    mutating func settle(received: Int64) -> [Finding]
    /// Says everything that has changed since it was last said: the end of the input.
    mutating func finish() -> [Finding]
    /// Entries dropped because a table was full.
    var evictions: UInt64 { get }
    /// Entries begun anew by records that are older than what was dropped: see `EventTable.reopenings`.
    var reopenings: UInt64 { get }
    /// Those of tables that are counted apart, by the names of their counters.
    var otherEvictions: [String: UInt64] { get }
    func save(to writer: inout SnapshotWriter)
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError)
}

extension Detector {
    var otherEvictions: [String: UInt64] { [:] }
    var reopenings: UInt64 { 0 }
    mutating func use(_ intelligence: Intelligence) {}
    mutating func use(_ places: PlaceLookup) {}
    mutating func begin(_ columns: FlowColumns, rows: Range<Int>) {}
    mutating func observe(_ chunk: borrowing SightChunk) { observeEach(chunk) }

    /// Takes in those records that are of interest.
    @inline(__always)
    mutating func observeEach(_ chunk: borrowing SightChunk) {
        for index in chunk.indices where !chunk.aspects[index].isDisjoint(with: Self.interest) {
            observe(chunk.sights[index])
        }
    }
}

/// All built-in detectors of one tenant: the aggregator's fold over that tenant's batches, and `weirctl detect`'s over
/// a file.
package struct DetectorSet: Sendable {
    package let tenant: TenantID
    package let parameters: DetectorParameters
    /// Records taken in since the beginning, snapshots included.
    package private(set) var records: UInt64 = 0
    private var received = Int64.min
    private let kinds: [DetectorKind]
    private var detectors: [any Detector]
    private let keys: KeyHash, networks: OwnNetworks

    /// Every rule that a set can raise.
    package static var rules: [RuleInfo] { DetectorKind.all.flatMap(\.rules) }
    /// The names of all detectors, in their order.
    package static var names: [String] { DetectorKind.all.map(\.name) }

    /// - Parameter names: of the detectors to use; nil for all.
    package init(tenant: TenantID, parameters: DetectorParameters = .init(), only names: Set<String>? = nil) {
        self.tenant = tenant
        self.parameters = parameters
        keys = KeyHash(tenant)
        networks = OwnNetworks(parameters.ownNetworks)
        kinds = DetectorKind.all.filter { names?.contains($0.name) ?? true }
        detectors = kinds.map { $0.make(tenant, parameters) }
    }

    /// Replaces what is known about strangers from the next batch on. A snapshot does not have it.
    package mutating func use(_ intelligence: Intelligence) {
        for index in detectors.indices { detectors[index].use(intelligence) }
    }

    /// Replaces what is known about where addresses are, in the same way.
    package mutating func use(_ places: PlaceLookup) {
        for index in detectors.indices { detectors[index].use(places) }
    }

    /// Takes in one batch, whole and in log order.
    /// - Returns: what became known or has grown much, each id at most once, ordered by start and id.
    package mutating func observe(_ columns: FlowColumns) -> [Finding] {
        observe(columns, rows: columns.rows)
    }

    /// The same for some rows of a batch.
    package mutating func observe(_ columns: FlowColumns, rows: Range<Int>) -> [Finding] {
        for index in detectors.indices { detectors[index].begin(columns, rows: rows) }
        let first = FirstSeen(columns, rows: rows)
        var chunk = SightChunk(
            keys, networks, bucket: parameters.floodBucketMilliseconds, received: received)
        for start in stride(from: rows.lowerBound, to: rows.upperBound, by: SightChunk.sightsMax) {
            chunk.read(columns, rows: start..<min(start + SightChunk.sightsMax, rows.upperBound), first)
            for index in detectors.indices { detectors[index].observe(chunk) }
        }
        received = chunk.received
        records &+= UInt64(rows.count)
        return inOrder(detectors.indices.flatMap { detectors[$0].settle(received: received) })
    }

    /// The last word on everything that has grown since it was last said: for the end of a file, not for a running
    /// service, whose `observe` paces updates by receive time.
    package mutating func finish() -> [Finding] {
        inOrder(detectors.indices.flatMap { detectors[$0].finish() })
    }

    /// Table entries dropped to make room, by detector, or by what it learns: above zero, long or slow attacks may be
    /// missed.
    package var evictions: [String: UInt64] {
        zip(kinds, detectors).reduce(into: [:]) { all, one in
            all[one.0.name] = one.1.evictions
            all.merge(one.1.otherEvictions) { $1 }
        }
    }

    /// Entries begun by records that are older than entries which had made room, by detector: a window that was counted
    /// before may have begun anew, and know only what came since.
    package var reopenings: [String: UInt64] {
        Dictionary(uniqueKeysWithValues: zip(kinds, detectors).map { ($0.name, $1.reopenings) })
    }

    /// The whole state as bytes; equal states give equal bytes. Take it between two calls of `observe`.
    package func snapshot() -> [UInt8] {
        var writer = SnapshotWriter()
        writer.add(parameters.fingerprint)
        writer.add(fingerprint)
        writer.add(StableHash.of(tenant.rawValue))
        writer.add(records)
        writer.add(received)
        for detector in detectors { detector.save(to: &writer) }
        return writer.finish()
    }
    /// Of the detectors there are: a snapshot of others would be read as nonsense.
    private var fingerprint: UInt64 { StableHash.of(kinds.map(\.name).joined(separator: ",")) }

    /// The state that `snapshot` wrote.
    /// - Throws: `SnapshotError`; then start anew and replay the log.
    package init(
        restoring snapshot: [UInt8], tenant: TenantID, parameters: DetectorParameters = .init(),
        only names: Set<String>? = nil
    ) throws(SnapshotError) {
        var reader = try SnapshotReader(snapshot)
        self.init(tenant: tenant, parameters: parameters, only: names)
        guard let edition = parameters.edition(of: try reader.next()) else { throw .otherParameters }
        reader.edition = edition
        guard try reader.next() == fingerprint else { throw .otherDetectors }
        guard try reader.next() == StableHash.of(tenant.rawValue) else { throw .otherTenant }
        records = try reader.next()
        received = try reader.nextSigned()
        for index in detectors.indices { try detectors[index].restore(from: &reader) }
        try reader.finish()
    }

    /// Without those of rules that are off.
    private func inOrder(_ findings: [Finding]) -> [Finding] {
        let told = parameters.off.isEmpty ? findings : findings.filter { !parameters.off.contains($0.rule) }
        return told.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
    }
}
