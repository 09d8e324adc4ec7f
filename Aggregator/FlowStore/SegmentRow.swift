internal import BatchFormat
internal import FlowModel
internal import Foundation
internal import GRDB
internal import Identity
internal import SegmentFormat
internal import WireBytes

/// A compacted segment as its day's file knows it: bounds, sums, and how long each blob is.
struct SegmentRow: Equatable, Sendable {
    var id: Int64
    var logOffset: Int64, receivedMilliseconds: Int64, flowStartMin: Int64, flowEndMax: Int64
    /// Octets are those of the blobs.
    var totals: StoreTotals
    /// Whether `rollup` has its sums.
    var isSummed: Bool
    var blobs: [UInt8: Blob]

    struct Blob: Equatable, Sendable {
        var bytes: Int
        var checksum: UInt32
    }
    /// How the blobs' checksums are made.
    enum Checksums: UInt8, Sendable {
        /// CRC-32C of the blob: what the first versions wrote, and their directories do not say.
        case crc32c
        /// Of the checksums (see `Checksum`) of its pieces, one after another: made and tested piece by piece.
        case ofPieces
    }
    var checksums = Checksums.ofPieces

    static let piecesOfBlobMax = 1 << 16
    /// What fits a page with the octets that the sealer and SQLite add.
    static let pieceBytes = 65_280

    /// Segment, blob and number of a piece in one number: pieces of a blob lie side by side.
    static func pieceID(_ segment: Int64, _ blob: UInt8, _ number: Int) -> Int64 {
        segment << 24 | Int64(blob) << 16 | Int64(truncatingIfNeeded: number)
    }
    /// The first and the last number that a segment's pieces can have.
    static func pieceIDs(of segment: Int64) -> StatementArguments {
        [pieceID(segment, 0, 0), pieceID(segment, .max, piecesOfBlobMax - 1)]
    }
    /// Which piece it is, for the sealer.
    static func context(day: Int, _ segment: Int64, _ blob: UInt8, _ number: Int) -> String {
        "\(Day.name(day))/segment/\(segment)/\(blob)/\(number)"
    }
    /// The numbers of the pieces that hold `range`.
    static func pieces(_ range: Range<Int>) -> Range<Int> {
        range.isEmpty ? 0..<0 : range.lowerBound / pieceBytes..<(range.upperBound - 1) / pieceBytes + 1
    }

    func segment(tenant: TenantID, day: Int) -> Segment {
        Segment(
            kind: .compacted, tenant: tenant, sensor: nil,
            position: SegmentPosition(flowEndMax: flowEndMax, logOffset: logOffset), flowStartMin: flowStartMin,
            receivedMilliseconds: receivedMilliseconds, rows: Int(truncatingIfNeeded: totals.rows), tally: totals.tally,
            bodyBytes: Int(truncatingIfNeeded: totals.bodyBytes), day: day, rowID: id)
    }

    // MARK: As a row

    private var directory: [UInt8] {
        var bytes = checksums == .crc32c ? [] : [checksums.rawValue]
        for (number, blob) in blobs.sorted(by: { $0.key < $1.key }) {
            bytes.append(number)
            bytes.appendLE(UInt32(truncatingIfNeeded: blob.bytes))
            bytes.appendLE(blob.checksum)
        }
        return bytes
    }
    private var checksum: Int64 {
        RowChecksum.of(
            [id, logOffset, receivedMilliseconds, flowStartMin, flowEndMax, isSummed ? 1 : 0],
            [totals.batches, totals.rows, totals.tally.flows, totals.tally.octets, totals.tally.packets], [directory])
    }

