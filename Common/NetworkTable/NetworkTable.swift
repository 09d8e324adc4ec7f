/// Networks of both families, sorted, so that one search finds the narrowest one that holds an address, and a walk
/// from there all wider ones.
///
/// Two networks are either apart or one holds the other. So each has at most one parent, the narrowest other network
/// that holds it, and whatever holds an address is its predecessor in (first address, length) or an ancestor of that.
/// Invariants: immutable; places are 0..<count in that order, IPv4 before IPv6; 13 octets for an IPv4 network, 25 for
/// an IPv6 one, and 256 KiB once there are more than 1,024 of IPv4.
/// Not here: what a network stands for: users keep that in arrays of their own, by place.
package import FlowModel

package struct NetworkTable: Sendable {
    private var starts: [UInt32] = [], lengths: [UInt8] = [], parents: [Int32] = []
    /// Where the IPv4 networks begin whose first 16 bits are this much or more; empty in small tables.
    private var buckets: [UInt32] = []
    private var wideHighs: [UInt64] = [], wideLows: [UInt64] = [], wideLengths: [UInt8] = [], wideParents: [Int32] = []

    /// Of more networks those that come last in the order are left out; places are 32 bits.
    package static let networksMax = 1 << 26
    private static let unindexedMax = 1_024

    package init(_ networks: some Sequence<IPNetwork>) {
        var narrow: [UInt64] = [], wide: [WideKey] = []
        for network in networks.prefix(Self.networksMax) {
            if network.address.isV4 {
                narrow.append(UInt64(network.address.v4) << 8 | UInt64(clamping: network.length))
            } else {
                wide.append(WideKey(network))
            }
        }
        take(narrow: unique(narrow.sorted()))
        take(wide: unique(wide.sorted()))
    }

    package var count: Int { starts.count + wideHighs.count }
    package var isEmpty: Bool { count == 0 }

    package subscript(place: Int) -> IPNetwork {
        if place < starts.count { return IPNetwork(IPAddress(v4: starts[place]), length: Int(lengths[place])) }
        let wide = place - starts.count
        return IPNetwork(IPAddress(high: wideHighs[wide], low: wideLows[wide]), length: Int(wideLengths[wide]))
    }

    /// The networks here that `other` has not, in this table's order.
    package func networks(notIn other: NetworkTable) -> [IPNetwork] {
        var found: [IPNetwork] = [], there = 0
        for here in 0..<starts.count {
            while there < other.starts.count, other.key(there) < key(here) { there += 1 }
            if there >= other.starts.count || other.key(there) != key(here) { found.append(self[here]) }
        }
        there = 0
        for here in 0..<wideHighs.count {
            while there < other.wideHighs.count, other.wideKey(there) < wideKey(here) { there += 1 }
            if there < other.wideHighs.count, !(wideKey(here) < other.wideKey(there)) { continue }
            found.append(self[starts.count + here])
        }
        return found
    }

    /// The place of the narrowest network that holds `address`.
    package func narrowest(holding address: IPAddress) -> Int? {
        address.isV4 ? narrowest(v4: address.v4) : narrowest(wide: address)
    }

    /// The place of the narrowest other network that holds the one at `place`.
    package func parent(of place: Int) -> Int? {
        let isNarrow = place < starts.count
        let parent = isNarrow ? parents[place] : wideParents[place - starts.count]
        return parent < 0 ? nil : Int(parent) + (isNarrow ? 0 : starts.count)
    }

    /// The places of all networks that hold `address`, narrowest first.
    package func all(holding address: IPAddress) -> [Int] {
        var found: [Int] = []
        var place = narrowest(holding: address)
        while let here = place {
            found.append(here)
            place = parent(of: here)
        }
        return found
    }

    /// The place of exactly `network`.
    package func place(of network: IPNetwork) -> Int? {
        let places = self.places(within: network)
        guard let first = places.first, self[first] == network else { return nil }
        return first
    }

    /// The places of all networks that lie within `network`, itself among them.
    package func places(within network: IPNetwork) -> Range<Int> {
        if network.address.isV4 {
            let first = UInt64(network.address.v4) << 8 | UInt64(clamping: network.length)
            let hostBits = UInt64(32 - min(max(network.length, 0), 32))
            let last = UInt64(network.address.v4) | ((1 << hostBits) - 1)
            return lowerBound { self.key($0) >= first }..<lowerBound { self.key($0) > last << 8 | 0xFF }
        }
        let first = WideKey(network), last = WideKey(last: network)
        let begin = wideLowerBound { self.wideKey($0) >= first }, end = wideLowerBound { self.wideKey($0) > last }
        return (starts.count + begin)..<(starts.count + end)
    }
}

