internal import FlowModel

/// How an entry of sums lies in memory: words of the key, then sums, then smallest and largest values.
///
///     entry := key * keys | sum * sums | smallest * minimums | largest * maximums       64 bits each
struct EntryShape: Equatable, Sendable {
    let keys: Int
    let sums: Int
    /// Unsigned, so times are stored with their sign bit turned: see `Int64.rising`.
    let minimums: Int
    let maximums: Int

    init(keys: Int, sums: Int, minimums: Int = 0, maximums: Int = 0) {
        (self.keys, self.sums, self.minimums, self.maximums) = (keys, sums, minimums, maximums)
    }
    @inline(__always) var stride: Int { keys + sums + minimums + maximums }
}

extension Int64 {
    /// The same order as an unsigned number.
    @inline(__always) var rising: UInt64 { UInt64(bitPattern: self) ^ 1 << 63 }
    @inline(__always) init(rising word: UInt64) { self.init(bitPattern: word ^ 1 << 63) }
}

/// A hash table of entries: open addressing over an index of 32-bit slots, entries one after another in order of their
/// first coming. The hash is seeded, so nobody outside can make keys collide.
///
///     slot := 0 | tag :11 | number + 1 :21
struct EntryTable {
    let shape: EntryShape
    /// The first `count` entries count.
    private(set) var words: [UInt64] = []
    private(set) var count = 0
    private var slots: [UInt32]
    private let seed: UInt64
    private var hashes: [UInt64] = []
    /// So that the compiler does not leave out what only touches.
    private var touched: UInt64 = 0
    private static let aheadMax = 256

    /// Entries that a table can hold.
    static let countMax = 1 << 20
    private static let numberBits: UInt32 = 21

    init(shape: EntryShape, seed: UInt64, room: Int = 4_096) {
        self.shape = shape
        self.seed = seed
        slots = Self.index(for: room)
    }
    private static func index(for room: Int) -> [UInt32] {
        var size = 1_024
        while size < 2 * room { size *= 2 }
        return [UInt32](repeating: 0, count: size)
    }

    var byteCount: Int { 8 * words.count + 4 * slots.count }

    mutating func removeAll() {
        count = 0
        var span = slots.mutableSpan
        for place in 0..<span.count { span[place] = 0 }
    }

    /// The hash of the key that begins at `at`.
    @inline(__always)
    static func hash(_ words: Span<UInt64>, at: Int, keys: Int, seed: UInt64) -> UInt64 {
        var hash = seed
        for word in 0..<keys {
            hash = fold(hash ^ words[at &+ word], 0x9E37_79B9_7F4A_7C15 ^ seed &>> 1)
        }
        return fold(hash ^ 0x8BB8_4B93_962E_ACC9, 0x4B33_A62E_D433_D4A3)
    }
    /// As `ConversationHash.fold`, which is a call from here.
    @inline(__always)
    private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    /// Adds entries to those of the same keys. There must be room: `count` + `number` at most `countMax`.
    mutating func add(_ entries: Span<UInt64>, number: Int) {
        precondition(count + number <= Self.countMax, "\(count) and \(number) entries")
        precondition(number * shape.stride <= entries.count, "\(number) entries of \(entries.count) words")
        if 2 * (count + number) > slots.count { grow(for: count + number) }
        let needed = (count + number) * shape.stride
        if words.count < needed {
            words.append(contentsOf: repeatElement(0, count: max(needed, 2 * words.count) - words.count))
        }
        if hashes.isEmpty { hashes = [UInt64](repeating: 0, count: Self.aheadMax) }
        var start = 0
        while start < number {
            let some = min(number - start, Self.aheadMax)
            let part = entries.extracting((start * shape.stride)..<((start + some) * shape.stride))
            // The number of key words is known to each of these loops.
            switch shape.keys {
            case 1: add(part, some, keys: 1)
            case 2: add(part, some, keys: 2)
            default: add(part, some, keys: shape.keys)
            }
            start += some
        }
    }

