internal import FlowModel
internal import SegmentFormat

package enum RollupLimit {
    /// Sums that are kept apart while a segment is made: 64 octets each. As many as a processor's cache holds, or
    /// `sumsOfBucket` for each bucket; but never more than `sumsMax`.
    static let sumsMin = 1 << 14, sumsOfBucket = 512, sumsMax = 1 << 20
    /// Minutes that are summed by key.
    static let bucketsMax = 1 << 15

    /// What of a conversation's octets in a minute and a batch of so many rows is too small for a full table: there are
    /// many of them, and to look for each takes as long as to add it. In all batches of a segment together a key misses
    /// less than the least that was kept.
    static func small(_ least: UInt64, rows: Int) -> UInt64 {
        let all = UInt64(SegmentLimit.rowsMax)
        guard UInt64(max(rows, 0)) < all else { return least }
        return all.dividingFullWidth(least.multipliedFullWidth(by: UInt64(max(rows, 0)))).quotient
    }

    /// Keys that a bucket keeps, the largest by octets.
    package static func entriesMax(_ period: RollupPeriod) -> Int {
        switch period {
        case .minute: 64
        case .hour: 256
        case .day: 1_024
        }
    }
}

/// The places of the largest so many sums, by octets, then packets and flows; of equal ones those with smaller keys.
struct LargestSums {
    private struct Item: Comparable {
        let octets: UInt64, packets: UInt64, flows: UInt64, key: UInt64, place: Int
        static func < (x: Item, y: Item) -> Bool {
            x.octets != y.octets
                ? x.octets < y.octets
                : (x.packets, x.flows) != (y.packets, y.flows)
                    ? (x.packets, x.flows) < (y.packets, y.flows) : y.key < x.key
        }
    }
    private let countMax: Int
    /// A heap: no item is smaller than its parent.
    private var items: [Item] = []

    init(_ countMax: Int) { self.countMax = countMax }
    /// Largest first.
    var places: [Int] { items.sorted(by: >).map(\.place) }

    mutating func offer(_ place: Int, _ tally: Tally, _ key: UInt64) {
        if items.count == countMax, let least = items.first, tally.octets < least.octets { return }
        let item = Item(
            octets: tally.octets, packets: tally.packets, flows: tally.flows, key: key, place: place)
        if items.count < countMax {
            items.append(item)
            rise(items.count - 1)
        } else if let least = items.first, least < item {
            items[0] = item
            sink()
        }
    }
    private mutating func rise(_ start: Int) {
        var child = start
        while child > 0, items[child] < items[(child - 1) / 2] {  // ends: goes up
            items.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }
    private mutating func sink() {
        var parent = 0
        while true {  // ends: goes down
            let left = 2 * parent + 1, right = left + 1
            guard left < items.count else { return }
            let least = right < items.count && items[right] < items[left] ? right : left
            guard items[least] < items[parent] else { return }
            items.swapAt(parent, least)
            parent = least
        }
    }
}

/// The sums of one kind and period, by bucket, rising.
struct RollupSums: Equatable {
    var kind: RollupKind
    var period: RollupPeriod
    var buckets: [RollupBucket] = []
}
