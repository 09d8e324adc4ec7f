import FlowModel

/// A line of a list of ranges: `first,last,country`; nil when it is none.
enum RangeLine {
    case narrow(UInt32, UInt32, UInt16)
    case wide(IPAddress, IPAddress, UInt16)
    case noCountry

    private static let octetsMax = 128

    /// - Parameter line: where it is in `octets`, without its end.
    init?(_ octets: Span<UInt8>, _ line: Range<Int>) {
        guard line.count <= Self.octetsMax else { return nil }
        var commas = (first: -1, second: -1)
        for at in line where octets[at] == UInt8(ascii: ",") {
            if commas.first < 0 {
                commas.first = at
            } else if commas.second < 0 {
                commas.second = at
            } else {
                return nil
            }
        }
        guard commas.second >= 0, line.upperBound - commas.second == 3 else { return nil }
        let letters = (octets[commas.second + 1], octets[commas.second + 2])
        if letters == (UInt8(ascii: "?"), UInt8(ascii: "?")) {
            self = .noCountry
            return
        }
        guard let country = CountryCode(letters.0, letters.1)?.rawValue else { return nil }
        let first = line.lowerBound..<commas.first, second = commas.first + 1..<commas.second
        if let start = Self.number(octets, first), let end = Self.number(octets, second) {
            guard start <= end else { return nil }
            self = .narrow(start, end, country)
            return
        }
        guard let start = Self.wideAddress(octets, first), let end = Self.wideAddress(octets, second),
            !start.isV4, !end.isV4, start <= end
        else { return nil }
        self = .wide(start, end, country)
    }

    private static func number(_ octets: Span<UInt8>, _ field: Range<Int>) -> UInt32? {
        guard (1...10).contains(field.count) else { return nil }
        var value: UInt64 = 0
        for at in field {
            guard (0x30...0x39).contains(octets[at]) else { return nil }
            value = value * 10 + UInt64(octets[at] - 0x30)
        }
        return UInt32(exactly: value)
    }

    /// Groups of hexadecimal digits with at most one `::` (RFC 4291 §2.2); the rare other forms take the long way.
    private static func wideAddress(_ octets: Span<UInt8>, _ field: Range<Int>) -> IPAddress? {
        var groups = InlineArray<8, UInt16>(repeating: 0), count = 0, gap = -1
        var value: UInt32 = 0, digits = 0, at = field.lowerBound
        while at < field.upperBound {  // ends: each turn takes an octet
            let octet = octets[at]
            at += 1
            if let digit = hexDigit(octet) {
                value = value << 4 | digit
                digits += 1
                guard digits <= 4 else { return nil }
                continue
            }
            guard octet == UInt8(ascii: ":") else {
                var text: [UInt8] = []
                for index in field { text.append(octets[index]) }
                return IPAddress(String(decoding: text, as: UTF8.self))
            }
            if digits > 0 {
                guard count < 8 else { return nil }
                groups[count] = UInt16(truncatingIfNeeded: value)
                count += 1
                (value, digits) = (0, 0)
                guard at < field.upperBound else { return nil }
                if octets[at] != UInt8(ascii: ":") { continue }
                at += 1
            } else {
                guard count == 0, gap < 0, at < field.upperBound, octets[at] == UInt8(ascii: ":") else { return nil }
                at += 1
            }
            guard gap < 0 else { return nil }
            gap = count
        }
        if digits > 0 {
            guard count < 8 else { return nil }
            groups[count] = UInt16(truncatingIfNeeded: value)
            count += 1
        }
        guard gap < 0 ? count == 8 : count < 8 else { return nil }
        return joined(groups, count, gap)
    }
    private static func joined(_ groups: borrowing InlineArray<8, UInt16>, _ count: Int, _ gap: Int) -> IPAddress {
        var words: (high: UInt64, low: UInt64) = (0, 0)
        for index in 0..<count {
            let place = gap >= 0 && index >= gap ? index + 8 - count : index
            let shift = UInt64(48 - 16 * (place & 3))
            if place < 4 {
                words.high |= UInt64(groups[index]) << shift
            } else {
                words.low |= UInt64(groups[index]) << shift
            }
        }
        return IPAddress(high: words.high, low: words.low)
    }
    private static func hexDigit(_ octet: UInt8) -> UInt32? {
        switch octet {
        case 0x30...0x39: UInt32(octet - 0x30)
        case 0x41...0x46: UInt32(octet - 0x37)
        case 0x61...0x66: UInt32(octet - 0x57)
        default: nil
        }
    }
}
