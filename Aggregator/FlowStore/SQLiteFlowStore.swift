internal import Foundation
internal import GRDB
package import Identity
package import SegmentFormat

/// The store in a folder: a folder for each tenant, in it an SQLite file for each day, `<tenant>/2026-11-21.sqlite`.
///
/// A batch goes to the file of the day of its newest flow (see `Day.keeping` for clocks that lie). WAL with
/// `synchronous=FULL`: one sync for all batches of a `store` that go to the same file. What happens to them later is in
/// `SQLiteFlowStore+Upkeep`.
package final class SQLiteFlowStore: SegmentStore {
    let files: DayFiles
    let sealer: (any StoreSealer)?
    let archive: (any SegmentArchive)?
    let benches = CompactionBenches()
    let recent: RecentBodies

    /// - Parameters:
    ///   - directory: made if it is not there.
    ///   - sealer: nil: octets are stored as they are.
    ///   - archive: where old segments go and are; nil: nowhere.
    ///   - openFilesMax: files that stay open when nobody uses them; each costs some 10 descriptors.
    ///   - recentBytes: of bodies that are kept in memory for the compaction that follows.
    package init(
        directory: String, sealer: (any StoreSealer)? = nil, archive: (any SegmentArchive)? = nil,
        openFilesMax: Int = 32, recentBytes: Int = 32 << 20
    ) throws(FlowStoreError) {
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        } catch {
            throw .storage("\(directory): \(error)")
        }
        files = DayFiles(folders: StoreFolders(directory: directory), openMax: openFilesMax)
        self.sealer = sealer
        self.archive = archive
        recent = RecentBodies(bytesMax: recentBytes)
    }

    package var quarantinedFiles: Int { get async { await files.damage.files } }
    /// What damage has cost since the store was opened.
    package var damage: StoreDamage { get async { await files.damage } }

    func octets(of tenant: TenantID) -> StoredOctets { StoredOctets(sealer: sealer, tenant: tenant) }

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
        try await wrapping(key.tenant) {
            let octets = self.octets(of: key.tenant)
            let sealed = try batches.map { (batch: $0, body: try octets.close($0.body[...], BatchTable.context($0))) }
            // Nil: the file was damaged and could not be mended; the next turn makes a new one. Damage at each turn is
            // the disk's, not the file's.
            for _ in 0..<3 {
                let done = try await self.files.withFile(key, create: true) { pool in
                    let (summary, new) = try await pool.write { try Self.insert(sealed, of: key.tenant, in: $0) }
                    // Repeats, which are few, are kept in vain and make room with the rest.
                    for (batch, body) in sealed { self.recent.keep(body, of: batch) }
                    await self.files.note(summary, of: key)
                    if new.batches > 0 { await self.files.note(key, isSettled: false) }
                    return new
                }
                if let done { return done }
            }
            throw FlowStoreError.storage("\(key.tenant)/\(Day.name(key.day)).sqlite is damaged again and again")
        }
    }

    private static func insert(
        _ batches: [(batch: StoredBatch, body: Data)], of tenant: TenantID, in db: Database
    ) throws -> (DaySummary, new: StoreTotals) {
        var summary = try DaySummary.read(of: tenant, in: db) ?? DaySummary(), new = StoreTotals()
        for (batch, body) in batches where try BatchTable.insert(batch, body: body, in: db) {
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
        return try await wrapping(tenant) {
            var found: [Segment] = []
            for (key, summary) in try await self.candidates(tenant: tenant, from: from, to: to) {
                // Files come by their newest flow, so the ones left hold nothing newer than this one's.
                if found.count >= limit, found[limit - 1].position.flowEndMax > summary.flowEndMax { break }
                let more = try await self.mendingReads(key) { reader in
                    try await reader.read { db in
                        try BatchTable.segments(
                            tenant: tenant, day: key.day, from: from, to: to, before: before, in: db)
                            + SegmentRow.segments(
                                tenant: tenant, day: key.day, from: from, to: to, before: before, in: db)
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
        guard segment.kind == .batch, segment.tenant == tenant else { return nil }
        let key = DayFiles.Key(tenant: tenant, day: segment.day)
        return try await wrapping(tenant) {
            let stored = try await self.files.reading(key) { reader in
                try await reader.read { db -> (row: BatchTable.Waiting, body: Data)? in
                    guard let row = try BatchTable.row(segment.rowID, in: db),
                        row.logOffset == segment.position.logOffset,
                        let body = try BatchTable.body(segment.rowID, in: db)
                    else { return nil }
                    return (row, body)
                }
            }
            guard let stored, let stored else { return nil }
            do throws(SealError) {
                return try self.octets(of: tenant).open(stored.body, stored.row.context)
            } catch .damaged {
                try await self.setAside(segment, "it is not what was sealed")
                return nil
            }
        }
    }

    package func blob(
        _ blob: SegmentBlob, range: Range<Int>?, of segment: Segment, tenant: TenantID
    ) async throws(FlowStoreError) -> [UInt8]? {
        try await blobs([SegmentAsk(segment, blob, range)], tenant: tenant).first ?? nil
    }
    package func blobs(_ asked: [SegmentAsk], tenant: TenantID) async throws(FlowStoreError) -> [[UInt8]?] {
        var all = [[UInt8]?](repeating: nil, count: asked.count)
        let places = asked.indices.filter {
            asked[$0].segment.kind == .compacted && asked[$0].segment.tenant == tenant
        }
        for (day, places) in Dictionary(grouping: places, by: { asked[$0].segment.day }) {
            let key = DayFiles.Key(tenant: tenant, day: day)
            for (place, bytes) in zip(places, try await blobs(places.map { asked[$0] }, in: key)) { all[place] = bytes }
        }
        return all
    }
    private func blobs(_ asked: [SegmentAsk], in key: DayFiles.Key) async throws(FlowStoreError) -> [[UInt8]?] {
        try await wrapping(key.tenant) {
            let found = try await self.files.reading(key) { reader in
                try await reader.read { try SegmentRow.find(asked, in: $0) }
            }
            var all: [[UInt8]?] = []
            for (number, ask) in asked.enumerated() {
                guard let found else {
                    all.append(nil)
                    continue
                }
                all.append(try await self.open(found[number], ask.segment, key))
            }
            return all
        }
    }
    /// The octets of pieces that were found, or not.
    private func open(
        _ found: Result<SegmentRow.Pieces?, DamagedSegment>, _ segment: Segment, _ key: DayFiles.Key
    ) async throws -> [UInt8]? {
        var isArchived = false
        do {
            guard let pieces = try found.get() else { return nil }
            isArchived = pieces.archived != nil
            let octets = octets(of: key.tenant)
            return try await fetched(pieces, of: key, isFresh: false).opened(day: key.day, octets: octets)
        } catch let damage as DamagedSegment {
            // What comes from far away is looked at once more.
            guard !isArchived else {
                try await reportDamage(of: segment, tenant: key.tenant, reason: damage.reason)
                return nil
            }
            try await setAside(segment, damage.reason)
            return nil
        }
    }

    package func totals(of tenant: TenantID) async throws(FlowStoreError) -> StoreTotals {
        try await wrapping(tenant) {
            var sum = StoreTotals()
            for day in try await self.files.days(of: tenant) {
                sum += try await self.files.summary(of: DayFiles.Key(tenant: tenant, day: day))?.totals ?? StoreTotals()
            }
            return sum
        }
    }

    /// `withFile`, where a segment whose row is damaged is set aside.
    func mending<Value: Sendable>(
        _ key: DayFiles.Key, _ body: @Sendable (DatabasePool) async throws -> Value
    ) async throws -> Value? {
        try await mending(in: key) { try await self.files.withFile(key, create: false, body) }
    }
    /// As `mending`, for who only reads.
    func mendingReads<Value: Sendable>(
        _ key: DayFiles.Key, _ body: @Sendable (any DatabaseReader) async throws -> Value
    ) async throws -> Value? {
        try await mending(in: key) { try await self.files.reading(key, body) }
    }
    private func mending<Value: Sendable>(
        in key: DayFiles.Key, _ body: () async throws -> Value?
    ) async throws -> Value? {
        while true {  // ends: each turn but the last sets a segment aside
            do {
                return try await body()
            } catch let damage as DamagedSegment {
                try await setAside(segment: damage.id, in: key, damage.reason)
            }
        }
    }

    func wrapping<Value: Sendable>(
        _ tenant: TenantID, _ body: @Sendable () async throws -> Value
    ) async throws(FlowStoreError) -> Value {
        do {
            return try await body()
        } catch let error as SealError {
            switch error {
            case .keyDestroyed: throw .keyDestroyed(tenant)
            case .unavailable(let reason): throw .keyUnavailable(reason)
            case .damaged: throw .storage("\(tenant): what was sealed is damaged")
            }
        } catch {
            if error is CancellationError { throw .cancelled }
            if let error = error as? FlowStoreError { throw error }
            throw (error as? DatabaseError)?.resultCode == .SQLITE_FULL ? .full : .storage("\(error)")
        }
    }
}
