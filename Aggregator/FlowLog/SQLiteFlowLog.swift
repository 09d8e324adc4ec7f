internal import Foundation
internal import GRDB
package import Identity
internal import Synchronization

/// The log in one SQLite file, `log.sqlite`, in WAL mode with `synchronous=FULL`.
///
/// Group commit: while one transaction syncs, further appends wait; the next transaction takes all of them, so the
/// number of syncs a second is what the disk gives and the number of batches is not bounded by it.
/// A failed commit is never tried again on the same file: nobody in its group hears "stored", and the log refuses
/// everything from then on (`FlowLogError.failed`). After a failed fsync the kernel may have dropped the pages and
/// report success to the next one, so only a fresh process, which reads what is on the disk, may go on. A full disk is
/// told apart: it shows before the sync, and the transaction is rolled back whole.
/// One connection writes and checkpoints; readers have their own and do neither.
package final class SQLiteFlowLog: FlowLog, SensorTotals {
    /// Bounds on what waits for the disk and on one transaction.
    package struct Limits: Sendable {
        /// Bodies of appends that wait; beyond it `append` throws `.busy`. One is always taken.
        package var waitingBytesMax = 256 << 20
        package var groupBytesMax = 32 << 20
        package var groupBatchesMax = 512
        /// The write-ahead log is copied into the file after so many bytes of bodies.
        package var checkpointBytes = 32 << 20
        /// Bodies that are kept in memory, too, for those who follow the log. 0: none.
        package var recentBytes = 32 << 20
        package init() {}
    }

    /// When the log took its first batch, by the aggregator's clock in ms since 1970 UTC, as it was at opening: 0 when
    /// it had none; nil when it is from before this was written down.
    package let bornMilliseconds: Int64?
    /// What damage to the file was found and mended at opening.
    package let damage: LogDamage?
    private let pool: DatabasePool
    private let mending: LogMending
    private let limits: Limits
    private let sealing: TenantSealing
    private let beforeCommit: (@Sendable () throws -> Void)?
    private let state = Mutex(FlowLogState())
    private let writer = Mutex(GroupWriter())
    /// Logs that failed. Closing one would copy what it holds once more into the file whose sync has failed, so it
    /// stays open to the process's end.
    private static let failed = Mutex<[DatabasePool]>([])
    /// Of bodies, since the write-ahead log was last copied into the file.
    private let bytesSinceCheckpoint = Mutex(0)

    /// Opens `log.sqlite` in `directory`, which must exist, making or migrating the file as needed.
    /// - Parameters:
    ///   - sealing: of bodies. What is in the file before may be sealed or not.
    ///   - beforeCommit: called between a group's last write and its commit; what it throws counts as the
    ///   disk's failure. For tests.
    package init(
        directory: String, limits: Limits = Limits(), sealing: TenantSealing = .none,
        beforeCommit: (@Sendable () throws -> Void)? = nil
    ) throws(FlowLogError) {
        self.limits = limits
        self.sealing = sealing
        self.beforeCommit = beforeCommit
        let mending = LogMending(path: URL(fileURLWithPath: directory).appendingPathComponent("log.sqlite").path)
        self.mending = mending
        do {
            var damage = mending.isSuspect ? try mending.mend() : nil
            do {
                pool = try Self.open(mending.path)
            } catch  where LogMending.isDamage(error) && damage == nil {
                damage = try mending.mend()
                pool = try Self.open(mending.path)
            }
            self.damage = damage
            let head = try pool.read { try GroupWriter.head(in: $0) }
            bornMilliseconds = try pool.read { try GroupWriter.birth(in: $0) }
            state.withLock { [limits] state in
                state.head = head
                state.recent = RecentBatches(bytesMax: limits.recentBytes, head: head)
            }
        } catch {
            throw .storage("\(mending.path): \(error)")
        }
    }

    private static func open(_ file: String) throws -> DatabasePool {
        var configuration = Configuration()
        // A backup may be reading the file.
        configuration.busyMode = .timeout(60)
        configuration.prepareDatabase { try FlowLogSchema.prepare($0) }
        let pool = try DatabasePool(path: file, configuration: configuration)
        do {
            try pool.writeWithoutTransaction { try FlowLogSchema.prepareWriter($0) }
            try FlowLogSchema.migrator.migrate(pool)
            // What a killed process or a failed sync left in the WAL may be in the page cache only. A repeat writes
            // nothing, so nothing else would make it durable before it is answered.
            try pool.writeWithoutTransaction { _ = try $0.checkpoint(.full) }
            _ = try pool.read { try (GroupWriter.head(in: $0), GroupWriter.birth(in: $0)) }
            return pool
        } catch {
            if LogMending.isDamage(error) { try? pool.close() }
            throw error
        }
    }

    /// Closes the file, after what waits. Later calls throw. One that has failed is left as it is.
    package func close() throws(FlowLogError) {
        do {
            // What is being written now may still fail.
            pool.writeWithoutTransaction { _ in }
            if state.withLock({ $0.failure }) != nil { return }
            try pool.close()
        } catch {
            throw .storage("\(error)")
        }
    }

    // MARK: Appending

    package func append(_ batch: LogAppend) async throws(FlowLogError) -> LogAppendResult {
        let batch = try sealed(batch)
        let result = await withCheckedContinuation { continuation in
            let waiting = FlowLogState.Waiting(batch: batch) { continuation.resume(returning: $0) }
            switch state.withLock({ $0.enqueue(waiting, bytesMax: limits.waitingBytesMax) }) {
            case .refused(let error): continuation.resume(returning: .failure(error))
            case .startWriter: writeNextGroup()
            case .writerRuns: break
            }
        }
        return try result.get()
    }

    private func sealed(_ batch: LogAppend) throws(FlowLogError) -> LogAppend {
        var batch = batch
        do throws(TenantSealing.Fault) {
            batch.body = try sealing.seal(batch.body, batch.sensor.tenant, LogReader.context(batch.sensor, batch.key))
            return batch
        } catch {
            if case .unavailable = error { throw .busy }
            throw .storage("the data key of \(batch.sensor.tenant): \(error)")
        }
    }

    /// One group a turn of the writer's queue, so that trims get their turns too.
    private func writeNextGroup() {
        pool.asyncWriteWithoutTransaction { [self] db in
            let group = state.withLock { $0.takeGroup(bytesMax: limits.groupBytesMax, max: limits.groupBatchesMax) }
            let outcome = commit(group, in: db)
            let (told, again) = state.withLock { $0.finish(outcome, of: group) }
            let isSound = state.withLock { $0.failure } == nil
            if !isSound { keepOpen() }
            told()
            for (waiting, result) in zip(group, outcome.results(count: group.count)) { waiting.answer(result) }
            // A checkpoint would sync again what has failed to.
            guard isSound, checkpointIfDue(group.reduce(0) { $0 + $1.batch.body.count }, in: db) else { return }
            if again { writeNextGroup() }
        }
    }

    /// Copies the write-ahead log into the file now and then. What is in the log is durable, so a failure takes nothing
    /// back; but the file's sync must not be tried again, so it ends this log.
    private func checkpointIfDue(_ written: Int, in db: Database) -> Bool {
        let isDue = bytesSinceCheckpoint.withLock { bytes in
            bytes += written
            defer { if bytes >= limits.checkpointBytes { bytes = 0 } }
            return bytes >= limits.checkpointBytes
        }
        guard isDue else { return true }
        do {
            _ = try db.checkpoint(.passive)
            return true
        } catch {
            if (error as? DatabaseError)?.resultCode == .SQLITE_BUSY { return true }
            let tell = state.withLock { $0.fail(.failed("checkpoint: \(error)")) }
            keepOpen()
            tell()
            return false
        }
    }
    private func keepOpen() { Self.failed.withLock { $0.append(pool) } }

    private func commit(_ group: [FlowLogState.Waiting], in db: Database) -> GroupOutcome {
        writer.withLock { writer in
            do {
                var results: [LogAppendResult] = []
                try db.inTransaction(.immediate) {
                    results = try writer.write(group.map(\.batch), in: db)
                    try beforeCommit?()
                    return .commit
                }
                return .committed(results, head: writer.committed())
            } catch {
                writer.rolledBack()
                if LogMending.isDamage(error) { mending.suspect() }
                let isFull = (error as? DatabaseError)?.resultCode == .SQLITE_FULL
                return .failed(isFull ? .full : .failed("\(error)"))
            }
        }
    }

    // MARK: Reading

    package func read(
        after offset: Int64, limit: Int, bytesMax: Int
    ) async throws(FlowLogError) -> [LoggedBatch] {
        if let recent = state.withLock({ $0.recent.read(after: offset, limit: limit, bytesMax: bytesMax) }) {
            return try recent.map { one throws(FlowLogError) in
                do {
                    return try LogReader.opened(one.batch, at: one.offset, sealing)
                } catch {
                    throw .storage("\(error)")
                }
            }
        }
        return try await reading { [sealing] db in
            try LogReader.batches(after: offset, limit: limit, bytesMax: bytesMax, sealing: sealing, in: db)
        }
    }

    package func headOffset() async throws(FlowLogError) -> Int64 {
        let (head, failure) = state.withLock { ($0.head, $0.failure) }
        if let failure { throw failure }
        return head
    }

    package func totals(of tenant: TenantID) async throws(FlowLogError) -> [SensorTotal] {
        try await reading { try LogReader.totals(of: tenant, in: $0) }
    }

    package func waitForBatch(after offset: Int64) async throws(FlowLogError) {
        let id = state.withLock { $0.nextWaiterID() }
        let result: Result<Void, FlowLogError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waiter = FlowLogState.Waiter(id: id, offset: offset) { continuation.resume(returning: $0) }
                state.withLock { $0.wait(waiter, isCancelled: Task.isCancelled) }.map { waiter.wake($0) }
            }
        } onCancel: {
            state.withLock { $0.removeWaiter(id) }?.wake(.failure(.cancelled))
        }
        try result.get()
    }

    private func reading<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(FlowLogError) -> Value {
        do {
            return try await pool.read(body)
        } catch {
            if error is CancellationError { throw .cancelled }
            if LogMending.isDamage(error) { mending.suspect() }
            throw (error as? DatabaseError)?.resultCode == .SQLITE_FULL ? .full : .storage("\(error)")
        }
    }

    // MARK: Trimming

    package func trim(through offset: Int64) async throws(FlowLogError) {
        state.withLock { $0.recent.trim(through: offset) }
        while try await trimSome(through: offset) {}
    }

    /// Deletes a few bodies, so that appends wait milliseconds at most, and gives large amounts of free space back.
    /// - Returns: whether there is more to delete.
    private func trimSome(through offset: Int64) async throws(FlowLogError) -> Bool {
        if let error = state.withLock({ $0.failure }) { throw error }
        do {
            return try await pool.writeWithoutTransaction { db in
                // What came before in the writer's queue may have failed.
                if let error = state.withLock({ $0.failure }) { throw error }
                var deleted = 0
                try db.inTransaction(.immediate) {
                    try db.execute(
                        sql: """
                            DELETE FROM batch WHERE "offset" IN (
                                SELECT "offset" FROM batch WHERE "offset" <= ? ORDER BY "offset" LIMIT 64)
                            """, arguments: [offset])
                    deleted = db.changesCount
                    if deleted > 0 {
                        try db.execute(
                            sql: """
                                UPDATE log_head SET trimmed = (
                                    SELECT coalesce(min("offset") - 1, ?1) FROM batch WHERE "offset" <= ?1)
                                """, arguments: [offset])
                    }
                    return .commit
                }
                try LogReader.shrink(db)
                _ = checkpointIfDue(1 << 20, in: db)
                return deleted == 64
            }
        } catch {
            if error is CancellationError { throw .cancelled }
            if let failure = error as? FlowLogError { throw failure }
            // Deleting needs a little room; later it will be there.
            if (error as? DatabaseError)?.resultCode == .SQLITE_FULL { throw .full }
            if LogMending.isDamage(error) { mending.suspect() }
            // Also a trim ends with a sync.
            let failure = FlowLogError.failed("trim: \(error)")
            state.withLock { $0.fail(failure) }()
            keepOpen()
            throw failure
        }
    }
}
