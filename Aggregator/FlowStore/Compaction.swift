internal import BatchFormat
internal import FlowModel
internal import Foundation
internal import GRDB
internal import Identity
internal import SegmentFormat

/// When batches become segments.
package struct CompactionPolicy: Equatable, Sendable {
    /// Rows of a segment; so many waiting rows of a day are due at once.
    package var rowsMax = SegmentLimit.rowsMax
    /// So many waiting batches are due at once, however few their rows.
    package var batchesMax = 16_384
    /// What is left of a day is due so long after the day's end, and after it came.
    package var lateAfter = Duration.seconds(3_600)
    package init() {}
}

/// What a compaction did.
package struct CompactionReport: Equatable, Sendable {
    package var segments = 0
    /// Batches that segments took the place of, with their rows and octets.
    package var replaced = StoreTotals()
    /// Octets of the segments.
    package var segmentBytes = 0
    /// Replaced batches that were deleted, their segments having been read back.
    package var deletedBatches = 0
    package var damage = StoreDamage()
    package init() {}

    static func += (sum: inout CompactionReport, other: CompactionReport) {
        sum.segments += other.segments
        sum.replaced += other.replaced
        sum.segmentBytes += other.segmentBytes
        sum.deletedBatches += other.deletedBatches
        sum.damage += other.damage
    }
}

/// The moments of a compaction at which tests let it fail.
package enum CompactionStep: CaseIterable, Sendable {
    /// Bodies are read; the segment is encoded; all is inserted, not committed; the transaction is durable.
    case read, encoded, inserted, committed
    /// A segment was read back; its batches are deleted, not committed; that is durable.
    case verified, deleted, purged
}

/// The compaction of one day's file. Not reentrant: one at a time a file.
struct Compaction: Sendable {
    let key: DayFiles.Key
    let octets: StoredOctets
    let policy: CompactionPolicy
    /// ms since 1970 UTC.
    let now: Int64
    let benches: CompactionBenches
    let recent: RecentBodies
    let at: @Sendable (CompactionStep) throws -> Void

    /// 256 MiB.
    private static let freePagesMax = 4_096
    /// Batches that are looked at together.
    private static let batchesAtOnce = 65_536

    /// Does what is due.
    /// - Returns: what was done, the file's summary if it has changed, and whether anything is left to wait for.
    func run(_ pool: DatabasePool) async throws -> (
        report: CompactionReport, summary: DaySummary?, isSettled: Bool
    ) {
        var report = CompactionReport()
        var summary: DaySummary?
        var bench: CompactionBench?
        while true {  // ends: each turn takes at least one batch from those that wait
            let waiting = try await pool.read { try BatchTable.waiting(limit: Self.batchesAtOnce, in: $0) }
            guard isDue(waiting) else { break }
            let taken = bench ?? benches.take(rowsMax: policy.rowsMax)
            summary = try await compact(waiting, pool, taken, &report)
            bench = taken
            await Task.yield()
        }
        if let bench { benches.giveBack(bench, now: now) }
        if let purged = try await purge(pool, &report) { summary = purged }
        let left = try await pool.read { db in
            try Bool.fetchOne(
                db,
                sql: """
                    SELECT EXISTS (SELECT 1 FROM replaced) OR EXISTS (
                        SELECT 1 FROM batch WHERE id NOT IN (SELECT batch FROM replaced))
                    """) ?? true
        }
        return (report, summary, !left)
    }

    private func isDue(_ waiting: [BatchTable.Waiting]) -> Bool {
        guard !waiting.isEmpty else { return false }
        let rows = waiting.reduce(UInt64(0)) { $0 &+ $1.totals.rows }
        if rows >= UInt64(policy.rowsMax) || waiting.count >= policy.batchesMax { return true }
        let late = policy.lateAfter.milliseconds, end = Int64(key.day + 1) * Day.millisecondsInDay
        let oldest = waiting.map(\.receivedMilliseconds).min() ?? now
        return end + late <= now && oldest + late <= now
    }

    // MARK: Batches to a segment

    private struct Made: Sendable {
        var taken: [BatchTable.Waiting] = []
        var damaged: [(batch: BatchTable.Waiting, reason: String)] = []
        var segment: EncodedSegment?
        var sums: [RollupSums] = []
    }

