package import FlowModel

/// The rows of one window, summed: what `FlowWindow` hands out when it closes.
package struct SummedRows: Sendable {
    package var columns: FlowColumns
    /// Of each row, under the window's seed: see `ConversationHash`. There may be more of them than rows.
    package var conversations: [UInt64]
    package let fidelity: Fidelity

    package init(columns: FlowColumns, conversations: [UInt64], fidelity: Fidelity) {
        (self.columns, self.conversations, self.fidelity) = (columns, conversations, fidelity)
    }
}

/// Sums records of the same key into one row, in place: decoders append rows to `columns`, `absorb` looks each up and
/// adds those whose key is there already to that row. A record of a new key, most of them, is never copied.
///
///     columns   | rows looked up, one a key         | rows appended since |
///               0                                   indexed               columns.count
///     slots     hash table over the looked-up rows: 32 bits of hash << 32 | row + 1; 0 is empty
///
/// Invariants: octets, packets and flow counts over all rows are exactly those appended, at each fidelity and for each
/// exporter; start is the earliest, end and export the latest, receive the first; TCP flags are joined; of AS numbers,
/// prefix lengths and next hop the first seen stay. Nothing is refused: a row whose sum would overflow, or that finds
/// the index full, or that comes while looking up does not pay (`SummingPace`), stays a row of its own. Order means
/// nothing.
/// Not here: when a window closes (`SensorPipeline`); flows that several exporters saw (`Dedupe`).
package struct FlowWindow: ~Copyable {
    /// Where decoders append. What they append is summed at the next `absorb`.
    package var columns: FlowColumns
    /// What rows are coarsened to when they are looked up.
    package private(set) var fidelity: Fidelity
    package let rowsMax: Int
    /// When the present window calls itself full: at most `rowsMax`.
    package private(set) var rows: Int
    let seed: UInt64
    private var indexed = 0
    private var slotMask: Int
    private var slots: [UInt64]
    private var conversations: [UInt64] = []
    /// The keys' hashes of the rows at hand.
    private var hashes: [UInt64] = []
    private var pace = SummingPace()
    var crowded: CrowdedHosts
    private var spares: [SummedRows] = []

    /// Columns that were given back and are kept for later windows: their memory is mapped already.
    private static let sparesMax = 2

    /// - Parameters:
    ///   - rowsMax: when the window calls itself full, 1...2^24. Memory is about 170 octets a row. Up to 64 Ki rows
    ///     stay in the processor's cache.
    ///   - rows: how many the first window may have, 1...`rowsMax`; nil: as many as may be.
    ///   - seed: unknown to whoever sends flows, so that nobody can make keys collide.
    package init(rowsMax: Int, rows: Int? = nil, fidelity: Fidelity, seed: UInt64) {
        precondition((1...1 << 24).contains(rowsMax), "a window of \(rowsMax) rows")
        (self.rowsMax, self.fidelity, self.seed) = (rowsMax, fidelity, seed)
        columns = FlowColumns(capacity: min(rowsMax + 2_048, 16_384))
        self.rows = min(max(rows ?? rowsMax, 1), rowsMax)
        slotMask = Self.slotCount(self.rows) - 1
        slots = [UInt64](repeating: 0, count: Self.slotCount(rowsMax))
        crowded = CrowdedHosts(seed: seed)
    }

    private static func slotCount(_ rows: Int) -> Int {
        var count = 16
        while count < 2 * rows { count *= 2 }
        return count
    }

    /// Rows appended and not yet looked up.
    package var pending: Int { columns.count - indexed }
    /// Time to close: more rows would go on being taken, but ever fewer summed.
    package var isFull: Bool { columns.count >= rows }

    /// Looks up the rows appended since the last time.
    package mutating func absorb() {
        let first = indexed, appended = columns.count - first
        guard appended > 0 else { return }
        let missing = columns.count - conversations.count
        if missing > 0 { conversations.append(contentsOf: repeatElement(0, count: max(missing, conversations.count))) }
        if fidelity == .full {
            columns.hashConversations(first..<columns.count, seed: seed, into: &conversations)
            if pace.isSumming { absorbFull(first) }
        } else {
            absorbCoarse(first)
        }
        indexed = columns.count
    }

    private mutating func absorbFull(_ first: Int) {
        var end = columns.count, row = first
        if hashes.count < end - first { hashes = [UInt64](repeating: 0, count: end - first) }
        columns.hashKeys(first..<end, conversations, into: &hashes)
        while row < end {  // ends: each turn moves `row` up or `end` down
            if merge(row, hash: hashes[row - first]) {
                end -= 1
                if row < end {
                    columns.copyRow(end, over: row)
                    conversations[row] = conversations[end]
                    hashes[row - first] = hashes[end - first]
                }
            } else {
                row += 1
            }
        }
        pace.merged &+= columns.count - end
        columns.truncate(to: end)
    }
    private mutating func absorbCoarse(_ first: Int) {
        var end = columns.count, row = first
        while row < end {  // ends: as above
            let dropped = coarsen(row)
            let (conversation, hash) = hash(of: row)
            conversations[row] = conversation
            if let found = find(row, hash: hash), columns.add(row, to: found) {
                note(dropped, at: found)
                end -= 1
                if row < end { columns.copyRow(end, over: row) }
            } else {
                enter(row, hash: hash)
                note(dropped, at: row)
                crowded.note(columns, row, fidelity)
                row += 1
            }
        }
        columns.truncate(to: end)
    }

    /// Adds `row` to the row of the same key, if there is one. Otherwise it is entered.
    @inline(__always)
    private mutating func merge(_ row: Int, hash: UInt64) -> Bool {
        var slot = Int(truncatingIfNeeded: hash) & slotMask
        let tag = hash >> 32
        while true {  // ends: at most three quarters of the slots are in use
            let held = slots[slot]
            if held == 0 {
                enter(row, tag, slot)
                return false
            }
            if held >> 32 == tag {
                let known = Int(truncatingIfNeeded: held & 0xFFFF_FFFF) &- 1
                if columns.isSameKey(known, row) {
                    if columns.add(row, to: known) { return true }
                    slots[slot] = tag << 32 | UInt64(truncatingIfNeeded: row &+ 1)  // the full sum stays a row
                    return false
                }
            }
            slot = (slot &+ 1) & slotMask
        }
    }
    private func find(_ row: Int, hash: UInt64) -> Int? {
        var slot = Int(truncatingIfNeeded: hash) & slotMask
        while slots[slot] != 0 {  // ends: as above
            let known = Int(truncatingIfNeeded: slots[slot] & 0xFFFF_FFFF) &- 1
            if slots[slot] >> 32 == hash >> 32, columns.isSameKey(known, row) { return known }
            slot = (slot &+ 1) & slotMask
        }
        return nil
    }
    private mutating func enter(_ row: Int, hash: UInt64) {
        var slot = Int(truncatingIfNeeded: hash) & slotMask
        while slots[slot] != 0 { slot = (slot &+ 1) & slotMask }  // ends: as above
        enter(row, hash >> 32, slot)
    }
    /// Beyond three quarters of the slots, which only a datagram of very many records can reach, rows are not entered.
    @inline(__always)
    private mutating func enter(_ row: Int, _ tag: UInt64, _ slot: Int) {
        guard row < (slotMask &+ 1) / 4 * 3 else { return }
        slots[slot] = tag << 32 | UInt64(truncatingIfNeeded: row &+ 1)
    }

    /// Sums what is left and hands out all rows; the window is empty again and sums to `next` from now on.
    /// - Parameter rows: how many the next window may have, 1...`rowsMax`; nil: as many as may be.
    package mutating func close(next: Fidelity, rows: Int? = nil) -> SummedRows {
        absorb()
        let closed = SummedRows(columns: columns, conversations: conversations, fidelity: fidelity)
        if let spare = spares.popLast() {
            (columns, conversations) = (spare.columns, spare.conversations)
        } else {
            columns = FlowColumns(capacity: min(max(closed.columns.count, 1_024), rowsMax) + 2_048)
            conversations = []
        }
        if indexed > 0, pace.isSumming || fidelity != .full {
            let used = slotMask + 1
            var slots = self.slots.mutableSpan
            for slot in 0..<used { slots[slot] = 0 }
        }
        self.rows = min(max(rows ?? rowsMax, 1), rowsMax)
        pace.next(after: closed.columns.count, isSmall: self.rows < rowsMax)
        slotMask = Self.slotCount(self.rows) - 1
        if fidelity == .host { crowded = CrowdedHosts(seed: seed) }
        indexed = 0
        fidelity = next
        return closed
    }
    /// Takes back columns that are no longer needed, for their memory: at once if the window is empty, since the
    /// processor has it in its cache.
    package mutating func recycle(_ rows: consuming SummedRows) {
        guard rows.columns.capacity <= 2 * rowsMax + 65_536 else { return }
        rows.columns.removeAll()
        if columns.count == 0 {
            swap(&columns, &rows.columns)
            swap(&conversations, &rows.conversations)
        }
        if spares.count < Self.sparesMax { spares.append(rows) }
    }
}

extension FlowWindow {
    /// The hashes of one row: of its conversation and of its whole key.
    private func hash(of row: Int) -> (conversation: UInt64, key: UInt64) {
        let conversation = ConversationHash.of(columns, row, seed: seed)
        let key = RowKey(
            exporter: columns.exporter[row], sampling: columns.samplingInterval[row],
            ingress: columns.ingressInterface[row], egress: columns.egressInterface[row], vlan: columns.vlanId[row],
            tos: columns.ipClassOfService[row], direction: columns.flowDirection[row], flags: columns.flags[row])
        return (conversation, key.hash(conversation))
    }
}
