internal import FlowModel

/// The counters of a `ConversationMemory`'s ring while rows are admitted, and the loop that admits them.
struct Ring {
    private(set) var head: UInt32, live: UInt32
    private let partStart: UInt32
    private let slots: SlotLayout
    private(set) var evictions: UInt64 = 0

    init(head: UInt32, live: UInt32, partStart: UInt32, slots: SlotLayout) {
        (self.head, self.live, self.partStart, self.slots) = (head, live, partStart, slots)
    }

    /// Takes in a block of rows. Returns how many were left out.
    ///
    /// The spans are cut to the block, all to one length: so the loop's own bound stands for theirs.
    @inline(__always)
    mutating func admit(
        _ columns: FlowColumns, _ rows: Range<Int>, _ hashes: Span<UInt64>, _ observers: Span<ObserverFacts>,
        _ unexamined: RecordFlags, _ index: inout [IndexGroup], _ entries: inout [Conversation],
        _ further: inout [FurtherRow]
    ) -> UInt64 {
        let flags = columns.flags.span.extracting(rows), exporters = columns.exporter.span.extracting(rows)
        let directions = columns.flowDirection.span.extracting(rows)
        let ingress = columns.ingressInterface.span.extracting(rows)
        let egress = columns.egressInterface.span.extracting(rows)
        let starts = columns.flowStartMilliseconds.span.extracting(rows)
        let ends = columns.flowEndMilliseconds.span.extracting(rows)
        let packets = columns.packetDeltaCount.span.extracting(rows)
        let octets = columns.octetDeltaCount.span.extracting(rows)
        let intervals = columns.samplingInterval.span.extracting(rows)
        let hashes = hashes.extracting(rows)
        let outbound = FlowColumns.directionBase + 1, unexamined = unexamined.rawValue
        var index = index.mutableSpan, entries = entries.mutableSpan, leftOut: UInt64 = 0
        for row in 0..<rows.count {
            let observer = observers[Int(exporters[row])]
            guard flags[row] & unexamined == 0, observer.takesPart else {
                leftOut += 1
                continue
            }
            let isEgress = directions[row] == outbound, interface = isEgress ? egress[row] : ingress[row]
            let sighting = Sighting(
                observer, isEgress: isEgress, interface: interface, start: starts[row], end: ends[row],
                packets: packets[row], octets: packets[row] > 0 ? 0 : octets[row], interval: intervals[row],
                row: UInt32(truncatingIfNeeded: rows.lowerBound &+ row))
            let hash = hashes[row], place = Int(truncatingIfNeeded: hash) & (index.count - 1)
            if index[place].has(slots.tag(of: hash), slots),
                let known = find(hash, &index[place], &entries)
            {
                let place = Int(known) & (entries.count - 1)
                further.append(FurtherRow(sighting: sighting, sequence: known, next: entries[place].chain))
                entries[place].chain = UInt32(truncatingIfNeeded: further.count)
                continue
            }
            let last = index[place].last
            if age(of: last) &- 1 < live { forget(last, hash, &entries) }
            index[place].push(slots.slot(hash, head))
            append(Conversation(hash: hash, sighting), &entries)
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
