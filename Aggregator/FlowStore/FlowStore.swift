/// A tenant's history: sealed batches, found by time.
///
/// Invariants: nothing is read or written without a `TenantID`, and no file holds two tenants' data; storing a batch
/// again changes nothing; what `store` returned for is durable; a damaged part is set aside and counted, and the rest
/// goes on.
/// Not here: what a body's columns say (`BatchFormat`), questions about records (`Query`), retention.
package import Delivery
package import FlowModel
package import Identity

/// Where batches are kept for queries. `SQLiteFlowStore` keeps them in a folder.
package protocol FlowStore: Sendable {
    /// Stores batches, each under its sensor's tenant. Idempotent by batch key. Durable on return, so their log may be
    /// trimmed.
    /// - Returns: what was new.
    @discardableResult
    func store(_ batches: [StoredBatch]) async throws(FlowStoreError) -> StoreTotals

    /// The segments of `tenant` with a flow that can have been under way in [from, to), newest first: by the largest
    /// flow end, then by log offset, both falling. Bodies are not read.
    /// - Parameters:
    ///   - from: ms since 1970 UTC. A segment whose last flow ended before it is left out.
    ///   - to: ms since 1970 UTC. A segment whose first flow started then or later is left out.
    ///   - before: continue after this segment of an earlier answer.
    func segments(
        tenant: TenantID, from: Int64, to: Int64, before: SegmentPosition?, limit: Int
    ) async throws(FlowStoreError) -> [Segment]

    /// The body of a segment, byte for byte as its sensor sealed it; nil when it is gone meanwhile.
    func body(of segment: Segment, tenant: TenantID) async throws(FlowStoreError) -> [UInt8]?

    /// All that is kept of `tenant`.
    func totals(of tenant: TenantID) async throws(FlowStoreError) -> StoreTotals

    /// Damaged parts set aside since start: their batches are missing from every answer.
    var quarantinedFiles: Int { get async }
}

/// A batch to keep.
package struct StoredBatch: Sendable {
    /// Its tenant is the one the batch is stored under.
    package var sensor: SensorIdentity
    package var key: BatchKey
    package var logOffset: Int64
    /// By the aggregator's clock, as logged: ms since 1970 UTC.
    package var receivedMilliseconds: Int64
    /// Smallest and largest of its rows' flow starts and ends, ms since 1970 UTC, by the exporters' clocks: a query
    /// finds a row only through them.
    package var flowStartMin: Int64
    package var flowEndMax: Int64
    package var rows: Int
    package var tally: Tally
    package var body: [UInt8]

    package init(
        sensor: SensorIdentity, key: BatchKey, logOffset: Int64, receivedMilliseconds: Int64, flowStartMin: Int64,
        flowEndMax: Int64, rows: Int, tally: Tally, body: [UInt8]
    ) {
        self.sensor = sensor
        self.key = key
        self.logOffset = logOffset
        self.receivedMilliseconds = receivedMilliseconds
        self.flowStartMin = flowStartMin
        self.flowEndMax = flowEndMax
        self.rows = rows
        self.tally = tally
        self.body = body
    }
}

/// A place in the order of a tenant's segments. Greater is newer.
package struct SegmentPosition: Comparable, Hashable, Sendable {
    package var flowEndMax: Int64
    package var logOffset: Int64

    package init(flowEndMax: Int64, logOffset: Int64) {
        self.flowEndMax = flowEndMax
        self.logOffset = logOffset
    }
    package static func < (a: SegmentPosition, b: SegmentPosition) -> Bool {
        a.flowEndMax != b.flowEndMax ? a.flowEndMax < b.flowEndMax : a.logOffset < b.logOffset
    }
}

/// A stored batch without its body.
package struct Segment: Hashable, Sendable {
    package let sensor: SensorIdentity
    package let position: SegmentPosition
    package let flowStartMin: Int64
    package let receivedMilliseconds: Int64
    package let rows: Int
    package let tally: Tally
    /// Octets of the body.
    package let bodyBytes: Int
    /// Where the store finds it: for the store itself.
    package let day: Int
    package let rowID: Int64

    package init(_ batch: StoredBatch, day: Int, rowID: Int64) {
        self.init(
            sensor: batch.sensor,
            position: SegmentPosition(flowEndMax: batch.flowEndMax, logOffset: batch.logOffset),
            flowStartMin: batch.flowStartMin, receivedMilliseconds: batch.receivedMilliseconds, rows: batch.rows,
            tally: batch.tally, bodyBytes: batch.body.count, day: day, rowID: rowID)
    }
    init(
        sensor: SensorIdentity, position: SegmentPosition, flowStartMin: Int64, receivedMilliseconds: Int64, rows: Int,
        tally: Tally, bodyBytes: Int, day: Int, rowID: Int64
    ) {
        self.sensor = sensor
        self.position = position
        self.flowStartMin = flowStartMin
        self.receivedMilliseconds = receivedMilliseconds
        self.rows = rows
        self.tally = tally
        self.bodyBytes = bodyBytes
        self.day = day
        self.rowID = rowID
    }
}

/// Sums over batches.
package struct StoreTotals: Equatable, Sendable {
    package var batches: UInt64 = 0
    package var rows: UInt64 = 0
    package var tally = Tally()
    /// Octets of bodies.
    package var bodyBytes: UInt64 = 0

    package init() {}
    package static func += (sum: inout StoreTotals, other: StoreTotals) {
        sum.batches &+= other.batches
        sum.rows &+= other.rows
        sum.tally += other.tally
        sum.bodyBytes &+= other.bodyBytes
    }
    mutating func add(_ batch: StoredBatch) {
        batches &+= 1
        rows &+= UInt64(batch.rows)
        tally += batch.tally
        bodyBytes &+= UInt64(batch.body.count)
    }
}

/// Why the store did not do what it was asked to.
package enum FlowStoreError: Error, Equatable, Sendable {
    /// No room on the disk; nothing of the last file's batches was stored. Later.
    case full
    /// A file can't be opened, written or synced. Who writes must stop the service: see `FlowLogError.failed`.
    case storage(String)
    case cancelled
}
