internal import FlowModel

/// What a row adds to one bucket.
struct SumPart {
    var row: UInt32, bucket: UInt32
    var tally: Tally
}

/// One sum: of a key, whatever its kind makes of the number, in a bucket. 32 octets: two fit a processor's cache line.
struct SumEntry: BitwiseCopyable {
    /// 1 :1 | bucket :15 | key :48; 0: nothing.
    private(set) var word: UInt64 = 0
    private(set) var octets: UInt64 = 0, packets: UInt64 = 0, flows: UInt64 = 0

    init() {}
    /// - Parameters:
    ///   - key: below 2^48.
    ///   - bucket: below `RollupLimit.bucketsMax`.
    init(key: UInt64, bucket: UInt32, tally: Tally) {
        self.init(word: Self.word(key, bucket), tally: tally)
    }
    fileprivate init(word: UInt64, tally: Tally) {
        self.word = word
        add(tally)
    }
    @inline(__always)
    static func word(_ key: UInt64, _ bucket: UInt32) -> UInt64 {
        1 &<< 63 | UInt64(bucket) &<< 48 | key & 0xFFFF_FFFF_FFFF
    }
    @inline(__always)
    mutating func add(_ other: SumEntry) {
        octets &+= other.octets
        packets &+= other.packets
        flows &+= other.flows
    }
    var key: UInt64 { word & 0xFFFF_FFFF_FFFF }
    var bucket: Int { Int(word &>> 48 & 0x7FFF) }
    var tally: Tally { Tally(flows: flows, octets: octets, packets: packets) }

    @inline(__always)
    mutating func add(_ tally: Tally) {
        octets &+= tally.octets
        packets &+= tally.packets
        flows &+= tally.flows
    }
}

/// Tallies by (bucket, key): open addressing with linear probing, at most half full, the sums themselves in the slots,
/// so that one costs one cache miss.
///
/// When it is full the smaller three quarters of each bucket's sums are dropped: what is asked for are the largest,
/// and a key that is large adds up faster than the rest come and go. From then on what adds less than the least that
/// was kept makes a new sum by chance only, with the probability that its octets are of that least, so that the many
/// small ones do not fill the table again and again, and a key of many small parts is missed for about as much as the
/// least sum that would be kept. Sums are then at least what is said.
struct SumTable {
    private var slots = [SumEntry](repeating: SumEntry(), count: 1 << 8)
    private(set) var count = 0
    private var words = [UInt64](repeating: 0, count: chunk), held = [UInt64](repeating: 0, count: chunk)
    private var places = [UInt32](repeating: 0, count: chunk)
    private var admission = Admission()
    static let chunk = 1_024

    /// What may make a new sum.
    private struct Admission {
        /// By bucket, the least octets that were kept; none before anything was dropped.
        var leasts: [UInt64] = []
        /// A linear congruential generator (Knuth's multiplier): nothing here depends on its quality.
        private var draw: UInt64 = 0x9E37_79B9_7F4A_7C15

        @inline(__always)
        mutating func admits(_ octets: UInt64, bucket: Int) -> Bool {
            guard bucket < leasts.count, octets < leasts[bucket] else { return true }
            draw = draw &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return leasts[bucket].multipliedFullWidth(by: draw).high < octets
        }
    }

    /// The least octets that a bucket's sums had when some were dropped last; 0 before.
    func leastKept(_ bucket: Int) -> UInt64 { bucket < admission.leasts.count ? admission.leasts[bucket] : 0 }

    /// All sums, in no order.
    var sums: [SumEntry] {
        var sums: [SumEntry] = []
        sums.reserveCapacity(count)
        for slot in slots where slot.word != 0 { sums.append(slot) }
        return sums
    }

    /// Drops all sums and keeps the storage.
    mutating func removeAll() {
        admission = Admission()
        clear()
    }
    private mutating func clear() {
        count = 0
        var slots = self.slots.mutableSpan
        for slot in slots.indices { slots[slot] = SumEntry() }
    }

