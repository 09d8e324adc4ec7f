internal import Delivery
internal import Platform
internal import WireBytes

/// Which files the spool has, so that one that is deleted, cut short or half removed is noticed. Two places of a fixed
/// size in one file, written in turn and synced: an update needs no room on the disk, and the one before stays whole.
///
///     ledger := slot | slot                                                               two of 65,536 octets
///     slot   := "WEIRLDG1" :8 | generation :8 | next number :8 | count :4 | crc32c(the rest of the slot) :4 | entry*
///     entry  := number :8 | epoch :16 | flags :4 (1 failed, 2 ended) | records :4 | lost :4 | zero :4
///             | valid through :8
///
/// A file that is made is in the ledger before its first record; a file that goes leaves the ledger first, and only
/// then the folder. So a file that the ledger doesn't know is on its way out when its number is below `next`, and new
/// otherwise.
struct SpoolLedger {
    struct Entry: Equatable {
        var number: UInt64
        var epoch: Epoch
        /// Nothing from `validThrough` on counts: it was written anew elsewhere.
        var isFailed = false
        /// `records` is how many there were, and there will be no more.
        var isEnded = false
        var records: UInt32 = 0
        /// Of them, those known to be unreadable.
        var lost: UInt32 = 0
        var validThrough: UInt64 = 0
    }
    static let slotBytes = 65_536, headBytes = 32, entryBytes = 48
    static let entriesMax = (slotBytes - headBytes) / entryBytes

    private let disk: any SpoolDisk, folder: String
    private var file: (any SpoolDiskFile)?
    private var generation: UInt64 = 0
    private(set) var next: UInt64 = 0
    private(set) var entries: [Entry] = []
    /// There was a ledger, and neither place of it made sense.
    private(set) var isDamaged = false
    /// What it says can be relied upon.
    private(set) var isKnown = false

    private var path: String { folder + "/ledger" }

    /// - Throws: what the system said to reading.
    init(folder: String, on disk: any SpoolDisk) throws(SystemError) {
        (self.folder, self.disk) = (folder, disk)
        guard disk.exists(folder + "/ledger") else { return }
        let file = try disk.open(folder + "/ledger", making: false)
        self.file = file
        isDamaged = true
        for slot in 0..<2 {
            let bytes = try file.read(Self.slotBytes, at: slot * Self.slotBytes)
            guard let found = Self.decode(bytes), !isKnown || found.generation > generation else { continue }
            (generation, next, entries) = found
            (isKnown, isDamaged) = (true, false)
        }
    }

    /// Writes a new state down, durably. After a failure on the file itself another takes its place.
    mutating func write(_ entries: [Entry], next: UInt64) throws(SystemError) {
        precondition(entries.count <= Self.entriesMax)
        (self.entries, self.next) = (entries, next)
        generation += 1
        let slot = Self.encode(generation, next, entries)
        if let file {
            do throws(SystemError) {
                try file.write([slot], at: Int(generation % 2) * Self.slotBytes)
                return try file.sync()
            } catch {
                self.file = nil  // never again on this one
            }
        }
        let empty = [UInt8](repeating: 0, count: Self.slotBytes)
        try disk.writeWhole(generation % 2 == 0 ? slot + empty : empty + slot, to: path)
        try disk.syncFolder(folder)
        file = try disk.open(path, making: false)
    }

    private static func encode(_ generation: UInt64, _ next: UInt64, _ entries: [Entry]) -> [UInt8] {
        var rest: [UInt8] = []
        rest.appendLE(generation)
        rest.appendLE(next)
        rest.appendLE(UInt32(entries.count))
        var body: [UInt8] = []
        for entry in entries {
            body.appendLE(entry.number)
            body.append(entry.epoch)
            body.appendLE(UInt32(entry.isFailed ? 1 : 0) | (entry.isEnded ? 2 : 0))
            body.appendLE(entry.records)
            body.appendLE(UInt64(entry.lost))
            body.appendLE(entry.validThrough)
        }
        var out = [UInt8]("WEIRLDG1".utf8) + rest
        out.appendLE((rest + body).withBytes { CRC32C.checksum($0) })
        out += body
        out += [UInt8](repeating: 0, count: slotBytes - out.count)
        return out
    }
    private static func decode(_ bytes: [UInt8]) -> (generation: UInt64, next: UInt64, entries: [Entry])? {
        guard bytes.count == slotBytes, bytes.starts(with: "WEIRLDG1".utf8) else { return nil }
        let (generation, next, count, crc) = bytes.withBytes {
            ($0.le64(at: 8), $0.le64(at: 16), Int($0.le32(at: 24)), $0.le32(at: 28))
        }
        guard count <= entriesMax else { return nil }
        let covered = [UInt8](bytes[8..<28] + bytes[headBytes..<(headBytes + count * entryBytes)])
        guard covered.withBytes({ CRC32C.checksum($0) }) == crc else { return nil }
        let entries = bytes.withBytes { span in
            (0..<count).map { index in
                let at = headBytes + index * entryBytes, flags = span.le32(at: at + 24)
                return Entry(
                    number: span.le64(at: at), epoch: Epoch(high: span.le64(at: at + 8), low: span.le64(at: at + 16)),
                    isFailed: flags & 1 != 0, isEnded: flags & 2 != 0, records: span.le32(at: at + 28),
                    lost: span.le32(at: at + 32), validThrough: span.le64(at: at + 40))
            }
        }
        return (generation, next, entries)
    }
}
