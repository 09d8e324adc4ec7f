internal import Delivery
internal import FlowModel
internal import Foundation
internal import GRDB
internal import Identity

#if WEIR_PLANTED
internal import Planted
#endif

/// Writes groups of batches within the caller's transaction, and remembers between them what saves it a read: sensors'
/// rows and the head. Call `committed` or `rolledBack` after each `write`.
struct GroupWriter {
    private struct Sensor {
        let id: Int64
        var total: SensorTotal
        var isChanged = false
    }
    private var sensors: [SensorIdentity: Sensor] = [:]
    private var head: Int64?

    /// Sensors whose rows are remembered; all are forgotten when there are more.
    private static let sensorsMax = 4_096

    mutating func write(_ batches: [LogAppend], in db: Database) throws -> [LogAppendResult] {
        let before = try head ?? Self.head(in: db)
        head = before
        var results: [LogAppendResult] = []
        for batch in batches { results.append(try write(batch, in: db)) }
        // Nothing new, nothing to sync: what the repeats repeat is durable already.
        guard head != before else { return results }
        try writeTotals(in: db)
        try db.cachedStatement(sql: #"UPDATE log_head SET "offset" = ?"#).execute(arguments: [head])
        if before == 0, let first = batches.first {
            try db.execute(
                sql: "UPDATE log_head SET born_ms = ? WHERE born_ms = 0", arguments: [first.receivedMilliseconds])
        }
        return results
    }
    mutating func committed() -> Int64 {
        if sensors.count > Self.sensorsMax { sensors = [:] }
        return head ?? 0
    }
    mutating func rolledBack() { self = GroupWriter() }

    /// A repeat within the group is found like any other: it sees what the same transaction wrote.
    private mutating func write(_ batch: LogAppend, in db: Database) throws -> LogAppendResult {
        var sensor = try sensors[batch.sensor] ?? Self.sensor(batch.sensor, in: db)
        defer { sensors[batch.sensor] = sensor }
        let epoch = batch.key.epoch.data, sequence = Int64(bitPattern: batch.key.sequence)
        if let stored = try Self.stored(sensor: sensor.id, epoch: epoch, sequence: sequence, in: db) {
            return stored.digest == batch.digest
                ? .repeated(offset: stored.offset, digest: stored.digest) : .conflict(stored: stored.digest)
        }
        let offset = try nextOffset(receivedMilliseconds: batch.receivedMilliseconds, in: db)
        let digest = Data(batch.digest.octets)
        try db.cachedStatement(sql: "INSERT INTO batch_key VALUES (?, ?, ?, ?, ?)")
            .execute(arguments: [sensor.id, epoch, sequence, digest, offset])
        try db.cachedStatement(sql: "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .execute(arguments: [
                offset, sensor.id, epoch, sequence, digest, batch.receivedMilliseconds, batch.rows,
                Int64(bitPattern: batch.tally.flows), Int64(bitPattern: batch.tally.octets),
                Int64(bitPattern: batch.tally.packets), Data(batch.body),
            ])
        sensor.total.batches += 1
        sensor.total.rows &+= UInt64(batch.rows)
        sensor.total.tally += batch.tally
        sensor.isChanged = true
        return .appended(offset: offset)
    }

    /// One more than the last. A new log starts above all offsets that an earlier one in its place can have given out
    /// (2^22 a second of its life), because checkpoints and stored segments may have outlived it.
    private mutating func nextOffset(receivedMilliseconds: Int64, in db: Database) throws -> Int64 {
        let last = try head ?? Self.head(in: db)
        let seconds = min(max(receivedMilliseconds / 1_000, 0), Int64(1) << 40)
        let offset = last == 0 ? (seconds << 22) + 1 : last + 1
        head = offset
        return offset
    }

    private mutating func writeTotals(in db: Database) throws {
        for (identity, sensor) in sensors where sensor.isChanged {
            let total = sensor.total
            try db.cachedStatement(
                sql: "UPDATE sensor SET batches = ?, rows = ?, flows = ?, octets = ?, packets = ? WHERE id = ?"
            ).execute(arguments: [
                Int64(bitPattern: total.batches), Int64(bitPattern: total.rows), Int64(bitPattern: total.tally.flows),
                Int64(bitPattern: total.tally.octets), Int64(bitPattern: total.tally.packets), sensor.id,
            ])
            sensors[identity]?.isChanged = false
        }
    }

    private static func sensor(_ identity: SensorIdentity, in db: Database) throws -> Sensor {
        let names: StatementArguments = [identity.tenant.rawValue, identity.site, identity.name]
        let found = try Row.fetchOne(
            db.cachedStatement(sql: "SELECT * FROM sensor WHERE tenant = ? AND site = ? AND name = ?"),
            arguments: names)
        if let found, let total = LogReader.total(found) { return Sensor(id: found["id"], total: total) }
        try db.cachedStatement(
            sql: """
                INSERT INTO sensor (tenant, site, name, batches, rows, flows, octets, packets)
                VALUES (?, ?, ?, 0, 0, 0, 0, 0)
                """
        ).execute(arguments: names)
        return Sensor(id: db.lastInsertedRowID, total: SensorTotal(sensor: identity))
    }

    private static func stored(
        sensor: Int64, epoch: Data, sequence: Int64, in db: Database
    ) throws -> (offset: Int64, digest: BatchDigest)? {
        #if WEIR_PLANTED
        let sql = "SELECT epoch FROM batch_key WHERE sensor = ? AND sequence = ?"
        let other = try Data.fetchOne(db, sql: sql, arguments: [sensor, sequence])
        let epoch = Planted.dedupeWithoutEpoch.isActive ? other ?? epoch : epoch
        #endif
        let row = try Row.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT sha256, "offset" FROM batch_key WHERE sensor = ? AND epoch = ? AND sequence = ?
                    """),
            arguments: [sensor, epoch, sequence])
        guard let row else { return nil }
        guard let digest = BatchDigest(octets: [UInt8](row[0] as Data)) else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "a digest without 32 octets")
        }
        return (row[1], digest)
    }

    static func birth(in db: Database) throws -> Int64? {
        try Int64.fetchOne(db, sql: "SELECT born_ms FROM log_head")
    }
    static func head(in db: Database) throws -> Int64 {
        try Int64.fetchOne(db, sql: #"SELECT "offset" FROM log_head"#) ?? 0
    }
}

extension Epoch {
    /// 16 octets, most significant first.
    var data: Data {
        var octets = Data(capacity: 16)
        for word in [high, low] {
            for shift in stride(from: 56, through: 0, by: -8) {
                octets.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
        }
        return octets
    }
    /// Nil unless there are 16 octets.
    init?(data: Data) {
        guard data.count == 16 else { return nil }
        func word(_ octets: Data) -> UInt64 { octets.reduce(0) { $0 << 8 | UInt64($1) } }
        self.init(high: word(data.prefix(8)), low: word(data.suffix(8)))
    }
}