    /// Adds `parts`, each under its key.
    /// - Parameter buckets: so many there are.
    mutating func add(_ parts: [SumPart], _ keys: [UInt64], buckets: Int) {
        for first in stride(from: 0, to: parts.count, by: Self.chunk) {
            let range = first..<min(first + Self.chunk, parts.count)
            drop(for: range.count, buckets)
            makeRoom(range.count)
            look(parts, keys, range)
            add(parts, range)
        }
    }
    /// Adds sums that are not in a table.
    /// - Parameter buckets: so many there are.
    mutating func add(_ sums: [SumEntry], buckets: Int) {
        for first in stride(from: 0, to: sums.count, by: Self.chunk) {
            let range = first..<min(first + Self.chunk, sums.count)
            drop(for: range.count, buckets)
            makeRoom(range.count)
            look(sums, range)
            var slotArray = slots, count = self.count, admission = self.admission
            (slots, self.admission.leasts) = ([], [])  // theirs alone for now
            var slots = slotArray.mutableSpan
            for index in 0..<range.count {
                let sum = sums[range.lowerBound &+ index], place = Int(places[index])
                if held[index] == sum.word {
                    slots[place].add(sum)
                } else {
                    count &+= Self.add(sum.word, sum.tally, place, count, &slots, &admission) ? 1 : 0
                }
            }
            (self.slots, self.count, self.admission) = (slotArray, count, admission)
        }
    }
    private mutating func look(_ sums: [SumEntry], _ range: Range<Int>) {
        let sums = sums.span, slotArray = self.slots, slots = slotArray.span
        let mask = UInt32(truncatingIfNeeded: slots.count &- 1)
        var (heldArray, placeArray) = (held, places)
        (held, places) = ([], [])  // theirs alone for now
        var held = heldArray.mutableSpan, places = placeArray.mutableSpan
        for index in 0..<range.count {
            let place = Self.hash(sums[range.lowerBound &+ index].word) & mask
            places[index] = place
            held[index] = slots[Int(place)].word
        }
        (self.held, self.places) = (heldArray, placeArray)
    }
    /// Adds sums; nothing is dropped.
    mutating func add(_ more: [SumEntry]) {
        makeRoom(more.count)
        for entry in more {
            _ = add(entry.word, entry.tally, Int(Self.hash(entry.word) & UInt32(truncatingIfNeeded: slots.count - 1)))
        }
    }

    /// Of each part its slot, and whose it is: loads that wait for nothing but memory.
    private mutating func look(_ parts: [SumPart], _ keys: [UInt64], _ range: Range<Int>) {
        let parts = parts.span, keys = keys.span, slotArray = self.slots, slots = slotArray.span
        let mask = UInt32(truncatingIfNeeded: slots.count &- 1)
        var (wordArray, heldArray, placeArray) = (words, held, places)
        (words, held, places) = ([], [], [])  // theirs alone for now
        var words = wordArray.mutableSpan, held = heldArray.mutableSpan, places = placeArray.mutableSpan
        for index in 0..<range.count {
            let number = range.lowerBound &+ index, word = SumEntry.word(keys[number], parts[number].bucket)
            let place = Self.hash(word) & mask
            words[index] = word
            places[index] = place
            held[index] = slots[Int(place)].word
        }
        (self.words, self.held, self.places) = (wordArray, heldArray, placeArray)
    }
    private mutating func add(_ parts: [SumPart], _ range: Range<Int>) {
        let parts = parts.span, wordArray = words, heldArray = held, placeArray = places  // no copies
        let words = wordArray.span, held = heldArray.span, places = placeArray.span
        var slotArray = slots, count = self.count, admission = self.admission
        (slots, self.admission.leasts) = ([], [])  // theirs alone for now
        var slots = slotArray.mutableSpan
        for index in 0..<range.count {
            let tally = parts[range.lowerBound &+ index].tally, place = Int(places[index])
            if held[index] == words[index] {
                slots[place].add(tally)
            } else {
                count &+= Self.add(words[index], tally, place, count, &slots, &admission) ? 1 : 0
            }
        }
        (self.slots, self.count, self.admission) = (slotArray, count, admission)
    }

