internal import FlowModel

/// The recent conversations: a ring of entries in order of their last sighting, and an index to it by hash.
///
/// The index has groups of four slots (`IndexGroup`), a group an entry, newest first; a slot is some bits of the hash
/// and the low bits of its entry's sequence number. Nothing is ever deleted: a number that lies behind the ring's
/// oldest entry is void, and one so old that it seems young again leads to an entry with another hash.
/// Each row of the part at hand gets an entry, behind the last one written, whatever is known of its conversation; rows
/// of one conversation are linked, and once they are settled the last one's entry is the conversation's. So a row costs
/// one line of the index and one entry; only rows of known conversations touch another.
/// Invariants: at most `entriesMax` entries; what is forgotten before its horizon is counted in `evictions`; entries
/// made since `beginPart` stay reachable by their number until the next. A full group forgets its oldest.
struct ConversationMemory {
    private var index: [IndexGroup] = []
    private var entries: [Conversation] = []
    /// The 0 of empty slots is far behind from the start.
    private var ring = Ring(head: 0xAAAA_AAAA, oldest: 0xAAAA_AAAA, capacity: Self.entriesMin)
    private let entriesMax: Int
    private var horizon = HorizonMarks()
    /// Depends on all that was read ahead, or the reads would be optimized away.
    private var readAhead: UInt64 = 0

    // The part at hand.
    /// By an entry's place in the part: its row.
    private(set) var rows: [UInt32] = []
    /// Places of rows of conversations that were known, or have an earlier row in the part.
    private(set) var further: [UInt32] = []
    /// What was remembered of known ones.
    private(set) var before: [Conversation] = []

    /// Of a block: rows whose conversation may be known, and where they lead.
    private var known = [UInt32](repeating: 0, count: Self.rowsAhead)
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
    var count: Int { Int(ring.live) }

    /// Makes ready for `rowCount` rows, at most `partMax`.
    /// - Parameter newest: the latest receive time among them, in ms.
    mutating func beginPart(rowCount: Int, newest: Int64, horizonMilliseconds: Int64) {
        ring.expire(before: horizon.advance(to: newest, keeping: horizonMilliseconds, head: ring.head))
        let wanted = min(count + rowCount, entriesMax)
        if wanted > entries.count { grow(to: wanted) }
        ring.beginPart()
        if rows.count < rowCount { rows = [UInt32](repeating: 0, count: rowCount) }
        further.removeAll(keepingCapacity: true)
        before.removeAll(keepingCapacity: true)
    }
    mutating func takeEvictions() -> UInt64 {
        defer { ring.evictions = 0 }
        return ring.evictions
    }
    mutating func removeAll() {
        ring.evictions += UInt64(ring.live)
        ring.expire(before: ring.head)
    }

    /// The entry at a place in the part.
    subscript(place: Int) -> Conversation {
        @inline(__always) get { entries[Int(ring.partStart &+ UInt32(place)) & (entries.count - 1)] }
        @inline(__always) set { entries[Int(ring.partStart &+ UInt32(place)) & (entries.count - 1)] = newValue }
    }

    /// Gives up a row's entry, for one that is linked to it. Its link says what it was linked to itself.
    mutating func take(_ place: Int) -> Conversation {
        let entry = self[place]
        self[place].point = .none
        return entry
    }

    /// Makes an entry of each of some rows, and links those of one conversation.
    /// - Parameters:
    ///   - rows: no more than were announced to `beginPart`.
    ///   - unexamined: rows with one of these flags are left out, and those of exporters that take no part.
    /// - Returns: how many were left out.
    mutating func admit(
        _ columns: FlowColumns, _ rows: Range<Int>, hashes: [UInt64], observers: [ObserverFacts],
        unexamined: RecordFlags
    ) -> UInt64 {
        var ring = self.ring
        // Its alone for now: so they are looked at once, and not at each row.
        var indexArray: [IndexGroup] = [], entriesArray: [Conversation] = [], rowArray: [UInt32] = []
        var knownArray: [UInt32] = [], aheadArray: [UInt32] = []
        swap(&indexArray, &index)
        swap(&entriesArray, &entries)
        swap(&rowArray, &self.rows)
        swap(&knownArray, &self.known)
        swap(&aheadArray, &self.ahead)
        var index = indexArray.mutableSpan, entries = entriesArray.mutableSpan
        var rowNumbers = rowArray.mutableSpan, known = knownArray.mutableSpan, ahead = aheadArray.mutableSpan
        for start in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.rowsAhead) {
            let block = start..<min(start + Self.rowsAhead, rows.upperBound)
            let hashes = hashes.span.extracting(block)
            readAhead &+= index.touch(hashes)
            ring.write(columns, block, hashes, observers.span, unexamined, &entries, &rowNumbers)
            let found = ring.enter(&index, entries.span, &known)
            readAhead &+= ring.look(ahead: known.span.extracting(0..<found), index.span, entries.span, &ahead)
            ring.link(known.span.extracting(0..<found), &index, &entries, &before, &further)
        }
        swap(&indexArray, &self.index)
        swap(&entriesArray, &self.entries)
        swap(&rowArray, &self.rows)
        swap(&knownArray, &self.known)
        swap(&aheadArray, &self.ahead)
        self.ring = ring
        return ring.leftOut
    }

    /// Reads the 5-tuples ahead that some further rows' will be compared with.
    mutating func look(ahead block: Range<Int>, _ columns: FlowColumns) {
        let (entriesArray, furtherArray, rowArray) = (entries, further, rows)
        let entries = entriesArray.span, rows = rowArray.span, further = furtherArray.span.extracting(block)
        let partStart = ring.partStart, mask = entries.count - 1
        var sum: UInt64 = 0
        for number in further.indices {
            guard let earlier = entries[Int(partStart &+ further[number]) & mask].link.row else { continue }
            sum &+= columns.touch(Int(rows[earlier]))
        }
        readAhead &+= sum
    }

    private mutating func grow(to wanted: Int) {
        var capacity = max(entries.count, Self.entriesMin)
        // In few large steps: each moves all entries, and that at the start, when nothing is mapped yet.
        while capacity < wanted { capacity = min(4 * capacity, entriesMax) }
        let old = entries
        entries = [Conversation](repeating: .none, count: capacity)
        index = [IndexGroup](repeating: .empty, count: capacity)
        var grown = Ring(head: ring.head, oldest: ring.oldest, capacity: capacity)
        grown.evictions = ring.evictions
        for age in stride(from: ring.live, to: 0, by: -1) {
            let sequence = ring.head &- age, entry = old[Int(sequence) & (old.count - 1)]
            guard entry.point != .none else { continue }
            entries[Int(sequence) & (capacity - 1)] = entry
            index[Int(truncatingIfNeeded: entry.hash) & (capacity - 1)].push(grown.slots.slot(entry.hash, sequence))
        }
        ring = grown
    }
}
