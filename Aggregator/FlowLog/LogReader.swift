internal import Delivery
internal import FlowModel
internal import Foundation
internal import GRDB
internal import Identity

/// The log's questions to its tables.
enum LogReader {
    /// What a body is sealed as.
    static func context(_ sensor: SensorIdentity, _ key: BatchKey) -> String {
        "log/\(sensor.site)/\(sensor.name)/\(key.epoch.high)/\(key.epoch.low)/\(key.sequence)"
    }

    /// A body that can't be opened, because its tenant's key was destroyed or it is damaged, comes as an empty one:
    /// whoever decodes it counts it and goes on.
    static func batches(
        after offset: Int64, limit: Int, bytesMax: Int, sealing: TenantSealing, in db: Database
    ) throws -> [LoggedBatch] {
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT batch.*, tenant, site, name FROM batch JOIN sensor ON sensor.id = batch.sensor
                WHERE batch."offset" > ? ORDER BY batch."offset" LIMIT ?
                """,
            arguments: [offset, limit])
        var found: [LoggedBatch] = [], bytes = 0
        while let row = try rows.next() {
            let body = try row.withUnsafeData(named: "body") { [UInt8]($0 ?? Data()) }
            bytes += body.count
            guard found.isEmpty || bytes <= bytesMax else { break }
            found.append(try batch(row, body: body, sealing))
        }
        return found
    }

    private static func batch(_ row: Row, body: [UInt8], _ sealing: TenantSealing) throws -> LoggedBatch {
        guard let sensor = identity(row), let epoch = Epoch(data: row["epoch"]),
            let digest = BatchDigest(octets: [UInt8](row["sha256"] as Data))
        else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "batch \(row["offset"] as Int64)")
        }
        let key = BatchKey(epoch: epoch, sequence: UInt64(bitPattern: row["sequence"]))
        let batch = LogAppend(
            sensor: sensor, key: key, digest: digest, receivedMilliseconds: row["received_ms"], rows: row["rows"],
            tally: tally(row), body: body)
        return try opened(batch, at: row["offset"], sealing)
    }
    /// - Parameter batch: with its body as it is in the file.
    static func opened(_ batch: LogAppend, at offset: Int64, _ sealing: TenantSealing) throws -> LoggedBatch {
        var batch = batch
        do throws(TenantSealing.Fault) {
            batch.body = try sealing.open(batch.body, batch.sensor.tenant, context(batch.sensor, batch.key))
        } catch {
            // Without the key nothing may be passed over: what waits for a key server must not be lost.
            if case .unavailable(let reason) = error { throw DatabaseError(message: "batch \(batch.key): \(reason)") }
            batch.body = []
        }
        return LoggedBatch(offset: offset, batch)
    }

    static func totals(of tenant: TenantID, in db: Database) throws -> [SensorTotal] {
        try Row.fetchAll(
            db, sql: "SELECT * FROM sensor WHERE tenant = ? ORDER BY site, name", arguments: [tenant.rawValue]
        ).compactMap(total)
    }

    static func total(_ row: Row) -> SensorTotal? {
        identity(row).map { sensor in
            SensorTotal(
                sensor: sensor, batches: UInt64(bitPattern: row["batches"]), rows: UInt64(bitPattern: row["rows"]),
                tally: tally(row))
        }
    }
    private static func tally(_ row: Row) -> Tally {
        Tally(
            flows: UInt64(bitPattern: row["flows"]), octets: UInt64(bitPattern: row["octets"]),
            packets: UInt64(bitPattern: row["packets"]))
    }
    private static func identity(_ row: Row) -> SensorIdentity? {
        TenantID(row["tenant"] as String).map { SensorIdentity(tenant: $0, site: row["site"], name: row["name"]) }
    }

    /// Free pages are used again by later batches. Only what a long backlog left behind goes back to the file system,
    /// a little at a time.
    static func shrink(_ db: Database) throws {
        let free = try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
        if free > freePagesMax { try db.execute(sql: "PRAGMA incremental_vacuum(\(min(free - freePagesMax, 64)))") }
    }
    /// 128 MiB of 64 KiB pages.
    private static let freePagesMax = 2_048
}
