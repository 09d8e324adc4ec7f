/// Times as feeds write them. Without Foundation, so that the same text is the same number everywhere.

enum Moment {
    /// Reads seconds or milliseconds since 1970, `2026-03-01`, and RFC 3339 with `T` or a blank between date and time,
    /// with or without seconds, fraction and zone (none is UTC).
    /// - Returns: ms since 1970 UTC, or nil for anything else; years 1970 to 9999.
    static func milliseconds(_ text: some StringProtocol) -> Int64? {
        var reader = DigitReader(Array(text.utf8.prefix(64)))
        guard text.utf8.count < 64 else { return nil }
        if reader.isAllDigits { return sinceEpoch(reader) }
        guard let year = reader.number(4), year >= 1_970, reader.skip("-"), let month = reader.number(2),
            reader.skip("-"), let day = reader.number(2), (1...12).contains(month),
            (1...daysIn(month, of: year)).contains(day)
        else { return nil }
        let days = Self.days(year: year, month: month, day: day)
        if reader.isAtEnd { return days * 86_400_000 }
        guard reader.skip("T") || reader.skip("t") || reader.skip(" "), let hour = reader.number(2), hour < 24,
            reader.skip(":"), let minute = reader.number(2), minute < 60
        else { return nil }
        var milliseconds = ((days * 24 + hour) * 60 + minute) * 60_000
        if reader.skip(":") {
            // A leap second is the one before it: 61 can't be told from it in milliseconds since 1970.
            guard let second = reader.number(2), second <= 60 else { return nil }
            milliseconds += min(second, 59) * 1_000
            if reader.skip(".") {
                guard let fraction = reader.fractionMilliseconds() else { return nil }
                milliseconds += fraction
            }
        }
        guard let offset = zoneMinutes(&reader), reader.isAtEnd else { return nil }
        return max(milliseconds - offset * 60_000, 0)
    }

    /// Up to ten digits are seconds, thirteen are milliseconds.
    private static func sinceEpoch(_ reader: DigitReader) -> Int64? {
        var reader = reader
        let count = reader.octets.count
        guard count <= 10 || count == 13, let number = reader.number(count) else { return nil }
        return count == 13 ? number : number * 1_000
    }

    private static func zoneMinutes(_ reader: inout DigitReader) -> Int64? {
        if reader.isAtEnd || reader.skip("Z") || reader.skip("z") || reader.skip(" UTC") { return 0 }
        let sign: Int64
        if reader.skip("+") { sign = 1 } else if reader.skip("-") { sign = -1 } else { return nil }
        guard let hours = reader.number(2), hours < 24 else { return nil }
        _ = reader.skip(":")
        guard let minutes = reader.isAtEnd ? 0 : reader.number(2), minutes < 60 else { return nil }
        return sign * (hours * 60 + minutes)
    }

    private static func daysIn(_ month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
    /// Days since 1970-01-01; the year is 1970 or later.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let past = year - 1
        let leaps = (past / 4 - past / 100 + past / 400) - (1_969 / 4 - 1_969 / 100 + 1_969 / 400)
        return (year - 1_970) * 365 + leaps + (1..<month).reduce(0) { $0 + daysIn($1, of: year) } + day - 1
    }
}

private struct DigitReader {
    let octets: [UInt8]
    private var offset = 0

    init(_ octets: [UInt8]) { self.octets = octets }
    var isAtEnd: Bool { offset == octets.count }
    var isAllDigits: Bool { !octets.isEmpty && octets.allSatisfy { (0x30...0x39).contains($0) } }

    mutating func skip(_ text: String) -> Bool {
        guard octets[offset...].starts(with: text.utf8) else { return false }
        offset += text.utf8.count
        return true
    }
    /// Exactly `count` digits, at most 18.
    mutating func number(_ count: Int) -> Int64? {
        guard count <= 18, octets.count - offset >= count else { return nil }
        var value: Int64 = 0
        for octet in octets[offset..<(offset + count)] {
            guard (0x30...0x39).contains(octet) else { return nil }
            value = value * 10 + Int64(octet - 0x30)
        }
        offset += count
        return value
    }
    /// Digits past the third are cut off; at least one is needed.
    mutating func fractionMilliseconds() -> Int64? {
        var value: Int64 = 0, digits = 0
        while offset < octets.count, (0x30...0x39).contains(octets[offset]) {
            if digits < 3 { value = value * 10 + Int64(octets[offset] - 0x30) }
            digits += 1
            offset += 1
        }
        guard digits > 0 else { return nil }
        for _ in digits..<max(digits, 3) { value *= 10 }
        return value
    }
}
