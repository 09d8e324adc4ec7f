internal import Delivery
internal import FlowModel
internal import Platform

#if WEIR_PLANTED
internal import Planted
#endif

/// The spool behind its lock: which files there are, which of them is written, and where each batch is.
struct SpoolState {
    struct Place {
        let file: SegmentFile
        let index: Int
    }
    let directory: String, bytesMax: Int, tail: SpoolTail
    let disk: any SpoolDisk, time: (any TimeSource)?
    let makeEpoch: @Sendable () -> Epoch
    /// By number, so oldest first. All but `current` are only drained.
    var files: [SegmentFile] = []
    /// The file that is written; nil from the start, and from a fault, to the next append.
    var current: SegmentFile?
    var epoch = Epoch(high: 0, low: 0), sequence: UInt64 = 0
    /// Of all batches but those set aside.
    var places: [BatchKey: Place] = [:]
    var ledger: SpoolLedger
    /// The number of the next new file.
    var next: UInt64 = 0
    var deadLetters: DeadLetters
    var counts = Counts()
    /// Paths of files that were set aside since the start.
    private var quarantinedNow: Set<String> = []
    var recent = RecentBodies()
    /// When dead letters that are to go again are looked for next.
    var nextDeadLetterLook = Duration.zero
    /// Tries to read a batch that the system refused.
    var readFailures: [BatchKey: Int] = [:]

    /// Since the start, but for the first.
    struct Counts {
        var quarantinedFiles = 0, retiredFiles = 0, damagedBatches = 0, tornFiles = 0, missingFiles = 0
        var ledgerFailures = 0, reshipped = 0, quarantineDropped = 0
    }

    /// A larger spool has larger files, so that there are never more than the ledger holds.
    var segmentBytes: Int {
        let total = bytesMax + tail.bytesMax
        return max(min(max(bytesMax / 16, 1 << 20), 64 << 20), total / (SpoolLedger.entriesMax / 2))
    }
    static let filesMax = SpoolLedger.entriesMax - 8
    /// Of all kinds: each takes some 150 octets of memory.
    static let batchesMax = 1 << 20

    init(
        directory: String, bytesMax: Int, tail: SpoolTail, disk: any SpoolDisk, time: (any TimeSource)?,
        epoch: @escaping @Sendable () -> Epoch
    ) throws(SystemError) {
        (self.directory, self.bytesMax, self.tail) = (directory, bytesMax, tail)
        (self.disk, self.time, makeEpoch) = (disk, time, epoch)
        try disk.makeFolder(directory + "/quarantine")
        counts.quarantinedFiles = try disk.names(in: directory + "/quarantine").count { !$0.hasSuffix(".part") }
        deadLetters = try DeadLetters(folder: directory + "/dead-letter", disk: disk)
        ledger = try SpoolLedger(folder: directory, on: disk)
        next = ledger.next
        counts.ledgerFailures = ledger.isDamaged ? 1 : 0
        try openAll()
    }

    var now: Duration { time?.monotonic() ?? .zero }
    var wallMilliseconds: Int64 { time?.wallMilliseconds() ?? 0 }
    func path(_ number: UInt64) -> String { "\(directory)/segment-\(number).spool" }

    // MARK: Opening

    private mutating func openAll() throws(SystemError) {
        for name in try disk.names(in: directory) {
            guard let number = Self.number(ofName: name) else { continue }
            next = max(next, number &+ 1)
            let known = ledger.entries.first { $0.number == number }
            if ledger.isKnown, known == nil, number < ledger.next {
                // It had left the ledger when the process ended: the rest of its removal.
                try disk.remove("\(directory)/\(name)")
            } else {
                try open(name, known)
            }
        }
        files.sort { $0.number < $1.number }
        noteMissing()
        for file in files { index(file) }
        for file in files {
            counts.damagedBatches += file.newlyLost
            if file.isTorn { counts.tornFiles += 1 }
            file.restingSince = now
        }
        try disk.syncFolder(directory)
        writeLedger()
        dropDrained()
    }
    private static func number(ofName name: String) -> UInt64? {
        guard name.hasPrefix("segment-"), name.hasSuffix(".spool") else { return nil }
        let text = name.dropFirst("segment-".count).dropLast(".spool".count)
        guard let number = UInt64(text), "\(number)" == text, number < .max / 2 else { return nil }
        return number
    }

    private mutating func open(
        _ name: String, _ known: SpoolLedger.Entry?
    ) throws(SystemError) {
        let path = "\(directory)/\(name)"
        do throws(SegmentFault) {
            let file = try SegmentFile(opening: path, known: known, on: disk)
            // A copy of a file that is there: its batches would only be sent twice.
            guard !files.contains(where: { $0.number == file.number }), file.number < .max / 2 else {
                return quarantine(path)
            }
            next = max(next, file.number + 1)
            files.append(file)
            if file.isFailed, known?.isFailed != true { counts.retiredFiles += 1 }
        } catch {
            switch error {
            case .nonsense: quarantine(path)
            case .system(let error):
                // A medium that can't be read must not keep the sensor from starting; any other reason may pass.
                guard error.isMediumFault else { throw error }
                quarantine(path)
            }
        }
    }
    /// Of files that are gone or can't be read the ledger knows how many batches went with them.
    private mutating func noteMissing() {
        for entry in ledger.entries where !files.contains(where: { $0.number == entry.number }) {
            counts.damagedBatches += Int(entry.records - min(entry.lost, entry.records))
            if !quarantinedNow.contains(path(entry.number)) { counts.missingFiles += 1 }
        }
    }

