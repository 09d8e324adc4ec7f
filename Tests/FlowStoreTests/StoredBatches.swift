import Delivery
import FlowModel
import FlowStore
import Identity
import Testing

let day: Int64 = 86_400_000
/// 2026-11-21, noon.
let noon: Int64 = 1_795_262_400_000

func tenant(_ name: String = "acme") throws -> TenantID { try #require(TenantID(name)) }

/// A batch of one second of flows that ended at `end`; its body names its sequence.
func stored(
    _ sequence: UInt64, tenant name: String = "acme", from start: Int64? = nil, to end: Int64 = noon,
    receivedMilliseconds: Int64 = noon, offset: Int64? = nil
) throws -> StoredBatch {
    StoredBatch(
        sensor: SensorIdentity(tenant: try tenant(name), site: "hq", name: "edge-1"),
        key: BatchKey(epoch: Epoch(high: 1, low: 2), sequence: sequence), logOffset: offset ?? Int64(sequence) + 1,
        receivedMilliseconds: receivedMilliseconds, flowStartMin: start ?? end - 1_000, flowEndMax: end, rows: 3,
        tally: Tally(flows: 5, octets: sequence * 10, packets: sequence),
        body: [UInt8](repeating: UInt8(truncatingIfNeeded: sequence), count: 2_000))
}

extension SegmentStore {
    func all(
        _ name: String = "acme", from: Int64 = .min, to: Int64 = .max, before: SegmentPosition? = nil,
        limit: Int = 1_000
    ) async throws -> [Segment] {
        try await segments(tenant: try tenant(name), from: from, to: to, before: before, limit: limit)
    }
    /// The log offsets of segments.
    func offsets(_ name: String = "acme", from: Int64 = .min, to: Int64 = .max) async throws -> [Int64] {
        try await all(name, from: from, to: to).map(\.position.logOffset)
    }
}