    func insert(in db: Database) throws {
        try db.execute(
            sql: "INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            arguments: [
                id, logOffset, receivedMilliseconds, flowStartMin, flowEndMax, Int64(bitPattern: totals.batches),
                Int64(bitPattern: totals.rows), Int64(bitPattern: totals.tally.flows),
                Int64(bitPattern: totals.tally.octets), Int64(bitPattern: totals.tally.packets), isSummed,
                Data(directory), checksum,
            ])
    }

    /// Throws `DamagedSegment` when the row is not what was written.
    init(_ row: Row) throws {
        id = try row.int("id")
        logOffset = try row.int("log_offset")
        receivedMilliseconds = try row.int("received_ms")
        flowStartMin = try row.int("flow_start_min")
        flowEndMax = try row.int("flow_end_max")
        isSummed = try row.int("is_summed") == 1
        totals = StoreTotals()
        totals.batches = UInt64(bitPattern: try row.int("batches"))
        totals.rows = UInt64(bitPattern: try row.int("rows"))
        totals.tally = try Tally(row)
        (checksums, blobs) = try Self.blobs([UInt8](row.data("directory")), id)
        totals.bodyBytes = blobs.values.reduce(0) { $0 + UInt64($1.bytes) }
        guard try checksum == row.int("checksum") else { throw DamagedSegment(id: id, reason: "its row") }
    }
    /// The row of a segment that was made of `batches`, of which there is at least one.
    init(id: Int64, of batches: [BatchTable.Waiting], _ segment: EncodedSegment, isSummed: Bool) throws {
        let head = try SegmentHead(segment.head)
        self.id = id
        logOffset = batches.map(\.logOffset).max() ?? 0
        receivedMilliseconds = batches.map(\.receivedMilliseconds).max() ?? 0
        flowStartMin = batches.map(\.flowStartMin).min() ?? 0
        flowEndMax = batches.map(\.flowEndMax).max() ?? 0
        if head.rows > 0 {
            flowStartMin = min(flowStartMin, head.flowStartMin)
            flowEndMax = max(flowEndMax, head.flowEndMax)
        }
        self.isSummed = isSummed
        blobs = [:]
        for (blob, bytes) in segment.blobs {
            blobs[blob.rawValue] = Blob(bytes: bytes.count, checksum: checksums.of(bytes))
        }
        totals = StoreTotals()
        totals.batches = UInt64(batches.count)
        totals.rows = UInt64(head.rows)
        totals.tally = head.tally
        totals.bodyBytes = UInt64(segment.byteCount)
    }
    /// One octet that names the checksums, unless they are the oldest; nine octets a blob.
    private static func blobs(
        _ directory: [UInt8], _ id: Int64
    ) throws -> (Checksums, [UInt8: Blob]) {
        let first = directory.count % 9
        guard first <= 1, let checksums = first == 0 ? .crc32c : Checksums(rawValue: directory[0])
        else {
            throw DamagedSegment(id: id, reason: "its directory")
        }
        var blobs: [UInt8: Blob] = [:]
        directory.withBytes { span in
            for at in stride(from: first, to: span.byteCount, by: 9) {
                blobs[span.u8(at: at)] = Blob(
                    bytes: Int(span.le32(at: at + 1)), checksum: span.le32(at: at + 5))
            }
        }
        return (checksums, blobs)
    }

    // MARK: Finding

    static func all(in db: Database) throws -> (sound: [SegmentRow], damaged: [DamagedSegment]) {
        var sound: [SegmentRow] = [], damaged: [DamagedSegment] = []
        let rows = try Row.fetchAll(db.cachedStatement(sql: "SELECT * FROM segment ORDER BY id"))
        for row in rows {
            do { sound.append(try SegmentRow(row)) } catch let damage as DamagedSegment { damaged.append(damage) }
        }
        return (sound, damaged)
    }
    static func find(_ id: Int64, in db: Database) throws -> SegmentRow? {
        try Row.fetchOne(db.cachedStatement(sql: "SELECT * FROM segment WHERE id = ?"), arguments: [id])
            .map { try SegmentRow($0) }
    }
    /// A number that no segment of this day has had: larger than all there are, and at least the time in seconds, as
    /// those of an earlier file of the day may still have rollups.
    static func nextID(now: Int64, in db: Database) throws -> Int64 {
        let segment = try Int64.fetchOne(db, sql: "SELECT max(id) FROM segment") ?? 0
        let piece = try Int64.fetchOne(db, sql: "SELECT max(id) FROM piece") ?? 0
        let archived = try Int64.fetchOne(db, sql: "SELECT max(segment) FROM archived") ?? 0
        return max(segment + 1, piece >> 24 + 1, archived + 1, min(max(now / 1_000, 1), 1 << 38))
    }
    /// All rows are looked at, so that a damaged one is found whatever its bounds say.
    static func segments(
        tenant: TenantID, day: Int, from: Int64, to: Int64, before: SegmentPosition, in db: Database
    ) throws -> [Segment] {
        let rows = try all(in: db)
        if let damage = rows.damaged.first { throw damage }
        return rows.sound.filter { $0.flowEndMax >= from && $0.flowStartMin < to }
            .map { $0.segment(tenant: tenant, day: day) }.filter { $0.position < before }
    }

    /// Pieces of a blob as they are stored, and what is wanted of them.
    struct Pieces {
        let segment: Int64, blob: UInt8
        /// Octets of the blob, and those that are wanted.
        let size: Int, range: Range<Int>
        var numbers: Range<Int> { SegmentRow.pieces(range) }
        /// Empty when `archived` has them.
        var stored: [Data] = []
        /// The octets of the range, when no piece is sealed.
        var plain: [UInt8]?
        var archived: ArchivedSegment?

        /// The octets of the range, copied once, out of the pieces as SQLite has them; nil when one is sealed, not
        /// there or not as long as it should be: what is wrong then, `opened` says.
        fileprivate func plain(_ rows: RowCursor) throws -> [UInt8]? {
            var bytes: [UInt8] = [], number = numbers.lowerBound
            bytes.reserveCapacity(range.count)
            while let row = try rows.next() {
                // A damaged table may have more rows than numbers.
                guard numbers.contains(number) else { return nil }
                let start = number * pieceBytes, whole = min(size - start, pieceBytes)
                let wanted = max(range.lowerBound - start, 0)..<min(range.upperBound - start, whole)
                let isPlain = try row.withUnsafeData(atIndex: 0) { octets in
                    guard let octets = octets.flatMap({ StoredOctets.plain($0) }), octets.count == whole else {
                        return false
                    }
                    let first = octets.startIndex
                    bytes += octets[(first + wanted.lowerBound)..<(first + wanted.upperBound)]
                    return true
                }
                guard isPlain else { return nil }
                number += 1
            }
            return number == numbers.upperBound ? bytes : nil
        }

        /// The octets of the range.
        /// - Throws: `DamagedSegment`; `SealError` but `.damaged`.
        func opened(day: Int, octets: StoredOctets) throws -> [UInt8] {
            if let plain { return plain }
            guard stored.count == numbers.count else {
                throw DamagedSegment(id: segment, reason: "blob \(blob) is not whole")
            }
            var bytes: [UInt8] = []
            bytes.reserveCapacity(range.count)
            for (number, piece) in zip(numbers, stored) {
                let whole = min(size - number * pieceBytes, pieceBytes), start = number * pieceBytes
                let wanted = max(range.lowerBound - start, 0)..<min(range.upperBound - start, whole)
                let plain = try DamagedSegment.catching(segment) { () throws(SealError) in
                    try octets.open(piece, context(day: day, segment, blob, number))
                }
                guard plain.count == whole else { throw DamagedSegment(id: segment, reason: "blob \(blob) is cut") }
                bytes += plain[wanted]
            }
            return bytes
        }
    }

    /// The pieces that hold `range` of a blob; nil without the segment or the blob.
    /// - Throws: `DamagedSegment`.
    static func find(_ blob: UInt8, range: Range<Int>?, of id: Int64, in db: Database) throws -> Pieces? {
        try find(id, in: db).flatMap { try find(blob, range, of: $0, in: db) }
    }
    /// As for one blob, of several, of segments of this file.
    static func find(_ asked: [SegmentAsk], in db: Database) throws -> [Result<Pieces?, DamagedSegment>] {
        var row: SegmentRow?
        return try asked.map { ask in
            do {
                if row?.id != ask.segment.rowID { row = try find(ask.segment.rowID, in: db) }
                return .success(try row.flatMap { try find(ask.blob.rawValue, ask.range, of: $0, in: db) })
            } catch let damage as DamagedSegment {
                return .failure(damage)
            }
        }
    }
    private static func find(
        _ blob: UInt8, _ range: Range<Int>?, of row: SegmentRow, in db: Database
    ) throws -> Pieces? {
        guard let size = row.blobs[blob]?.bytes else { return nil }
        let id = row.id
        let range = range.map { $0.clamped(to: 0..<size) } ?? 0..<size
        var found = Pieces(segment: id, blob: blob, size: size, range: range)
        let numbers = found.numbers
        guard !numbers.isEmpty else { return found }
        let statement = try db.cachedStatement(sql: "SELECT octets FROM piece WHERE id BETWEEN ? AND ? ORDER BY id")
        let arguments: StatementArguments = [
            pieceID(id, blob, numbers.lowerBound), pieceID(id, blob, numbers.upperBound - 1),
        ]
        found.plain = try found.plain(try Row.fetchCursor(statement, arguments: arguments))
        guard found.plain == nil else { return found }
        found.stored = try Data.fetchAll(statement, arguments: arguments)
        if found.stored.isEmpty, let archived = try ArchivedSegment.find(id, in: db), archived.isStored {
            found.archived = archived
        }
        return found
    }
}

