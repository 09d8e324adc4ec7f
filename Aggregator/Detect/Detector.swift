/// Detection as a pure fold: `(state, batches in log order) → (state, findings)`. No clock, no input or output, no
/// chance; the time is the records' own.
///
/// Invariants: the same batches in the same order give the same findings, bit for bit, on every machine and across a
/// snapshot. Memory is bounded by `DetectorParameters`; what makes room is always what is stalest by event time, and
/// it is counted (`evictions`). Not here: grouping into incidents (`Incidents`), where the log comes from.
package import FlowModel
package import Identity

/// One detector's part of the fold.
protocol Detector: Sendable {
    static var rules: [RuleInfo] { get }
    /// Takes in one record.
    mutating func observe(_ sight: FlowSight)
    /// Called after each batch: weighs what the batch touched and says what is new or has grown.
    /// - Parameter received: the latest receive time so far, in ms; paces the updates of running attacks.
    mutating func settle(received: Int64) -> [Finding]
    /// Says everything that has changed since it was last said: the end of the input.
    mutating func finish() -> [Finding]
    /// Entries dropped because a table was full.
    var evictions: UInt64 { get }
    func save(to writer: inout SnapshotWriter)
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError)
}

/// All built-in detectors of one tenant: the aggregator's fold over that tenant's batches, and `weirctl detect`'s over
/// a file.
package struct DetectorSet: Sendable {
    package let tenant: TenantID
    package let parameters: DetectorParameters
    /// Records taken in since the beginning, snapshots included.
    package private(set) var records: UInt64 = 0
    private var received = Int64.min
    private var portScan: PortScanDetector
    private var summedScan: SummedScanDetector
    private var passwordGuessing: PasswordGuessingDetector
    private var flood: FloodDetector
    private var reflection: ReflectionDetector

    /// Every rule that a set can raise.
    package static var rules: [RuleInfo] {
        PortScanDetector.rules + PasswordGuessingDetector.rules + FloodDetector.rules + ReflectionDetector.rules
    }

    package init(tenant: TenantID, parameters: DetectorParameters = .init()) {
        self.tenant = tenant
        self.parameters = parameters
        portScan = PortScanDetector(tenant: tenant, parameters: parameters)
        summedScan = SummedScanDetector(tenant: tenant, parameters: parameters)
        passwordGuessing = PasswordGuessingDetector(tenant: tenant, parameters: parameters)
        flood = FloodDetector(tenant: tenant, parameters: parameters)
        reflection = ReflectionDetector(tenant: tenant, parameters: parameters)
    }

    /// Takes in one batch, whole and in log order.
    /// - Returns: what became known or has grown much, each id at most once, ordered by start and id.
    package mutating func observe(_ columns: FlowColumns) -> [Finding] {
        observe(columns, rows: columns.rows)
    }

    /// The same for some rows of a batch.
    package mutating func observe(_ columns: FlowColumns, rows: Range<Int>) -> [Finding] {
        // What another observer's record stands for was taken in with that one.
        for row in rows where columns.flags[row] & RecordFlags.observedElsewhere.rawValue == 0 {
            let sight = FlowSight(columns, row: row)
            received = max(received, sight.received)
            portScan.observe(sight)
            summedScan.observe(sight)
            passwordGuessing.observe(sight)
            flood.observe(sight)
            reflection.observe(sight)
        }
        records &+= UInt64(rows.count)
        let findings =
            portScan.settle(received: received) + summedScan.settle(received: received)
            + passwordGuessing.settle(received: received) + flood.settle(received: received)
            + reflection.settle(received: received)
        return inOrder(findings)
    }

    /// The last word on everything that has grown since it was last said: for the end of a file, not for a running
    /// service, whose `observe` paces updates by receive time.
    package mutating func finish() -> [Finding] {
        inOrder(
            portScan.finish() + summedScan.finish() + passwordGuessing.finish() + flood.finish() + reflection.finish())
    }

    /// Table entries dropped to make room, by detector: above zero, long or slow attacks may be missed.
    package var evictions: [String: UInt64] {
        [
            "port-scan": portScan.evictions, "summed-scan": summedScan.evictions,
            "password-guessing": passwordGuessing.evictions,
            "flood": flood.evictions, "reflection-flood": reflection.evictions,
        ]
    }

    /// The whole state as bytes; equal states give equal bytes. Take it between two calls of `observe`.
    package func snapshot() -> [UInt8] {
        var writer = SnapshotWriter()
        writer.add(parameters.fingerprint)
        writer.add(StableHash.of(tenant.rawValue))
        writer.add(records)
        writer.add(received)
        portScan.save(to: &writer)
        summedScan.save(to: &writer)
        passwordGuessing.save(to: &writer)
        flood.save(to: &writer)
        reflection.save(to: &writer)
        return writer.finish()
    }

    /// The state that `snapshot` wrote.
    /// - Throws: `SnapshotError`; then start anew and replay the log.
    package init(
        restoring snapshot: [UInt8], tenant: TenantID, parameters: DetectorParameters = .init()
    ) throws(SnapshotError) {
        var reader = try SnapshotReader(snapshot)
        guard try reader.next() == parameters.fingerprint else { throw .otherParameters }
        guard try reader.next() == StableHash.of(tenant.rawValue) else { throw .otherTenant }
        self.init(tenant: tenant, parameters: parameters)
        records = try reader.next()
        received = try reader.nextSigned()
        try portScan.restore(from: &reader)
        try summedScan.restore(from: &reader)
        try passwordGuessing.restore(from: &reader)
        try flood.restore(from: &reader)
        try reflection.restore(from: &reader)
        try reader.finish()
    }

    private func inOrder(_ findings: [Finding]) -> [Finding] {
        findings.sorted { ($0.start, $0.id) < ($1.start, $1.id) }
    }
}
