internal import FlowModel

/// The recent conversations: a ring of entries in order of their last sighting, and an index to it by hash.
///
/// The index has groups of four slots (`IndexGroup`), a group an entry, newest first; a slot is some bits of the hash
/// and the low bits of its entry's sequence number. Nothing is ever deleted: a number that lies behind the ring's
/// oldest entry is void, and one so old that it seems young again leads to an entry with another hash.
/// So a row costs one line of the index and one entry behind the last one written; only rows of known conversations
/// touch another entry.
/// Invariants: at most `entriesMax` entries; what is forgotten before its horizon is counted in `evictions`; entries
/// made since `beginPart` stay reachable by their number until the next. A full group forgets its oldest.
struct ConversationMemory {
    private var index: [IndexGroup] = []
    private var slots = SlotLayout(capacity: Self.entriesMin)
    private var entries: [Conversation] = []
    private let entriesMax: Int
    /// The number that the next entry gets. Wraps: ages are differences. The 0 of empty slots is far behind from the
    /// start.
    private var head: UInt32 = 0xAAAA_AAAA
    /// Entries that are neither overwritten nor past the horizon.
    private var live: UInt32 = 0
    /// Where the part at hand begins.
    private var partStart: UInt32 = 0xAAAA_AAAA
    private var horizon = HorizonMarks()
    private(set) var evictions: UInt64 = 0
    /// Depends on all that was read ahead, or the reads would be optimized away.
    private var readAhead: UInt64 = 0

    /// What a block of rows says.
    private var sightings = [Sighting](repeating: .none, count: Self.rowsAhead)
    /// Where a block of rows leads.
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
        var ring = Ring(head: head, live: live, partStart: partStart, slots: slots)
        var leftOut: UInt64 = 0, sightings: [Sighting] = []
        swap(&sightings, &self.sightings)
        for start in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.rowsAhead) {
            let block = start..<min(start + Self.rowsAhead, rows.upperBound)
            let hashes = hashes.span.extracting(block)
            look(ahead: hashes)
            columns.sightings(of: block, observers.span, unexamined, into: &sightings)
            leftOut &+= ring.admit(hashes, sightings.span, &index, &entries, &further)
        }
        swap(&sightings, &self.sightings)
        (head, live) = (ring.head, ring.live)
        evictions += ring.evictions
        return leftOut
    }

    /// Reads what will be needed for a block of rows, in loops that do nothing else: so, many independent reads wait
    /// for memory at the same time, where each would wait in turn.
    @inline(__always)
    private mutating func look(ahead hashes: Span<UInt64>) {
        let (indexArray, entriesArray) = (index, entries)
        let index = indexArray.span, entries = entriesArray.span, slots = slots
        let groupMask = index.count - 1, mask = entries.count - 1, head = head, live = live
        var sum: UInt64 = 0
        for row in 0..<hashes.count { sum &+= index[Int(truncatingIfNeeded: hashes[row]) & groupMask].older }
        var ahead = ahead.mutableSpan, found = 0
        for row in 0..<hashes.count {  // without a branch: which rows are known is not to be guessed
            let hash = hashes[row], group = index[Int(truncatingIfNeeded: hash) & groupMask]
            ahead[found] = UInt32(truncatingIfNeeded: row)
            // A full group's oldest is looked at before it is forgotten.
            let isFull = (head &- group.last) & slots.sequenceMask &- 1 < live
            found += group.has(slots.tag(of: hash), slots) || isFull ? 1 : 0
        }
        for number in 0..<found {
            let hash = hashes[Int(ahead[number])], group = index[Int(truncatingIfNeeded: hash) & groupMask]
            ahead[number] = group.match(slots.tag(of: hash), slots, or: group.last)
        }
        for number in 0..<found { sum &+= entries[Int(ahead[number]) & mask].ends }
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
        // In few large steps: each moves all entries, and that at the start, when nothing is mapped yet.
        while capacity < wanted { capacity = min(4 * capacity, entriesMax) }
        let old = entries
        entries = [Conversation](repeating: .none, count: capacity)
        index = [IndexGroup](repeating: .empty, count: capacity)
        slots = SlotLayout(capacity: capacity)
        for age in stride(from: live, to: 0, by: -1) {
            let sequence = head &- age, entry = old[Int(sequence) & (old.count - 1)]
            guard entry.point != .none else { continue }
            entries[Int(sequence) & (capacity - 1)] = entry
            index[Int(truncatingIfNeeded: entry.hash) & (capacity - 1)].push(slots.slot(entry.hash, sequence))
        }
    }
}
