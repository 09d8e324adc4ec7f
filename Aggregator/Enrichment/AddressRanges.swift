/// Countries by ranges of addresses, from the lists of Debian's `tor-geoipdb`: what Weir uses where no MMDB is set.
///
///     16777216,16777471,AU               geoip: first and last address as numbers
///     2001:200::,2001:200:ffff:ffff:ffff:ffff:ffff:ffff,JP      geoip6
///
/// Lines that begin with `#` are comments; the country `??` is none.
/// Invariants: immutable, sorted, without overlaps; of two ranges that overlap the one that starts first stays; 10
/// octets a range of IPv4, 34 of IPv6.
package import FlowModel

package struct AddressRanges: Sendable {
    /// Why lines gave no range.
    package enum Refusal: String, Sendable, CaseIterable {
        case malformed
        case overlapping
        case tooMuch = "too_much"
    }
    package private(set) var refusals: [Refusal: Int] = [:]
    private var starts: [UInt32] = [], ends: [UInt32] = [], countries: [UInt16] = []
    /// Where the ranges begin that start at this much of the first 16 bits, or later.
    private var buckets: [UInt32] = []
    private var wide: [WideRange] = []

    package static let octetsMax = 256 << 20, rangesMax = 8_000_000

    private struct NarrowRange: Sendable {
        let start: UInt32, end: UInt32, country: UInt16

        static func < (a: NarrowRange, b: NarrowRange) -> Bool {
            (a.start, a.end, a.country) < (b.start, b.end, b.country)
        }
    }
    private struct WideRange: Sendable {
        let start: IPAddress, end: IPAddress, country: UInt16

        static func < (a: WideRange, b: WideRange) -> Bool {
            a.start != b.start ? a.start < b.start : a.end < b.end
        }
    }

    /// Reads any number of lists, each of either family or of both.
    package init(lists: [[UInt8]]) {
        var narrow: [NarrowRange] = [], wide: [WideRange] = []
        for list in lists {
            guard list.count <= Self.octetsMax else {
                refusals[.tooMuch, default: 0] += 1
                continue
            }
            take(list, &narrow, &wide)
        }
        // The lists are in order, as a rule.
        if !Self.rises(narrow, by: <) { narrow.sort(by: <) }
        if !Self.rises(wide, by: <) { wide.sort(by: <) }
        take(narrow)
        for range in wide {
            if let last = self.wide.last, range.start <= last.end {
                refusals[.overlapping, default: 0] += 1
            } else {
                self.wide.append(range)
            }
        }
    }
    private static func rises<Range>(_ ranges: [Range], by isBefore: (Range, Range) -> Bool) -> Bool {
        for index in ranges.indices.dropFirst() where isBefore(ranges[index], ranges[index - 1]) { return false }
        return true
    }

    /// Reads one list, an octet after the other: lists have half a million lines.
    private mutating func take(_ list: [UInt8], _ narrow: inout [NarrowRange], _ wide: inout [WideRange]) {
        var malformed = 0, begin = 0
        let octets = list.span
        while begin < octets.count {  // ends: each turn takes an octet at least
            var end = begin
            while end < octets.count, octets[end] != 0x0A, octets[end] != 0x0D { end += 1 }
            let line = begin..<end
            begin = end + 1
            guard !line.isEmpty, octets[line.lowerBound] != UInt8(ascii: "#") else { continue }
            guard narrow.count + wide.count < Self.rangesMax else {
                refusals[.tooMuch, default: 0] += 1
                break
            }
            switch RangeLine(octets, line) {
            case .narrow(let start, let end, let country):
                narrow.append(NarrowRange(start: start, end: end, country: country))
            case .wide(let start, let end, let country):
                wide.append(WideRange(start: start, end: end, country: country))
            case .noCountry: continue
            case nil: malformed += 1
            }
        }
        if malformed > 0 { refusals[.malformed, default: 0] += malformed }
    }

    package var count: Int { starts.count + wide.count }

    package func country(of address: IPAddress) -> CountryCode {
        CountryCode(letters: address.isV4 ? country(v4: address.v4) : country(wide: address))
    }

    /// All ranges of a country, or of any for `.none`: a walk through the whole table.
    package func ranges(of country: CountryCode) -> [ClosedRange<IPAddress>] {
        var found: [ClosedRange<IPAddress>] = []
        for index in starts.indices where country.isNone || countries[index] == country.rawValue {
            found.append(IPAddress(v4: starts[index])...IPAddress(v4: ends[index]))
        }
        return found + wide.filter { country.isNone || $0.country == country.rawValue }.map { $0.start...$0.end }
    }

    private mutating func take(_ sorted: [NarrowRange]) {
        starts.reserveCapacity(sorted.count)
        ends.reserveCapacity(sorted.count)
        countries.reserveCapacity(sorted.count)
        for range in sorted {
            if let last = ends.last, range.start <= last {
                refusals[.overlapping, default: 0] += 1
                continue
            }
            starts.append(range.start)
            ends.append(range.end)
            countries.append(range.country)
        }
        buckets = [UInt32](repeating: 0, count: 65_537)
        for start in starts { buckets[Int(start >> 16) + 1] += 1 }
        for bucket in 1..<buckets.count { buckets[bucket] += buckets[bucket - 1] }
    }

    private func country(v4 bits: UInt32) -> UInt16 {
        let bucket = Int(bits >> 16)
        var low = Int(buckets[bucket]), high = Int(buckets[bucket + 1])
        while low < high {  // ends: the distance shrinks
            let middle = (low + high) >> 1
            if starts[middle] <= bits { low = middle + 1 } else { high = middle }
        }
        return low > 0 && ends[low - 1] >= bits ? countries[low - 1] : 0
    }

    private func country(wide address: IPAddress) -> UInt16 {
        var low = 0, high = wide.count
        while low < high {  // ends: the distance shrinks
            let middle = (low + high) >> 1
            if wide[middle].start <= address { low = middle + 1 } else { high = middle }
        }
        return low > 0 && address <= wide[low - 1].end ? wide[low - 1].country : 0
    }
}

extension CountryCode {
    /// Letters that were checked before; 0 is none.
    fileprivate init(letters: UInt16) {
        self = CountryCode(UInt8(letters >> 8), UInt8(truncatingIfNeeded: letters)) ?? .none
    }
}
