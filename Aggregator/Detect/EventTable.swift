/// A table of entities in windows of event time, bounded in entries and in what they hold.
///
/// Invariants: never more than `entriesMax` entries nor, together, `itemsMax` items for longer than one insertion; what
/// goes is the eighth that is stalest by event time, ties by key, so that two runs drop the same. Each drop is counted.
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
    let entriesMax: Int, itemsMax: Int
    private(set) var entries: [WindowKey: Entry] = [:]
    private(set) var items = 0
    private(set) var evictions: UInt64 = 0

    init(entriesMax: Int, itemsMax: Int) {
        self.entriesMax = max(entriesMax, 8)
        self.itemsMax = max(itemsMax, 8)
    }

    subscript(key: WindowKey) -> Entry? { entries[key] }

    /// Changes the entry of `key`, made on first use, and keeps count of its items.
    @inline(__always)
    mutating func update<Result>(_ key: WindowKey, recency: Int64, _ change: (inout Entry) -> Result) -> Result {
        if entries.count >= entriesMax || items >= itemsMax { makeRoom() }
        let (result, added) = Self.apply(change, to: &entries[key, default: Entry()], recency: recency)
        items += added
        return result
    }

    /// Changes the entry of `key` if there is one; its recency stays.
    mutating func updateKnown(_ key: WindowKey, _ change: (inout Entry) -> Void) {
        guard let recency = entries[key]?.recency else { return }
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

    @inline(never)
    private mutating func makeRoom() {
        let order = entries.map { (recency: $0.value.recency, key: $0.key, items: $0.value.itemCount) }
            .sorted { ($0.recency, $0.key) < ($1.recency, $1.key) }
        for victim in order {
            guard entries.count > entriesMax / 8 * 7 || items > itemsMax / 8 * 7 else { return }
            entries.removeValue(forKey: victim.key)
            items -= victim.items
            evictions &+= 1
        }
    }

    func save(to writer: inout SnapshotWriter) {
        writer.add(evictions)
        writer.add(entries.count)
        for (key, entry) in entries.sorted(by: { $0.key < $1.key }) {
            key.save(to: &writer)
            entry.save(to: &writer)
        }
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        evictions = try reader.next()
        for _ in 0..<(try reader.nextCount()) {
            let key = try WindowKey(from: &reader), entry = try Entry(from: &reader)
            entries[key] = entry
            items += entry.itemCount
        }
    }
}
