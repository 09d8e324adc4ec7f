internal import FlowModel

/// The counters of a `ConversationMemory`'s ring while a part's rows are admitted, and the loops that admit them, a
/// block at a time: `write`, `enter`, `look`, `link`.
///
/// The ring has 64 stretches. When the head comes to one, what is left in it is forgotten: how much that is, is known
/// from how many of its entries were given up, without a look at them.
struct Ring {
    /// The number that the next entry gets. Wraps: ages are differences.
    private(set) var head: UInt32
    /// The oldest entry that is neither overwritten, or about to be, nor past the horizon.
    private(set) var oldest: UInt32
    /// Entries that were given up, by their stretch: two turns of the ring's.
    private(set) var givenUp = InlineArray<128, UInt32>(repeating: 0)
    /// Conversations that were forgotten before their horizon.
    var evictions: UInt64 = 0
    /// Where the part at hand begins.
    private(set) var partStart: UInt32
    /// Rows that were left out.
    private(set) var leftOut: UInt64 = 0
    let slots: SlotLayout
    /// Entries of a stretch: a power of two.
    private let stretch: UInt32, stretchShift: UInt32
    /// Where the next stretch begins.
    private var next: UInt32
    /// The block's first entry.
    private var first: UInt32

    /// - Parameter capacity: a power of two, 1,024 at least.
    init(head: UInt32, oldest: UInt32, capacity: Int) {
        (self.head, self.oldest, partStart, first) = (head, oldest, head, head)
        slots = SlotLayout(capacity: capacity)
        stretch = UInt32(truncatingIfNeeded: capacity / 64)
        stretchShift = UInt32(truncatingIfNeeded: stretch.trailingZeroBitCount)
        next = (head &+ stretch &- 1) & ~(stretch &- 1)
    }

    var live: UInt32 {
        @inline(__always) get { head &- oldest }
    }
    mutating func beginPart() { (partStart, leftOut) = (head, 0) }
    /// - Parameter sequence: what is older is past the horizon.
    mutating func expire(before sequence: UInt32) {
        if head &- sequence < live { oldest = sequence }
    }

    /// Forgets the stretches that this many entries more may come to.
    @inline(__always)
    private mutating func makeRoom(_ count: UInt32) {
        while next &- head < count {  // ends: each turn moves on by a stretch
            let cut = next &- 63 &* stretch, left = Int32(bitPattern: cut &- oldest)
            if left > 0 {
                let gone = givenUp[stretchNumber(of: cut &- 1)]
                evictions &+= UInt64(max(left &- Int32(truncatingIfNeeded: gone), 0))
                oldest = cut
            }
            givenUp[stretchNumber(of: next)] = 0
            next &+= stretch
        }
    }
    @inline(__always)
    private func stretchNumber(of sequence: UInt32) -> Int { Int(sequence &>> stretchShift & 127) }

    /// Makes an entry of each row, whatever is known of its conversation.
    ///
    /// The spans are cut to the rows, all to one length: so the loop's own bound stands for theirs.
    /// - Parameters:
    ///   - hashes: of the same rows.
    ///   - unexamined: rows with one of these flags are left out, and those of exporters that take no part.
    ///   - rowNumbers: gets the row of each entry, by its place in the part.
    @inline(__always)
    mutating func write(
        _ columns: FlowColumns, _ rows: Range<Int>, _ hashes: Span<UInt64>, _ observers: Span<ObserverFacts>,
        _ unexamined: RecordFlags, _ entries: inout MutableSpan<Conversation>, _ rowNumbers: inout MutableSpan<UInt32>
    ) {
        let hashes = hashes.extracting(0..<rows.count)
        let flags = columns.flags.span.extracting(rows), exporters = columns.exporter.span.extracting(rows)
        let directions = columns.flowDirection.span.extracting(rows)
        let ingress = columns.ingressInterface.span.extracting(rows)
        let egress = columns.egressInterface.span.extracting(rows)
        let starts = columns.flowStartMilliseconds.span.extracting(rows)
        let ends = columns.flowEndMilliseconds.span.extracting(rows)
        let packets = columns.packetDeltaCount.span.extracting(rows)
        let octets = columns.octetDeltaCount.span.extracting(rows)
        let intervals = columns.samplingInterval.span.extracting(rows)
        let outbound = FlowColumns.directionBase + 1, mask = entries.count &- 1, unexamined = unexamined.rawValue
        makeRoom(UInt32(truncatingIfNeeded: rows.count))
        var head = self.head
        first = head
        for row in 0..<rows.count {
            let observer = observers[Int(exporters[row])]
            guard flags[row] & unexamined == 0, observer.takesPart else {
                leftOut &+= 1
                continue
            }
            let number = UInt32(truncatingIfNeeded: rows.lowerBound &+ row), place = Int(head) & mask
            // Without a branch: which direction it is is not to be guessed.
            let isEgress = (UInt32(directions[row] ^ outbound) &- 1) &>> 31
            let interface = ingress[row] ^ (ingress[row] ^ egress[row]) & (0 &- isEgress)
            let sighting = Sighting(
                observer, place: UInt64(isEgress) << 32 | UInt64(interface), start: starts[row], end: ends[row],
                packets: packets[row], octets: packets[row] > 0 ? 0 : octets[row], interval: intervals[row],
                row: number)
            entries[place] = Conversation(hash: hashes[row], sighting)
            rowNumbers[Int(head &- partStart)] = number
            head &+= 1
        }
        self.head = head
    }

