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

    private struct WideRange: Sendable {
        let start: IPAddress, end: IPAddress, country: UInt16
    }

    /// Reads any number of lists, each of either family or of both.
    package init(lists: [[UInt8]]) {
        var narrow: [(start: UInt32, end: UInt32, country: UInt16)] = [], wide: [WideRange] = []
        for list in lists {
            guard list.count <= Self.octetsMax else {
                refusals[.tooMuch, default: 0] += 1
                continue
            }
            for line in list.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) where line.first != UInt8(ascii: "#") {
                guard narrow.count + wide.count < Self.rangesMax else {
                    refusals[.tooMuch, default: 0] += 1
                    break
                }
                switch Line(line) {
                case .narrow(let start, let end, let country): narrow.append((start, end, country))
                case .wide(let start, let end, let country):
                    wide.append(WideRange(start: start, end: end, country: country))
                case .noCountry: continue
                case nil: refusals[.malformed, default: 0] += 1
                }
            }
        }
        narrow.sort { ($0.start, $0.end, $0.country) < ($1.start, $1.end, $1.country) }
        wide.sort { $0.start != $1.start ? $0.start < $1.start : $0.end < $1.end }
        take(narrow)
        for range in wide {
            if let last = self.wide.last, range.start <= last.end {
                refusals[.overlapping, default: 0] += 1
            } else {
                self.wide.append(range)
            }
        }
    }

    package var count: Int { starts.count + wide.count }

    package func country(of address: IPAddress) -> CountryCode {
        CountryCode(letters: address.isV4 ? country(v4: address.v4) : country(wide: address))
    }

    private mutating func take(_ sorted: [(start: UInt32, end: UInt32, country: UInt16)]) {
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

/// A line of a list; nil when it is none.
private enum Line {
    case narrow(UInt32, UInt32, UInt16)
    case wide(IPAddress, IPAddress, UInt16)
    case noCountry

    init?(_ line: ArraySlice<UInt8>) {
        let fields = line.split(separator: UInt8(ascii: ","), maxSplits: 3, omittingEmptySubsequences: false)
        guard fields.count == 3, line.count <= 128 else { return nil }
        let country = Array(fields[2])
        if country == Array("??".utf8) {
            self = .noCountry
            return
        }
        guard country.count == 2, let code = CountryCode(country[0], country[1]) else { return nil }
        if let start = number(fields[0]), let end = number(fields[1]) {
            guard start <= end else { return nil }
            self = .narrow(start, end, code.rawValue)
            return
        }
        guard let start = IPAddress(String(decoding: fields[0], as: UTF8.self)),
            let end = IPAddress(String(decoding: fields[1], as: UTF8.self)), !start.isV4, !end.isV4, start <= end
        else { return nil }
        self = .wide(start, end, code.rawValue)
    }
}

private func number(_ digits: ArraySlice<UInt8>) -> UInt32? {
    guard (1...10).contains(digits.count) else { return nil }
    var value: UInt64 = 0
    for digit in digits {
        guard (0x30...0x39).contains(digit) else { return nil }
        value = value * 10 + UInt64(digit - 0x30)
    }
    return UInt32(exactly: value)
}

extension CountryCode {
    /// Letters that were checked before; 0 is none.
    fileprivate init(letters: UInt16) {
        self = CountryCode(UInt8(letters >> 8), UInt8(truncatingIfNeeded: letters)) ?? .none
    }
}
