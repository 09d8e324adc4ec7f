internal import BatchFormat
internal import FlowModel
internal import Foundation
internal import GRDB
package import Identity
internal import WireBytes

/// What a service does with the store from time to time, and what is done about damage.
extension SQLiteFlowStore {
    /// The tenants that have a folder.
    package func tenants() throws(FlowStoreError) -> [TenantID] {
        do { return try files.folders.tenants() } catch { throw .storage("\(error)") }
    }

    // MARK: Compaction

    /// Makes segments of what is due, and deletes batches that segments have taken the place of. A tenant whose key is
    /// destroyed or can't be had is passed over.
    /// - Parameters:
    ///   - now: ms since 1970 UTC.
    ///   - at: for tests: throws where the process should have died.
    package func compact(
        now: Int64, policy: CompactionPolicy = CompactionPolicy(),
        at: @escaping @Sendable (CompactionStep) throws -> Void = { _ in }
    ) async throws(FlowStoreError) -> CompactionReport {
        var report = CompactionReport()
        for tenant in try tenants() {
            do throws(FlowStoreError) {
                report += try await compact(tenant, now: now, policy: policy, at: at)
            } catch .keyDestroyed, .keyUnavailable {
            }
        }
        // Nothing was due: the next time is not soon.
        if report.segments == 0 { benches.clear(now: now) }
        return report
    }
    private func compact(
        _ tenant: TenantID, now: Int64, policy: CompactionPolicy,
        at: @escaping @Sendable (CompactionStep) throws -> Void
    ) async throws(FlowStoreError) -> CompactionReport {
        try await wrapping(tenant) {
            var report = CompactionReport()
            for day in try await self.files.days(of: tenant).sorted() {
                try Task.checkCancellation()
                let key = DayFiles.Key(tenant: tenant, day: day)
                if await self.files.isSettled(key) { continue }
                report += try await self.compact(key, now: now, policy: policy, at: at)
            }
            return report
        }
    }
    private func compact(
        _ key: DayFiles.Key, now: Int64, policy: CompactionPolicy,
        at: @escaping @Sendable (CompactionStep) throws -> Void
    ) async throws -> CompactionReport {
        let compaction = Compaction(
            key: key, octets: octets(of: key.tenant), policy: policy, now: now, benches: benches, recent: recent, at: at
        )
        // Before the work, so that a batch which comes meanwhile is not forgotten.
        await files.note(key, isSettled: true)
        let done: (report: CompactionReport, summary: DaySummary?, isSettled: Bool)?
        do {
            done = try await mending(key) { try await compaction.run($0) }
        } catch {
            await files.note(key, isSettled: false)
            throw error
        }
        guard let done else { return CompactionReport() }
        if let summary = done.summary { await files.note(summary, of: key) }
        if !done.isSettled { await files.note(key, isSettled: false) }
        await files.note(done.report.damage)
        return done.report
    }

    // MARK: Retention

    /// The time that was noted last, also by an earlier process, in ms since 1970 UTC; nil: none was.
    package var lastTime: Int64? { files.folders.time }
    /// Remembers the time, to the hour. A full disk forgets it until the next call.
    package func note(time: Int64) {
        if time / 3_600_000 != (lastTime ?? 0) / 3_600_000 { try? files.folders.write(time: time) }
    }

    /// Gives up what is older than the policy allows, and what is more.
    /// - Parameters:
    ///   - now: ms since 1970 UTC.
    ///   - own: of tenants that have another policy.
    /// - Returns: what went, oldest first.
    package func retain(
        now: Int64, policy: RetentionPolicy, own: [TenantID: RetentionPolicy] = [:]
    ) async throws(FlowStoreError) -> [RetiredDay] {
        var retired: [RetiredDay] = []
        for tenant in try tenants() {
            retired += try await wrapping(tenant) {
                try await self.retain(tenant, now: now, policy: own[tenant] ?? policy)
            }
        }
        return retired
    }

    private func retain(_ tenant: TenantID, now: Int64, policy: RetentionPolicy) async throws -> [RetiredDay] {
        let today = Day.containing(now)
        var retired: [RetiredDay] = []
        for day in try await files.days(of: tenant).sorted() where day <= today - max(policy.days, 1) {
            retired.append(try await retire(DayFiles.Key(tenant: tenant, day: day), .age, now: now))
        }
        for day in try files.folders.rollupDays(of: tenant).sorted()
        where day <= today - max(policy.rollupDays, policy.days, 1) {
            retired.append(try removeRollups(DayFiles.Key(tenant: tenant, day: day)))
        }
        retired += try await retainArchived(tenant, now: now, policy: policy)
        guard policy.bytesMax > 0 else { return retired }
        var bytes = try files.folders.bytes(of: tenant)
        while bytes.values.reduce(0, +) > policy.bytesMax, let oldest = try await oldestToGo(tenant) {
            let before = bytes
            retired.append(try await retire(DayFiles.Key(tenant: tenant, day: oldest), .quota, now: now))
            bytes = try files.folders.bytes(of: tenant)
            // What can't be removed is not tried for ever.
            guard bytes != before else { break }
        }
        while bytes.values.reduce(0, +) > policy.bytesMax,
            let oldest = try files.folders.rollupDays(of: tenant).min()
        {
            retired.append(try removeRollups(DayFiles.Key(tenant: tenant, day: oldest), .quota))
            bytes = try files.folders.bytes(of: tenant)
        }
        return retired
    }