extension NetworkTable {
    private func narrowest(v4 bits: UInt32) -> Int? {
        var low = 0, high = starts.count
        if !buckets.isEmpty {
            let bucket = Int(bits >> 16)
            (low, high) = (Int(buckets[bucket]), Int(buckets[bucket + 1]))
        }
        while low < high {  // ends: the distance shrinks
            let middle = (low + high) >> 1
            if starts[middle] <= bits { low = middle + 1 } else { high = middle }
        }
        var place = low - 1
        while place >= 0 {  // ends: a parent's place is lower
            let shift = 32 - UInt32(lengths[place])
            if shift >= 32 || (starts[place] ^ bits) >> shift == 0 { return place }
            place = Int(parents[place])
        }
        return nil
    }

    private func narrowest(wide address: IPAddress) -> Int? {
        let (first, second) = (address.high, address.low)
        var place =
            wideLowerBound { index in
                wideHighs[index] > first || (wideHighs[index] == first && wideLows[index] > second)
            } - 1
        while place >= 0 {  // ends: a parent's place is lower
            let network = IPAddress(high: wideHighs[place], low: wideLows[place])
            if address.prefix(Int(wideLengths[place])) == network { return place + starts.count }
            place = Int(wideParents[place])
        }
        return nil
    }

    /// The first index for which `isPast`, which must be false and then true along the table.
    private func lowerBound(_ isPast: (Int) -> Bool) -> Int { Self.lowerBound(starts.count, isPast) }
    private func wideLowerBound(_ isPast: (Int) -> Bool) -> Int { Self.lowerBound(wideHighs.count, isPast) }
    private static func lowerBound(_ count: Int, _ isPast: (Int) -> Bool) -> Int {
        var low = 0, high = count
        while low < high {  // ends: the distance shrinks
            let middle = (low + high) >> 1
            if isPast(middle) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    private func key(_ index: Int) -> UInt64 { UInt64(starts[index]) << 8 | UInt64(lengths[index]) }
    private func wideKey(_ index: Int) -> WideKey {
        WideKey(high: wideHighs[index], low: wideLows[index], length: wideLengths[index])
    }

    private mutating func take(narrow keys: [UInt64]) {
        starts = keys.map { UInt32(truncatingIfNeeded: $0 >> 8) }
        lengths = keys.map { UInt8(truncatingIfNeeded: $0) }
        parents = Self.parents(keys.count) { outer, inner in
            let length = UInt64(lengths[outer])
            return UInt64(starts[outer] ^ starts[inner]) >> (32 - length) == 0
        }
        guard starts.count > Self.unindexedMax else { return }
        buckets = [UInt32](repeating: 0, count: 65_537)
        for start in starts { buckets[Int(start >> 16) + 1] += 1 }
        for bucket in 1..<buckets.count { buckets[bucket] += buckets[bucket - 1] }
    }

    private mutating func take(wide keys: [WideKey]) {
        wideHighs = keys.map(\.high)
        wideLows = keys.map(\.low)
        wideLengths = keys.map(\.length)
        wideParents = Self.parents(keys.count) { outer, inner in
            let start = IPAddress(high: wideHighs[inner], low: wideLows[inner])
            return start.prefix(Int(wideLengths[outer])) == IPAddress(high: wideHighs[outer], low: wideLows[outer])
        }
    }

    /// For each place the nearest earlier one that `holds` it, or -1. A wider network comes before those within it.
    private static func parents(_ count: Int, _ holds: (_ outer: Int, _ inner: Int) -> Bool) -> [Int32] {
        var parents = [Int32](repeating: -1, count: count), open: [Int] = []
        for place in 0..<count {
            while let outer = open.last, !holds(outer, place) { open.removeLast() }
            if let outer = open.last { parents[place] = Int32(outer) }
            open.append(place)
        }
        return parents
    }
}

private struct WideKey: Comparable {
    let high: UInt64, low: UInt64, length: UInt8

    init(high: UInt64, low: UInt64, length: UInt8) {
        (self.high, self.low, self.length) = (high, low, length)
    }
    init(_ network: IPNetwork) {
        self.init(high: network.address.high, low: network.address.low, length: UInt8(clamping: network.length))
    }
    /// The last possible key within `network`: its last address, as narrow as can be.
    init(last network: IPNetwork) {
        let length = UInt64(min(max(network.length, 0), 128))
        let highHosts: UInt64 = length >= 64 ? 0 : length == 0 ? .max : .max >> length
        let lowHosts: UInt64 = length <= 64 ? .max : length == 128 ? 0 : .max >> (length - 64)
        self.init(high: network.address.high | highHosts, low: network.address.low | lowHosts, length: .max)
    }
    static func < (a: WideKey, b: WideKey) -> Bool {
        a.high != b.high ? a.high < b.high : a.low != b.low ? a.low < b.low : a.length < b.length
    }
}

private func unique<Key: Equatable>(_ sorted: [Key]) -> [Key] {
    var kept: [Key] = []
    kept.reserveCapacity(sorted.count)
    for key in sorted where kept.last != key { kept.append(key) }
    return kept
}
