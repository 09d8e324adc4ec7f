internal import FlowModel
internal import Foundation
internal import GRDB

/// The rollups of a day's file, and of the file that stays when the day has gone.
enum RollupTable {
    /// A sealed rollup, ready to be stored.
    struct Stored: Sendable {
        var id: Int64, startMin: Int64, startMax: Int64
        var octets: Data
    }

    /// Those of one period and kind lie side by side. Segments' numbers are less than 2^39.
    static func id(_ period: RollupPeriod, _ kind: RollupKind, segment: Int64) -> Int64 {
        Int64(period.index) << 48 | Int64(kind.rawValue) << 40 | segment
    }
    /// Which rollup it is, for the sealer.
    static func context(day: Int, id: Int64) -> String { "\(Day.name(day))/rollup/\(id)" }

    /// Nil for sums without buckets.
    static func stored(
        _ sums: RollupSums, segment: Int64, day: Int, octets: StoredOctets
    ) throws(SealError) -> Stored? {
        guard let first = sums.buckets.first, let last = sums.buckets.last else { return nil }
        let id = id(sums.period, sums.kind, segment: segment)
        return Stored(
            id: id, startMin: first.start, startMax: last.start,
            octets: try octets.close(sums.bytes[...], context(day: day, id: id)))
    }

    static func insert(_ rollup: Stored, in db: Database) throws {
        try db.cachedStatement(sql: "INSERT INTO rollup VALUES (?, ?, ?, ?)")
            .execute(arguments: [rollup.id, rollup.startMin, rollup.startMax, rollup.octets])
    }
    static func delete(ofSegment segment: Int64, in db: Database) throws {
        for period in RollupPeriod.allCases {
            for kind in RollupKind.allCases {
                try db.execute(
                    sql: "DELETE FROM rollup WHERE id = ?", arguments: [id(period, kind, segment: segment)])
            }
        }
    }

    /// What is stored of a kind and period with buckets that begin in [from, to).
    static func read(
        _ kind: RollupKind, _ period: RollupPeriod, from: Int64, to: Int64, in db: Database
    ) throws -> [Stored] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT * FROM rollup WHERE id BETWEEN ? AND ? AND start_max >= ? AND start_min < ? ORDER BY id
                """,
            arguments: [id(period, kind, segment: 0), id(period, kind, segment: (1 << 40) - 1), from, to]
        ).map { row in
            Stored(
                id: try row.int("id"), startMin: try row.int("start_min"), startMax: try row.int("start_max"),
                octets: try row.data("octets"))
        }
    }
}

/// Sums of buckets over many rollups.
struct RollupMerge {
    private let question: RollupQuestion
    private var buckets: [Int64: RollupBucket] = [:]
    /// Rollups that could not be read.
    private(set) var damaged = 0

    init(_ question: RollupQuestion) { self.question = question }

    /// - Throws: `SealError` but `.damaged`.
    mutating func add(_ stored: [RollupTable.Stored], day: Int, octets: StoredOctets) throws(SealError) {
        for rollup in stored {
            let bytes: [UInt8]
            do throws(SealError) {
                bytes = try octets.open(rollup.octets, RollupTable.context(day: day, id: rollup.id))
            } catch .damaged {
                damaged += 1
                continue
            }
            guard let sums = RollupSums(bytes), sums.kind == question.kind, sums.period == question.period else {
                damaged += 1
                continue
            }
            for bucket in sums.buckets where bucket.start >= question.from && bucket.start < question.to {
                if buckets[bucket.start] == nil {
                    buckets[bucket.start] = bucket
                } else {
                    buckets[bucket.start]?.other += bucket.other
                    buckets[bucket.start]?.entries.merge(bucket.entries) { left, right in
                        var sum = left
                        sum += right
                        return sum
                    }
                }
            }
        }
    }
    var result: [RollupBucket] { buckets.values.sorted { $0.start < $1.start } }
}
