internal import FlowModel
internal import Foundation
internal import GRDB

/// What was found damaged in a day's file: no longer listed, kept with its octets for people to look at.
enum DamageTable {
    /// Moves a batch there, within the caller's transaction. Its key may come again: the sensor may still have it.
    static func setAside(batch id: Int64, reason: String, at now: Int64, in db: Database) throws {
        // Its row may be what is damaged.
        let batch = try? BatchTable.row(id, in: db)
        try note(
            batch?.context ?? "batch \(id)", rows: Int64(bitPattern: batch?.totals.rows ?? 0), reason, now, in: db)
        try db.execute(
            sql: "INSERT INTO damaged_piece SELECT ?, 'body', body FROM batch WHERE id = ?",
            arguments: [db.lastInsertedRowID, id])
        try db.execute(sql: "DELETE FROM batch WHERE id = ?", arguments: [id])
        try db.execute(sql: "DELETE FROM replaced WHERE batch = ?", arguments: [id])
    }

    /// Moves a segment there. If the batches that it replaced are still there, they are listed again and its rollups
    /// go.
    static func setAside(segment id: Int64, reason: String, at now: Int64, in db: Database) throws {
        guard let row = try Row.fetchOne(db, sql: "SELECT rows, directory FROM segment WHERE id = ?", arguments: [id])
        else { return }
        let isReplaceable =
            try Bool.fetchOne(
                db, sql: "SELECT EXISTS (SELECT 1 FROM replaced WHERE segment = ?)", arguments: [id]) ?? false
        let rows = isReplaceable ? 0 : (try? row.int("rows")) ?? 0
        try note("segment/\(id)", rows: rows, reason, now, in: db)
        let damaged = db.lastInsertedRowID
        try db.execute(
            sql: "INSERT INTO damaged_piece SELECT ?, 'directory', directory FROM segment WHERE id = ?",
            arguments: [damaged, id])
        try db.execute(
            sql: """
                INSERT INTO damaged_piece SELECT ?, 'piece ' || id, octets FROM piece WHERE id BETWEEN ? AND ?
                """,
            arguments: [damaged] + SegmentRow.pieceIDs(of: id))
        try SegmentRow.delete(id, in: db)
        if isReplaceable {
            try db.execute(sql: "DELETE FROM replaced WHERE segment = ?", arguments: [id])
            try RollupTable.delete(ofSegment: id, in: db)
        }
    }

    static func note(_ what: String, rows: Int64, _ reason: String, _ now: Int64, in db: Database) throws {
        try db.execute(
            sql: "INSERT INTO damaged (what, found_ms, rows, reason) VALUES (?, ?, ?, ?)",
            arguments: [what, now, max(rows, 0), String(reason.prefix(1_000))])
    }
}

/// What damage has cost since the store was opened.
package struct StoreDamage: Equatable, Sendable {
    /// Day files that were renamed and made anew of what could be read.
    package var files = 0
    package var batches = 0
    package var segments = 0
    package var rollups = 0
    /// Rows that are in no listed segment any more.
    package var rows: UInt64 = 0
    package init() {}

    static func += (sum: inout StoreDamage, other: StoreDamage) {
        sum.files += other.files
        sum.batches += other.batches
        sum.segments += other.segments
        sum.rollups += other.rollups
        sum.rows &+= other.rows
    }
}