    /// Where a batch is twice, as after a crash while it was moved, the later file has it.
    private mutating func index(_ file: SegmentFile) {
        for index in file.entries.indices where file.entries[index].state != .aside {
            let key = file.entries[index].key
            if let older = places[key] {
                if case .answered = older.file.entries[older.index].state, file.entries[index].state == .waiting {
                    file.set(index, older.file.entries[older.index].state)
                }
                older.file.set(older.index, .aside)
            }
            places[key] = Place(file: file, index: index)
        }
    }

    // MARK: Files

    /// Starts a new file with a new epoch.
    mutating func openNext() throws(SystemError) {
        let number = next
        next += 1
        // Before anything can fail: what is appended next must not take a key that an older file may hold.
        epoch = makeEpoch()
        sequence = 0
        #if WEIR_PLANTED
        if Planted.epochReused.isActive { epoch = Epoch(high: 1, low: 1) }
        #endif
        let file: SegmentFile
        do throws(SystemError) {
            file = try SegmentFile(
                making: path(number), number: number, epoch: epoch, atMilliseconds: wallMilliseconds, on: disk)
            // Only a file that a power cut can't take away is written to.
            #if WEIR_PLANTED
            if !Planted.folderNotSynced.isActive { try disk.syncFolder(directory) }
            #else
            try disk.syncFolder(directory)
            #endif
        } catch {
            try? disk.remove(path(number))
            throw error
        }
        files.append(file)
        current = file
        writeLedger()
    }

    /// A file that failed a write or a sync is never written again; its sound batches are still sent.
    mutating func retire(_ file: SegmentFile) {
        if !file.isFailed { counts.retiredFiles += 1 }
        file.fail()
        if current === file { current = nil }
        writeLedger()
    }

    /// - Returns: whether it is durable. When not, nothing is lost, but no file may be removed.
    @discardableResult
    mutating func writeLedger() -> Bool {
        let entries = files.map { file in
            SpoolLedger.Entry(
                number: file.number, epoch: file.epoch, isFailed: file.isFailed, isEnded: file !== current,
                records: UInt32(clamping: file.entries.count + file.lost), lost: UInt32(clamping: file.lost),
                validThrough: UInt64(file.end))
        }
        do throws(SystemError) {
            try ledger.write(entries, next: next)
            return true
        } catch {
            counts.ledgerFailures += 1
            return false
        }
    }

    /// Deletes files that have nothing to send and no place in the tail; makes room where little is left of large ones.
    mutating func dropDrained() {
        let drained = files.filter { $0 !== current && $0.waiting.batches + $0.again.batches == 0 }
        var answered = files.reduce(0) { $0 + $1.answered.bytes }
        var gone: [SegmentFile] = []
        for file in drained {
            let isOld = now - file.restingSince >= tail.age || file.answered.batches == 0
            guard isOld || answered > tail.bytesMax || files.count - gone.count > Self.filesMax else { continue }
            answered -= file.answered.bytes
            gone.append(file)
        }
        guard !gone.isEmpty else { return }
        #if WEIR_PLANTED
        if Planted.unlinkBeforeLedger.isActive { for file in gone { try? disk.remove(file.path) } }
        #endif
        // The ledger first, the folder second: the other way round a crash in between looks like a loss.
        files.removeAll { file in gone.contains { $0 === file } }
        guard writeLedger() else {
            files = (files + gone).sorted { $0.number < $1.number }
            return
        }
        for file in gone {
            for entry in file.entries where places[entry.key]?.file === file { places[entry.key] = nil }
            // One that stays is no longer in the ledger, so the next start removes it.
            try? disk.remove(file.path)
        }
    }

    mutating func quarantine(_ path: String) {
        let name = path.dropFirst(directory.count + 1), folder = directory + "/quarantine"
        counts.quarantinedFiles += 1
        quarantinedNow.insert(path)
        var place = counts.quarantinedFiles
        while disk.exists("\(folder)/\(place)-\(name)") { place += 1 }
        try? disk.rename(path, to: "\(folder)/\(place)-\(name)")
        trimQuarantine()
        try? disk.syncFolder(folder)
    }
    /// Bounded by files and bytes: the oldest go, and are counted.
    private mutating func trimQuarantine() {
        let folder = directory + "/quarantine"
        let files = ((try? disk.names(in: folder)) ?? []).map { name in
            (
                name: name, place: name.split(separator: "-").first.flatMap { Int($0) } ?? 0,
                bytes: byteCount("\(folder)/\(name)")
            )
        }.sorted { $0.place < $1.place }
        var left = files.count, bytes = files.reduce(0) { $0 + $1.bytes }
        for file in files where left > Self.quarantineFilesMax || left > 1 && bytes > Self.quarantineBytesMax {
            try? disk.remove("\(folder)/\(file.name)")
            (left, bytes) = (left - 1, bytes - file.bytes)
            counts.quarantineDropped += 1
        }
    }
    private func byteCount(_ path: String) -> Int { (try? disk.open(path, making: false).byteCount()) ?? 0 }
    private static let quarantineFilesMax = 64, quarantineBytesMax = 1 << 30
}