extension SegmentRow {
    /// Reads every blob, which must be in the file, piece by piece, and compares it with its checksum.
    /// - Throws: `DamagedSegment`; `SealError` but `.damaged`.
    func verify(day: Int, octets: StoredOctets, in db: Database) throws {
        for (number, blob) in blobs {
            guard checksums == .ofPieces else {
                let found = try Self.find(number, range: nil, of: id, in: db)
                try verify(number, is: try found?.opened(day: day, octets: octets) ?? [])
                continue
            }
            var size = 0
            var sums: [UInt8] = []
            for piece in Self.pieces(0..<blob.bytes) {
                let found = try checked(number, piece, day: day, octets: octets, in: db)
                size += found.bytes
                sums.appendLE(found.checksum)
            }
            guard size == blob.bytes, sums.withBytes({ Checksum.of($0) }) == blob.checksum else {
                throw damaged(number)
            }
        }
    }
    /// How long a piece is and its checksum, which is made where SQLite has the piece unless that is sealed.
    private func checked(
        _ blob: UInt8, _ piece: Int, day: Int, octets: StoredOctets, in db: Database
    ) throws -> (bytes: Int, checksum: UInt32) {
        let statement = try db.cachedStatement(sql: "SELECT octets FROM piece WHERE id = ?")
        let rows = try Row.fetchCursor(statement, arguments: [Self.pieceID(id, blob, piece)])
        guard let row = try rows.next() else { throw damaged(blob) }
        return try row.withUnsafeData(atIndex: 0) { stored in
            if let plain = stored.flatMap({ StoredOctets.plain($0) }) { return (plain.count, Checksum.of(plain.bytes)) }
            let bytes = try DamagedSegment.catching(id) { () throws(SealError) in
                try octets.open(stored ?? Data(), Self.context(day: day, id, blob, piece))
            }
            return (bytes.count, bytes.withBytes { Checksum.of($0) })
        }
    }
    /// - Throws: `DamagedSegment` when `bytes` are not the blob's.
    func verify(_ blob: UInt8, is bytes: [UInt8]) throws {
        guard bytes.count == blobs[blob]?.bytes, checksums.of(bytes) == blobs[blob]?.checksum else {
            throw damaged(blob)
        }
    }
    private func damaged(_ blob: UInt8) -> DamagedSegment {
        DamagedSegment(id: id, reason: "blob \(blob) is not what was written")
    }
    /// Deletes a segment and its pieces; its rollups stay.
    static func delete(_ id: Int64, in db: Database) throws {
        try db.execute(sql: "DELETE FROM segment WHERE id = ?", arguments: [id])
        try db.execute(sql: "DELETE FROM piece WHERE id BETWEEN ? AND ?", arguments: pieceIDs(of: id))
    }
}

/// A segment whose octets are not what was written.
struct DamagedSegment: Error {
    let id: Int64
    let reason: String

    static func catching(_ id: Int64, _ body: () throws(SealError) -> [UInt8]) throws -> [UInt8] {
        do throws(SealError) {
            return try body()
        } catch .damaged {
            throw DamagedSegment(id: id, reason: "a piece does not open")
        } catch {
            throw error
        }
    }
}

extension SegmentRow.Checksums {
    /// Of a whole blob.
    func of(_ bytes: [UInt8]) -> UInt32 {
        guard self == .ofPieces else { return bytes.withBytes { CRC32C.checksum($0) } }
        var sums: [UInt8] = []
        bytes.withBytes { span in
            for start in stride(from: 0, to: span.byteCount, by: SegmentRow.pieceBytes) {
                let end = min(start + SegmentRow.pieceBytes, span.byteCount)
                sums.appendLE(Checksum.of(span.extracting(start..<end)))
            }
        }
        return sums.withBytes { Checksum.of($0) }
    }
}
