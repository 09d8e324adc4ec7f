internal import Delivery
internal import FlowModel
internal import Foundation
internal import GRDB
internal import Identity

/// The tables of a day's file. Migrations only go forward and are never edited after a release.
///
///     segment  one row a batch, with its body last, so that its other columns are read without it
///     summary  one row: whose file it is, and the bounds and sums of its segments
enum DayFileSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 segments") { db in
            try db.execute(
                sql: """
                    CREATE TABLE segment (
                        id INTEGER PRIMARY KEY, log_offset INTEGER NOT NULL, site TEXT NOT NULL, sensor TEXT NOT NULL,
                        epoch BLOB NOT NULL, sequence INTEGER NOT NULL, received_ms INTEGER NOT NULL,
                        flow_start_min INTEGER NOT NULL, flow_end_max INTEGER NOT NULL, rows INTEGER NOT NULL,
                        flows INTEGER NOT NULL, octets INTEGER NOT NULL, packets INTEGER NOT NULL,
                        body_bytes INTEGER NOT NULL, body BLOB NOT NULL,
                        UNIQUE (site, sensor, epoch, sequence)) STRICT;
                    CREATE INDEX segment_newest ON segment (flow_end_max, log_offset, flow_start_min);
                    CREATE TABLE summary (
                        id INTEGER PRIMARY KEY CHECK (id = 1), tenant TEXT NOT NULL, flow_start_min INTEGER NOT NULL,
                        flow_end_max INTEGER NOT NULL, batches INTEGER NOT NULL, rows INTEGER NOT NULL,
                        flows INTEGER NOT NULL, octets INTEGER NOT NULL, packets INTEGER NOT NULL,
                        body_bytes INTEGER NOT NULL) STRICT;
                    """)
        }
        return migrator
    }

    static func prepare(_ db: Database) throws {
        try db.execute(sql: "PRAGMA page_size = 65536; PRAGMA cache_size = -1024;")
    }
    /// The pool turns `synchronous` down to NORMAL after `prepare`. FULL, because the log is trimmed on the strength of
    /// what is stored here.
    static func prepareWriter(_ db: Database) throws {
        try db.execute(sql: "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216;")
        guard try Int.fetchOne(db, sql: "PRAGMA synchronous") == 2 else {
            throw DatabaseError(message: "synchronous=FULL was not taken")
        }
    }

    /// Stores `batch` unless its key is there, within the caller's transaction.
    /// - Returns: whether it is new.
    static func insert(_ batch: StoredBatch, in db: Database) throws -> Bool {
        try db.cachedStatement(
            sql: """
                INSERT OR IGNORE INTO segment (
                    log_offset, site, sensor, epoch, sequence, received_ms, flow_start_min, flow_end_max, rows, flows,
                    octets, packets, body_bytes, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            batch.logOffset, batch.sensor.site, batch.sensor.name, epochData(batch.key.epoch),
            Int64(bitPattern: batch.key.sequence), batch.receivedMilliseconds, batch.flowStartMin, batch.flowEndMax,
            batch.rows, Int64(bitPattern: batch.tally.flows), Int64(bitPattern: batch.tally.octets),
            Int64(bitPattern: batch.tally.packets), batch.body.count, Data(batch.body),
        ])
        return db.changesCount > 0
    }

    static func segments(
        tenant: TenantID, day: Int, from: Int64, to: Int64, before: SegmentPosition, limit: Int, in db: Database
    ) throws -> [Segment] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT id, log_offset, site, sensor, received_ms, flow_start_min, flow_end_max, rows, flows, octets,
                    packets, body_bytes FROM segment
                WHERE flow_end_max >= ? AND flow_start_min < ? AND (flow_end_max, log_offset) < (?, ?)
                ORDER BY flow_end_max DESC, log_offset DESC LIMIT ?
                """,
            arguments: [from, to, before.flowEndMax, before.logOffset, limit]
        ).map { row in
            Segment(
                sensor: SensorIdentity(tenant: tenant, site: row["site"], name: row["sensor"]),
                position: SegmentPosition(flowEndMax: row["flow_end_max"], logOffset: row["log_offset"]),
                flowStartMin: row["flow_start_min"], receivedMilliseconds: row["received_ms"], rows: row["rows"],
                tally: tally(row), bodyBytes: row["body_bytes"], day: day, rowID: row["id"])
        }
    }

    static func body(rowID: Int64, in db: Database) throws -> [UInt8]? {
        try Data.fetchOne(db, sql: "SELECT body FROM segment WHERE id = ?", arguments: [rowID]).map { [UInt8]($0) }
    }

    static func tally(_ row: Row) -> Tally {
        Tally(
            flows: UInt64(bitPattern: row["flows"]), octets: UInt64(bitPattern: row["octets"]),
            packets: UInt64(bitPattern: row["packets"]))
    }

    private static func epochData(_ epoch: Epoch) -> Data {
        var octets = Data(capacity: 16)
        for word in [epoch.high, epoch.low] {
            for shift in stride(from: 56, through: 0, by: -8) {
                octets.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
        }
        return octets
    }
}

/// What a day's file holds.
struct DaySummary: Equatable, Sendable {
    var flowStartMin = Int64.max
    var flowEndMax = Int64.min
    var totals = StoreTotals()

    mutating func add(_ batch: StoredBatch) {
        flowStartMin = min(flowStartMin, batch.flowStartMin)
        flowEndMax = max(flowEndMax, batch.flowEndMax)
        totals.add(batch)
    }

    /// The file's summary; nil when nothing was stored in it. Throws `SQLITE_CORRUPT` when it is another tenant's.
    static func read(of tenant: TenantID, in db: Database) throws -> DaySummary? {
        guard let row = try Row.fetchOne(db, sql: "SELECT * FROM summary") else { return nil }
        guard row["tenant"] as String == tenant.rawValue else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "the file is another tenant's")
        }
        var summary = DaySummary()
        summary.flowStartMin = row["flow_start_min"]
        summary.flowEndMax = row["flow_end_max"]
        summary.totals.batches = UInt64(bitPattern: row["batches"])
        summary.totals.rows = UInt64(bitPattern: row["rows"])
        summary.totals.tally = DayFileSchema.tally(row)
        summary.totals.bodyBytes = UInt64(bitPattern: row["body_bytes"])
        return summary
    }

    func write(of tenant: TenantID, in db: Database) throws {
        try db.execute(
            sql: "INSERT OR REPLACE INTO summary VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            arguments: [
                tenant.rawValue, flowStartMin, flowEndMax, Int64(bitPattern: totals.batches),
                Int64(bitPattern: totals.rows), Int64(bitPattern: totals.tally.flows),
                Int64(bitPattern: totals.tally.octets), Int64(bitPattern: totals.tally.packets),
                Int64(bitPattern: totals.bodyBytes),
            ])
    }
}
