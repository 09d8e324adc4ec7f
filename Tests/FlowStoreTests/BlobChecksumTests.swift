import Foundation
import GRDB
import Platform
import SegmentFormat
import TestKit
import Testing

@testable import FlowStore

@Suite("Checksums of a segment's blobs")
struct BlobChecksumTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-store") }

    /// Compacts, and changes the file's only segment as `change` says, given each blob's octets.
    private func compacted(
        _ real: RealBatches, _ change: @escaping @Sendable (inout SegmentRow, [UInt8: [UInt8]]) -> Void
    ) async throws {
        let store = try SQLiteFlowStore(directory: folder.path)
        try await store.store(real.batches)
        _ = try await store.compact(now: later, policy: eager())
        let octets = StoredOctets(sealer: nil, tenant: try tenant())
        try await DatabaseQueue(path: folder.file("acme/2026-11-21.sqlite").path).write { db in
            var row = try #require(try SegmentRow.all(in: db).sound.first), blobs: [UInt8: [UInt8]] = [:]
            for number in row.blobs.keys {
                let found = try #require(try SegmentRow.find(number, range: nil, of: row.id, in: db))
                blobs[number] = try found.opened(day: Day.containing(noon), octets: octets)
            }
            change(&row, blobs)
            try db.execute(sql: "DELETE FROM segment")
            try row.insert(in: db)
        }
    }

    @Test("a segment with the checksums of the first versions is read back, and its batches go") func oldest()
        async throws
    {
        var real = RealBatches(seed: 31)
        try real.add(6, rows: 3_000)
        try await compacted(real) { row, blobs in
            row.checksums = .crc32c
            for (number, bytes) in blobs { row.blobs[number]?.checksum = SegmentRow.Checksums.crc32c.of(bytes) }
        }
        let store = try SQLiteFlowStore(directory: folder.path)
        let report = try await store.compact(now: later + 121_000)
        #expect(report.deletedBatches == 6 && report.damage == StoreDamage())
        try await store.expect(real.records)
    }

    @Test("a blob that is not what was written gives the batches back", arguments: [true, false])
    func damaged(isOldest: Bool) async throws {
        var real = RealBatches(seed: 32)
        try real.add(6, rows: 3_000)
        try await compacted(real) { row, blobs in
            if isOldest {
                row.checksums = .crc32c
                for (number, bytes) in blobs { row.blobs[number]?.checksum = SegmentRow.Checksums.crc32c.of(bytes) }
            }
            row.blobs[Blobs.octets.rawValue]?.checksum ^= 1
        }
        let store = try SQLiteFlowStore(directory: folder.path)
        let report = try await store.compact(now: later + 121_000)
        #expect(report.deletedBatches == 0 && report.damage.segments == 1)
        try await store.expect(real.records)
    }
}
