/// Where a batch is durable before its sensor hears "stored", and the order in which detectors see batches.
///
/// Invariants: an answer is given after the batch *and its key* are synced together, never before; a repeat is told
/// from a new batch, for ever where the log keeps the index of keys (a file), for its window where another does (a
/// stream);
/// offsets only grow, also across a trim and a lost file; bodies are kept until `trim`.
/// Not here: what a body holds (`BatchFormat`), history (`FlowStore`), who may send what (`Ingest`).
package import Delivery
package import FlowModel
package import Identity

/// Takes batches: a log, or several by the group that a batch belongs to.
package protocol BatchSink: Sendable {
    /// Makes `batch` durable together with its key. Returns after the sync. Not undone by the caller's cancellation.
    /// - Throws: `.busy`, `.full`, `.unavailable`: say 503, the sensor comes back. `.failed`: this log is done for,
    ///   stop the service.
    func append(_ batch: LogAppend) async throws(FlowLogError) -> LogAppendResult
}

/// What each sensor has sent in all: a fact of whoever keeps the index of keys.
package protocol SensorTotals: Sendable {
    /// What every sensor of `tenant` has appended since the log was made, by site and name.
    func totals(of tenant: TenantID) async throws(FlowLogError) -> [SensorTotal]
}

/// The log of one group of shards; a node alone has one. `SQLiteFlowLog` keeps it in a file, `JetStreamFlowLog`
/// (`ClusterLog`) in a stream.
package protocol FlowLog: BatchSink {
    /// The batches after `offset`, in order of offsets.
    /// - Parameters:
    ///   - limit: at most so many.
    ///   - bytesMax: stops before the body that would exceed it, but returns at least one batch if there is one.
    func read(after offset: Int64, limit: Int, bytesMax: Int) async throws(FlowLogError) -> [LoggedBatch]

    /// Returns when a batch with a larger offset than `offset` is durable, at once if one is.
    /// - Throws: `.cancelled` with the task; `.failed` when the log fails, so that who waits ends too.
    func waitForBatch(after offset: Int64) async throws(FlowLogError)

    /// Gives up the bodies up to and including `offset`; their keys stay.
    func trim(through offset: Int64) async throws(FlowLogError)

    /// The largest durable offset; 0 when the log has never held a batch.
    func headOffset() async throws(FlowLogError) -> Int64

    /// Whether the log does not reach back to when it gave `offset`: it was restored, or made anew without knowing it.
    func isOlder(than offset: Int64) async throws(FlowLogError) -> Bool
}

extension FlowLog {
    package func isOlder(than offset: Int64) async throws(FlowLogError) -> Bool { try await headOffset() < offset }
    /// `read` with at most 64 MiB of bodies.
    package func read(after offset: Int64, limit: Int) async throws(FlowLogError) -> [LoggedBatch] {
        try await read(after: offset, limit: limit, bytesMax: 64 << 20)
    }
}

/// A batch to append. Whoever makes one has checked identity, limits, checksum and that every column decodes.
package struct LogAppend: Sendable {
    /// From the certificate only.
    package var sensor: SensorIdentity
    package var key: BatchKey
    /// Of `body`.
    package var digest: BatchDigest
    /// By the aggregator's clock, ms since 1970 UTC.
    package var receivedMilliseconds: Int64
    /// Rows in the body and what they carry, from its header.
    package var rows: Int
    package var tally: Tally
    package var body: [UInt8]

    package init(
        sensor: SensorIdentity, key: BatchKey, digest: BatchDigest, receivedMilliseconds: Int64, rows: Int,
        tally: Tally, body: [UInt8]
    ) {
        self.sensor = sensor
        self.key = key
        self.digest = digest
        self.receivedMilliseconds = receivedMilliseconds
        self.rows = rows
        self.tally = tally
        self.body = body
    }
}

/// What became of a batch. All three are durable facts.
package enum LogAppendResult: Equatable, Sendable {
    case appended(offset: Int64)
    /// The same bytes are there under this key, since an earlier try: answer as if just stored.
    case repeated(offset: Int64, digest: BatchDigest)
    /// Other bytes are there under this key. Nothing was stored.
    case conflict(stored: BatchDigest)
}

/// A batch as the log holds it.
package struct LoggedBatch: Sendable {
    package let offset: Int64
    package let sensor: SensorIdentity
    package let key: BatchKey
    package let digest: BatchDigest
    /// By the aggregator's clock, ms since 1970 UTC.
    package let receivedMilliseconds: Int64
    package let rows: Int
    package let tally: Tally
    package let body: [UInt8]

    package init(offset: Int64, _ batch: LogAppend) {
        self.offset = offset
        sensor = batch.sensor
        key = batch.key
        digest = batch.digest
        receivedMilliseconds = batch.receivedMilliseconds
        rows = batch.rows
        tally = batch.tally
        body = batch.body
    }
}

/// What one sensor has appended, repeats not counted.
package struct SensorTotal: Equatable, Sendable {
    package let sensor: SensorIdentity
    package var batches: UInt64
    package var rows: UInt64
    package var tally: Tally

    package init(sensor: SensorIdentity, batches: UInt64 = 0, rows: UInt64 = 0, tally: Tally = Tally()) {
        self.sensor = sensor
        self.batches = batches
        self.rows = rows
        self.tally = tally
    }
}

/// Why the log did not do what it was asked to.
package enum FlowLogError: Error, Equatable, Sendable {
    /// Too many bytes wait for the disk already. Later.
    case busy
    /// No room on the disk. Nothing was stored and the log goes on; later.
    case full
    /// A write or sync failed, so nobody knows what the file holds until it is opened afresh: the process must end and
    /// be started again. Every later call gets this too.
    case failed(String)
    /// The file can't be opened or read.
    case storage(String)
    /// Nobody knows whether it was done; the log goes on. Ask again: the same key will tell.
    case unavailable(String)
    case cancelled
}
