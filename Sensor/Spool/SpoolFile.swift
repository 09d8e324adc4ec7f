internal import Delivery
internal import FlowModel
internal import SQLite

/// One SQLite file of the spool and what of it is still to be sent.
///
/// A file is written by one process through this one connection. Once it is retired nothing is written to it again:
/// what is answered is then only remembered here, and the file goes when all of it is. A restart in between sends those
/// batches again, which aggregators answer as before.
final class SpoolFile {
    let path: String
    /// 0 for `spool.sqlite`, n for `spool-<n>.sqlite`; later files have higher numbers.
    let number: Int
    private let connection: SQLiteConnection
    private(set) var isRetired = false
    /// Batches that could not be read.
    private(set) var damaged = 0
    private(set) var batches = 0, bytes = 0
    private var epochs: [Epoch: Int64] = [:]
    /// Of a retired file: answered or damaged, though still in it.
    private var gone: Set<BatchKey> = []
    private let insertBatch, insertBody, deleteBatch, deleteBody, selectWaiting, selectBody: SQLiteStatement

    /// Opens or makes a file.
    /// - Throws: `isCorruption` errors when it is not a sound spool file.
    init(path: String, number: Int) throws(SQLiteError) {
        self.path = path
        self.number = number
        let connection = try SQLiteConnection(path: path)
        self.connection = connection
        try SpoolSchema.prepare(connection)
        insertBatch = try connection.prepare(
            """
            INSERT INTO batch (epoch, sequence, sealed_ms, sha256, rows, flows, octets, packets, bytes)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
            """)
        insertBody = try connection.prepare("INSERT INTO body (batch, content) VALUES (?1, ?2)")
        deleteBatch = try connection.prepare(
            "DELETE FROM batch WHERE epoch = ?1 AND sequence = ?2 RETURNING id, bytes")
        deleteBody = try connection.prepare("DELETE FROM body WHERE batch = ?1")
        selectWaiting = try connection.prepare(
            """
            SELECT high, low, sequence, sha256, bytes, sealed_ms, rows, flows, octets, packets
            FROM batch JOIN epoch ON epoch.id = batch.epoch ORDER BY batch.epoch, sequence LIMIT ?1
            """)
        selectBody = try connection.prepare(
            """
            SELECT high, low, sequence, sha256, bytes, sealed_ms, rows, flows, octets, packets, content
            FROM batch JOIN epoch ON epoch.id = batch.epoch JOIN body ON body.batch = batch.id
            WHERE batch.epoch = ?1 AND sequence = ?2
            """)
        try countBatches()
    }

    private func countBatches() throws(SQLiteError) {
        let known = try connection.prepare("SELECT id, high, low FROM epoch")
        try known.rows { self.epochs[Epoch(high: $0.unsigned(1), low: $0.unsigned(2))] = $0.integer(0) }
        let sums = try connection.prepare("SELECT count(*), sum(bytes) FROM batch")
        try sums.rows {
            self.batches = Int($0.integer(0))
            self.bytes = Int($0.integer(1))
        }
    }

    // MARK: Writing, only while the file is not retired

    /// Adds a batch and syncs.
    func append(_ body: [UInt8], as batch: SpooledBatch) throws(SQLiteError) {
        try connection.transaction { () throws(SQLiteError) in
            let epoch = try self.number(of: batch.key.epoch, startedMilliseconds: batch.sealedMilliseconds)
            try insertBatch.run(
                .integer(epoch), .unsigned(batch.key.sequence), .integer(batch.sealedMilliseconds),
                .blob(batch.digest.octets), .integer(Int64(batch.rows)), .unsigned(batch.tally.flows),
                .unsigned(batch.tally.octets), .unsigned(batch.tally.packets), .integer(Int64(body.count)))
            try insertBody.run(.integer(connection.lastInsertRowID), .blob(body))
        }
        batches += 1
        bytes += body.count
    }
    /// The file's number of an epoch, which is noted with its first batch.
    private func number(of epoch: Epoch, startedMilliseconds: Int64) throws(SQLiteError) -> Int64 {
        if let known = try connection.integer(
            "SELECT id FROM epoch WHERE high = ?1 AND low = ?2", .unsigned(epoch.high), .unsigned(epoch.low))
        {
            epochs[epoch] = known
            return known
        }
        // Higher than all before: the order of sending is that of epochs.
        let insert = try connection.prepare("INSERT INTO epoch (high, low, started_ms) VALUES (?1, ?2, ?3)")
        try insert.run(.unsigned(epoch.high), .unsigned(epoch.low), .integer(startedMilliseconds))
        epochs[epoch] = connection.lastInsertRowID
        return connection.lastInsertRowID
    }