    @inline(__always)
    private mutating func add(_ entries: Span<UInt64>, _ number: Int, keys: Int) {
        lookAhead(entries, number, keys)
        let stride = shape.stride, mask = slots.count - 1
        let sums = keys + shape.sums, minimums = sums + shape.minimums
        var slotArray = self.slots, wordArray = self.words, count = self.count
        let hashArray = hashes
        (self.slots, self.words) = ([], [])
        let hashes = hashArray.span
        var slots = slotArray.mutableSpan, words = wordArray.mutableSpan
        var from = 0
        for index in 0..<number {
            let hash = hashes[index]
            let tag = UInt32(truncatingIfNeeded: hash >> 53)
            var place = Int(truncatingIfNeeded: hash) & mask
            while true {  // ends: at least half of the slots are empty
                let slot = slots[place]
                if slot == 0 {
                    let at = count &* stride
                    for word in 0..<stride { words[at &+ word] = entries[from &+ word] }
                    count &+= 1
                    slots[place] = tag << Self.numberBits | UInt32(truncatingIfNeeded: count)
                    break
                }
                if slot >> Self.numberBits == tag {
                    let at = (Int(slot & (1 << Self.numberBits - 1)) &- 1) &* stride
                    var difference: UInt64 = 0
                    for word in 0..<keys { difference |= words[at &+ word] ^ entries[from &+ word] }
                    if difference == 0 {
                        for word in keys..<sums { words[at &+ word] &+= entries[from &+ word] }
                        for word in sums..<minimums {
                            words[at &+ word] = min(words[at &+ word], entries[from &+ word])
                        }
                        for word in minimums..<stride {
                            words[at &+ word] = max(words[at &+ word], entries[from &+ word])
                        }
                        break
                    }
                }
                place = (place &+ 1) & mask
            }
            from &+= stride
        }
        (self.slots, self.words, self.count) = (slotArray, wordArray, count)
    }

    /// Hashes keys, and touches the slots and entries that they lead to: many at once, so that the memory is asked for
    /// the next one while it still looks for the last. What follows finds all in the first cache.
    @inline(__always)
    private mutating func lookAhead(_ entries: Span<UInt64>, _ number: Int, _ keys: Int) {
        let stride = shape.stride, seed = seed, mask = slots.count - 1, end = max(words.count, 1)
        let slotArray = self.slots, wordArray = self.words
        var hashArray = hashes
        self.hashes = []
        let slots = slotArray.span, words = wordArray.span
        var hashes = hashArray.mutableSpan, from = 0
        var touched: UInt64 = 0
        for index in 0..<number {
            let hash = Self.hash(entries, at: from, keys: keys, seed: seed)
            hashes[index] = hash
            touched ^= UInt64(slots[Int(truncatingIfNeeded: hash) & mask])
            from &+= stride
        }
        for index in 0..<number {
            let slot = slots[Int(truncatingIfNeeded: hashes[index]) & mask]
            let at = Int(slot & (1 << Self.numberBits - 1)) &* stride &- stride
            if at >= 0 && at < end { touched ^= words[at] }
        }
        self.touched = touched
        self.hashes = hashArray
    }

    private mutating func grow(for room: Int) {
        slots = Self.index(for: max(room, min(2 * count, Self.countMax)))
        let mask = slots.count - 1, entries = words, shape = shape, count = count, seed = seed
        let span = entries.span
        var slots = self.slots.mutableSpan
        for number in 0..<count {
            let hash = Self.hash(span, at: number * shape.stride, keys: shape.keys, seed: seed)
            var place = Int(truncatingIfNeeded: hash) & mask
            while slots[place] != 0 { place = (place + 1) & mask }  // ends: at least half are empty
            slots[place] = UInt32(truncatingIfNeeded: hash >> 53) << Self.numberBits | UInt32(number + 1)
        }
    }
}
