internal import Delivery
internal import FlowModel
internal import WireBytes

/// The bytes of a segment file. All numbers little-endian; a record starts at a multiple of 8.
///
///     segment := head | record*
///     head    := "WEIRSPL2" :8 | number :8 | epoch :16 | made, ms :8 | zero :20 | crc32c(all before) :4      64 octets
///     record  := "WBAT" :4 | crc :4 | ordinal :4 | length :4 | key epoch :16 | sequence :8 | sealed, ms :8 | rows :8
///              | flows :8 | octets :8 | packets :8 | sha256(body) :32 | mark :16 | body | zero to a multiple of 8
///     crc     := crc32c(epoch of the file | record from `ordinal` to `sha256`)
///     mark    := kind :4 | crc32c(epoch of the file | ordinal :4 | kind | rest of the mark) :4 | place or time :8
///     place   := records of the same append before this one :4 | octets from this record to the append's end :4
///     time    := of the answer, ms :8
///
/// `ordinal` counts a file's records from 0, so a gap says how many are damaged. The checksum starts with the file's
/// random epoch, so that bytes of a body can't pass for a record when records are searched after damage. A mark is
/// written over in place when a batch is answered: 16 octets within one sector. It is a hint: one that was lost or
/// makes no sense costs a repeat, never a batch. The body has its own SHA-256, which is also its digest on the wire.
///
/// An append is what one write and one sync put into a file. Until a batch is answered its mark is the record's place
/// in its append; once it is, there is nothing left to ask: it was synced. The mark lies between head and body, so a
/// record of which these two are whole has the place it was written with. All zero (files of before there were places,
/// and batches that are asked for again) it says nothing.
enum SegmentLayout {
    static let headBytes = 64, recordBytes = 128, markOffset = 112, markBytes = 16
    static let magic = [UInt8]("WEIRSPL2".utf8)
    /// "WBAT" as read.
    static let recordMagic: UInt32 = 0x5441_4257

    /// From the start of a record to the start of the next.
    static func span(ofBody byteCount: Int) -> Int { (recordBytes + byteCount + 7) & ~7 }

    static func checksum(_ epoch: Epoch, _ bytes: ArraySlice<UInt8>) -> UInt32 {
        var seeded: [UInt8] = []
        seeded.reserveCapacity(16 + bytes.count)
        seeded.append(epoch)
        seeded += bytes
        return seeded.withBytes { CRC32C.checksum($0) }
    }
}

extension [UInt8] {
    mutating func append(_ epoch: Epoch) {
        appendLE(epoch.high)
        appendLE(epoch.low)
    }
}

/// The first octets of a segment file.
struct SegmentHead: Equatable {
    let number: UInt64
    let epoch: Epoch
    let madeMilliseconds: Int64

    var bytes: [UInt8] {
        var out = SegmentLayout.magic
        out.appendLE(number)
        out.append(epoch)
        out.appendLE(UInt64(bitPattern: madeMilliseconds))
        out += [UInt8](repeating: 0, count: SegmentLayout.headBytes - out.count - 4)
        out.appendLE(out.withBytes { CRC32C.checksum($0) })
        return out
    }
    init(number: UInt64, epoch: Epoch, madeMilliseconds: Int64) {
        (self.number, self.epoch, self.madeMilliseconds) = (number, epoch, madeMilliseconds)
    }
    /// Nil when these are not the first octets of a segment.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == SegmentLayout.headBytes, bytes.starts(with: SegmentLayout.magic) else { return nil }
        let fields = bytes.withBytes { span in
            (
                number: span.le64(at: 8), epoch: Epoch(high: span.le64(at: 16), low: span.le64(at: 24)),
                made: span.le64(at: 32), crc: span.le32(at: 60), isSound: CRC32C.checksum(span.extracting(0..<60))
            )
        }
        guard fields.crc == fields.isSound else { return nil }
        self.init(number: fields.number, epoch: fields.epoch, madeMilliseconds: Int64(bitPattern: fields.made))
    }
}

/// What stands before a body.
struct RecordHead: Equatable {
    let ordinal: UInt32
    let batch: SpooledBatch