    private func compact(
        _ waiting: [BatchTable.Waiting], _ pool: DatabasePool, _ bench: CompactionBench,
        _ report: inout CompactionReport
    ) async throws -> DaySummary {
        let made = try await encode(waiting, pool, bench)
        try at(.encoded)
        let id = try await pool.read { try SegmentRow.nextID(now: now, in: $0) }
        let row = try made.segment.map { try SegmentRow(id: id, of: made.taken, $0, isSummed: true) }
        let rollups = try made.sums.compactMap {
            try RollupTable.stored($0, segment: id, day: key.day, octets: octets)
        }
        let summary = try await pool.write { db in
            try row?.insert(in: db)
            if let segment = made.segment { try insertPieces(of: segment, id, in: db) }
            for rollup in rollups { try RollupTable.insert(rollup, in: db) }
            try note(made, as: id, in: db)
            let summary = try self.summary(replacing: made, by: row, in: db)
            try at(.inserted)
            return summary
        }
        try at(.committed)
        if let row {
            report.segments += 1
            report.segmentBytes += Int(row.totals.bodyBytes)
        }
        for batch in made.taken { report.replaced += batch.totals }
        report.damage.batches += made.damaged.count
        report.damage.rows &+= made.damaged.reduce(0) { $0 &+ $1.batch.totals.rows }
        return summary
    }

    /// Reads, opens and decodes batches until a segment is full, then encodes it.
    private func encode(
        _ waiting: [BatchTable.Waiting], _ pool: DatabasePool, _ bench: CompactionBench
    ) async throws -> Made {
        var made = Made()
        var exporters: [ExporterKey] = []
        var rollups = bench.rollups
        bench.rollups = RollupBuilder()  // its alone for now
        bench.encoder.reserve(
            waiting.reduce(0) { min($0 + Int(clamping: min($1.totals.rows, 1 << 20)), policy.rowsMax) },
            batchRows: waiting.reduce(0) { max($0, Int(clamping: min($1.totals.rows, 1 << 17))) })
        for batch in waiting {
            let stored = try stored(batch, pool)
            guard stored.plain != nil || stored.closed != nil else { continue }
            do {
                let body = try stored.plain ?? octets.open(stored.closed ?? Data(), batch.context)
                let sensor = SensorIdentity(tenant: key.tenant, site: batch.site, name: batch.sensor)
                let isTaken = try bench.encoder.add(
                    body, sensor: sensor, logOffset: batch.logOffset, decoder: &bench.decoder
                ) { columns, rows, ends in
                    rollups.add(columns, rows: rows, ends)
                    if rows.upperBound == columns.count { exporters = columns.exporters }
                }
                guard isTaken else { break }
                made.taken.append(batch)
            } catch let error as BatchError {
                made.damaged.append((batch, "\(error)"))
            } catch SealError.damaged {
                made.damaged.append((batch, "it is not what was sealed"))
            }
        }
        try at(.read)
        guard !made.taken.isEmpty else {
            bench.encoder.forget()
            return made
        }
        made.segment = bench.encoder.finish {
            made.sums = rollups.sums(exporters: exporters, hosts: $0)
        }
        rollups.removeAll()
        bench.rollups = rollups
        return made
    }

    /// A body as it was stored: by this thread, which works on bodies for longer than it takes to read one, and not by
    /// another one that would have to be woken for each.
    private func stored(
        _ batch: BatchTable.Waiting, _ pool: DatabasePool
    ) throws -> (plain: [UInt8]?, closed: Data?) {
        if let recent = recent.take(key.tenant, logOffset: batch.logOffset) { return (nil, recent) }
        return try pool.read { db in
            let plain = try BatchTable.plainBody(batch.id, in: db)
            return (plain, try plain == nil ? BatchTable.body(batch.id, in: db) : nil)
        }
    }

    /// Cuts a segment's blobs into pieces and stores each as soon as it is made, so that there is one at a time.
    private func insertPieces(of segment: EncodedSegment, _ id: Int64, in db: Database) throws {
        let insert = try db.cachedStatement(sql: "INSERT INTO piece VALUES (?, ?)")
        for (blob, bytes) in segment.blobs {
            for number in SegmentRow.pieces(bytes.indices) {
                let start = number * SegmentRow.pieceBytes
                let piece = bytes[start..<min(start + SegmentRow.pieceBytes, bytes.count)]
                let context = SegmentRow.context(day: key.day, id, blob.rawValue, number)
                let stored = try octets.close(piece, context)
                try insert.execute(arguments: [SegmentRow.pieceID(id, blob.rawValue, number), stored])
            }
        }
    }

