internal import Delivery
internal import Platform

#if WEIR_PLANTED
internal import Planted
#endif

/// Why a segment can't be used.
enum SegmentFault: Error {
    case system(SystemError)
    case nonsense(String)
}

/// One file of the spool: appended to by the run that made it, from then on only read and marked.
///
/// Once it has failed a write or a sync nothing is written to it again, marks included: what is answered is then only
/// remembered here, and a restart in between sends those batches again.
final class SegmentFile {
    enum State: Equatable {
        case waiting
        /// Answered once, and asked for again.
        case again
        case answered(atMilliseconds: Int64)
        case aside
    }
    struct Entry {
        let key: BatchKey
        let offset: Int, byteCount: Int
        let sealedMilliseconds: Int64
        fileprivate(set) var state: State
    }
    /// Batches of one state and their bodies' bytes.
    struct Sum: Equatable {
        var batches = 0, bytes = 0
        static func + (one: Sum, other: Sum) -> Sum {
            Sum(batches: one.batches + other.batches, bytes: one.bytes + other.bytes)
        }
    }
    /// A batch on its way into the file.
    struct Pending {
        let batch: SpooledBatch
        let body: [UInt8]
    }

    let number: UInt64, path: String, epoch: Epoch
    private let file: any SpoolDiskFile
    private(set) var entries: [Entry] = []
    /// Where the next record goes.
    private(set) var end = SegmentLayout.headBytes
    private(set) var waiting = Sum(), again = Sum(), answered = Sum()
    private(set) var isFailed = false
    /// Records that are no longer readable as such, by the gaps in their ordinals.
    private(set) var lost = 0
    /// Of those, the ones that nobody had noticed.
    private(set) var newlyLost = 0
    /// The file goes on after its last record: an append that a crash cut short, or damage to the last ones.
    private(set) var isTorn = false
    /// When the last of its batches was answered, or the file was opened; by the monotonic clock.
    var restingSince = Duration.zero
    /// All before this index are neither waiting nor again.
    private var firstOpen = 0

    // MARK: Making and opening

    /// Makes a file, durable but for its name.
    init(making path: String, number: UInt64, epoch: Epoch, atMilliseconds: Int64, on disk: any SpoolDisk)
        throws(SystemError)
    {
        (self.path, self.number, self.epoch) = (path, number, epoch)
        file = try disk.open(path, making: true)
        let head = SegmentHead(number: number, epoch: epoch, madeMilliseconds: atMilliseconds)
        try file.write([head.bytes], at: 0)
        try file.sync()
    }

    /// Opens a file and finds its records.
    /// - Parameter known: what the ledger says of it; also stands in for a damaged head.
    init(opening path: String, known: SpoolLedger.Entry?, on disk: any SpoolDisk) throws(SegmentFault) {
        self.path = path
        isFailed = known?.isFailed ?? false
        let head: SegmentHead?
        var size: Int
        do throws(SystemError) {
            file = try disk.open(path, making: false)
            head = SegmentHead(try file.read(SegmentLayout.headBytes, at: 0))
            size = try file.byteCount()
        } catch {
            throw .system(error)
        }
        guard let number = head?.number ?? known?.number, let epoch = head?.epoch ?? known?.epoch else {
            throw .nonsense("\(path) is no segment")
        }
        (self.number, self.epoch) = (number, epoch)
        if let known, known.isFailed || known.isEnded { size = min(size, Int(clamping: known.validThrough)) }
        do throws(SystemError) {
            try scan(size)
            if known?.isEnded != true { try dropTorn(size: size, synced: Int(clamping: known?.validThrough ?? 0)) }
        } catch {
            throw .system(error)
        }
        if known?.isEnded != true, !isFailed { keep() }
        // How many there were is only known of a file that had its last record.
        if let known, known.isEnded { (lost, isTorn) = (max(lost, Int(known.records) - entries.count), false) }
        newlyLost = max(lost - Int(known?.lost ?? 0), 0)
    }

