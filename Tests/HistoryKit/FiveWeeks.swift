internal import BatchFormat
internal import Delivery
package import FlowModel
package import FlowStore
package import Identity
internal import TestKit

/// Five weeks of one tenant, hour by hour: a web server that grows and has days, a name server that does not, and the
/// same sums in plain sight.
package struct FiveWeeks {
    package static let hour: Int64 = 3_600_000, hours = 840
    /// 2026-10-05T00:00:00Z, a Monday.
    package static let start: Int64 = 1_791_158_400_000
    package static var end: Int64 { start + Int64(hours) * hour }
    /// Nothing was heard then.
    package static let gap = 240..<270
    /// Every flow of it was sampled, 1 in 100.
    package static let sampled = 480..<504
    /// Has 400 services beside.
    package static let crowded = 600
    package static let web = IPAddress(v4: 0x0A00_0001), names = IPAddress(v4: 0x0A00_0002),
        client = IPAddress(v4: 0xC633_6407)

    package static func webOctets(_ place: Int) -> UInt64 {
        UInt64(1_000_000 + 1_000 * place + (place % 24 >= 8 && place % 24 < 20 ? 400_000 : 0))
    }
    package static let nameOctets: UInt64 = 5_000, crowdOctets: UInt64 = 10_000
    package static func all(_ place: Int) -> UInt64? {
        gap.contains(place) ? nil : webOctets(place) + nameOctets + (place == crowded ? 400 * crowdOctets : 0)
    }

    package let store: SQLiteFlowStore, tenant: TenantID
    private let folder: TemporaryFolder

    /// - Parameter isCompacted: rollups have all of it, else batches do.
    package init(isCompacted: Bool) async throws {
        guard let tenant = TenantID("acme") else { throw Missing() }
        self.tenant = tenant
        folder = try TemporaryFolder()
        store = try SQLiteFlowStore(directory: folder.path)
        let batches = try (0..<Self.hours / 24).map { try Self.batch(day: $0, tenant) }
        try await store.store(batches)
        if isCompacted { _ = try await store.compact(now: Self.end + 100 * Self.hour, policy: CompactionPolicy()) }
    }

    struct Missing: Error {}

    private static func batch(day: Int, _ tenant: TenantID) throws -> StoredBatch {
        var columns = FlowColumns(), encoder = BatchEncoder()
        _ = columns.intern(ExporterKey(address: IPAddress(v4: 1), observationDomain: 0, exportProtocol: .ipfix))
        for place in day * 24..<(day + 1) * 24 where !gap.contains(place) {
            columns.append(record(place, web, 6, 443, webOctets(place)))
            columns.append(record(place, names, 17, 53, nameOctets))
            guard place == crowded else { continue }
            for port in 0..<400 { columns.append(record(place, web, 6, UInt16(1_000 + port), crowdOctets)) }
        }
        let first = start + Int64(day) * 24 * hour
        return StoredBatch(
            sensor: SensorIdentity(tenant: tenant, site: "hq", name: "edge-1"),
            key: BatchKey(epoch: Epoch(high: 1, low: 1), sequence: UInt64(day)), logOffset: Int64(day) + 1,
            receivedMilliseconds: first + 24 * hour,
            flowStartMin: columns.flowStartMilliseconds.prefix(columns.count).min() ?? first,
            flowEndMax: columns.flowEndMilliseconds.prefix(columns.count).max() ?? first, rows: columns.count,
            tally: columns.tally, body: try encoder.encode(columns, fidelity: .full))
    }
    private static func record(
        _ place: Int, _ server: IPAddress, _ transport: UInt8, _ port: UInt16, _ octets: UInt64
    ) -> FlowRecord {
        var record = FlowRecord()
        (record.sourceIPAddress, record.destinationIPAddress) = (server, client)
        (record.sourceTransportPort, record.destinationTransportPort) = (port, 40_000)
        record.protocolIdentifier = transport
        record.flowStartMilliseconds = start + Int64(place) * hour + 600_000
        record.flowEndMilliseconds = record.flowStartMilliseconds + 60_000
        record.exportMilliseconds = record.flowEndMilliseconds
        // The name server's of every tenth hour come two hours late.
        let isLate = port == 53 && place % 10 == 0
        record.receiveMilliseconds = record.flowEndMilliseconds + (isLate ? 2 * hour : 1_000)
        (record.octetDeltaCount, record.packetDeltaCount) = (octets, 10)
        record.samplingInterval = sampled.contains(place) ? 100 : 0
        return record
    }
}
