internal import FlowModel
internal import Foundation
internal import GRDB
internal import Identity
internal import WireBytes

/// What a day's file lists.
struct DaySummary: Equatable, Sendable {
    var flowStartMin = Int64.max
    var flowEndMax = Int64.min
    var totals = StoreTotals()
    /// Grows with each change of the file, so that the later one of two is known.
    var revision: Int64 = 0

    mutating func add(_ batch: StoredBatch) {
        flowStartMin = min(flowStartMin, batch.flowStartMin)
        flowEndMax = max(flowEndMax, batch.flowEndMax)
        totals.add(batch)
    }

    /// The file's summary; nil when nothing was stored in it. Throws `SQLITE_CORRUPT` when it is another tenant's.
    static func read(of tenant: TenantID, in db: Database) throws -> DaySummary? {
        guard let row = try Row.fetchOne(db, sql: "SELECT * FROM summary") else { return nil }
        guard try row.text("tenant") == tenant.rawValue else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "the file is another tenant's")
        }
        var summary = DaySummary()
        summary.flowStartMin = try row.int("flow_start_min")
        summary.flowEndMax = try row.int("flow_end_max")
        summary.totals = try StoreTotals(row)
        summary.revision = try row.int("revision")
        // Version 1 wrote none.
        if let checksum = row["checksum"] as DatabaseValue?, !checksum.isNull {
            guard Int64.fromDatabaseValue(checksum) == summary.checksum else {
                throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "the file's sums")
            }
        }
        return summary
    }
    private var checksum: Int64 {
        RowChecksum.of(
            [flowStartMin, flowEndMax, revision],
            [
                totals.batches, totals.rows, totals.tally.flows, totals.tally.octets, totals.tally.packets,
                totals.bodyBytes,
            ])
    }

    /// Writes it as the next revision.
    mutating func write(of tenant: TenantID, in db: Database) throws {
        revision += 1
        try db.execute(
            sql: "INSERT OR REPLACE INTO summary VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            arguments: [
                tenant.rawValue, flowStartMin, flowEndMax, Int64(bitPattern: totals.batches),
                Int64(bitPattern: totals.rows), Int64(bitPattern: totals.tally.flows),
                Int64(bitPattern: totals.tally.octets), Int64(bitPattern: totals.tally.packets),
                Int64(bitPattern: totals.bodyBytes), revision, checksum,
            ])
    }

    /// Whether the file lists what its summary says: rows that a damaged page hides would be missed by nobody.
    static func check(of tenant: TenantID, in db: Database) throws {
        let summary = try read(of: tenant, in: db) ?? DaySummary(), segments = try SegmentRow.all(in: db)
        guard segments.damaged.isEmpty, try counted(segments.sound, in: db).totals == summary.totals else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "the file does not hold what it says")
        }
    }

    /// The summary of what is listed in truth; segments whose rows are damaged are set aside. For after damage.
    static func recount(of tenant: TenantID, in db: Database) throws -> DaySummary {
        let old = try? read(of: tenant, in: db), segments = try SegmentRow.all(in: db)
        for damage in segments.damaged {
            try DamageTable.setAside(segment: damage.id, reason: damage.reason, at: 0, in: db)
        }
        var summary = try counted(segments.sound, in: db)
        summary.revision = old?.revision ?? 0
        return summary
    }
    private static func counted(_ segments: [SegmentRow], in db: Database) throws -> DaySummary {
        var summary = DaySummary()
        for batch in try BatchTable.waiting(limit: .max, in: db) {
            summary.flowStartMin = min(summary.flowStartMin, batch.flowStartMin)
            summary.flowEndMax = max(summary.flowEndMax, batch.flowEndMax)
            summary.totals += batch.totals
        }
        for segment in segments {
            summary.flowStartMin = min(summary.flowStartMin, segment.flowStartMin)
            summary.flowEndMax = max(summary.flowEndMax, segment.flowEndMax)
            summary.totals += segment.totals
        }
        return summary
    }
}

/// A checksum over what a row says, since SQLite has none.
enum RowChecksum {
    static func of(_ signed: [Int64], _ unsigned: [UInt64], _ octets: [[UInt8]] = []) -> Int64 {
        var bytes: [UInt8] = []
        for word in signed { bytes.appendLE(UInt64(bitPattern: word)) }
        for word in unsigned { bytes.appendLE(word) }
        for more in octets {
            bytes.appendLE(UInt64(more.count))
            bytes += more
        }
        return Int64(bytes.withBytes { CRC32C.checksum($0) })
    }
}

extension StoreTotals {
    /// Columns `batches`, `rows`, `flows`, `octets`, `packets` and `body_bytes`.
    init(_ row: Row) throws {
        batches = UInt64(bitPattern: try row.int("batches"))
        rows = UInt64(bitPattern: try row.int("rows"))
        tally = try Tally(row)
        bodyBytes = UInt64(bitPattern: try row.int("body_bytes"))
    }
    static func -= (sum: inout StoreTotals, other: StoreTotals) {
        sum.batches &-= other.batches
        sum.rows &-= other.rows
        sum.tally -= other.tally
        sum.bodyBytes &-= other.bodyBytes
    }
}

extension Tally {
    init(_ row: Row) throws {
        self.init(
            flows: UInt64(bitPattern: try row.int("flows")), octets: UInt64(bitPattern: try row.int("octets")),
            packets: UInt64(bitPattern: try row.int("packets")))
    }
}

/// Columns of a row that may be damaged: what is not of the expected kind throws, where GRDB's subscripts would trap.
extension Row {
    func int(_ column: String) throws -> Int64 { try decode(Int64.self, forColumn: column) }
    func text(_ column: String) throws -> String { try decode(String.self, forColumn: column) }
    func data(_ column: String) throws -> Data { try decode(Data.self, forColumn: column) }
}