    private mutating func add(_ word: UInt64, _ tally: Tally, _ place: Int) -> Bool {
        var slotArray = slots
        slots = []  // its alone for now
        var slots = slotArray.mutableSpan
        var everything = Admission()
        let isNew = Self.add(word, tally, place, count, &slots, &everything)
        self.slots = slotArray
        count += isNew ? 1 : 0
        return isNew
    }
    /// - Returns: whether it is a sum more.
    @inline(never)
    private static func add(
        _ word: UInt64, _ tally: Tally, _ place: Int, _ count: Int, _ slots: inout MutableSpan<SumEntry>,
        _ admission: inout Admission
    ) -> Bool {
        let mask = slots.count &- 1
        var place = place
        while slots[place].word != 0 {  // ends: at most half of the slots are taken
            if slots[place].word == word {
                slots[place].add(tally)
                return false
            }
            place = (place &+ 1) & mask
        }
        let bucket = Int(truncatingIfNeeded: word &>> 48 & 0x7FFF)
        guard count < RollupLimit.sumsMax, admission.admits(tally.octets, bucket: bucket) else { return false }
        slots[place] = SumEntry(word: word, tally: tally)
        return true
    }

    // MARK: Room

    /// Drops the smaller sums of each bucket when `more` would be too many.
    private mutating func drop(for more: Int, _ buckets: Int) {
        let limit = max(RollupLimit.sumsMin, RollupLimit.sumsOfBucket * buckets)
        guard count + more > limit, limit < RollupLimit.sumsMax else { return }
        // A bucket's largest by the leading bits of their octets; of those with the least such, the first.
        let all = sums
        var counts = [UInt32](repeating: 0, count: buckets * Self.sizes)
        for entry in all { counts[entry.bucket * Self.sizes + Self.size(entry.octets)] += 1 }
        var room = [(size: Int, left: Int)](repeating: (0, limit / 4 / buckets), count: buckets)
        for bucket in 0..<buckets {
            var size = Self.sizes - 1
            while size > 0, Int(counts[bucket * Self.sizes + size]) <= room[bucket].left {
                room[bucket].left -= Int(counts[bucket * Self.sizes + size])
                size -= 1
            }
            room[bucket].size = size
        }
        var kept: [SumEntry] = []
        kept.reserveCapacity(limit / 4)
        for entry in all {
            let size = Self.size(entry.octets)
            guard size >= room[entry.bucket].size else { continue }
            if size == room[entry.bucket].size {
                guard room[entry.bucket].left > 0 else { continue }
                room[entry.bucket].left -= 1
            }
            kept.append(entry)
        }
        admission.leasts = room.map { Self.octets(ofSize: $0.size) }
        clear()
        add(kept)
    }
    /// Powers of two in quarters.
    private static let sizes = 256
    @inline(__always)
    private static func size(_ octets: UInt64) -> Int {
        guard octets > 3 else { return Int(octets) }
        let shift = 61 - octets.leadingZeroBitCount
        return shift << 2 | Int(octets >> UInt64(shift)) & 3 + 4
    }
    /// The least octets of a size.
    private static func octets(ofSize size: Int) -> UInt64 {
        size < 4 ? UInt64(max(size, 0)) : UInt64(4 + size & 3) << UInt64((size - 4) >> 2)
    }

    /// Makes room for `more` sums.
    private mutating func makeRoom(_ more: Int) {
        guard (count + more) * 2 > slots.count else { return }
        var size = slots.count
        while size < (count + more) * 2 { size *= 2 }
        let all = sums
        (slots, count) = ([SumEntry](repeating: SumEntry(), count: size), 0)
        for entry in all {
            _ = add(entry.word, entry.tally, Int(Self.hash(entry.word) & UInt32(truncatingIfNeeded: size - 1)))
        }
    }
    @inline(__always)
    private static func hash(_ word: UInt64) -> UInt32 {
        UInt32(
            truncatingIfNeeded: ConversationHash.fold(word ^ 0xA076_1D64_78BD_642F, 0xE703_7ED1_A0B4_28DB) &>> 16)
    }
}
