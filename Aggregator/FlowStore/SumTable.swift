internal import FlowModel

/// What a row adds to one bucket.
struct SumPart {
    var row: UInt32, bucket: UInt32
    var tally: Tally
}

/// Tallies by (bucket, key): open addressing over dense arrays, at most half full.
///
/// When it is full the smaller half of each bucket's sums is dropped: what is asked for are the largest, and a key
/// that is large adds up faster than the rest come and go. Sums are then at least what is said.
struct SumTable {
    private struct Entry {
        var key = SumKey(0), bucket: UInt32 = 0
        var tally = Tally()
    }
    /// Those from `count` on are free.
    private var entries: [Entry] = []
    private var count = 0
    /// Entry + 1; 0 is free.
    private var slots = [UInt32](repeating: 0, count: 1 << 10)
    private static let chunk = 4_096

    /// Adds `parts`, each under its key.
    /// - Parameter buckets: so many there are; nil: nothing is dropped.
    mutating func add(_ parts: [SumPart], _ keys: [SumKey], buckets: Int?) {
        let entriesMax = buckets == nil ? Int.max : RollupLimit.sumsMax
        var first = 0
        while first < parts.count {  // ends: each turn takes a part or more
            let end = min(first + Self.chunk, parts.count)
            if let buckets { drop(for: end - first, buckets) }
            makeRoom(end - first)
            var (entryArray, slotArray, count) = (entries, slots, self.count)
            (entries, slots) = ([], [])  // theirs alone for now
            var entries = entryArray.mutableSpan, slots = slotArray.mutableSpan
            let parts = parts.span, keys = keys.span
            // Many rows follow one of the same key.
            var last = -1
            for index in first..<end {
                let part = parts[index]
                if last >= 0, entries[last].bucket == part.bucket, entries[last].key == keys[index] {
                    entries[last].tally += part.tally
                } else {
                    last = Self.add(keys[index], part.bucket, part.tally, &entries, &slots, &count, entriesMax)
                }
            }
            (self.entries, self.slots, self.count) = (entryArray, slotArray, count)
            first = end
        }
    }

    /// - Returns: where it is; -1: it found no room.
    @inline(__always)
    private static func add(
        _ key: SumKey, _ bucket: UInt32, _ tally: Tally, _ entries: inout MutableSpan<Entry>,
        _ slots: inout MutableSpan<UInt32>, _ count: inout Int, _ entriesMax: Int
    ) -> Int {
        let mask = slots.count &- 1
        var slot = Int(truncatingIfNeeded: hash(key, bucket)) & mask
        while slots[slot] != 0 {  // ends: at most half of the slots are taken
            let place = Int(slots[slot]) &- 1
            if entries[place].bucket == bucket, entries[place].key == key {
                entries[place].tally += tally
                return place
            }
            slot = (slot &+ 1) & mask
        }
        guard count < entriesMax else { return -1 }
        entries[count] = Entry(key: key, bucket: bucket, tally: tally)
        count &+= 1
        slots[slot] = UInt32(truncatingIfNeeded: count)
        return count &- 1
    }

    // MARK: Room

    /// Drops the smaller sums of each bucket when `more` would be too many.
    private mutating func drop(for more: Int, _ buckets: Int) {
        let limit = max(RollupLimit.sumsMin, RollupLimit.sumsOfBucket * buckets)
        guard count + more > limit, limit < RollupLimit.sumsMax else { return }
        // A bucket's largest by the leading bits of their octets; of those with the least such, the first.
        var counts = [UInt32](repeating: 0, count: buckets * Self.sizes)
        for entry in entries[..<count] { counts[Int(entry.bucket) * Self.sizes + Self.size(entry.tally)] += 1 }
        var room = [(size: Int, left: Int)](repeating: (0, limit / 2 / buckets), count: buckets)
        for bucket in 0..<buckets {
            var size = Self.sizes - 1
            while size > 0, Int(counts[bucket * Self.sizes + size]) <= room[bucket].left {
                room[bucket].left -= Int(counts[bucket * Self.sizes + size])
                size -= 1
            }
            room[bucket].size = size
        }
        var kept = 0
        for place in 0..<count {
            let bucket = Int(entries[place].bucket), size = Self.size(entries[place].tally)
            guard size >= room[bucket].size else { continue }
            if size == room[bucket].size {
                guard room[bucket].left > 0 else { continue }
                room[bucket].left -= 1
            }
            entries[kept] = entries[place]
            kept += 1
        }
        count = kept
        fillSlots(slots.count)
    }
    /// Powers of two in quarters.
    private static let sizes = 256
    @inline(__always)
    private static func size(_ tally: Tally) -> Int {
        guard tally.octets > 3 else { return Int(tally.octets) }
        let shift = 61 - tally.octets.leadingZeroBitCount
        return shift << 2 | Int(tally.octets >> UInt64(shift)) & 3 + 4
    }

