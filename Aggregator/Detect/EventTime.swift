/// A moment as text: RFC 3339 in UTC with milliseconds, `2026-03-01T12:00:00.250Z`. Without Foundation, so that the
/// same number gives the same text everywhere.
package struct EventTime: Hashable, Sendable, Codable, CustomStringConvertible {
    /// Since 1970 UTC; kept within the years 0 to 9999.
    package let milliseconds: Int64

    package static let range: ClosedRange<Int64> = -62_167_219_200_000...253_402_300_799_999

    package init(_ milliseconds: Int64) {
        self.milliseconds = min(max(milliseconds, Self.range.lowerBound), Self.range.upperBound)
    }

    /// Reads what `description` writes, with any number of fraction digits or none. Nil for anything else: no zone
    /// but `Z`, no leap second.
    package init?(_ text: some StringProtocol) {
        let octets = Array(text.utf8)
        guard octets.count >= 20, octets.count <= 40, octets.last == UInt8(ascii: "Z"), octets[4] == UInt8(ascii: "-"),
            octets[7] == UInt8(ascii: "-"), octets[10] == UInt8(ascii: "T"), octets[13] == UInt8(ascii: ":"),
            octets[16] == UInt8(ascii: ":"), let year = number(octets[0..<4]), let month = number(octets[5..<7]),
            let day = number(octets[8..<10]), let hour = number(octets[11..<13]), let minute = number(octets[14..<16]),
            let second = number(octets[17..<19]), let fraction = fractionMilliseconds(octets[19..<(octets.count - 1)]),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 60
        else { return nil }
        let days = daysFromCivil(year: year, month: month, day: day)
        guard civil(fromDays: days) == (year, month, day) else { return nil }
        self.init(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + fraction)
    }

    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let time = EventTime(text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "not a time such as 2026-03-01T12:00:00.250Z"))
        }
        self = time
    }
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    package var description: String {
        let day: Int64 = 86_400_000
        let days = milliseconds >= 0 ? milliseconds / day : (milliseconds - day + 1) / day
        let rest = milliseconds - days * day
        let (year, month, dayOfMonth) = civil(fromDays: days)
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(dayOfMonth, 2))T\(padded(rest / 3_600_000, 2)):"
            + "\(padded(rest / 60_000 % 60, 2)):\(padded(rest / 1_000 % 60, 2)).\(padded(rest % 1_000, 3))Z"
    }
}

private func padded(_ value: Int64, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
}
private func number(_ digits: ArraySlice<UInt8>) -> Int64? {
    var value: Int64 = 0
    for digit in digits {
        guard (0x30...0x39).contains(digit) else { return nil }
        value = value * 10 + Int64(digit - 0x30)
    }
    return value
}
/// `.25` is 250; nothing is 0; digits past the third are cut off.
private func fractionMilliseconds(_ octets: ArraySlice<UInt8>) -> Int64? {
    guard let first = octets.first else { return 0 }
    guard first == UInt8(ascii: "."), octets.count > 1, octets.dropFirst().allSatisfy({ (0x30...0x39).contains($0) })
    else { return nil }
    let three = (Array(octets.dropFirst()) + [0x30, 0x30]).prefix(3)
    return number(three)
}

// Days and dates of the proleptic Gregorian calendar, by eras of 400 years that start on 1 March
// (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
private func daysFromCivil(year: Int64, month: Int64, day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
}
private func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
}
