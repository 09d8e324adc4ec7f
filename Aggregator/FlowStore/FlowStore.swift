/// A tenant's history: sealed batches as they came, and the compacted segments that are made of them, found by time.
///
/// Invariants: nothing is read or written without a `TenantID`, and no file holds two tenants' data; storing a batch
/// again changes nothing, however old its key; what `store` returned for is durable; a record is in exactly one listed
/// segment; a damaged part is set aside and counted, and the rest goes on.
/// Not here: what a body's columns say (`BatchFormat`), what a compacted segment's blobs say (`SegmentFormat`),
/// questions about records (`Query`), how keys are made and kept (`DataKeys`).
package import Identity
package import SegmentFormat

/// Where batches are kept for queries. `SQLiteFlowStore` keeps them in a folder, `ClickHouseFlowStore` in a cluster of
/// ClickHouse servers. How questions are asked is the store's own affair: see `FlowHistory`.
package protocol FlowStore: Sendable {
    /// Stores batches, each under its sensor's tenant. Idempotent by batch key. Durable on return, so their log may be
    /// trimmed.
    /// - Returns: what was new.
    @discardableResult
    func store(_ batches: [StoredBatch]) async throws(FlowStoreError) -> StoreTotals

    /// All that is kept of `tenant`.
    func totals(of tenant: TenantID) async throws(FlowStoreError) -> StoreTotals

    /// Damaged parts set aside since start: their batches are missing from every answer.
    var quarantinedFiles: Int { get async }
}

/// A store that gives its batches and segments back as they are, for who reads their columns.
package protocol SegmentStore: FlowStore {
    /// The segments of `tenant`, sealed batches and compacted ones, with a flow that can have been under way in
    /// [from, to), newest first: by the largest flow end, then by log offset, both falling. No blob is read.
    ///
    /// Compaction replaces batches by a segment at any moment. What one call lists is consistent, and stays readable
    /// for `SegmentAge.readableAfterReplaced`; pages of several calls are not consistent with each other.
    /// - Parameters:
    ///   - from: ms since 1970 UTC. A segment whose last flow ended before it is left out.
    ///   - to: ms since 1970 UTC. A segment whose first flow started then or later is left out.
    ///   - before: continue after this segment of an earlier answer.
    func segments(
        tenant: TenantID, from: Int64, to: Int64, before: SegmentPosition?, limit: Int
    ) async throws(FlowStoreError) -> [Segment]

    /// The body of a segment of kind `.batch`, byte for byte as its sensor sealed it; nil when it is gone meanwhile,
    /// or damaged (then it is counted and set aside), or of the other kind.
    func body(of segment: Segment, tenant: TenantID) async throws(FlowStoreError) -> [UInt8]?

    /// Octets of one blob of a segment of kind `.compacted`.
    /// - Parameters:
    ///   - blob: `.head` first: it says which columns there are, and where their blocks lie.
    ///   - range: octets of the blob; nil means all of it. Only what holds the range is read from disk and opened.
    /// - Returns: nil when the segment is gone meanwhile or has no such blob or octets, or they are damaged.
    func blob(
        _ blob: SegmentBlob, range: Range<Int>?, of segment: Segment, tenant: TenantID
    ) async throws(FlowStoreError) -> [UInt8]?

    /// As `blob`, of several at once, which takes less time than one by one.
    /// - Returns: of each what `blob` returns.
    func blobs(_ asked: [SegmentAsk], tenant: TenantID) async throws(FlowStoreError) -> [[UInt8]?]

    /// Says that a blob's or a body's content is not what its checksums say: the store sets that segment aside with
    /// its octets, counts it, and lists it no more.
    func reportDamage(of segment: Segment, tenant: TenantID, reason: String) async throws(FlowStoreError)

    /// Sums by time, and the segments whose records are not in them yet.
    func rollup(_ question: RollupQuestion) async throws(FlowStoreError) -> RollupAnswer
}

extension SegmentStore {
    /// All segments in [from, to) in one consistent listing: some 200 octets each.
    package func segments(tenant: TenantID, from: Int64, to: Int64) async throws(FlowStoreError) -> [Segment] {
        try await segments(tenant: tenant, from: from, to: to, before: nil, limit: .max)
    }
    /// Of a store without compacted segments.
    package func blob(
        _ blob: SegmentBlob, range: Range<Int>?, of segment: Segment, tenant: TenantID
    ) async throws(FlowStoreError) -> [UInt8]? { nil }
    /// One after another.
    package func blobs(_ asked: [SegmentAsk], tenant: TenantID) async throws(FlowStoreError) -> [[UInt8]?] {
        var all: [[UInt8]?] = []
        for ask in asked { all.append(try await blob(ask.blob, range: ask.range, of: ask.segment, tenant: tenant)) }
        return all
    }
    package func reportDamage(of segment: Segment, tenant: TenantID, reason: String) async throws(FlowStoreError) {}
    /// Of a store without rollups.
    package func rollup(_ question: RollupQuestion) async throws(FlowStoreError) -> RollupAnswer {
        RollupAnswer(unsummed: try await segments(tenant: question.tenant, from: question.from, to: question.to))
    }
}

/// Why the store did not do what it was asked to.
package enum FlowStoreError: Error, Equatable, Sendable {
    /// No room on the disk; nothing of the last file's batches was stored. Later.
    case full
    /// A file can't be opened, written or synced. Who writes must stop the service: see `FlowLogError.failed`.
    case storage(String)
    /// The tenant's data key was destroyed: what it sealed can't be read again, by anybody.
    case keyDestroyed(TenantID)
    /// The tenant's data key can't be had now. Later.
    case keyUnavailable(String)
    /// The server that keeps the history can't be had now, or can't take what it is given; nothing is lost, and nothing
    /// is known to be stored. Later.
    case unavailable(String)
    /// What is read is in the archive, which can't be had now or lacks it. The rest of the history can be read.
    case archiveUnavailable(String)
    /// What was listed is there no more: retired, or found damaged, or replaced longer ago than it stays readable.
    case gone
    case cancelled

    /// Whether it is about the segment that was read, and others may be there.
    package var isOfOneSegment: Bool {
        switch self {
        case .gone, .archiveUnavailable: true
        default: false
        }
    }
}