    /// The oldest day that takes room here; one that is in the archive takes little.
    private func oldestToGo(_ tenant: TenantID) async throws -> Int? {
        let days = try await files.days(of: tenant).sorted()
        for day in days {
            if await !files.isArchived(DayFiles.Key(tenant: tenant, day: day)) { return day }
        }
        return days.first
    }
    private func retainArchived(
        _ tenant: TenantID, now: Int64, policy: RetentionPolicy
    ) async throws -> [RetiredDay] {
        guard archive != nil, policy.archivedBytesMax > 0 else { return [] }
        var sizes: [(key: DayFiles.Key, bytes: Int)] = [], retired: [RetiredDay] = []
        for day in try await files.days(of: tenant).sorted() {
            let key = DayFiles.Key(tenant: tenant, day: day)
            sizes.append((key, try await archivedBytes(of: key)))
        }
        var bytes = sizes.reduce(0) { $0 + $1.bytes }
        for (key, size) in sizes where size > 0 && bytes > policy.archivedBytesMax {
            retired.append(try await retire(key, .archiveQuota, now: now))
            bytes -= size
        }
        return retired
    }

    /// Moves a day's rollups to a file of their own, then removes the day's.
    private func retire(_ key: DayFiles.Key, _ reason: RetiredDay.Reason, now: Int64) async throws -> RetiredDay {
        let bytes = try files.folders.bytes(of: key.tenant)[key.day] ?? 0
        let rows = try await files.summary(of: key)?.totals.rows ?? 0
        try await sumRest(of: key, now: now)
        let rollups = try await files.withFile(key, create: false) { pool in
            try await pool.read { db in
                try Row.fetchAll(db, sql: "SELECT * FROM rollup").map { row in
                    RollupTable.Stored(
                        id: try row.int("id"), startMin: try row.int("start_min"),
                        startMax: try row.int("start_max"), octets: try row.data("octets"))
                }
            }
        }
        if let rollups, !rollups.isEmpty {
            try await RollupFile(path: files.folders.rollupFile(of: key).path).add(rollups, tenant: key.tenant)
            try files.folders.sync(folder: files.folders.folder(of: key.tenant))
        }
        let archived = try await archivedBytes(of: key)
        try await listForForgetting(key)
        try await files.remove(key)
        return RetiredDay(
            tenant: key.tenant, day: Day.name(key.day), reason: reason, bytes: bytes, archivedBytes: archived,
            rows: rows)
    }
    /// Batches that no segment holds yet are in no rollup: they are compacted first. Without the key they just go.
    private func sumRest(of key: DayFiles.Key, now: Int64) async throws {
        var policy = CompactionPolicy()
        policy.batchesMax = 1
        do {
            _ = try await compact(key, now: now, policy: policy, at: { _ in })
        } catch is SealError {
        }
    }

    private func removeRollups(
        _ key: DayFiles.Key, _ reason: RetiredDay.Reason = .rollupAge
    ) throws -> RetiredDay {
        let file = files.folders.rollupFile(of: key)
        let bytes = try FileManager.default.attributesOfItem(atPath: file.path)[.size] as? Int ?? 0
        try FileManager.default.removeItem(at: file)
        return RetiredDay(
            tenant: key.tenant, day: Day.name(key.day), reason: reason, bytes: bytes, archivedBytes: 0, rows: 0)
    }

    // MARK: Rollups

    package func rollup(_ question: RollupQuestion) async throws(FlowStoreError) -> RollupAnswer {
        let tenant = question.tenant, (end, overflows) = question.to.addingReportingOverflow(question.period.rawValue)
        let to = overflows ? Int64.max : end
        let segments = try await segments(tenant: tenant, from: question.from, to: to)
        return try await wrapping(tenant) {
            var merge = RollupMerge(question)
            let octets = self.octets(of: tenant)
            for day in try await self.files.days(of: tenant) {
                try Task.checkCancellation()
                let key = DayFiles.Key(tenant: tenant, day: day)
                let found = try await self.files.reading(key) { reader in
                    try await reader.read { db in
                        try RollupTable.read(
                            question.kind, question.period, from: question.from, to: question.to, in: db)
                    }
                }
                try merge.add(found ?? [], day: day, octets: octets)
            }
            for day in try self.files.folders.rollupDays(of: tenant) {
                let key = DayFiles.Key(tenant: tenant, day: day)
                let found = try await RollupFile(path: self.files.folders.rollupFile(of: key).path).read(question)
                try merge.add(found, day: day, octets: octets)
            }
            var answer = RollupAnswer(buckets: merge.result, unsummed: segments.filter { $0.kind == .batch })
            answer.damaged = merge.damaged
            return answer
        }
    }

