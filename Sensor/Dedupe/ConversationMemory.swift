internal import FlowModel

/// The recent conversations: a ring of entries in order of their last sighting, and an index to it by hash.
///
/// The index has groups of four slots, a group an entry, newest first; a slot is the upper half of the hash and the
/// sequence number of its entry. Nothing is ever deleted: a number that lies behind the ring's oldest entry is void.
/// So a row costs one line of the index and one entry behind the last one written; only rows of known conversations
/// touch another entry.
/// Invariants: at most `entriesMax` entries; what is forgotten before its horizon is counted in `evictions`; entries
/// made since `beginPart` stay reachable by their number until the next. A full group forgets its oldest.
struct ConversationMemory {
    private var index: [SIMD4<UInt64>] = []
    private var entries: [Conversation] = []
    private let entriesMax: Int
    /// The number that the next entry gets. Wraps: ages are differences. The 0 of empty slots is far behind from the
    /// start.
    private var head: UInt32 = 1 << 31
    /// Entries that are neither overwritten nor past the horizon.
    private var live: UInt32 = 0
    /// Where the part at hand begins.
    private var partStart: UInt32 = 1 << 31
    private var horizon = HorizonMarks()
    private(set) var evictions: UInt64 = 0
    /// Depends on all that was read ahead, or the reads would be optimized away.
    private var readAhead: UInt64 = 0

    /// Where the index leads for a block of rows.
    private var ahead = [UInt32](repeating: 0, count: Self.rowsAhead)

    private static let entriesMin = 1_024
    static let rowsAhead = 128

    /// - Parameter entriesMax: a power of two, at least 1,024.
    init(entriesMax: Int) {
        precondition(entriesMax >= Self.entriesMin && entriesMax.nonzeroBitCount == 1, "a memory of \(entriesMax)")
        self.entriesMax = entriesMax
    }

    /// Rows that a part may have: half of the memory stays for what was before.
    var partMax: Int { entriesMax / 2 }
    var count: Int { Int(live) }

    /// Makes ready for `rowCount` rows, at most `partMax`.
    /// - Parameter newest: the latest receive time among them, in ms.
    mutating func beginPart(rowCount: Int, newest: Int64, horizonMilliseconds: Int64) {
        live = min(live, head &- horizon.advance(to: newest, keeping: horizonMilliseconds, head: head))
        let wanted = min(Int(live) + rowCount, entriesMax)
        if wanted > entries.count { grow(to: wanted) }
        partStart = head
    }
    mutating func takeEvictions() -> UInt64 {
        defer { evictions = 0 }
        return evictions
    }
    mutating func removeAll() {
        evictions += UInt64(live)
        live = 0
    }

    subscript(sequence: UInt32) -> Conversation {
        @inline(__always) get { entries[Int(sequence) & (entries.count - 1)] }
        @inline(__always) set { entries[Int(sequence) & (entries.count - 1)] = newValue }
    }

    /// Finds or makes the entries of some rows' conversations.
    /// - Parameters:
    ///   - rows: no more than were announced to `beginPart`.
    ///   - further: gets the rows whose conversation was known, their entries now being of this part.
    /// - Returns: how many rows were left out, for having a flag of `unexamined` or an exporter that takes no part.
    mutating func admit(
        _ columns: FlowColumns, _ rows: Range<Int>, hashes: [UInt64], observers: [ObserverFacts],
        unexamined: RecordFlags, _ further: inout [FurtherRow]
    ) -> UInt64 {
        var leftOut: UInt64 = 0
        for start in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.rowsAhead) {
            let block = start..<min(start + Self.rowsAhead, rows.upperBound)
            look(ahead: block, hashes.span)
            var ring = Ring(head: head, live: live, partStart: partStart)
            leftOut &+= ring.admit(
                columns, block, hashes.span, observers.span, unexamined, &index, &entries, &further)
            (head, live) = (ring.head, ring.live)
            evictions += ring.evictions
        }
        return leftOut
    }

    /// Reads what will be needed for a block of rows, in loops that do nothing else: so, many independent reads wait
    /// for memory at the same time, where each would wait in turn.
    @inline(__always)
    private mutating func look(ahead rows: Range<Int>, _ hashes: Span<UInt64>) {
        let (indexArray, entriesArray) = (index, entries)
        let index = indexArray.span, entries = entriesArray.span
        let groupMask = index.count - 1, mask = entries.count - 1
        var sum: UInt64 = 0
        for row in rows {  // a group may lie in two lines
            let place = Int(truncatingIfNeeded: hashes[row]) & groupMask
            sum &+= index[place][0] ^ index[place][3]
        }
        var ahead = ahead.mutableSpan
        for row in rows {
            let hash = hashes[row], group = index[Int(truncatingIfNeeded: hash) & groupMask]
            var match: UInt64 = 0
            match = (group[0] ^ hash) >> 32 == 0 ? group[0] : match
            match = (group[1] ^ hash) >> 32 == 0 ? group[1] : match
            match = (group[2] ^ hash) >> 32 == 0 ? group[2] : match
            match = (group[3] ^ hash) >> 32 == 0 ? group[3] : match
            ahead[row &- rows.lowerBound] = UInt32(truncatingIfNeeded: match)
        }
        for row in 0..<rows.count { sum &+= entries[Int(ahead[row]) & mask].ends }
        readAhead &+= sum
    }

    /// Reads the entries of some further rows ahead, and the 5-tuples of the first rows that they lead to.
    mutating func look(ahead further: Range<Int>, _ rows: [FurtherRow], _ columns: FlowColumns) {
        let entriesArray = entries
        let rows = rows.span, entries = entriesArray.span, mask = entries.count - 1
        var sum: UInt64 = 0
        for number in further { sum &+= entries[Int(rows[number].sequence) & mask].ends }
        var ahead = ahead.mutableSpan, firsts = 0
        for number in further {
            let row = entries[Int(rows[number].sequence) & mask].row
            ahead[firsts] = row
            firsts += row == Sighting.noRow ? 0 : 1
        }
        for number in 0..<firsts { sum &+= columns.touch(Int(ahead[number])) }
        readAhead &+= sum
    }

    private mutating func grow(to wanted: Int) {
        var capacity = max(entries.count, Self.entriesMin)
        while capacity < wanted { capacity *= 2 }
        let old = entries
        entries = [Conversation](repeating: .none, count: capacity)
        index = [SIMD4<UInt64>](repeating: .zero, count: capacity)
        for age in stride(from: live, to: 0, by: -1) {
            let sequence = head &- age, entry = old[Int(sequence) & (old.count - 1)]
            guard entry.point != .none else { continue }
            entries[Int(sequence) & (capacity - 1)] = entry
            let place = Int(truncatingIfNeeded: entry.hash) & (index.count - 1), group = index[place]
            index[place] = SIMD4(entry.hash & ~0xFFFF_FFFF | UInt64(sequence), group[0], group[1], group[2])
        }
    }
}