    /// - Parameter place: in the append, as the mark will say until it is written over.
    func bytes(at place: AppendPlace?, in epoch: Epoch) -> [UInt8] {
        var rest: [UInt8] = []
        rest.reserveCapacity(SegmentLayout.recordBytes)
        rest.appendLE(ordinal)
        rest.appendLE(UInt32(truncatingIfNeeded: batch.byteCount))
        rest.append(batch.key.epoch)
        rest.appendLE(batch.key.sequence)
        rest.appendLE(UInt64(bitPattern: batch.sealedMilliseconds))
        for word in [UInt64(batch.rows), batch.tally.flows, batch.tally.octets, batch.tally.packets] {
            rest.appendLE(word)
        }
        rest += batch.digest.octets
        var out: [UInt8] = []
        out.reserveCapacity(SegmentLayout.recordBytes)
        out.appendLE(SegmentLayout.recordMagic)
        out.appendLE(SegmentLayout.checksum(epoch, rest[...]))
        out += rest
        out += RecordMark.waiting(place).bytes(ordinal: ordinal, in: epoch)
        return out
    }
    init(ordinal: UInt32, batch: SpooledBatch) {
        (self.ordinal, self.batch) = (ordinal, batch)
    }
    /// Nil when this is no sound record of a file with this epoch.
    init?(_ bytes: ArraySlice<UInt8>, in epoch: Epoch) {
        guard bytes.count >= SegmentLayout.recordBytes else { return nil }
        let own = [UInt8](bytes.prefix(SegmentLayout.recordBytes))
        let crc = own.withBytes { span in
            span.le32(at: 0) == SegmentLayout.recordMagic ? span.le32(at: 4) : nil
        }
        guard let crc, crc == SegmentLayout.checksum(epoch, own[8..<SegmentLayout.markOffset]),
            let digest = BatchDigest(octets: [UInt8](own[80..<112]))
        else { return nil }
        self = own.withBytes { span in
            RecordHead(
                ordinal: span.le32(at: 8),
                batch: SpooledBatch(
                    key: BatchKey(
                        epoch: Epoch(high: span.le64(at: 16), low: span.le64(at: 24)), sequence: span.le64(at: 32)),
                    digest: digest, byteCount: Int(span.le32(at: 12)),
                    sealedMilliseconds: Int64(bitPattern: span.le64(at: 40)),
                    rows: Int(truncatingIfNeeded: span.le64(at: 48)),
                    tally: Tally(flows: span.le64(at: 56), octets: span.le64(at: 64), packets: span.le64(at: 72))))
        }
    }
}

/// Where a record stands among those that were written and synced together.
struct AppendPlace: Equatable {
    /// Records of the append before this one.
    let index: UInt32
    /// Octets from the start of this record to the end of the append.
    let rest: UInt32
}

/// What became of a batch.
enum RecordMark: Equatable {
    /// Nobody has answered; the place is nil where nothing tells it.
    case waiting(AppendPlace?)
    /// An aggregator has it, since then by this sensor's clock, in ms since 1970 UTC.
    case answered(atMilliseconds: Int64)
    /// In the dead-letter folder, moved to another file, or damaged: never sent from here.
    case aside

    func bytes(ordinal: UInt32, in epoch: Epoch) -> [UInt8] {
        switch self {
        case .waiting(nil): [UInt8](repeating: 0, count: SegmentLayout.markBytes)
        case .waiting(let place?): Self.bytes(0, UInt64(place.rest) << 32 | UInt64(place.index), ordinal, epoch)
        case .answered(let time): Self.bytes(1, UInt64(bitPattern: time), ordinal, epoch)
        case .aside: Self.bytes(2, 0, ordinal, epoch)
        }
    }
    private static func bytes(_ kind: UInt32, _ rest: UInt64, _ ordinal: UInt32, _ epoch: Epoch) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(SegmentLayout.markBytes)
        out.appendLE(kind)
        out.appendLE(checksum(kind, rest, ordinal, epoch))
        out.appendLE(rest)
        return out
    }
    private static func checksum(_ kind: UInt32, _ rest: UInt64, _ ordinal: UInt32, _ epoch: Epoch) -> UInt32 {
        var own: [UInt8] = []
        own.reserveCapacity(SegmentLayout.markBytes)
        own.appendLE(ordinal)
        own.appendLE(kind)
        own.appendLE(rest)
        return SegmentLayout.checksum(epoch, own[...])
    }

    /// Of a record's first octets. What makes no sense is `waiting`, without a place: a repeat does no harm.
    init(_ record: ArraySlice<UInt8>, ordinal: UInt32, in epoch: Epoch) {
        let own = [UInt8](record.dropFirst(SegmentLayout.markOffset).prefix(SegmentLayout.markBytes))
        self = .waiting(nil)
        guard own.count == SegmentLayout.markBytes else { return }
        let (kind, crc, rest) = own.withBytes { ($0.le32(at: 0), $0.le32(at: 4), $0.le64(at: 8)) }
        guard crc == Self.checksum(kind, rest, ordinal, epoch) else { return }
        switch kind {
        case 0:
            let place = AppendPlace(index: UInt32(truncatingIfNeeded: rest), rest: UInt32(rest >> 32))
            if place.index <= ordinal, place.rest >= SegmentLayout.recordBytes { self = .waiting(place) }
        case 1: self = .answered(atMilliseconds: Int64(bitPattern: rest))
        case 2: self = .aside
        default: break
        }
    }
}