    // MARK: Damage

    package func reportDamage(of segment: Segment, tenant: TenantID, reason: String) async throws(FlowStoreError) {
        guard segment.tenant == tenant else { return }
        let key = DayFiles.Key(tenant: tenant, day: segment.day), octets = octets(of: tenant)
        try await wrapping(tenant) {
            do {
                let isSound =
                    segment.kind == .compacted
                    ? try await self.isSound(segment, in: key, octets)
                    : try await self.files.withFile(key, create: false) { pool in
                        try await pool.read { try Self.isSound(batch: segment, octets: octets, in: $0) }
                    } ?? true
                if !isSound { try await self.setAside(segment, reason) }
            } catch FlowStoreError.archiveUnavailable {
                // Nobody can say now.
            }
        }
    }

    /// Whether a segment that somebody could not read is what was written: then the fault is not the store's.
    private func isSound(_ segment: Segment, in key: DayFiles.Key, _ octets: StoredOctets) async throws -> Bool {
        do {
            let row = try await files.withFile(key, create: false) { pool in
                try await pool.read { try SegmentRow.find(segment.rowID, in: $0) }
            }
            guard let row, let row else { return true }
            for blob in row.blobs.keys {
                let found = try await files.withFile(key, create: false) { pool in
                    try await pool.read { try SegmentRow.find(blob, range: nil, of: row.id, in: $0) }
                }
                guard let found, let found else { return true }
                let pieces = try await fetched(found, of: key, isFresh: true)
                try row.verify(blob, is: try pieces.opened(day: key.day, octets: octets))
            }
            return true
        } catch is DamagedSegment {
            return false
        }
    }

    private static func isSound(batch segment: Segment, octets: StoredOctets, in db: Database) throws -> Bool {
        guard let row = try BatchTable.row(segment.rowID, in: db),
            let stored = try BatchTable.body(segment.rowID, in: db)
        else { return true }
        do throws(SealError) {
            let body = try octets.open(stored, row.context)
            var decoder = BatchDecoder(), columns = FlowColumns()
            let decoded: Void? = try? body.withBytes { span throws(BatchError) in
                try decoder.decode(span, into: &columns)
            }
            return decoded != nil
        } catch .damaged {
            return false
        } catch {
            throw error
        }
    }

    func setAside(_ segment: Segment, _ reason: String) async throws {
        let key = DayFiles.Key(tenant: segment.tenant, day: segment.day)
        guard segment.kind == .batch else {
            return try await setAside(segment: segment.rowID, in: key, reason)
        }
        try await setAside(in: key, StoreDamage(batches: 1)) { db in
            guard let row = try BatchTable.row(segment.rowID, in: db),
                row.logOffset == segment.position.logOffset
            else { return false }
            try DamageTable.setAside(batch: segment.rowID, reason: reason, at: segment.receivedMilliseconds, in: db)
            return true
        }
    }
    func setAside(segment id: Int64, in key: DayFiles.Key, _ reason: String) async throws {
        try await setAside(in: key, StoreDamage(segments: 1)) { db in
            try DamageTable.setAside(segment: id, reason: reason, at: 0, in: db)
            return db.changesCount > 0
        }
    }
    private func setAside(
        in key: DayFiles.Key, _ damage: StoreDamage, _ body: @escaping @Sendable (Database) throws -> Bool
    ) async throws {
        let done = try await files.withFile(key, create: false) { pool in
            try await pool.write { db -> (DaySummary, UInt64)? in
                let before = try DaySummary.read(of: key.tenant, in: db)
                guard try body(db) else { return nil }
                var summary = try DaySummary.recount(of: key.tenant, in: db)
                try summary.write(of: key.tenant, in: db)
                let had = before?.totals.rows ?? 0
                return (summary, had > summary.totals.rows ? had - summary.totals.rows : 0)
            }
        }
        guard let done, let (summary, rows) = done else { return }
        await files.note(summary, of: key)
        var damage = damage
        damage.rows = rows
        await files.note(damage)
    }
}

extension StoreDamage {
    fileprivate init(batches: Int = 0, segments: Int = 0) {
        self.init()
        self.batches = batches
        self.segments = segments
    }
}