    private func note(_ made: Made, as segment: Int64, in db: Database) throws {
        for batch in made.taken {
            // Fails when another compaction has taken the batch meanwhile: then all of this is undone.
            try db.cachedStatement(sql: "INSERT INTO replaced VALUES (?, ?, ?)")
                .execute(arguments: [batch.id, segment, now])
        }
        try BatchTable.noteKeys(of: made.taken, in: db)
        for (batch, reason) in made.damaged {
            try DamageTable.setAside(batch: batch.id, reason: reason, at: now, in: db)
        }
    }

    /// Writes the new summary. Rows whose numbers were damaged make it count all anew.
    private func summary(replacing made: Made, by row: SegmentRow?, in db: Database) throws -> DaySummary {
        var summary = try DaySummary.read(of: key.tenant, in: db) ?? DaySummary()
        var old = made.taken.reduce(into: StoreTotals()) { $0 += $1.totals }
        old.bodyBytes = row?.totals.bodyBytes ?? 0
        if made.damaged.isEmpty, old == row?.totals {
            for batch in made.taken { summary.totals.bodyBytes &-= batch.totals.bodyBytes }
            summary.totals.bodyBytes &+= old.bodyBytes
        } else {
            summary = try DaySummary.recount(of: key.tenant, in: db)
        }
        try summary.write(of: key.tenant, in: db)
        return summary
    }

    // MARK: Replaced batches

    /// Deletes batches that were replaced long enough ago, if their segment reads back as it was written; otherwise it
    /// is the segment that goes.
    private func purge(_ pool: DatabasePool, _ report: inout CompactionReport) async throws -> DaySummary? {
        let patience = SegmentAge.readableAfterReplaced.milliseconds
        let due = try await pool.read { db in
            try Row.fetchAll(db, sql: "SELECT segment, max(replaced_ms) AS at FROM replaced GROUP BY segment")
                .map { (segment: try $0.int("segment"), at: try $0.int("at")) }
                // A clock that was set back is no reason to keep them for ever.
                .filter { $0.at <= now - patience || $0.at > now + patience }
        }
        var summary: DaySummary?
        for (segment, _) in due {
            do {
                try await pool.read { db in
                    if let row = try SegmentRow.find(segment, in: db) {
                        try row.verify(day: key.day, octets: octets, in: db)
                    }
                }
                try at(.verified)
                report.deletedBatches += try await pool.write { db in try delete(replacedBy: segment, in: db) }
                try at(.purged)
            } catch let damage as DamagedSegment {
                report.damage.segments += 1
                summary = try await pool.write { db in
                    try DamageTable.setAside(segment: segment, reason: damage.reason, at: now, in: db)
                    var summary = try DaySummary.recount(of: key.tenant, in: db)
                    try summary.write(of: key.tenant, in: db)
                    return summary
                }
            }
        }
        if !due.isEmpty { try await Self.giveBack(pool) }
        return summary
    }
    private func delete(replacedBy segment: Int64, in db: Database) throws -> Int {
        try db.execute(
            sql: "DELETE FROM batch WHERE id IN (SELECT batch FROM replaced WHERE segment = ?)", arguments: [segment])
        let count = db.changesCount
        try db.execute(sql: "DELETE FROM replaced WHERE segment = ?", arguments: [segment])
        try at(.deleted)
        return count
    }

    /// Gives free pages back to the file system when they are a quarter of the file and nothing will use them: no batch
    /// is there, or they are very many. To give one back another page must be moved into its place, so no more go than
    /// are beyond that quarter.
    static func giveBack(_ pool: DatabasePool) async throws {
        try await pool.writeWithoutTransaction { db in
            let free = try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
            let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            let isQuiet = try !(Bool.fetchOne(db, sql: "SELECT EXISTS (SELECT 1 FROM batch)") ?? true)
            guard free * 4 > pages, isQuiet || free >= freePagesMax else { return }
            // So many that a quarter of what is left is free.
            let more = (4 * free - pages) / 3 + 1
            _ = try Row.fetchAll(db, sql: "PRAGMA incremental_vacuum(\(more))")
            _ = try db.checkpoint(.passive)
        }
    }
}

extension Duration {
    var milliseconds: Int64 { components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000 }
}
