internal import Delivery
internal import FlowModel
internal import SQLite

/// The spool behind its lock: which files there are, and which of them is written.
struct SpoolState {
    let directory: String
    let bytesMax: Int
    private let makeEpoch: @Sendable () -> Epoch
    /// By number, so oldest first. All but `current` are only drained.
    private var files: [SpoolFile] = []
    /// The file that is written; nil between a fault and the next append.
    private var current: SpoolFile?
    private var epoch: Epoch
    private var sequence: UInt64 = 0
    /// Keys of appends that failed, until a new file has noted them.
    private var abandoned: [BatchKey] = []
    private var deadLetters: DeadLetters
    private var quarantinedFiles = 0, retiredFiles = 0, damagedBatches = 0
    /// The number of the next new file. One whose making failed is never tried again.
    private var nextNumber = 0

    init(directory: String, bytesMax: Int, epoch: @escaping @Sendable () -> Epoch) throws(SpoolError) {
        self.directory = directory
        self.bytesMax = bytesMax
        makeEpoch = epoch
        self.epoch = epoch()
        try SystemFiles.makeFolder(directory + "/quarantine")
        quarantinedFiles = try SystemFiles.names(in: directory + "/quarantine").filter { $0.hasSuffix(".sqlite") }.count
        deadLetters = try DeadLetters(folder: directory + "/dead-letter")
        for number in try SystemFiles.names(in: directory).compactMap(Self.number(ofName:)).sorted() {
            nextNumber = number + 1
            try open(number)
        }
        // Only the newest is written: the others are there because a write to them failed.
        for file in files.dropLast() { file.retire() }
        current = files.last
        try dropAbandoned()
        if current == nil { try openNext() }
    }

    private static func number(ofName name: String) -> Int? {
        guard name.hasPrefix("spool"), name.hasSuffix(".sqlite") else { return nil }
        let middle = name.dropFirst("spool".count).dropLast(".sqlite".count)
        return middle.isEmpty ? 0 : middle.hasPrefix("-") ? Int(middle.dropFirst()) : nil
    }
    private func path(_ number: Int) -> String {
        number == 0 ? directory + "/spool.sqlite" : directory + "/spool-\(number).sqlite"
    }

    /// Opens a file that was there at the start, or moves it aside.
    private mutating func open(_ number: Int) throws(SpoolError) {
        do {
            files.append(try SpoolFile(path: path(number), number: number))
        } catch {
            guard error.isCorruption else { throw .failed("\(path(number)): \(error)") }
            try quarantine(number)
        }
    }

    /// Starts a new file with a new epoch.
    private mutating func openNext() throws(SpoolError) {
        // Before anything can fail: what is appended next must not take a key that an older file may hold.
        epoch = makeEpoch()
        sequence = 0
        let number = nextNumber
        nextNumber += 1
        let file: SpoolFile
        do {
            file = try makeFile(number)
        } catch {
            guard error.isDiskFull else { throw .failed("\(path(number)): \(error)") }
            for suffix in ["", "-wal", "-shm"] { try? SystemFiles.remove(path(number) + suffix) }
            nextNumber = number
            throw .diskFull
        }
        // Only a file that a power cut can't take away is written to.
        try SystemFiles.syncFolder(directory)
        abandoned = []
        files.append(file)
        current = file
    }
    private func makeFile(_ number: Int) throws(SQLiteError) -> SpoolFile {
        let file = try SpoolFile(path: path(number), number: number)
        do {
            for key in abandoned { try file.abandon(key) }
        } catch {
            file.retire()
            throw error
        }
        return file
    }

    /// A batch whose append failed got another key in the next file, but after a crash SQLite may find the first try
    /// complete in the old one: sent from there as well, it would count twice.
    private mutating func dropAbandoned() throws(SpoolError) {
        for file in files {
            do {
                let keys = try file.abandonedKeys()
                for older in files where older !== file && older.isRetired { older.forget(keys) }
            } catch {
                guard error.isCorruption else { throw .failed("\(file.path): \(error)") }
                try giveUp(file)
            }
        }
        try dropDrained()
    }

    // MARK: What the spool offers

    mutating func append(
        _ body: [UInt8], _ digest: BatchDigest, rows: Int, tally: Tally, sealedMilliseconds: Int64
    ) throws(SpoolError) -> BatchKey {
        let waiting = files.reduce(0) { $0 + $1.bytes }
        guard waiting + body.count <= bytesMax else { throw .full(bytes: waiting, bytesMax: bytesMax) }
        // The second turn writes to a new file: the same one is never tried again.
        for _ in 1...2 {
            if current == nil { try openNext() }
            guard let file = current else { break }
            let batch = SpooledBatch(
                key: BatchKey(epoch: epoch, sequence: sequence), digest: digest, byteCount: body.count,
                sealedMilliseconds: sealedMilliseconds, rows: rows, tally: tally)
            do {
                try file.append(body, as: batch)
                sequence += 1
                return batch.key
            } catch {
                if error.isDiskFull { throw .diskFull }
                guard error.isFileFault else { throw .failed("\(file.path): \(error)") }
                retire(file)
                abandoned.append(batch.key)
            }
        }
        throw .failed("two files in a row failed")
    }

