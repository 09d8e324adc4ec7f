import AggregatorPipeline
import BatchFormat
import Delivery
import FlowModel
import FlowStore
import Foundation
import Identity
import ObjectStore
import Platform
import SegmentFormat
import Settings
import Telemetry
import TestKit
import Testing

/// Segments of a store in real object stores.
@Suite("History in an object store", .serialized)
struct ArchivedHistoryTests {
    /// 2026-11-21, noon, and two days later.
    static let noon: Int64 = 1_795_262_400_000, later = noon + 2 * 86_400_000
    private let folder: TemporaryFolder, registry = MetricRegistry(), time = ManualTime()
    private let tenant: TenantID
    init() throws {
        folder = try TemporaryFolder("weir-archive")
        tenant = try #require(TenantID("acme"))
    }

    /// Hours of flows: their octets are their numbers.
    private func batches() throws -> [StoredBatch] {
        try (UInt64(0)..<20).map { sequence in
            var columns = FlowColumns()
            let key = ExporterKey(
                address: IPAddress(v4: 0xC000_0201), observationDomain: 1, exportProtocol: .ipfix)
            let known = columns.intern(key), exporter = try #require(known)
            for row in 0..<500 {
                var record = FlowRecord()
                record.flowEndMilliseconds = Self.noon - Int64(row)
                record.flowStartMilliseconds = record.flowEndMilliseconds - 1_000
                record.sourceIPAddress = IPAddress(v4: 0x0A00_0000 + UInt32(row))
                record.octetDeltaCount = sequence * 500 + UInt64(row)
                record.packetDeltaCount = 1
                record.deltaFlowCount = 1
                record.exporter = exporter
                columns.append(record)
            }
            var encoder = BatchEncoder()
            return StoredBatch(
                sensor: SensorIdentity(tenant: tenant, site: "hq", name: "edge-1"),
                key: BatchKey(epoch: Epoch(high: 1, low: 2), sequence: sequence), logOffset: Int64(sequence) + 1,
                receivedMilliseconds: Self.noon, flowStartMin: Self.noon - 1_499, flowEndMax: Self.noon, rows: 500,
                tally: columns.tally, body: try encoder.encode(columns, fidelity: .full))
        }
    }
    /// The octets of all rows, rising.
    private func octets(_ store: SQLiteFlowStore) async throws -> [UInt64] {
        var found: [UInt64] = []
        for segment in try await store.segments(tenant: tenant, from: .min, to: .max) {
            let blobs = StoredBlobs(segment, in: store), head = try SegmentHead(try await blobs.read(.head, range: nil))
            var reader = SegmentReader(head, blobs)
            for block in 0..<head.blockCount {
                var columns = FlowColumns()
                try await reader.load(.all, blocks: [block], origins: true)
                _ = try reader.decode(block, .all, into: &columns)
                found += columns.octetDeltaCount
            }
        }
        return found.sorted()
    }

    /// Compacts, archives, reads, opens anew, reads, retires.
    private func check(_ objects: any ObjectStore) async throws {
        let archive = ObjectArchive(objects, cacheBytesMax: 8 << 20, time: time, registry: registry)
        func open() throws -> SQLiteFlowStore { try SQLiteFlowStore(directory: folder.path, archive: archive) }
        let store = try open(), all = (UInt64(0)..<10_000).map { $0 }
        try await store.store(try batches())
        var compaction = CompactionPolicy()
        compaction.rowsMax = 5_000
        _ = try await store.compact(now: Self.later, policy: compaction)
        _ = try await store.compact(now: Self.later + 200_000, policy: compaction)
        var policy = ArchivePolicy()
        policy.afterDays = 1
        let report = try await store.archive(now: Self.later, policy: policy)
        #expect(report.segments == 2 && report.failure == nil, "\(report)")
        var stored = 0
        try await objects.listAll(prefix: "flows/acme/2026-11-21/") { stored += $0.bytes }
        #expect(stored == report.bytes && stored > 0)
        #expect(try await octets(store) == all)
        #expect(try await octets(open()) == all)
        let page = registry.prometheusText()
        #expect(page.contains("weir_archive_fetched_bytes_total \(stored)"), "each octet once: \(page)")
        var keep = RetentionPolicy()
        keep.days = 1
        #expect(try await store.retain(now: Self.later, policy: keep).map(\.archivedBytes) == [stored])
        #expect(try await store.archive(now: Self.later, policy: policy).deletedObjects == 2)
        let left = try await objects.list(prefix: "flows/", after: nil, limit: 10)
        #expect(left.objects.isEmpty)
    }

    @Test("segments move to a folder, are read from there and go with their day") func inFolder() async throws {
        try await check(FolderObjectStore(folder.file("objects").path))
    }

    @Test(
        "segments move to S3, are read from there and go with their day",
        .enabled(if: SeaweedServer.isInstalled, Comment(rawValue: SeaweedServer.why)))
    func inS3() async throws {
        let server = try await SeaweedServer(base: 18_653)
        let settings = try #require(
            S3Settings(
                endpoint: server.plain, region: "us-east-1", bucket: "flows", prefix: "node1", isPathStyle: true,
                accessKey: .file(server.folder.file("weir.id").path),
                secretKey: .file(server.folder.file("weir.key").path), sessionToken: nil, trust: nil, allowPlain: false)
        )
        try await check(S3ObjectStore(settings, time: SystemTime(), random: SeededGenerator(seed: 5)))
    }

    @Test("an archive that fails is not asked again at once, and is again after a while") func pause() async throws {
        let objects = try FolderObjectStore(folder.file("objects").path)
        let archive = ObjectArchive(objects, cacheBytesMax: 0, time: time, registry: registry)
        try await archive.put("acme/x", [1, 2, 3])
        await #expect(throws: ArchiveError.missing("acme/y")) {
            try await archive.read("acme/y", range: 0..<1, isFresh: false)
        }
        // A folder that can't be entered.
        try FileManager.default.removeItem(at: folder.file("objects/flows"))
        try Data().write(to: folder.file("objects/flows"))
        var failure: ArchiveError?
        do throws(ArchiveError) { try await archive.put("acme/x", [1]) } catch { failure = error }
        try FileManager.default.removeItem(at: folder.file("objects/flows"))
        await #expect(throws: try #require(failure)) { try await archive.put("acme/x", [1]) }
        time.advance(by: .seconds(11))
        try await archive.put("acme/x", [1])
        #expect(try await archive.size(of: "acme/x") == 1)
    }
}