/// The ring's counters while a block of rows is admitted.
private struct Ring {
    var head: UInt32, live: UInt32
    let partStart: UInt32
    var evictions: UInt64 = 0

    init(head: UInt32, live: UInt32, partStart: UInt32) {
        (self.head, self.live, self.partStart) = (head, live, partStart)
    }

    /// Takes in a block of rows. Returns how many were left out.
    @inline(__always)
    mutating func admit(
        _ columns: FlowColumns, _ rows: Range<Int>, _ hashes: Span<UInt64>, _ observers: Span<ObserverFacts>,
        _ unexamined: RecordFlags, _ index: inout [SIMD4<UInt64>], _ entries: inout [Conversation],
        _ further: inout [FurtherRow]
    ) -> UInt64 {
        let flags = columns.flags.span, exporters = columns.exporter.span
        var index = index.mutableSpan, entries = entries.mutableSpan, leftOut: UInt64 = 0
        for row in rows {
            let observer = observers[Int(exporters[row])]
            guard flags[row] & unexamined.rawValue == 0, observer.takesPart else {
                leftOut += 1
                continue
            }
            let sighting = Sighting(columns, row, observer)
            guard let known = admit(hashes[row], sighting, &index, &entries) else { continue }
            let place = Int(known) & (entries.count - 1)
            further.append(FurtherRow(sighting: sighting, sequence: known, next: entries[place].chain))
            entries[place].chain = UInt32(truncatingIfNeeded: further.count)
        }
        return leftOut
    }

    /// - Returns: nil when an entry was made; else the number of the known one.
    @inline(__always)
    private mutating func admit(
        _ hash: UInt64, _ sighting: Sighting, _ index: inout MutableSpan<SIMD4<UInt64>>,
        _ entries: inout MutableSpan<Conversation>
    ) -> UInt32? {
        let place = Int(truncatingIfNeeded: hash) & (index.count - 1), group = index[place]
        let tag = hash & ~0xFFFF_FFFF, new = tag | UInt64(head)
        if let found = find(hash, group[0], entries) ?? find(hash, group[1], entries) ?? find(hash, group[2], entries)
            ?? find(hash, group[3], entries)
        {
            guard head &- found > head &- partStart else { return found }
            index[place] = group.replacing(with: new, where: group .== tag | UInt64(found))
            return move(found, &entries)
        }
        index[place] = SIMD4(new, group[0], group[1], group[2])
        let last = UInt32(truncatingIfNeeded: group[3])
        if head &- last &- 1 < live { forget(last, &entries) }
        append(Conversation(hash: hash, sighting), &entries)
        return nil
    }
    @inline(__always)
    private func find(_ hash: UInt64, _ slot: UInt64, _ entries: borrowing MutableSpan<Conversation>) -> UInt32? {
        guard (slot ^ hash) >> 32 == 0 else { return nil }
        let sequence = UInt32(truncatingIfNeeded: slot)
        guard head &- sequence &- 1 < live, entries[Int(sequence) & (entries.count - 1)].hash == hash else {
            return nil
        }
        return sequence
    }
    /// An entry of an earlier part comes to the ring's head.
    @inline(__always)
    private mutating func move(_ sequence: UInt32, _ entries: inout MutableSpan<Conversation>) -> UInt32 {
        let place = Int(sequence) & (entries.count - 1), moved = head
        var entry = entries[place]
        entry.row = Sighting.noRow
        entry.chain = 0
        entries[place].point = .none
        append(entry, &entries)
        return moved
    }
    /// An entry falls out of the index. One of this part may have further rows: it stays until they are settled.
    @inline(__always)
    private mutating func forget(_ sequence: UInt32, _ entries: inout MutableSpan<Conversation>) {
        evictions += 1
        if head &- sequence > head &- partStart { entries[Int(sequence) & (entries.count - 1)].point = .none }
    }
    @inline(__always)
    private mutating func append(_ entry: Conversation, _ entries: inout MutableSpan<Conversation>) {
        let place = Int(head) & (entries.count - 1)
        if Int(live) == entries.count {
            if entries[place].point != .none { evictions += 1 }
        } else {
            live += 1
        }
        entries[place] = entry
        head &+= 1
    }
}
