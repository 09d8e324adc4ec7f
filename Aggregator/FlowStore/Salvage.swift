internal import Foundation
internal import GRDB
internal import Identity

/// Copies what can be read of a damaged day's file to a new one.
///
/// SQLite says only that a page is damaged, when it comes to it. So each table is read from both ends up to the damage,
/// and what may lie between is asked for row by row.
struct Salvage {
    let source: DatabaseQueue
    let target: DatabaseQueue
    let tenant: TenantID

    /// Rows are asked for one by one in a gap of at most so many.
    private static let gapMax: Int64 = 1 << 20
    private static let rowsAtOnce = 64

    /// - Returns: the summary of the new file, and how many rows of flows the old one had besides.
    func run() throws -> (summary: DaySummary, lost: UInt64) {
        let old = try? source.read { try DaySummary.read(of: tenant, in: $0) }
        for table in ["batch", "segment", "archived", "replaced", "rollup", "damaged", "damaged_piece"] {
            try copy(table)
        }
        try copyPieces()
        try copyKeys()
        return try target.write { db in
            try dropDamagedBatches(db)
            try dropIncompleteSegments(db)
            var summary = try DaySummary.recount(of: tenant, in: db)
            let had = old?.totals.rows ?? 0, lost = had > summary.totals.rows ? had - summary.totals.rows : 0
            summary.revision = old?.revision ?? 0
            try summary.write(of: tenant, in: db)
            return (summary, lost)
        }
    }

    // MARK: Rows

    private func copy(_ table: String) throws {
        let key = ["replaced": "batch", "archived": "segment", "damaged_piece": "rowid"][table] ?? "id"
        let columns = table == "damaged_piece" ? "rowid AS key, *" : "\(key) AS key, *"
        let first = try copy(table, "SELECT \(columns) FROM \(table) ORDER BY \(key)")
        guard first.isCut else { return }
        let last = try copy(
            table, "SELECT \(columns) FROM \(table) WHERE \(key) > \(first.last ?? .min) ORDER BY \(key) DESC")
        guard last.isCut, let from = first.last ?? lowestID(table), let to = last.last, to > from,
            to - from <= Self.gapMax
        else { return }
        for id in (from + 1)..<to {
            _ = try? copy(table, "SELECT \(columns) FROM \(table) WHERE \(key) = \(id)")
        }
    }
    private func lowestID(_ table: String) -> Int64? { table == "damaged_piece" ? nil : 0 }

    /// Inserts the rows that a statement gives until it fails.
    /// - Returns: the key of the last one, and whether it failed.
    private func copy(_ table: String, _ sql: String) throws -> (last: Int64?, isCut: Bool) {
        var last: Int64?, isCut = false, rows: [[DatabaseValue]] = []
        do {
            try source.read { db in
                let cursor = try Row.fetchCursor(db, sql: sql)
                while let row = try cursor.next() {
                    rows.append(Array(row.databaseValues))
                    if rows.count >= Self.rowsAtOnce { last = try insert(&rows, table) ?? last }
                }
            }
        } catch is SalvageFailure {
            throw FlowStoreError.storage("what was read of a damaged file can't be written")
        } catch {
            isCut = true
        }
        last = try insert(&rows, table) ?? last
        return (last, isCut)
    }

    /// - Returns: the key of the last row.
    private func insert(_ rows: inout [[DatabaseValue]], _ table: String) throws -> Int64? {
        defer { rows.removeAll(keepingCapacity: true) }
        let batch = rows
        do {
            try target.write { db in
                for row in batch {
                    let values = row.dropFirst()
                    let places = values.map { _ in "?" }.joined(separator: ", ")
                    // A row that breaks the table's rules is damaged.
                    do {
                        try db.execute(
                            sql: "INSERT OR IGNORE INTO \(table) VALUES (\(places))",
                            arguments: StatementArguments(Array(values)))
                    } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {}
                }
            }
        } catch let error as DatabaseError where error.resultCode == .SQLITE_FULL {
            throw error
        } catch {
            throw SalvageFailure()
        }
        return batch.last.flatMap { $0.first.flatMap(Int64.fromDatabaseValue) }
    }

    /// Pieces by the numbers that the segments know: between them are gaps of millions.
    private func copyPieces() throws {
        let ids = try target.read { try Int64.fetchAll($0, sql: "SELECT id FROM segment ORDER BY id") }
        for id in ids {
            guard let row = try? target.read({ try SegmentRow.find(id, in: $0) }) else { continue }
            for (blob, size) in row.blobs {
                let numbers = SegmentRow.pieces(0..<size.bytes)
                let first = SegmentRow.pieceID(id, blob, 0)
                let range = "BETWEEN \(first) AND \(first + Int64(numbers.count) - 1)"
                let copied = try copy("piece", "SELECT id AS key, * FROM piece WHERE id \(range) ORDER BY id")
                if copied.isCut {
                    for number in numbers {
                        _ = try? copy("piece", "SELECT id AS key, * FROM piece WHERE id = \(first + Int64(number))")
                    }
                }
            }
        }
    }
    private func copyKeys() throws {
        for order in ["ASC", "DESC"] {
            let order = ["site", "sensor", "epoch", "first"].map { "\($0) \(order)" }.joined(separator: ", ")
            guard try copy("stored_key", "SELECT 0 AS key, * FROM stored_key ORDER BY \(order)").isCut else { return }
        }
    }

    // MARK: Order

    private func dropDamagedBatches(_ db: Database) throws {
        for id in try Int64.fetchAll(db, sql: "SELECT id FROM batch") {
            do {
                _ = try BatchTable.row(id, in: db)
            } catch {
                try DamageTable.setAside(batch: id, reason: "its row", at: 0, in: db)
            }
        }
    }

    /// Segments of which a piece is missing would be found when they are read: better now, so that the sums are right.
    private func dropIncompleteSegments(_ db: Database) throws {
        for id in try Int64.fetchAll(db, sql: "SELECT id FROM segment") {
            do {
                guard let row = try SegmentRow.find(id, in: db) else { continue }
                let archived = try? ArchivedSegment.find(id, in: db)
                for (blob, size) in row.blobs {
                    let numbers = SegmentRow.pieces(0..<size.bytes), first = SegmentRow.pieceID(id, blob, 0)
                    if archived?.has(blob, numbers) == true { continue }
                    let found = try Int.fetchOne(
                        db, sql: "SELECT count(*) FROM piece WHERE id BETWEEN ? AND ?",
                        arguments: [first, first + Int64(numbers.count) - 1])
                    guard found == numbers.count else { throw DamagedSegment(id: id, reason: "a piece is lost") }
                }
            } catch let damage as DamagedSegment {
                try DamageTable.setAside(segment: id, reason: damage.reason, at: 0, in: db)
            }
        }
        // A batch whose segment is lost is listed again, and summed by nothing else.
        let lost = try Int64.fetchAll(
            db, sql: "SELECT DISTINCT segment FROM replaced WHERE segment NOT IN (SELECT id FROM segment)")
        for segment in lost { try RollupTable.delete(ofSegment: segment, in: db) }
        try db.execute(sql: "DELETE FROM replaced WHERE segment NOT IN (SELECT id FROM segment)")
    }
}

private struct SalvageFailure: Error {}