    private func scan(_ size: Int) throws(SystemError) {
        var at = SegmentLayout.headBytes, expected: UInt32 = 0
        while at + SegmentLayout.recordBytes <= size {  // ends: each turn moves on
            let bytes = try file.read(SegmentLayout.recordBytes, at: at)
            if let found = record(bytes[...], at: at, size: size), found.ordinal >= expected, found.ordinal < .max {
                lost += Int(found.ordinal - expected)
                expected = found.ordinal + 1
                take(found, at: at, mark: RecordMark(bytes[...], ordinal: found.ordinal, in: epoch))
                at = end
            } else if let next = try search(from: at + 8, size: size) {
                at = next
            } else {
                break
            }
        }
        isTorn = end < size
    }
    /// Of a file whose run was killed, the last append may be one that the kill cut short, and of which a power cut
    /// kept any part: nobody was told that it is kept. It ends before its first torn record. Where something tells that
    /// it was synced, what is torn is damaged, and stays for `lost` and the look at the body to be counted.
    /// - Parameters:
    ///   - size: of the file.
    ///   - synced: all before this was synced, as the ledger says.
    private func dropTorn(size: Int, synced: Int) throws(SystemError) {
        // Ends: each turn takes one off, or is the last.
        while let last = entries.indices.last, entries[last].offset >= synced {
            let place = try place(last), first = ordinals[last] - (place?.index ?? 0)
            // Another append had begun: this one was synced before.
            if let place, size > entries[last].offset + Int(place.rest) { return }
            let start = ordinals.lastIndex { $0 < first }.map { $0 + 1 } ?? 0
            guard entries[start...].allSatisfy({ $0.state == .waiting }) else { return }  // what was sent was synced
            guard let torn = try firstTorn(from: start, first) else { return }
            for entry in entries[torn.index...] { count(entry, -1) }
            entries.removeSubrange(torn.index...)
            ordinals.removeSubrange(torn.index...)
            end = entries.last.map { $0.offset + SegmentLayout.span(ofBody: $0.byteCount) } ?? SegmentLayout.headBytes
            (lost, isTorn) = (Int(torn.ordinal) - entries.count, true)
            // Before there were places each record was looked at alone.
            guard place == nil else { return }
        }
    }
    private func place(_ index: Int) throws(SystemError) -> AppendPlace? {
        let bytes = try file.read(SegmentLayout.recordBytes, at: entries[index].offset)
        guard case .waiting(let place) = RecordMark(bytes[...], ordinal: ordinals[index], in: epoch) else { return nil }
        return place
    }
    /// The first record from `index` on that is missing or not what was written; `ordinal` is what it should have.
    private func firstTorn(from index: Int, _ ordinal: UInt32) throws(SystemError) -> (index: Int, ordinal: UInt32)? {
        var (index, ordinal) = (index, ordinal)
        while index < entries.count {  // ends: each turn passes one
            guard ordinals[index] == ordinal, try isWhole(index) else { return (index, ordinal) }
            (index, ordinal) = (index + 1, ordinal &+ 1)
        }
        return nil
    }
    /// Whether the body is the one that was written. One that the medium does not give is left to `SpoolState.read`.
    private func isWhole(_ index: Int) throws(SystemError) -> Bool {
        do throws(SystemError) {
            guard let found = try content(index) else { return true }
            return found.batch.digest == BatchDigest(of: found.body)
        } catch {
            guard error.isMediumFault else { throw error }
            return true
        }
    }
    /// What was found may be in memory only. From here on it counts as kept: it is sent, and the ledger knows its end.
    private func keep() {
        do throws(SystemError) { try file.sync() } catch { fail() }
    }
    private func record(_ bytes: ArraySlice<UInt8>, at offset: Int, size: Int) -> RecordHead? {
        guard let head = RecordHead(bytes, in: epoch) else { return nil }
        // The last one's padding may be missing: nothing is lost with it.
        return offset + SegmentLayout.recordBytes + head.batch.byteCount <= size ? head : nil
    }
    private func take(_ head: RecordHead, at offset: Int, mark: RecordMark) {
        let state: State =
            switch mark {
            case .waiting: .waiting
            case .answered(let time): .answered(atMilliseconds: time)
            case .aside: .aside
            }
        entries.append(
            Entry(
                key: head.batch.key, offset: offset, byteCount: head.batch.byteCount,
                sealedMilliseconds: head.batch.sealedMilliseconds, state: state))
        count(entries[entries.count - 1], 1)
        ordinals.append(head.ordinal)
        end = offset + SegmentLayout.span(ofBody: head.batch.byteCount)
    }
    /// Of each entry: it differs from the index once records are lost.
    private var ordinals: [UInt32] = []

    /// The place of the next sound record from `start` (a multiple of 8) on.
    private func search(from start: Int, size: Int) throws(SystemError) -> Int? {
        let step = 1 << 20
        var at = start
        while at + SegmentLayout.recordBytes <= size {  // ends: each turn moves on by a MiB
            let bytes = try file.read(step + SegmentLayout.recordBytes, at: at)
            for offset in stride(from: 0, to: min(step, bytes.count), by: 8)
            where bytes[offset] == 0x57 && record(bytes[offset...], at: at + offset, size: size) != nil {
                return at + offset
            }
            at += step
        }
        return nil
    }

    // MARK: Appending: only by the run that made the file, and only until it fails