    /// Enters the block's rows in the index but those whose conversation may be in it already.
    /// - Parameter known: gets these, by their place in the block.
    /// - Returns: how many they are.
    @inline(__always)
    mutating func enter(
        _ index: inout MutableSpan<IndexGroup>, _ entries: Span<Conversation>, _ known: inout MutableSpan<UInt32>
    ) -> Int {
        let mask = entries.count &- 1, groupMask = index.count &- 1
        var found = 0
        for place in 0..<head &- first {
            let sequence = first &+ place, hash = entries[Int(sequence) & mask].hash
            let at = Int(truncatingIfNeeded: hash) & groupMask
            let group = index[at]
            if group.has(slots.tag(of: hash), slots) {
                known[found] = place
                found &+= 1
            } else {
                push(hash, sequence, group, to: &index[at])
            }
        }
        return found
    }
    /// Reads the entries ahead that rows may be of the same conversation as.
    /// - Parameters:
    ///   - known: rows by their place in the block.
    ///   - ahead: has room for as many.
    /// - Returns: what depends on them all.
    @inline(__always)
    func look(
        ahead known: Span<UInt32>, _ index: Span<IndexGroup>, _ entries: Span<Conversation>,
        _ ahead: inout MutableSpan<UInt32>
    ) -> UInt64 {
        let mask = entries.count &- 1, groupMask = index.count &- 1
        for number in known.indices {
            let hash = entries[Int(first &+ known[number]) & mask].hash
            let group = index[Int(truncatingIfNeeded: hash) & groupMask]
            ahead[number] = group.match(slots.tag(of: hash), slots, or: group.last)
        }
        // A loop that does nothing else: so, many reads wait for memory at the same time.
        var sum: UInt64 = 0
        for number in known.indices { sum &+= entries[Int(ahead[number]) & mask].ends }
        return sum
    }
    /// Enters the rows that `enter` did not, and links each to the one before it of its conversation.
    /// - Parameters:
    ///   - before: gets what was remembered of these conversations from before the part.
    ///   - further: gets the linked rows, by their place in the part.
    @inline(__always)
    mutating func link(
        _ known: Span<UInt32>, _ index: inout MutableSpan<IndexGroup>, _ entries: inout MutableSpan<Conversation>,
        _ before: inout [Conversation], _ further: inout [UInt32]
    ) {
        let mask = entries.count &- 1, groupMask = index.count &- 1
        for number in 0..<known.count {
            let sequence = first &+ known[number], own = Int(sequence) & mask, hash = entries[own].hash
            let at = Int(truncatingIfNeeded: hash) & groupMask
            var group = index[at]
            guard let slot = find(hash, group, entries.span) else {
                push(hash, sequence, group, to: &index[at])
                continue
            }
            let age = age(of: group[slot]), earlier = Int(head &- age) & mask
            givenUp[stretchNumber(of: head &- age)] &+= 1
            if age > head &- partStart {
                before.append(entries[earlier])
                entries[earlier].point = .none
                entries[own].link.memory = before.count &- 1
            } else {
                entries[earlier].link.isSuperseded = true
                entries[own].link.row = Int(head &- age &- partStart)
            }
            group[slot] = slots.slot(hash, sequence)
            index[at] = group
            further.append(sequence &- partStart)
        }
    }

    @inline(__always)
    private func age(of slot: UInt32) -> UInt32 { (head &- slot) & slots.sequenceMask }

    /// Which slot of the group leads to the hash's entry; nil when none does.
    @inline(__always)
    private func find(_ hash: UInt64, _ group: IndexGroup, _ entries: Span<Conversation>) -> Int? {
        let tag = slots.tag(of: hash)
        for number in 0..<4 where (group[number] ^ tag) & ~slots.sequenceMask == 0 {
            let age = age(of: group[number])
            if age &- 1 < live, entries[Int(head &- age) & (entries.count &- 1)].hash == hash { return number }
        }
        return nil
    }
    /// Enters a row. If its group is full a slot falls out, and what that led to is out of reach.
    @inline(__always)
    private mutating func push(_ hash: UInt64, _ sequence: UInt32, _ group: IndexGroup, to place: inout IndexGroup) {
        let age = age(of: group.last)
        if age &- 1 < live {
            evictions &+= 1
            givenUp[stretchNumber(of: head &- age)] &+= 1
        }
        var group = group
        group.push(slots.slot(hash, sequence))
        place = group
    }
}
