/// Groups of events in windows of event time, bounded in number and in what they hold.
///
/// Like the detectors' tables it lives in two generations: what is touched is young; when the young are half of what
/// the table may hold, they become the old, and the old ones that nobody touched meanwhile go, and are counted.
import Detect
import FlowModel

/// A watch, the values of its group (`absent` where it has fewer), and the number of the window.
struct SigmaKey: Hashable, Comparable, Sendable {
    var watch: Int
    var epoch: Int64
    var values: SigmaGroup

    static func < (a: SigmaKey, b: SigmaKey) -> Bool {
        if a.watch != b.watch { return a.watch < b.watch }
        return a.epoch != b.epoch ? a.epoch < b.epoch : a.values < b.values
    }
    var previous: SigmaKey { SigmaKey(watch: watch, epoch: epoch - 1, values: values) }

    /// Most groups have one value: what is absent takes no time.
    func hash(into hasher: inout Hasher) {
        hasher.combine(UInt64(truncatingIfNeeded: watch) << 48 ^ UInt64(bitPattern: epoch))
        hasher.combine(values.a.high)
        hasher.combine(values.a.low)
        guard values.hasMore else { return }
        for place in 1..<4 {
            hasher.combine(values[place].high)
            hasher.combine(values[place].low)
        }
    }
}

/// Up to four values; numbers stand in the low word.
struct SigmaGroup: Hashable, Comparable, Sendable {
    var a = IPAddress.absent, b = IPAddress.absent, c = IPAddress.absent, d = IPAddress.absent

    subscript(place: Int) -> IPAddress {
        get {
            switch place {
            case 0: a
            case 1: b
            case 2: c
            default: d
            }
        }
        set {
            switch place {
            case 0: a = newValue
            case 1: b = newValue
            case 2: c = newValue
            default: d = newValue
            }
        }
    }
    static func < (x: SigmaGroup, y: SigmaGroup) -> Bool {
        for place in 0..<4 where x[place] != y[place] { return x[place] < y[place] }
        return false
    }
    /// More than the first one.
    var hasMore: Bool { (b.high | b.low | c.high | c.low | d.high | d.low) != 0 }
    /// All four as one, for values that are several fields.
    var mixed: IPAddress {
        var high: UInt64 = 0x6A09_E667_F3BC_C908, low: UInt64 = 0xBB67_AE85_84CA_A73B
        for place in 0..<4 {
            for word in [self[place].high, self[place].low] {
                high = (high ^ word) &* 0x9E37_79B9_7F4A_7C15
                low = (low &+ (word ^ high >> 29)) &* 0xC2B2_AE3D_27D4_EB4F
                high ^= low >> 31
            }
        }
        return IPAddress(high: high, low: low)
    }
}

struct SigmaTable: Sendable {
    private struct Generation {
        var entries: [SigmaKey: SigmaEntry] = [:]
        var items = 0

        mutating func update<Result>(
            at index: Dictionary<SigmaKey, SigmaEntry>.Index, _ change: (inout SigmaEntry) -> Result
        ) -> Result {
            func counted(_ entry: inout SigmaEntry) -> (Result, Int) {
                let before = entry.itemCount, result = change(&entry)
                return (result, entry.itemCount - before)
            }
            let (result, more) = counted(&entries.values[index])
            items += more
            return result
        }
    }
    let groupsMax: Int, itemsMax: Int
    private var young = Generation(), old = Generation()
    private(set) var evictions: UInt64 = 0

    init(groupsMax: Int, itemsMax: Int) {
        (self.groupsMax, self.itemsMax) = (max(groupsMax, 8), max(itemsMax, 8))
    }

    var count: Int { young.entries.count + old.entries.count }
    var items: Int { young.items + old.items }
    var sortedKeys: [SigmaKey] { (Array(young.entries.keys) + Array(old.entries.keys)).sorted() }
    subscript(key: SigmaKey) -> SigmaEntry? { young.entries[key] ?? old.entries[key] }

    /// Changes the entry of `key`, made on first use, and keeps count of its items.
    mutating func update<Result>(_ key: SigmaKey, _ change: (inout SigmaEntry) -> Result) -> Result {
        // Once found, the entry is changed where it lies: a look-up costs more than what is changed.
        if let index = young.entries.index(forKey: key) { return young.update(at: index, change) }
        rejuvenate(key)
        guard let index = young.entries.index(forKey: key) else {
            var lost = SigmaEntry()  // never: it has just been put there
            return change(&lost)
        }
        return young.update(at: index, change)
    }
    /// Changes what has no items in the entry of `key`, young or old; nil when there is none.
    mutating func updateKnown<Result>(_ key: SigmaKey, _ change: (inout SigmaEntry) -> Result) -> Result? {
        if let index = young.entries.index(forKey: key) { return change(&young.entries.values[index]) }
        return old.entries.index(forKey: key).map { change(&old.entries.values[$0]) }
    }
    mutating func remove(_ key: SigmaKey) -> SigmaEntry? {
        if let entry = young.entries.removeValue(forKey: key) {
            young.items -= entry.itemCount
            return entry
        }
        guard let entry = old.entries.removeValue(forKey: key) else { return nil }
        old.items -= entry.itemCount
        return entry
    }

    /// Puts `key` among the young: the old entry, or a new one.
    private mutating func rejuvenate(_ key: SigmaKey) {
        if young.entries.count >= groupsMax / 2 || young.items >= itemsMax / 2 {
            evictions &+= UInt64(old.entries.count)
            old = young
            young = Generation()
        }
        let entry = remove(key) ?? SigmaEntry()
        young.items += entry.itemCount
        young.entries[key] = entry
    }

    /// Gives each key's watch the number at its place; without one it goes.
    /// - Parameter places: of all watches that keys have.
    mutating func renumber(_ places: [Int?]) {
        guard places != places.indices.map({ $0 }) else { return }
        for age in [\SigmaTable.young, \SigmaTable.old] {
            var kept = Generation()
            for (key, entry) in self[keyPath: age].entries {
                guard let place = places[key.watch] else { continue }
                kept.entries[SigmaKey(watch: place, epoch: key.epoch, values: key.values)] = entry
                kept.items += entry.itemCount
            }
            self[keyPath: age] = kept
        }
    }

    func save(to writer: inout SnapshotWriter) {
        writer.add(evictions)
        for generation in [old, young] {
            writer.add(generation.entries.count)
            for (key, entry) in generation.entries.sorted(by: { $0.key < $1.key }) {
                key.save(to: &writer)
                entry.save(to: &writer)
            }
        }
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        evictions = try reader.next()
        old = try Self.generation(from: &reader)
        young = try Self.generation(from: &reader)
    }
    private static func generation(from reader: inout SnapshotReader) throws(SnapshotError) -> Generation {
        var generation = Generation()
        for _ in 0..<(try reader.nextCount()) {
            let key = try SigmaKey(from: &reader), entry = try SigmaEntry(from: &reader)
            generation.entries[key] = entry
            generation.items += entry.itemCount
        }
        return generation
    }
}

extension SigmaKey {
    func save(to writer: inout SnapshotWriter) {
        writer.add(watch)
        writer.add(epoch)
        for place in 0..<4 { values[place].save(to: &writer) }
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        watch = Int(try reader.nextSmall(UInt32.self))
        epoch = try reader.nextSigned()
        values = SigmaGroup()
        for place in 0..<4 { values[place] = try IPAddress(from: &reader) }
    }
}

extension IPAddress {
    func save(to writer: inout SnapshotWriter) {
        writer.add(high)
        writer.add(low)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        self.init(high: try reader.next(), low: try reader.next())
    }
}