    /// Makes room for `more` entries.
    private mutating func makeRoom(_ more: Int) {
        let needed = count + more
        if entries.count < needed {
            let grown = max(needed, 2 * entries.count)
            entries.append(contentsOf: repeatElement(Entry(), count: grown - entries.count))
        }
        guard needed * 2 > slots.count else { return }
        var size = slots.count
        while size < needed * 2 { size *= 2 }
        fillSlots(size)
    }
    private mutating func fillSlots(_ size: Int) {
        slots = [UInt32](repeating: 0, count: size)
        let mask = size - 1
        for place in 0..<count {
            var slot = Int(truncatingIfNeeded: Self.hash(entries[place].key, entries[place].bucket)) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = UInt32(truncatingIfNeeded: place + 1)
        }
    }
    @inline(__always)
    private static func hash(_ key: SumKey, _ bucket: UInt32) -> UInt64 {
        let first = ConversationHash.fold(key.a ^ 0xA076_1D64_78BD_642F, key.b ^ 0xE703_7ED1_A0B4_28DB)
        let second = ConversationHash.fold(key.c ^ 0x8EBC_6AF0_9C88_C6E3, key.d ^ 0x5899_65CC_7537_4CC3)
        return ConversationHash.fold(first ^ UInt64(bucket) &* 0x9E37_79B9_7F4A_7C15, second ^ 0x1D8E_4E27_C47D_124F)
    }

    // MARK: Results

    /// - Parameters:
    ///   - starts: of the minutes, by their number.
    ///   - totals: all that is in each minute, in the table or not.
    func sums(
        _ kind: RollupKind, _ period: RollupPeriod, starts: [Int64], totals: [Tally], exporters: [ExporterKey]
    ) -> RollupSums {
        let bucketStarts = starts.map { TimeShare.bucket(of: $0, period) }
        var sums = RollupSums(kind: kind, period: period)
        let order = Set(bucketStarts).sorted()
        let numbers = [Int64: Int](uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
        var all = [Tally](repeating: Tally(), count: order.count)
        for (minute, start) in bucketStarts.enumerated() { all[numbers[start] ?? 0] += totals[minute] }
        let ofMinute = bucketStarts.map { UInt32(numbers[$0] ?? 0) }
        // Where no two minutes are of one bucket, nothing is to be added up.
        let table = order.count == starts.count ? renumbered(ofMinute) : summed(ofMinute)
        var largest = [LargestSums](
            repeating: LargestSums(RollupLimit.entriesMax(period)), count: order.count)
        for (place, entry) in table.enumerated() {
            largest[Int(entry.bucket)].offer(place, entry.tally, entry.key)
        }
        for (number, start) in order.enumerated() {
            var bucket = RollupBucket(start: start)
            bucket.other = all[number]
            for place in largest[number].places {
                guard let key = table[place].key.key(kind, exporters: exporters) else { continue }
                bucket.entries[key] = table[place].tally
                bucket.other -= table[place].tally
            }
            sums.buckets.append(bucket)
        }
        return sums
    }
    private func renumbered(_ buckets: [UInt32]) -> [Entry] {
        entries[..<count].map { Entry(key: $0.key, bucket: buckets[Int($0.bucket)], tally: $0.tally) }
    }
    private func summed(_ buckets: [UInt32]) -> [Entry] {
        var table = SumTable()
        let parts = (0..<count).map { place in
            SumPart(
                row: UInt32(truncatingIfNeeded: place), bucket: buckets[Int(entries[place].bucket)],
                tally: entries[place].tally)
        }
        table.add(parts, entries[..<count].map(\.key), buckets: nil)
        return Array(table.entries[..<table.count])
    }
}
