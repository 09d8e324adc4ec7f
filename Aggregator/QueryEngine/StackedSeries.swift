package import FlowModel

/// Sums over time of the largest groups, and of all others together.
package struct StackedSeries: Equatable, Sendable {
    /// The sums of one group, a period after the other.
    package struct Line: Equatable, Sendable {
        package let key: FlowGroupKey
        package var total: Tally
        package var buckets: [Tally]
        package init(key: FlowGroupKey, total: Tally, buckets: [Tally]) {
            (self.key, self.total, self.buckets) = (key, total, buckets)
        }
    }
    /// Where the first period begins, ms since 1970 UTC.
    package let from: Int64
    /// ms.
    package let period: Int64
    package let bucketCount: Int
    /// Groups there are, those in `other` too.
    package var groupCount: Int
    /// Largest first.
    package var series: [Line] = []
    package var other: [Tally]

    package init(from: Int64, period: Int64, bucketCount: Int, groupCount: Int) {
        self.from = from
        self.period = period
        self.bucketCount = bucketCount
        self.groupCount = groupCount
        other = [Tally](repeating: Tally(), count: bucketCount)
    }
    package var total: Tally {
        var total = Tally()
        for line in series { total += line.total }
        for tally in other { total += tally }
        return total
    }

    /// A line of a group without anything yet.
    package func empty(_ group: FlowGroup) -> Line {
        Line(key: group.key, total: Tally(), buckets: [Tally](repeating: Tally(), count: bucketCount))
    }
    /// - Parameter series: which line; nil: other.
    package mutating func add(_ tally: Tally, bucket: Int, series place: Int?) {
        guard bucket < bucketCount else { return }
        if let place {
            series[place].buckets[bucket] += tally
            series[place].total += tally
        } else {
            other[bucket] += tally
        }
    }
}

/// Which line an entry of one layout belongs to: a small hash table of the lines' keys.
struct SeriesLookup {
    private let keys: Int
    private let seed: UInt64
    /// Keys one after another, and their lines.
    private var words: [UInt64] = []
    private var lines: [Int] = []
    private var slots: [Int32]

    init(keys: Int, seed: UInt64, limit: Int) {
        self.keys = keys
        self.seed = seed
        var size = 16
        while size < 4 * limit { size *= 2 }
        slots = [Int32](repeating: -1, count: size)
    }

    mutating func insert(_ key: [UInt64], line: Int) {
        let hash = EntryTable.hash(key.span, at: 0, keys: keys, seed: seed)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }  // ends: most slots are empty
        slots[slot] = Int32(lines.count)
        words += key
        lines.append(line)
    }
    /// Nil for a key that was not inserted.
    func line(_ entries: Span<UInt64>, _ at: Int) -> Int? {
        let hash = EntryTable.hash(entries, at: at, keys: keys, seed: seed)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] >= 0 {  // ends: most slots are empty
            let place = Int(slots[slot])
            var isSame = true
            for word in 0..<keys where words[place * keys + word] != entries[at + word] { isSame = false }
            if isSame { return lines[place] }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }
}

/// Percentiles of rates, as bills are made of.
package enum Percentile {
    /// The nearest-rank percentile: the smallest value that at least `percent` % of all values do not exceed. Of 95 %
    /// that is what remains when the highest 5 % of the periods are struck off the bill. 0 of nothing.
    package static func nearestRank(_ values: [UInt64], percent: Double) -> UInt64 {
        guard !values.isEmpty else { return 0 }
        let sorted = values.sorted()
        let rank = (min(max(percent, 0), 100) / 100 * Double(sorted.count)).rounded(.up)
        return sorted[min(max(Int(rank), 1), sorted.count) - 1]
    }
    /// Octets times 8 in a second of each period, idle ones included.
    package static func bitRates(_ buckets: [Tally], period: Int64) -> [UInt64] {
        buckets.map { FlowMeasure.bitsPerSecond.value(of: $0, milliseconds: UInt64(max(period, 1))) }
    }
}