    mutating func waiting(limit: Int, excluding: Set<BatchKey>) throws(SpoolError) -> [SpooledBatch] {
        var found: [SpooledBatch] = []
        for file in files where found.count < limit {
            do {
                found += try file.waiting(limit: limit - found.count, excluding: excluding)
            } catch {
                guard error.isCorruption else { throw .failed("\(file.path): \(error)") }
                try giveUp(file)
            }
        }
        return found
    }

    mutating func body(of key: BatchKey) throws(SpoolError) -> [UInt8]? {
        guard let (batch, body) = try content(of: key) else { return nil }
        if BatchDigest(of: body) == batch.digest { return body }
        damagedBatches += 1
        try deadLetters.write(batch, body, reason: "damaged in the spool: the digest is not that of the bytes")
        try remove([key])
        return nil
    }

    mutating func deadLetter(_ key: BatchKey, reason: String) throws(SpoolError) -> Tally? {
        guard let (batch, body) = try content(of: key) else { return nil }
        try deadLetters.write(batch, body, reason: reason)
        try remove([key])
        return batch.tally
    }

    mutating func remove(_ keys: [BatchKey]) throws(SpoolError) {
        for file in files {
            let own = keys.filter(file.holds)
            if own.isEmpty { continue }
            if !file.isRetired { try removeByWriting(own, file) }
            if file.isRetired { file.forget(own) }
        }
        try dropDrained()
    }
    private mutating func removeByWriting(_ keys: [BatchKey], _ file: SpoolFile) throws(SpoolError) {
        do {
            try file.remove(keys)
            try file.shrink()
        } catch {
            guard error.isFileFault else { throw .failed("\(file.path): \(error)") }
            retire(file)
        }
    }

    var usage: SpoolUsage {
        let oldest = files.lazy.compactMap { try? $0.waiting(limit: 1, excluding: []).first }.first
        return SpoolUsage(
            batches: files.reduce(0) { $0 + $1.batches }, bytes: files.reduce(0) { $0 + $1.bytes }, bytesMax: bytesMax,
            oldestSealedMilliseconds: oldest?.sealedMilliseconds, deadLetters: deadLetters.count,
            deadLettersDropped: deadLetters.dropped, quarantinedFiles: quarantinedFiles, retiredFiles: retiredFiles,
            damagedBatches: damagedBatches)
    }

    // MARK: Faults

    /// The batch with its bytes. One that SQLite can't read is damaged: the rest of its file is still drained.
    private mutating func content(of key: BatchKey) throws(SpoolError) -> (SpooledBatch, [UInt8])? {
        for file in files where file.holds(key) {
            do {
                if let found = try file.content(of: key) { return found }
            } catch {
                guard error.isCorruption else { throw .failed("\(file.path): \(error)") }
                retire(file)
                file.forget([key], isDamage: true)
                damagedBatches += 1
                try dropDrained()
                return nil
            }
        }
        return nil
    }

    private mutating func retire(_ file: SpoolFile) {
        if !file.isRetired { retiredFiles += 1 }
        file.retire()
        if current === file { current = nil }
    }
    /// Not even a list of its batches can be had.
    private mutating func giveUp(_ file: SpoolFile) throws(SpoolError) {
        retire(file)
        files.removeAll { $0 === file }
        damagedBatches += file.batches
        try quarantine(file.number)
    }

    /// Deletes retired files that have nothing left to send; those with damage are kept aside.
    private mutating func dropDrained() throws(SpoolError) {
        for file in files where file.isRetired && file.batches <= 0 {
            if file.damaged == 0 {
                // A count is not enough to delete by: the file itself has the last word.
                guard let left = try? file.waiting(limit: 1, excluding: []), left.isEmpty else { continue }
            }
            files.removeAll { $0 === file }
            if file.damaged > 0 {
                try quarantine(file.number)
            } else {
                for suffix in ["", "-wal", "-shm"] { try SystemFiles.remove(file.path + suffix) }
                try SystemFiles.syncFolder(directory)
            }
        }
    }

    private mutating func quarantine(_ number: Int) throws(SpoolError) {
        let path = path(number), name = path.dropFirst(directory.count + 1)
        quarantinedFiles += 1
        var place = quarantinedFiles
        while SystemFiles.exists("\(directory)/quarantine/\(place)-\(name)") { place += 1 }
        for suffix in ["", "-wal", "-shm"] where SystemFiles.exists(path + suffix) {
            try SystemFiles.rename(path + suffix, to: "\(directory)/quarantine/\(place)-\(name)\(suffix)")
        }
        try SystemFiles.syncFolder(directory + "/quarantine")
        try SystemFiles.syncFolder(directory)
    }
}
