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
package final class SQLiteFlowLog: FlowLog {
    /// Bounds on what waits for the disk and on one transaction.
    package struct Limits: Sendable {
        /// Bodies of appends that wait; beyond it `append` throws `.busy`. One is always taken.
        package var waitingBytesMax = 256 << 20
        package var groupBytesMax = 32 << 20
        package var groupBatchesMax = 512
        package init() {}
    }

    private let pool: DatabasePool
    private let limits: Limits
    private let beforeCommit: (@Sendable () throws -> Void)?
    private let state = Mutex(FlowLogState())
    private let writer = Mutex(GroupWriter())

    /// Opens `log.sqlite` in `directory`, which must exist, making or migrating the file as needed.
    /// - Parameter beforeCommit: called between a group's last write and its commit; what it throws counts as the
    ///   disk's failure. For tests.
    package init(
        directory: String, limits: Limits = Limits(), beforeCommit: (@Sendable () throws -> Void)? = nil
    ) throws(FlowLogError) {
        self.limits = limits
        self.beforeCommit = beforeCommit
        var configuration = Configuration()
        configuration.prepareDatabase { try FlowLogSchema.prepare($0) }
        let file = URL(fileURLWithPath: directory).appendingPathComponent("log.sqlite").path
        do {
            pool = try DatabasePool(path: file, configuration: configuration)
            try pool.writeWithoutTransaction { try FlowLogSchema.prepareWriter($0) }
            try FlowLogSchema.migrator.migrate(pool)
            // What a killed process or a failed sync left in the WAL may be in the page cache only. A repeat writes
            // nothing, so nothing else would make it durable before it is answered.
            try pool.writeWithoutTransaction { _ = try $0.checkpoint(.full) }
            let head = try pool.read { try GroupWriter.head(in: $0) }
            state.withLock { $0.head = head }
        } catch {
            throw .storage("\(file): \(error)")
        }
    }

    /// Closes the file, after what waits. Later calls throw.
    package func close() throws(FlowLogError) {
        do { try pool.close() } catch { throw .storage("\(error)") }
    }

    // MARK: Appending

    package func append(_ batch: LogAppend) async throws(FlowLogError) -> LogAppendResult {
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

    /// One group a turn of the writer's queue, so that trims get their turns too.
    private func writeNextGroup() {
        pool.asyncWriteWithoutTransaction { [self] db in
            let group = state.withLock { $0.takeGroup(bytesMax: limits.groupBytesMax, max: limits.groupBatchesMax) }
            let outcome = commit(group, in: db)
            let (told, again) = state.withLock { $0.finish(outcome, of: group) }
            told()
            for (waiting, result) in zip(group, outcome.results(count: group.count)) { waiting.answer(result) }
            if again { writeNextGroup() }
        }
    }

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
                let isFull = (error as? DatabaseError)?.resultCode == .SQLITE_FULL
                return .failed(isFull ? .full : .failed("\(error)"))
            }
        }
    }

    // MARK: Reading

    package func read(
        after offset: Int64, limit: Int, bytesMax: Int
    ) async throws(FlowLogError) -> [LoggedBatch] {
        try await reading { try LogReader.batches(after: offset, limit: limit, bytesMax: bytesMax, in: $0) }
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
            throw (error as? DatabaseError)?.resultCode == .SQLITE_FULL ? .full : .storage("\(error)")
        }
    }

    // MARK: Trimming

    package func trim(through offset: Int64) async throws(FlowLogError) {
        while try await trimSome(through: offset) {}
    }

    /// Deletes a few bodies, so that appends wait milliseconds at most, and gives large amounts of free space back.
    /// - Returns: whether there is more to delete.
    private func trimSome(through offset: Int64) async throws(FlowLogError) -> Bool {
        if let error = state.withLock({ $0.failure }) { throw error }
        do {
            return try await pool.writeWithoutTransaction { db in
                var deleted = 0
                try db.inTransaction(.immediate) {
                    try db.execute(
                        sql: """
                            DELETE FROM batch WHERE "offset" IN (
                                SELECT "offset" FROM batch WHERE "offset" <= ? ORDER BY "offset" LIMIT 64)
                            """, arguments: [offset])
                    deleted = db.changesCount
                    return .commit
                }
                try LogReader.shrink(db)
                return deleted == 64
            }
        } catch {
            if error is CancellationError { throw .cancelled }
            throw .storage("\(error)")
        }
    }
}
