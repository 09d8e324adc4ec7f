package import Delivery
package import FlowModel
package import Identity
package import SegmentFormat

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

/// A part of a tenant's history that is found and read by itself, without its octets.
package struct Segment: Hashable, Sendable {
    package enum Kind: UInt8, Hashable, Sendable {
        /// One batch as its sensor sealed it: read by `FlowStore.body`.
        case batch
        /// Many batches' rows, sorted: read by `FlowStore.blob`, head first.
        case compacted
    }
    package let kind: Kind
    package let tenant: TenantID
    /// The sensor of a batch. A compacted segment has rows of many: its side stores say whose each row is.
    package let sensor: SensorIdentity?
    /// Of a compacted segment: the largest of both over its batches.
    package let position: SegmentPosition
    package let flowStartMin: Int64
    /// By the aggregator's clock; the newest of a compacted segment's batches.
    package let receivedMilliseconds: Int64
    package let rows: Int
    /// What is counted of the rows: see `FlowRecord.tally`.
    package let tally: Tally
    /// Octets of the body, or of all blobs of a compacted segment.
    package let bodyBytes: Int
    /// Where the store finds it: for the store itself.
    package let day: Int
    package let rowID: Int64

    package init(_ batch: StoredBatch, day: Int, rowID: Int64) {
        self.init(
            kind: .batch, tenant: batch.sensor.tenant, sensor: batch.sensor,
            position: SegmentPosition(flowEndMax: batch.flowEndMax, logOffset: batch.logOffset),
            flowStartMin: batch.flowStartMin, receivedMilliseconds: batch.receivedMilliseconds, rows: batch.rows,
            tally: batch.tally, bodyBytes: batch.body.count, day: day, rowID: rowID)
    }
    init(
        kind: Kind, tenant: TenantID, sensor: SensorIdentity?, position: SegmentPosition, flowStartMin: Int64,
        receivedMilliseconds: Int64, rows: Int, tally: Tally, bodyBytes: Int, day: Int, rowID: Int64
    ) {
        self.kind = kind
        self.tenant = tenant
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

/// A compacted segment's blobs in their store, for `SegmentReader`.
package struct StoredBlobs: SegmentBlobs {
    private let store: any SegmentStore, segment: Segment

    /// - Parameter segment: of kind `.compacted`, listed by `store`.
    package init(_ segment: Segment, in store: any SegmentStore) {
        self.segment = segment
        self.store = store
    }
    /// - Throws: `FlowStoreError`; `.gone` when the segment was retired or set aside meanwhile.
    package func read(_ blob: SegmentBlob, range: Range<Int>?) async throws -> [UInt8] {
        guard let bytes = try await store.blob(blob, range: range, of: segment, tenant: segment.tenant) else {
            throw FlowStoreError.gone
        }
        return bytes
    }
    package func read(_ needs: [SegmentNeed]) async throws -> [[UInt8]] {
        let asked = needs.map { SegmentAsk(segment, $0.blob, $0.range) }
        return try await store.blobs(asked, tenant: segment.tenant).map { bytes in
            guard let bytes else { throw FlowStoreError.gone }
            return bytes
        }
    }
}

/// Octets of a blob that somebody asks for.
package struct SegmentAsk: Sendable {
    /// Of kind `.compacted`.
    package let segment: Segment
    package let blob: SegmentBlob
    /// Nil: all.
    package let range: Range<Int>?

    package init(_ segment: Segment, _ blob: SegmentBlob, _ range: Range<Int>? = nil) {
        (self.segment, self.blob, self.range) = (segment, blob, range)
    }
}

package enum SegmentAge {
    /// How long batches are kept readable after a compacted segment took their place, for who listed them before.
    package static let readableAfterReplaced = Duration.seconds(120)
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
    package mutating func add(_ batch: StoredBatch) {
        batches &+= 1
        rows &+= UInt64(batch.rows)
        tally += batch.tally
        bodyBytes &+= UInt64(batch.body.count)
    }
}
