/// Digests and when each came, in order of arrival, and an index to them: open addressing by the digest's own bits, at
/// most three quarters full. What came is entered into the index only when something is looked up: of most streams
/// nothing ever is (`StreamMarks`), and then a digest costs the end of a list and no other memory.
struct DigestTable: Sendable {
    private struct Entry: BitwiseCopyable {
        let digest: DatagramDigest
        /// In ms since 1970 UTC.
        var time: Int64
    }
    private var entries: [Entry] = []
    /// Upper half of the digest's second word << 32 | number of the entry + 1; 0 is empty.
    private var index: [UInt64] = []
    /// Entries that are in the index.
    private var indexed = 0

    var count: Int { entries.count }

    /// Takes in a digest that is not there.
    @inline(__always)
    mutating func append(_ digest: DatagramDigest, at time: Int64) {
        entries.append(Entry(digest: digest, time: time))
    }
    /// Sets the time of a digest and returns the one before; nil when it is not there.
    mutating func update(_ digest: DatagramDigest, to time: Int64) -> Int64? {
        guard let number = find(digest) else { return nil }
        defer { entries[number].time = time }
        return entries[number].time
    }
    mutating func time(of digest: DatagramDigest) -> Int64? { find(digest).map { entries[$0].time } }

    /// Forgets all and keeps the memory.
    mutating func removeAll() {
        entries.removeAll(keepingCapacity: true)
        if indexed > 0 { for place in index.indices { index[place] = 0 } }
        indexed = 0
    }

    private mutating func find(_ digest: DatagramDigest) -> Int? {
        guard !entries.isEmpty else { return nil }
        enterAll()
        let mask = index.count - 1, tag = digest.second >> 32
        var place = Int(truncatingIfNeeded: digest.first) & mask
        while index[place] != 0 {  // ends: a quarter of the places is free
            let number = Int(truncatingIfNeeded: index[place] & 0xFFFF_FFFF) - 1
            if index[place] >> 32 == tag, entries[number].digest == digest { return number }
            place = (place &+ 1) & mask
        }
        return nil
    }
    private mutating func enterAll() {
        if 4 * entries.count > 3 * index.count {
            var places = max(index.count, 16)
            while 3 * places < 4 * entries.count { places *= 2 }
            index = [UInt64](repeating: 0, count: places)
            indexed = 0
        }
        let mask = index.count - 1
        for number in indexed..<entries.count {
            let digest = entries[number].digest
            var place = Int(truncatingIfNeeded: digest.first) & mask
            while index[place] != 0 { place = (place &+ 1) & mask }  // ends: as above
            index[place] = digest.second & ~0xFFFF_FFFF | UInt64(truncatingIfNeeded: number + 1)
        }
        indexed = entries.count
    }
}