    /// Notes that a batch must never be sent, though an older file may show it after a restart: its append failed, so
    /// it has been given another key.
    func abandon(_ key: BatchKey) throws(SQLiteError) {
        let insert = try connection.prepare("INSERT OR IGNORE INTO abandoned (high, low, sequence) VALUES (?1, ?2, ?3)")
        try insert.run(.unsigned(key.epoch.high), .unsigned(key.epoch.low), .unsigned(key.sequence))
    }
    func abandonedKeys() throws(SQLiteError) -> [BatchKey] {
        var keys: [BatchKey] = []
        try connection.prepare("SELECT high, low, sequence FROM abandoned").rows {
            keys.append(
                BatchKey(epoch: Epoch(high: $0.unsigned(0), low: $0.unsigned(1)), sequence: $0.unsigned(2)))
        }
        return keys
    }

    /// Deletes batches in one transaction; those that are not there are passed over.
    func remove(_ keys: [BatchKey]) throws(SQLiteError) {
        var removed = 0, freed = 0
        try connection.transaction { () throws(SQLiteError) in
            for key in keys {
                guard let epoch = epochs[key.epoch] else { continue }
                try deleteBatch.bind([.integer(epoch), .unsigned(key.sequence)])
                guard try deleteBatch.step() else { continue }
                let id = deleteBatch.integer(0)
                freed += Int(deleteBatch.integer(1))
                removed += 1
                deleteBatch.reset()
                try deleteBody.run(.integer(id))
            }
        }
        batches -= removed
        bytes -= freed
    }

    /// Gives free pages back to the file system, some at a time, once they are a quarter of the file.
    func shrink() throws(SQLiteError) {
        let free = try connection.integer("PRAGMA freelist_count") ?? 0
        let pages = try connection.integer("PRAGMA page_count") ?? 0
        if free > 64, free > pages / 4 { try connection.execute("PRAGMA incremental_vacuum(128)") }
    }

    // MARK: Reading

    func holds(_ key: BatchKey) -> Bool { epochs[key.epoch] != nil && !gone.contains(key) }

    /// Oldest first: by epoch, then by sequence.
    func waiting(limit: Int, excluding: Set<BatchKey>) throws(SQLiteError) -> [SpooledBatch] {
        var found: [SpooledBatch] = []
        try selectWaiting.bind([.integer(Int64(limit + excluding.count + gone.count))])
        while found.count < limit, try selectWaiting.step() {
            guard let batch = SpooledBatch(selectWaiting) else {
                selectWaiting.reset()
                throw SpoolSchema.nonsense("a digest that is none")
            }
            if !excluding.contains(batch.key), !gone.contains(batch.key) { found.append(batch) }
        }
        selectWaiting.reset()
        return found
    }

    /// A batch and its bytes, unchecked; nil when it is not there.
    func content(of key: BatchKey) throws(SQLiteError) -> (batch: SpooledBatch, body: [UInt8])? {
        guard holds(key), let epoch = epochs[key.epoch] else { return nil }
        try selectBody.bind([.integer(epoch), .unsigned(key.sequence)])
        defer { selectBody.reset() }
        guard try selectBody.step() else { return nil }
        guard let batch = SpooledBatch(selectBody) else { throw SpoolSchema.nonsense("a digest that is none") }
        return (batch, selectBody.blob(10))
    }

    // MARK: Retired

    /// From now on nothing is written, not even when the connection goes.
    func retire() {
        isRetired = true
        connection.abandon()
    }
    /// Forgets batches of a retired file.
    /// - Parameter isDamage: they could not be read, rather than being sent or refused.
    func forget(_ keys: [BatchKey], isDamage: Bool = false) {
        precondition(isRetired)
        for key in keys where holds(key) {
            do {
                // Knowing the epoch is not having the batch: one that never got here must not be counted off.
                guard let found = try bytes(of: key) else { continue }
                bytes -= Int(found)
            } catch {
                // Unreadable: a damaged batch is given up; any other stays, and is sent again.
                guard isDamage else { continue }
            }
            gone.insert(key)
            batches -= 1
            if isDamage { damaged += 1 }
        }
    }
    private func bytes(of key: BatchKey) throws(SQLiteError) -> Int64? {
        try connection.integer(
            "SELECT bytes FROM batch WHERE epoch = ?1 AND sequence = ?2", .integer(epochs[key.epoch] ?? 0),
            .unsigned(key.sequence))
    }
}

extension SpooledBatch {
    /// From the first ten columns of `selectWaiting` and `selectBody`.
    fileprivate init?(_ row: SQLiteStatement) {
        guard let digest = BatchDigest(octets: row.blob(3)) else { return nil }
        self.init(
            key: BatchKey(epoch: Epoch(high: row.unsigned(0), low: row.unsigned(1)), sequence: row.unsigned(2)),
            digest: digest, byteCount: Int(row.integer(4)), sealedMilliseconds: row.integer(5),
            rows: Int(row.integer(6)),
            tally: Tally(flows: row.unsigned(7), octets: row.unsigned(8), packets: row.unsigned(9)))
    }
}
