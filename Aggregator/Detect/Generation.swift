/// One half of an `EventTable`: entries in the order of their coming, and a hash table of their places.
///
/// Not a dictionary: the keys are hashed with four multiplications rather than SipHash, growing moves places and never
/// entries, and a half that is used again keeps its memory.
/// Invariant: at most half of the slots are used, so every search ends.
import FlowModel

struct Generation<Entry: WindowEntry>: Sendable {
    private(set) var keys: [WindowKey] = []
    var entries: [Entry] = []
    /// The upper half of a hash, and a place plus one; 0 is free.
    private var slots: [UInt64]
    private var taken = 0
    var items = 0

    /// The epoch of a key whose entry was taken away. No record has it: times begin at 1970.
    private static var gone: Int64 { .min }
    private static var slotsMin: Int { 64 }

    init() { slots = [UInt64](repeating: 0, count: Self.slotsMin) }

    var count: Int { keys.count - taken }

    @inline(__always)
    func find(_ key: WindowKey, _ hash: UInt64) -> Int? {
        let mask = slots.count - 1, mark = hash >> 32
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 {
            if slots[slot] >> 32 == mark {
                let place = Int(slots[slot] & 0xFFFF_FFFF) - 1
                if keys[place] == key { return place }
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// `key` must not be there.
    mutating func append(_ key: WindowKey, _ hash: UInt64, _ entry: Entry) -> Int {
        if 2 * (keys.count + 1) > slots.count { grow() }
        keys.append(key)
        entries.append(entry)
        items += entry.itemCount
        put(hash, place: keys.count - 1)
        return keys.count - 1
    }
    private mutating func put(_ hash: UInt64, place: Int) {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 { slot = (slot + 1) & mask }
        slots[slot] = hash & 0xFFFF_FFFF_0000_0000 | UInt64(place + 1)
    }
    private mutating func grow() {
        slots = [UInt64](repeating: 0, count: 2 * slots.count)
        for place in keys.indices { put(keys[place].fastHash, place: place) }
    }

    /// The entry at `place`, which is no longer found from now on.
    mutating func take(_ place: Int) -> Entry {
        let entry = entries[place]
        entries[place] = Entry()
        keys[place].epoch = Self.gone
        taken += 1
        items -= entry.itemCount
        return entry
    }

    /// Each entry, in the order of their coming.
    func visit(_ body: (WindowKey, Entry) -> Void) {
        for place in keys.indices where keys[place].epoch != Self.gone { body(keys[place], entries[place]) }
    }

    /// Drops everything, and keeps the memory.
    mutating func removeAll() {
        keys.removeAll(keepingCapacity: true)
        entries.removeAll(keepingCapacity: true)
        for slot in slots.indices { slots[slot] = 0 }
        (taken, items) = (0, 0)
    }

    /// Places that hold an entry, in the order of their keys.
    var placesByKey: [Int] {
        keys.indices.filter { keys[$0].epoch != Self.gone }.sorted { keys[$0] < keys[$1] }
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        self.init()
        for _ in 0..<(try reader.nextCount()) {
            let key = try WindowKey(from: &reader), hash = key.fastHash
            guard key.epoch != Self.gone, find(key, hash) == nil else { throw .damaged }
            _ = append(key, hash, try Entry(from: &reader))
        }
    }
}

/// Words that no sender of flows can know, so that none can choose addresses that share a slot: Swift's own hash is
/// seeded anew in each process.
private let secrets: [UInt64] = (0..<6).map { UInt64(bitPattern: Int64($0.hashValue)) | 1 }

extension WindowKey {
    /// One word for the set's own hash, which is slow by the word.
    func hash(into hasher: inout Hasher) { hasher.combine(fastHash) }
    /// For tables in memory only: differs from run to run.
    @inline(__always)
    var fastHash: UInt64 {
        let seed = HashSeed.seed
        var hash = Self.mix(first.high ^ seed.0, first.low ^ seed.1)
        hash = Self.mix(hash ^ second.high ^ seed.2, second.low ^ seed.3)
        return Self.mix(hash ^ UInt64(detail) ^ seed.4, UInt64(bitPattern: epoch) ^ seed.5)
    }
    /// Both halves of a product, folded (as in wyhash by Wang Yi): each bit of the words reaches all of the result.
    @inline(__always)
    private static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }
}

private enum HashSeed {
    static let seed = (secrets[0], secrets[1], secrets[2], secrets[3], secrets[4], secrets[5])
}
