/// The counters of a `ConversationMemory`'s ring while rows are admitted, and the loop that admits them.
struct Ring {
    private(set) var head: UInt32, live: UInt32
    private let partStart: UInt32
    private let slots: SlotLayout
    private(set) var evictions: UInt64 = 0

    init(head: UInt32, live: UInt32, partStart: UInt32, slots: SlotLayout) {
        (self.head, self.live, self.partStart, self.slots) = (head, live, partStart, slots)
    }

    /// Takes in what a block of rows says. Returns how many were left out.
    /// - Parameters:
    ///   - hashes: of the block's rows.
    ///   - sightings: of the same rows; those of no point are left out.
    @inline(__always)
    mutating func admit(
        _ hashes: Span<UInt64>, _ sightings: Span<Sighting>, _ index: inout [IndexGroup],
        _ entries: inout [Conversation], _ further: inout [FurtherRow]
    ) -> UInt64 {
        let sightings = sightings.extracting(0..<hashes.count)
        var index = index.mutableSpan, entries = entries.mutableSpan, leftOut: UInt64 = 0
        for row in 0..<hashes.count {
            guard sightings[row].point != .none else {
                leftOut += 1
                continue
            }
            let hash = hashes[row], place = Int(truncatingIfNeeded: hash) & (index.count - 1)
            var group = index[place]
            if group.has(slots.tag(of: hash), slots), let known = find(hash, &group, &entries) {
                index[place] = group
                let entry = Int(known) & (entries.count - 1)
                further.append(FurtherRow(sighting: sightings[row], sequence: known, next: entries[entry].chain))
                entries[entry].chain = UInt32(truncatingIfNeeded: further.count)
                continue
            }
            if age(of: group.last) &- 1 < live { forget(group.last, hash, &entries) }
            group.push(slots.slot(hash, head))
            index[place] = group
            append(Conversation(hash: hash, sightings[row]), &entries)
        }
        return leftOut
    }

    @inline(__always)
    private func age(of slot: UInt32) -> UInt32 { (head &- slot) & slots.sequenceMask }

    /// The number of the hash's entry, which is then of this part; nil when there is none.
    @inline(__always)
    private mutating func find(
        _ hash: UInt64, _ group: inout IndexGroup, _ entries: inout MutableSpan<Conversation>
    ) -> UInt32? {
        let tag = slots.tag(of: hash)
        for number in 0..<4 where (group[number] ^ tag) & ~slots.sequenceMask == 0 {
            let age = age(of: group[number]), sequence = head &- age
            guard age &- 1 < live, entries[Int(sequence) & (entries.count - 1)].hash == hash else { continue }
            guard age > head &- partStart else { return sequence }
            group[number] = slots.slot(hash, head)
            return move(sequence, &entries)
        }
        return nil
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
    /// A slot falls out of a group that `hash` belongs to. If it leads to an entry of that group, this is out of reach
    /// now. One of this part may have further rows: it stays until they are settled.
    @inline(never)
    private mutating func forget(_ slot: UInt32, _ hash: UInt64, _ entries: inout MutableSpan<Conversation>) {
        let age = age(of: slot), place = Int(head &- age) & (entries.count - 1), entry = entries[place]
        guard entry.point != .none, (entry.hash ^ hash) & UInt64(entries.count - 1) == 0,
            (slots.tag(of: entry.hash) ^ slot) & ~slots.sequenceMask == 0
        else { return }
        evictions += 1
        if age > head &- partStart { entries[place].point = .none }
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
