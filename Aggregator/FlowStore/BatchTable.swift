internal import Delivery
internal import FlowModel
internal import Foundation
internal import GRDB
internal import Identity

/// The sealed batches of a day's file, and the keys of those that have been compacted.
enum BatchTable {
    /// Which batch it is, for the sealer.
    static func context(site: String, sensor: String, epoch: Data, sequence: Int64) -> String {
        let epoch = epoch.map { String($0, radix: 16) }.joined(separator: ".")
        return "batch/\(site)/\(sensor)/\(epoch)/\(UInt64(bitPattern: sequence))"
    }
    static func context(_ batch: StoredBatch) -> String {
        context(
            site: batch.sensor.site, sensor: batch.sensor.name, epoch: octets(of: batch.key.epoch),
            sequence: Int64(bitPattern: batch.key.sequence))
    }

    /// Stores `batch` unless its key is there, within the caller's transaction.
    /// - Parameter body: what is to be written for `batch.body`.
    /// - Returns: whether it is new.
    static func insert(_ batch: StoredBatch, body: Data, in db: Database) throws -> Bool {
        let epoch = octets(of: batch.key.epoch), sequence = Int64(bitPattern: batch.key.sequence)
        guard try !isCompacted(batch.sensor, epoch, sequence, in: db) else { return false }
        let row = Waiting(batch)
        try db.cachedStatement(
            sql: """
                INSERT OR IGNORE INTO batch (
                    log_offset, site, sensor, epoch, sequence, received_ms, flow_start_min, flow_end_max, rows, flows,
                    octets, packets, body_bytes, checksum, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            batch.logOffset, batch.sensor.site, batch.sensor.name, epoch, sequence, batch.receivedMilliseconds,
            batch.flowStartMin, batch.flowEndMax, batch.rows, Int64(bitPattern: batch.tally.flows),
            Int64(bitPattern: batch.tally.octets), Int64(bitPattern: batch.tally.packets), batch.body.count,
            row.checksum, body,
        ])
        return db.changesCount > 0
    }

    /// Batches that no segment has taken the place of, as segments. There are few: compaction sees to that.
    static func segments(
        tenant: TenantID, day: Int, from: Int64, to: Int64, before: SegmentPosition, in db: Database
    ) throws -> [Segment] {
        try waiting(limit: .max, in: db).filter { $0.flowEndMax >= from && $0.flowStartMin < to }
            .map { $0.segment(tenant: tenant, day: day) }.filter { $0.position < before }
    }

    /// What a batch's row has but its body.
    struct Waiting: Sendable {
        let id: Int64, logOffset: Int64, receivedMilliseconds: Int64, flowStartMin: Int64, flowEndMax: Int64
        let site: String, sensor: String, epoch: Data, sequence: Int64
        let totals: StoreTotals
        var context: String { BatchTable.context(site: site, sensor: sensor, epoch: epoch, sequence: sequence) }

        /// Throws `SQLITE_CORRUPT` when the row is not what was written.
        init(_ row: Row) throws {
            id = try row.int("id")
            logOffset = try row.int("log_offset")
            receivedMilliseconds = try row.int("received_ms")
            flowStartMin = try row.int("flow_start_min")
            flowEndMax = try row.int("flow_end_max")
            site = try row.text("site")
            sensor = try row.text("sensor")
            epoch = try row.data("epoch")
            sequence = try row.int("sequence")
            totals = try StoreTotals(row)
            let written = row["checksum"] as DatabaseValue? ?? .null
            // Version 1 wrote none.
            guard written.isNull || Int64.fromDatabaseValue(written) == checksum else {
                throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "a batch's row")
            }
        }
        init(_ batch: StoredBatch) {
            id = 0
            logOffset = batch.logOffset
            receivedMilliseconds = batch.receivedMilliseconds
            (flowStartMin, flowEndMax) = (batch.flowStartMin, batch.flowEndMax)
            (site, sensor, epoch) = (batch.sensor.site, batch.sensor.name, BatchTable.octets(of: batch.key.epoch))
            sequence = Int64(bitPattern: batch.key.sequence)
            var totals = StoreTotals()
            totals.add(batch)
            self.totals = totals
        }
        var checksum: Int64 {
            RowChecksum.of(
                [logOffset, receivedMilliseconds, flowStartMin, flowEndMax, sequence],
                [totals.rows, totals.tally.flows, totals.tally.octets, totals.tally.packets, totals.bodyBytes],
                [Array(site.utf8), Array(sensor.utf8), [UInt8](epoch)])
        }
        func segment(tenant: TenantID, day: Int) -> Segment {
            Segment(
                kind: .batch, tenant: tenant, sensor: SensorIdentity(tenant: tenant, site: site, name: sensor),
                position: SegmentPosition(flowEndMax: flowEndMax, logOffset: logOffset), flowStartMin: flowStartMin,
                receivedMilliseconds: receivedMilliseconds, rows: Int(truncatingIfNeeded: totals.rows),
                tally: totals.tally, bodyBytes: Int(truncatingIfNeeded: totals.bodyBytes), day: day, rowID: id)
        }
    }
    private static let waitingColumns = """
        id, log_offset, site, sensor, epoch, sequence, received_ms, flow_start_min, flow_end_max, 1 AS batches, rows,
        flows, octets, packets, body_bytes, checksum
        """

    /// Batches that no segment has taken the place of, in log order. By the table and no index, so that nothing is
    /// hidden by a damaged one.
    static func waiting(limit: Int, in db: Database) throws -> [Waiting] {
        try Row.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT \(waitingColumns) FROM batch NOT INDEXED WHERE id NOT IN (SELECT batch FROM replaced)
                    ORDER BY log_offset LIMIT ?
                    """), arguments: [limit]
        ).map { try Waiting($0) }
    }
    static func row(_ id: Int64, in db: Database) throws -> Waiting? {
        try Row.fetchOne(db, sql: "SELECT \(waitingColumns) FROM batch WHERE id = ?", arguments: [id])
            .map { try Waiting($0) }
    }
    /// A body that is not sealed, copied once, out of the page as SQLite has it; nil when it is sealed or not there.
    static func plainBody(_ id: Int64, in db: Database) throws -> [UInt8]? {
        let statement = try db.cachedStatement(sql: "SELECT body FROM batch WHERE id = ?")
        guard let row = try Row.fetchCursor(statement, arguments: [id]).next() else { return nil }
        return try row.withUnsafeData(atIndex: 0) { $0.flatMap { StoredOctets.plain($0) }.map { [UInt8]($0) } }
    }
    /// What was written for a body.
    static func body(_ id: Int64, in db: Database) throws -> Data? {
        try Data.fetchOne(db, sql: "SELECT body FROM batch WHERE id = ?", arguments: [id])
    }

    // MARK: Keys

    private static func isCompacted(
        _ sensor: SensorIdentity, _ epoch: Data, _ sequence: Int64, in db: Database
    ) throws -> Bool {
        let last = try Int64.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT last FROM stored_key WHERE site = ? AND sensor = ? AND epoch = ? AND first <= ?
                    ORDER BY first DESC LIMIT 1
                    """), arguments: [sensor.site, sensor.name, epoch, sequence])
        return last.map { $0 >= sequence } ?? false
    }

    /// Notes the keys of batches whose rows are in a segment now.
    static func noteKeys(of batches: [Waiting], in db: Database) throws {
        struct Source: Hashable {
            let site: String, sensor: String, epoch: Data
        }
        let bySource = Dictionary(grouping: batches) { Source(site: $0.site, sensor: $0.sensor, epoch: $0.epoch) }
        for (source, batches) in bySource {
            let key: StatementArguments = [source.site, source.sensor, source.epoch]
            let condition = "FROM stored_key WHERE site = ? AND sensor = ? AND epoch = ?"
            let known = try Row.fetchAll(db, sql: "SELECT first, last \(condition)", arguments: key)
                .map { KeyRuns.Run(first: try $0.int("first"), last: try $0.int("last")) }
            try db.execute(sql: "DELETE \(condition)", arguments: key)
            for run in KeyRuns(known).adding(batches.map(\.sequence)).runs {
                try db.execute(
                    sql: "INSERT INTO stored_key VALUES (?, ?, ?, ?, ?)",
                    arguments: [source.site, source.sensor, source.epoch, run.first, run.last])
            }
        }
    }

    static func octets(of epoch: Epoch) -> Data {
        var octets = Data(capacity: 16)
        for word in [epoch.high, epoch.low] {
            for shift in stride(from: 56, through: 0, by: -8) {
                octets.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
        }
        return octets
    }
}
