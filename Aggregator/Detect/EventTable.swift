/// A table of entities in windows of event time, bounded in entries and in what they hold.
///
/// Entries live in two generations. What is touched is young; when the young are half of what the table may hold, they
/// become the old, and the old ones that nobody touched meanwhile go. So room is made without looking at a single
/// entry, however hostile the traffic (but once when it goes), and what was touched by one of the last `entriesMax / 2`
/// other keys is always there. What was said of an entry outlives it for a while (`ToldWindows`), so that late records
/// which begin its window anew don't tell it again.
/// Invariants: what a table says never depends on its hash, which differs from run to run; never more than
/// `entriesMax` entries nor, together, `itemsMax` items for longer than one insertion; what goes depends on the order
/// of the log only, so that two runs drop the same. Each drop is counted.
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
    /// What was said of it; nothing, of an entry that is no finding.
    var announcement: Announcement { get set }
    func save(to writer: inout SnapshotWriter)
    init(from reader: inout SnapshotReader) throws(SnapshotError)
}

extension WindowEntry {
    var announcement: Announcement {
        get { Announcement() }
        set {}
    }
}

struct EventTable<Entry: WindowEntry>: Sendable {
    let entriesMax: Int, itemsMax: Int
    private var young = Generation<Entry>(), old = Generation<Entry>()
    private(set) var evictions: UInt64 = 0
    /// Entries begun by records that are older than what had been dropped by then: late ones, whose window may have
    /// been counted before and knows only them now.
    private(set) var reopenings: UInt64 = 0
    private var told = ToldWindows()
    /// The latest recency of what was dropped.
    private var droppedRecency = Int64.min

    init(entriesMax: Int, itemsMax: Int) {
        self.entriesMax = max(entriesMax, 8)
        self.itemsMax = max(itemsMax, 8)
    }

    var count: Int { young.count + old.count }
    var items: Int { young.items + old.items }

    subscript(key: WindowKey) -> Entry? {
        let hash = key.fastHash
        if let place = young.find(key, hash) { return young.entries[place] }
        return old.find(key, hash).map { old.entries[$0] }
    }

    /// Changes the entry of `key`, made on first use, and keeps count of its items.
    @inline(__always)
    mutating func update<Result>(_ key: WindowKey, recency: Int64, _ change: (inout Entry) -> Result) -> Result {
        let hash = key.fastHash
        let place = young.find(key, hash) ?? rejuvenate(key, hash, recency)
        let (result, added) = Self.apply(change, to: &young.entries[place], recency: recency)
        young.items += added
        return result
    }

    /// Changes the entry of `key` if there is one; its recency stays.
    mutating func updateKnown(_ key: WindowKey, _ change: (inout Entry) -> Void) {
        guard let recency = self[key]?.recency else { return }
        update(key, recency: recency, change)
    }

    /// Changes the entry of `key` if there is one: what a record adds to something that is under way.
    @inline(__always)
    mutating func updateIfPresent(_ key: WindowKey, recency: Int64, _ change: (inout Entry) -> Void) {
        let hash = key.fastHash
        guard let place = young.find(key, hash) ?? (old.find(key, hash) == nil ? nil : rejuvenate(key, hash, recency))
        else {
            return
        }
        young.items += Self.apply(change, to: &young.entries[place], recency: recency).added
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
    @inline(never)
    private mutating func rejuvenate(_ key: WindowKey, _ hash: UInt64, _ recency: Int64) -> Int {
        if young.count >= entriesMax / 2 || young.items >= itemsMax / 2 { dropOld() }
        guard let place = old.find(key, hash) else { return young.append(key, hash, begun(key, recency)) }
        return young.append(key, hash, old.take(place))
    }
    private mutating func dropOld() {
        evictions &+= UInt64(old.count)
        var said: [(key: WindowKey, announcement: Announcement)] = []
        old.visit { key, entry in
            droppedRecency = max(droppedRecency, entry.recency)
            if entry.announcement.isRaised { said.append((key, entry.announcement)) }
        }
        // In an order that does not hang on that of their coming, which a snapshot does not keep.
        if !said.isEmpty { told.add(said.sorted { $0.key < $1.key }) }
        swap(&young, &old)
        young.removeAll()
    }
    /// A new entry; where one was dropped that had been told, it goes on with what was said.
    private mutating func begun(_ key: WindowKey, _ recency: Int64) -> Entry {
        var entry = Entry()
        if recency <= droppedRecency { reopenings &+= 1 }
        if let said = told.take(key) { entry.announcement = said }
        return entry
    }

    func save(to writer: inout SnapshotWriter) {
        writer.add(evictions)
        for generation in [old, young] {
            writer.add(generation.count)
            for place in generation.placesByKey {
                generation.keys[place].save(to: &writer)
                generation.entries[place].save(to: &writer)
            }
        }
        writer.add(reopenings)
        writer.add(droppedRecency)
        told.save(to: &writer)
    }
    mutating func restore(from reader: inout SnapshotReader) throws(SnapshotError) {
        evictions = try reader.next()
        old = try Generation(from: &reader)
        young = try Generation(from: &reader)
        guard reader.edition >= .signs else { return }
        reopenings = try reader.next()
        droppedRecency = try reader.nextSigned()
        told = try ToldWindows(from: &reader)
    }
}
