internal import Foundation
internal import GRDB
internal import Identity
internal import SegmentFormat
internal import WireBytes

/// A segment whose blobs are in the archive, or on their way there, as its day's file knows it.
///
/// All blobs go, head and Bloom filter too, so that the archive is whole by itself; the node keeps those two as well,
/// so that a question which they answer fetches nothing. The objects, put together, are, little-endian:
///
///     "WARC" | version = 1 :1 | 0 :3 | pieces :4 | CRC-32C of the table :4 | table | pieces as they are stored
///     table := (blob :1 | octets :4) for each piece, by blob and number
package struct ArchivedSegment: Equatable, Sendable {
    /// What an object has but the last.
    package static let objectBytes = 32 << 20
    static let headBytes = 16, entryBytes = 5

    struct Piece: Equatable, Sendable {
        var blob: UInt8
        /// As stored.
        var bytes: Int
    }
    let segment: Int64
    /// Of this move: no other object of any node ever had the name.
    let token: Int64
    let pieces: [Piece]
    /// Whether the archive has all of it, and the node only head and Bloom filter.
    var isStored: Bool

    init(segment: Int64, token: Int64, pieces: [Piece], isStored: Bool) {
        self.segment = segment
        self.token = token
        self.pieces = pieces
        self.isStored = isStored
    }

    // MARK: Objects

    private var table: [UInt8] {
        var table: [UInt8] = []
        for piece in pieces {
            table.append(piece.blob)
            table.appendLE(UInt32(truncatingIfNeeded: piece.bytes))
        }
        return table
    }
    /// What comes before the pieces.
    var head: [UInt8] {
        var head = Array("WARC".utf8) + [1, 0, 0, 0]
        let table = table
        head.appendLE(UInt32(truncatingIfNeeded: pieces.count))
        head.appendLE(table.withBytes { CRC32C.checksum($0) })
        return head + table
    }
    /// Of all objects together.
    var bytes: Int { pieces.reduce(Self.headBytes + Self.entryBytes * pieces.count) { $0 + $1.bytes } }
    var objectCount: Int { (bytes + Self.objectBytes - 1) / Self.objectBytes }

    func name(of object: Int, tenant: TenantID, day: Int) -> String {
        let token = String(UInt64(bitPattern: token), radix: 16)
        return "\(tenant)/\(Day.name(day))/\(segment)-\(token).\(object)"
    }
    func names(tenant: TenantID, day: Int) -> [String] {
        (0..<objectCount).map { name(of: $0, tenant: tenant, day: day) }
    }
    /// Which octets of which objects `range` of all of them together is.
    func parts(_ range: Range<Int>) -> [(object: Int, range: Range<Int>)] {
        guard !range.isEmpty else { return [] }
        return (range.lowerBound / Self.objectBytes...(range.upperBound - 1) / Self.objectBytes).map { object in
            let start = object * Self.objectBytes
            return (object, max(range.lowerBound - start, 0)..<min(range.upperBound - start, Self.objectBytes))
        }
    }
    /// Where pieces of a blob lie, and how long each is; nil when there are fewer.
    func place(of blob: UInt8, _ numbers: Range<Int>) -> (range: Range<Int>, lengths: [Int])? {
        var start = Self.headBytes + Self.entryBytes * pieces.count, number = 0, from: Int?, lengths: [Int] = []
        for piece in pieces {
            if piece.blob == blob {
                if numbers.contains(number) {
                    from = from ?? start
                    lengths.append(piece.bytes)
                }
                number += 1
            }
            start += piece.bytes
        }
        guard let from, lengths.count == numbers.count else { return nil }
        return (from..<lengths.reduce(from, +), lengths)
    }

    /// Whether the archive has these pieces in place of the node.
    func has(_ blob: UInt8, _ numbers: Range<Int>) -> Bool {
        isStored && !ArchivedSegment.isKept(blob) && place(of: blob, numbers) != nil
    }
    /// Whether a blob stays on the node all the same.
    static func isKept(_ blob: UInt8) -> Bool {
        [SegmentBlob.head, .bloom].contains(SegmentBlob(rawValue: blob))
    }

    // MARK: As a row

    private var checksum: Int64 { RowChecksum.of([segment, token, isStored ? 1 : 0, Int64(bytes)], [], [table]) }

    func write(in db: Database) throws {
        try db.execute(
            sql: "INSERT OR REPLACE INTO archived VALUES (?, ?, ?, ?, ?, ?)",
            arguments: [segment, token, isStored, bytes, Data(table), checksum])
    }
    /// Throws `DamagedSegment` when the row is not what was written.
    init(_ row: Row) throws {
        segment = try row.int("segment")
        token = try row.int("token")
        isStored = try row.int("is_stored") == 1
        let table = [UInt8](try row.data("pieces"))
        pieces = table.withBytes { span in
            stride(from: 0, to: span.byteCount - Self.entryBytes + 1, by: Self.entryBytes).map {
                Piece(blob: span.u8(at: $0), bytes: Int(span.le32(at: $0 + 1)))
            }
        }
        guard table.count == pieces.count * Self.entryBytes, try checksum == row.int("checksum") else {
            throw DamagedSegment(id: segment, reason: "where it is in the archive")
        }
    }
    static func find(_ segment: Int64, in db: Database) throws -> ArchivedSegment? {
        try Row.fetchOne(db.cachedStatement(sql: "SELECT * FROM archived WHERE segment = ?"), arguments: [segment])
            .map { try ArchivedSegment($0) }
    }
    /// Those that can be read; what a damaged row named stays in the archive.
    static func all(in db: Database) throws -> [ArchivedSegment] {
        try Row.fetchAll(db, sql: "SELECT * FROM archived").compactMap { try? ArchivedSegment($0) }
    }
    /// The pieces of a segment as they are stored, by blob and number.
    static func local(_ segment: Int64, in db: Database) throws -> [(piece: Piece, octets: Data)] {
        try Row.fetchAll(
            db, sql: "SELECT id, octets FROM piece WHERE id BETWEEN ? AND ? ORDER BY id",
            arguments: SegmentRow.pieceIDs(of: segment)
        ).map { row in
            let octets = try row.data("octets")
            let blob = UInt8(truncatingIfNeeded: try row.int("id") >> 16)
            return (Piece(blob: blob, bytes: octets.count), octets)
        }
    }
}