    /// Adds batches with one write and one sync. After an error the caller cuts the file back or fails it.
    func append(_ batches: [Pending]) throws(SystemError) {
        precondition(!isFailed)
        var pieces: [[UInt8]] = [], padding = 0, ordinal = UInt32(truncatingIfNeeded: entries.count)
        var rest = batches.reduce(0) { $0 + SegmentLayout.span(ofBody: $1.body.count) }
        pieces.reserveCapacity(batches.count * 2 + 1)
        for (index, pending) in batches.enumerated() {
            let place = UInt32(exactly: rest).map { AppendPlace(index: UInt32(truncatingIfNeeded: index), rest: $0) }
            var head = [UInt8](repeating: 0, count: padding)
            head += RecordHead(ordinal: ordinal, batch: pending.batch).bytes(at: place, in: epoch)
            pieces.append(head)
            pieces.append(pending.body)
            let span = SegmentLayout.span(ofBody: pending.body.count)
            padding = span - SegmentLayout.recordBytes - pending.body.count
            (ordinal, rest) = (ordinal + 1, rest - span)
        }
        pieces.append([UInt8](repeating: 0, count: padding))
        try file.write(pieces, at: end)
        #if WEIR_PLANTED
        if Planted.syncTriedAgain.isActive { try? file.sync() }
        if !Planted.spoolAnswersBeforeSync.isActive { try file.sync() }
        #else
        try file.sync()
        #endif
        let start = end
        defer { file.forget(start..<end) }
        for pending in batches {
            let head = RecordHead(ordinal: UInt32(truncatingIfNeeded: entries.count), batch: pending.batch)
            take(head, at: end, mark: .waiting(nil))
        }
    }
    /// Takes off what a write without room left behind the last record: for good, since whole records may be in it,
    /// whose batches were refused.
    func cutBack() throws(SystemError) {
        try file.cut(to: end)
        try file.sync()
    }

    /// From now on nothing is written.
    func fail() { isFailed = true }

    // MARK: States

    private func count(_ entry: Entry, _ sign: Int) {
        let part = Sum(batches: sign, bytes: sign * entry.byteCount)
        switch entry.state {
        case .waiting: waiting = waiting + part
        case .again: again = again + part
        case .answered: answered = answered + part
        case .aside: break
        }
    }
    /// Changes what is remembered of a batch.
    func set(_ index: Int, _ state: State) {
        count(entries[index], -1)
        entries[index].state = state
        count(entries[index], 1)
        if state == .waiting || state == .again { firstOpen = min(firstOpen, index) }
    }
    /// Writes down what is remembered of a batch. Not durable by itself.
    func mark(_ index: Int) throws(SystemError) {
        guard !isFailed else { return }
        let mark: RecordMark =
            switch entries[index].state {
            case .waiting, .again: .waiting(nil)
            case .answered(let time): .answered(atMilliseconds: time)
            case .aside: .aside
            }
        try file.write(
            [mark.bytes(ordinal: ordinals[index], in: epoch)], at: entries[index].offset + SegmentLayout.markOffset)
    }
    func syncMarks() throws(SystemError) {
        guard !isFailed else { return }
        try file.sync()
    }

    /// Indices in one of two states, oldest first.
    func open(_ wanted: State, limit: Int, excluding: Set<BatchKey>) -> [Int] {
        while firstOpen < entries.count, !isOpen(firstOpen) { firstOpen += 1 }
        guard wanted == .waiting ? waiting.batches > 0 : again.batches > 0, limit > 0 else { return [] }
        var found: [Int] = []
        for index in firstOpen..<entries.count where entries[index].state == wanted {
            if !excluding.contains(entries[index].key) { found.append(index) }
            if found.count == limit { break }
        }
        return found
    }
    private func isOpen(_ index: Int) -> Bool {
        entries[index].state == .waiting || entries[index].state == .again
    }

    // MARK: Reading

    /// What stands before the body; nil when it is no longer what was written.
    func head(_ index: Int) throws(SystemError) -> SpooledBatch? {
        let bytes = try file.read(SegmentLayout.recordBytes, at: entries[index].offset)
        return same(RecordHead(bytes[...], in: epoch)?.batch, index)
    }
    /// A batch with its bytes, these unchecked; nil when the head is no longer what was written.
    func content(_ index: Int) throws(SystemError) -> (batch: SpooledBatch, body: [UInt8])? {
        let entry = entries[index]
        let bytes = try file.read(SegmentLayout.recordBytes + entry.byteCount, at: entry.offset)
        guard bytes.count == SegmentLayout.recordBytes + entry.byteCount,
            let batch = same(RecordHead(bytes[...], in: epoch)?.batch, index)
        else { return nil }
        return (batch, [UInt8](bytes[SegmentLayout.recordBytes...]))
    }
    private func same(_ batch: SpooledBatch?, _ index: Int) -> SpooledBatch? {
        batch?.key == entries[index].key && batch?.byteCount == entries[index].byteCount ? batch : nil
    }
}
