internal import Foundation
internal import GRDB
package import Identity

/// The store in a folder: a folder for each tenant, in it an SQLite file for each day, `<tenant>/2026-11-21.sqlite`.
///
/// A batch goes to the file of the day of its newest flow (see `Day.keeping` for clocks that lie). WAL with
/// `synchronous=FULL`: one sync for all batches of a `store` that go to the same file.
package final class SQLiteFlowStore: FlowStore {
    private let files: DayFiles

    /// - Parameters:
    ///   - directory: made if it is not there.
    ///   - openFilesMax: files that stay open when nobody uses them; each costs some 10 descriptors.
    package init(directory: String, openFilesMax: Int = 32) throws(FlowStoreError) {
        let root = URL(fileURLWithPath: directory, isDirectory: true)
        do {
            try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        } catch {
            throw .storage("\(directory): \(error)")
        }
        files = DayFiles(root: root, openMax: openFilesMax)
    }

    package var quarantinedFiles: Int { get async { await files.quarantined } }

    // MARK: Writing

    @discardableResult
    package func store(_ batches: [StoredBatch]) async throws(FlowStoreError) -> StoreTotals {
        let byFile = Dictionary(grouping: batches) { batch in
            DayFiles.Key(
                tenant: batch.sensor.tenant,
                day: Day.keeping(flowEndMax: batch.flowEndMax, receivedMilliseconds: batch.receivedMilliseconds))
        }
        var new = StoreTotals()
        for (key, batches) in byFile { new += try await store(batches, in: key) }
        return new
    }

    private func store(_ batches: [StoredBatch], in key: DayFiles.Key) async throws(FlowStoreError) -> StoreTotals {
        try await wrapping {
            // Nil: the file was damaged and is set aside now; the next turn makes a new one. Damage at each turn is
            // the disk's, not the file's.
            for _ in 0..<3 {
                let done = try await self.files.withFile(key, create: true) { pool in
                    let (summary, new) = try await pool.write { try Self.insert(batches, of: key.tenant, in: $0) }
                    await self.files.note(summary, of: key)
                    return new
                }
                if let done { return done }
            }
            throw FlowStoreError.storage("\(key.tenant)/\(Day.name(key.day)).sqlite is damaged again and again")
        }
    }

    private static func insert(
        _ batches: [StoredBatch], of tenant: TenantID, in db: Database
    ) throws -> (DaySummary, new: StoreTotals) {
        var summary = try DaySummary.read(of: tenant, in: db) ?? DaySummary(), new = StoreTotals()
        for batch in batches where try DayFileSchema.insert(batch, in: db) {
            summary.add(batch)
            new.add(batch)
        }
        if new.batches > 0 { try summary.write(of: tenant, in: db) }
        return (summary, new)
    }

    // MARK: Reading

    package func segments(
        tenant: TenantID, from: Int64, to: Int64, before: SegmentPosition?, limit: Int
    ) async throws(FlowStoreError) -> [Segment] {
        let before = before ?? SegmentPosition(flowEndMax: .max, logOffset: .max)
        return try await wrapping {
            var found: [Segment] = []
            for (key, summary) in try await self.candidates(tenant: tenant, from: from, to: to) {
                // Files come by their newest flow, so the ones left hold nothing newer than this one's.
                if found.count >= limit, found[limit - 1].position.flowEndMax > summary.flowEndMax { break }
                let more = try await self.files.withFile(key, create: false) { pool in
                    try await pool.read { db in
                        try DayFileSchema.segments(
                            tenant: tenant, day: key.day, from: from, to: to, before: before, limit: limit, in: db)
                    }
                }
                found = Array((found + (more ?? [])).sorted { $0.position > $1.position }.prefix(limit))
            }
            return found
        }
    }

    /// Files that can have segments in [from, to), by their newest flow, falling.
    private func candidates(
        tenant: TenantID, from: Int64, to: Int64
    ) async throws -> [(key: DayFiles.Key, summary: DaySummary)] {
        var found: [(key: DayFiles.Key, summary: DaySummary)] = []
        for day in try await files.days(of: tenant) {
            try Task.checkCancellation()
            let key = DayFiles.Key(tenant: tenant, day: day)
            guard let summary = try await files.summary(of: key) else { continue }
            if summary.flowEndMax >= from, summary.flowStartMin < to { found.append((key, summary)) }
        }
        return found.sorted { $0.summary.flowEndMax > $1.summary.flowEndMax }
    }

    package func body(of segment: Segment, tenant: TenantID) async throws(FlowStoreError) -> [UInt8]? {
        guard segment.sensor.tenant == tenant else { return nil }
        let key = DayFiles.Key(tenant: tenant, day: segment.day)
        return try await wrapping {
            try await self.files.withFile(key, create: false) { pool in
                try await pool.read { try DayFileSchema.body(rowID: segment.rowID, in: $0) }
            } ?? nil
        }
    }

    package func totals(of tenant: TenantID) async throws(FlowStoreError) -> StoreTotals {
        try await wrapping {
            var sum = StoreTotals()
            for day in try await self.files.days(of: tenant) {
                sum += try await self.files.summary(of: DayFiles.Key(tenant: tenant, day: day))?.totals ?? StoreTotals()
            }
            return sum
        }
    }

    private func wrapping<Value: Sendable>(
        _ body: @Sendable () async throws -> Value
    ) async throws(FlowStoreError) -> Value {
        do {
            return try await body()
        } catch {
            if error is CancellationError { throw .cancelled }
            if let error = error as? FlowStoreError { throw error }
            throw (error as? DatabaseError)?.resultCode == .SQLITE_FULL ? .full : .storage("\(error)")
        }
    }
}
