internal import Delivery
internal import FlowModel
internal import Platform
internal import SQLite

/// The spool files of Weir before segments: SQLite files (`spool.sqlite`, `spool-<n>.sqlite`) of schema 1. Read once at
/// the start, brought over under the keys they have, and removed; forward only. The tables:
///
///     epoch      (id, high, low, started_ms)
///     batch      (id, epoch, sequence, sealed_ms, sha256, rows, flows, octets, packets, bytes)
///     body       (batch, content)
///     abandoned  (high, low, sequence)      never to be sent from an older file
final class SpoolDatabase {
    /// The only one that was ever released.
    static let version: Int64 = 1
    private static let applicationID: Int64 = 0x5745_4952  // "WEIR"
    private let connection: SQLiteConnection

    /// - Throws: `isCorruption` when it is not a sound spool file; other errors for one of a later version.
    init(path: String) throws(SQLiteError) {
        connection = try SQLiteConnection(path: path, mode: .readWrite)
        let found = try connection.integer("PRAGMA user_version") ?? 0
        guard found <= Self.version else {
            throw SQLiteError(code: 1, message: "made by a later version (schema \(found))")
        }
        guard try connection.integer("PRAGMA application_id") == Self.applicationID else {
            throw SQLiteError(code: SQLiteError.corrupt, message: "not a spool file")
        }
    }

    /// Oldest first.
    func keys() throws(SQLiteError) -> [BatchKey] {
        try keys(
            "SELECT high, low, sequence FROM batch JOIN epoch ON epoch.id = batch.epoch ORDER BY batch.epoch, sequence")
    }
    func abandoned() throws(SQLiteError) -> [BatchKey] { try keys("SELECT high, low, sequence FROM abandoned") }
    private func keys(_ query: String) throws(SQLiteError) -> [BatchKey] {
        var keys: [BatchKey] = []
        try connection.prepare(query).rows {
            keys.append(BatchKey(epoch: Epoch(high: $0.unsigned(0), low: $0.unsigned(1)), sequence: $0.unsigned(2)))
        }
        return keys
    }

    /// A batch with its bytes, unchecked; nil when it can't be read.
    func content(of key: BatchKey) throws(SQLiteError) -> SegmentFile.Pending? {
        let select = try connection.prepare(
            """
            SELECT sha256, sealed_ms, rows, flows, octets, packets, content
            FROM batch JOIN epoch ON epoch.id = batch.epoch JOIN body ON body.batch = batch.id
            WHERE high = ?1 AND low = ?2 AND sequence = ?3
            """)
        try select.bind([.unsigned(key.epoch.high), .unsigned(key.epoch.low), .unsigned(key.sequence)])
        defer { select.reset() }
        guard try select.step(), let digest = BatchDigest(octets: select.blob(0)) else { return nil }
        let body = select.blob(6)
        let batch = SpooledBatch(
            key: key, digest: digest, byteCount: body.count, sealedMilliseconds: select.integer(1),
            rows: Int(select.integer(2)),
            tally: Tally(flows: select.unsigned(3), octets: select.unsigned(4), packets: select.unsigned(5)))
        return SegmentFile.Pending(batch: batch, body: body)
    }
}

extension SpoolState {
    /// Brings batches over from files of the time before segments. A file goes once all of its batches are durable
    /// here; after a crash in between the rest is done at the next start, and what is here already is passed over.
    /// - Throws: for a file of a later version.
    mutating func bringOver() throws(SpoolError) {
        guard let names = try? disk.names(in: directory) else { return }
        let files = names.compactMap { name in Self.databaseNumber(ofName: name).map { (number: $0, name: name) } }
            .sorted { $0.number < $1.number }
        var abandoned: Set<BatchKey> = []
        for file in files.reversed() {  // newer files say what of older ones must not be sent
            let path = "\(directory)/\(file.name)"
            do throws(SQLiteError) {
                let database = try SpoolDatabase(path: path)
                let isWhole = try bringOver(database, without: abandoned)
                abandoned.formUnion(try database.abandoned())
                guard isWhole else { return quarantineDatabase(path) }
            } catch {
                // No room now: the file stays for the next start.
                if error.isDiskFull { return }
                guard error.isCorruption else { throw .failed("\(path): \(error)") }
                quarantineDatabase(path)
                continue
            }
            for suffix in ["", "-wal", "-shm"] { try? disk.remove(path + suffix) }
        }
        try? disk.syncFolder(directory)
    }
    static func databaseNumber(ofName name: String) -> Int? {
        guard name.hasPrefix("spool"), name.hasSuffix(".sqlite") else { return nil }
        let middle = name.dropFirst("spool".count).dropLast(".sqlite".count)
        return middle.isEmpty ? 0 : middle.hasPrefix("-") ? Int(middle.dropFirst()) : nil
    }
    private mutating func bringOver(_ database: SpoolDatabase, without abandoned: Set<BatchKey>) throws(SQLiteError)
        -> Bool
    {
        var group: [SegmentFile.Pending] = [], isWhole = true
        for key in try database.keys() where places[key] == nil && !abandoned.contains(key) {
            guard let found = try? database.content(of: key), BatchDigest(of: found.body) == found.batch.digest else {
                counts.damagedBatches += 1
                isWhole = false
                continue
            }
            group.append(found)
            if group.reduce(0, { $0 + $1.body.count }) > 8 << 20 { try flush(&group) }
        }
        try flush(&group)
        return isWhole
    }
    private mutating func flush(_ group: inout [SegmentFile.Pending]) throws(SQLiteError) {
        guard !group.isEmpty else { return }
        do throws(SpoolError) { try write(group) } catch {
            throw SQLiteError(code: error == .diskFull ? SQLiteError.full : 1, message: "\(error)")
        }
        group = []
    }
    private mutating func quarantineDatabase(_ path: String) {
        quarantine(path)
        for suffix in ["-wal", "-shm"] { try? disk.remove(path + suffix) }
    }
}
