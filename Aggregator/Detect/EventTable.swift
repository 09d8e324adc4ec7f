/// A table of entities in windows of event time, bounded in entries and in what they hold.
///
/// Entries live in two generations. What is touched is young; when the young are half of what the table may hold, they
/// become the old, and the old ones that nobody touched meanwhile go. So room is made without looking at a single
/// entry, however hostile the traffic, and what was touched by one of the last `entriesMax / 2` other keys is always
/// there.
/// Invariants: never more than `entriesMax` entries nor, together, `itemsMax` items for longer than one insertion; what
/// goes depends on the order of the log only, so that two runs drop the same. Each drop is counted.
import FlowModel

/// One or two addresses, a detail of the detector's own, and the number of the window.
struct WindowKey: Hashable, Comparable {
    var first: IPAddress
    var second: IPAddress = .absent
    var detail: UInt32 = 0
    var epoch: Int64

    var previous: WindowKey { WindowKey(first: first, second: second, detail: detail, epoch: epoch - 1) }
    var next: WindowKey { WindowKey(first: first, second: second, detail: detail, epoch: epoch + 1) }

    static func < (a: WindowKey, b: WindowKey) -> Bool {
        (a.epoch, a.detail, a.first, a.second) < (b.epoch, b.detail, b.first, b.second)
    }

    func save(to writer: inout SnapshotWriter) {
        for word in [first.high, first.low, second.high, second.low, UInt64(detail)] { writer.add(word) }
        writer.add(epoch)
    }
    init(from reader: inout SnapshotReader) throws(SnapshotError) {
        first = IPAddress(high: try reader.next(), low: try reader.next())
        second = IPAddress(high: try reader.next(), low: try reader.next())
        detail = try reader.nextSmall(UInt32.self)
        epoch = try reader.nextSigned()
    }
    init(first: IPAddress, second: IPAddress = .absent, detail: UInt32 = 0, epoch: Int64) {
        self.first = first
        self.second = second
        self.detail = detail
        self.epoch = epoch
    }
}

/// What a table holds for one key.
protocol WindowEntry: Sendable {
    init()
    /// `FlowSight.recency` of the latest record: what "stale" means.
    var recency: Int64 { get set }
    var itemCount: Int { get }
    func save(to writer: inout SnapshotWriter)
    init(from reader: inout SnapshotReader) throws(SnapshotError)
}

struct EventTable<Entry: WindowEntry>: Sendable {
    private struct Generation {
        var entries: [WindowKey: Entry] = [:]
        var items = 0
    }
    let entriesMax: Int, itemsMax: Int
    private var young = Generation(), old = Generation()
    private(set) var evictions: UInt64 = 0

    init(entriesMax: Int, itemsMax: Int) {
        self.entriesMax = max(entriesMax, 8)
        self.itemsMax = max(itemsMax, 8)
    }

    var count: Int { young.entries.count + old.entries.count }
    var items: Int { young.items + old.items }

    subscript(key: WindowKey) -> Entry? { young.entries[key] ?? old.entries[key] }

    /// Changes the entry of `key`, made on first use, and keeps count of its items.
    @inline(__always)
    mutating func update<Result>(_ key: WindowKey, recency: Int64, _ change: (inout Entry) -> Result) -> Result {
        let index = young.entries.index(forKey: key) ?? rejuvenate(key)
        let (result, added) = Self.apply(change, to: &young.entries.values[index], recency: recency)
        young.items += added
        return result
    }

    /// Changes the entry of `key` if there is one; its recency stays.
    mutating func updateKnown(_ key: WindowKey, _ change: (inout Entry) -> Void) {
        guard let recency = self[key]?.recency else { return }
        update(key, recency: recency, change)
    }

    @inline(__always)
    private static func apply<Result>(
        _ change: (inout Entry) -> Result, to entry: inout Entry, recency: Int64
    ) -> (Result, added: Int) {
        let before = entry.itemCount
        let result = change(&entry)
        entry.recency = max(entry.recency, recency)
        return (result, entry.itemCount - before)
    }

    /// Puts `key` among the young: the old entry, or a new one.
    private mutating func rejuvenate(_ key: WindowKey) -> Dictionary<WindowKey, Entry>.Index {
        if young.entries.count >= entriesMax / 2 || young.items >= itemsMax / 2 {
            evictions &+= UInt64(old.entries.count)
            old = young
            young = Generation()
        }
        let entry = old.entries.removeValue(forKey: key)
        old.items -= entry?.itemCount ?? 0
        young.items += entry?.itemCount ?? 0
        young.entries[key] = entry ?? Entry()
        guard let index = young.entries.index(forKey: key) else { preconditionFailure("just put in") }
        return index
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
            let key = try WindowKey(from: &reader), entry = try Entry(from: &reader)
            generation.entries[key] = entry
            generation.items += entry.itemCount
        }
        return generation
    }
}
