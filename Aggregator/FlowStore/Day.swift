/// Days since 1970-01-01 UTC, and their names as file names.
package enum Day {
    package static let millisecondsInDay: Int64 = 86_400_000
    /// 1970-01-01 to 9999-12-31: what fits four digits.
    static let range = 0...2_932_896
    /// An exporter's clock is believed when it is at most so far behind or ahead of the aggregator's.
    static let lateDaysMax = 31, earlyDaysMax = 1

    package static func containing(_ milliseconds: Int64) -> Int {
        let day = milliseconds / millisecondsInDay - (milliseconds % millisecondsInDay < 0 ? 1 : 0)
        return min(max(Int(day), range.lowerBound), range.upperBound)
    }

    /// The day whose file keeps a batch: that of its newest flow if that is believable, else that of its receipt. So a
    /// clock that says 1970 or 457400 makes no files of its own, and at most 33 files of a tenant are written to on one
    /// day. Which file it is matters to nobody else: a file knows the times it holds.
    package static func keeping(flowEndMax: Int64, receivedMilliseconds: Int64) -> Int {
        let event = containing(flowEndMax), received = containing(receivedMilliseconds)
        return (received - lateDaysMax...received + earlyDaysMax).contains(event) ? event : received
    }

    /// "2026-11-21", by the proleptic Gregorian calendar.
    package static func name(_ day: Int) -> String {
        // Years counted from 1 March, so that the leap day comes last; eras of 400 years.
        let shifted = day + 719_468, era = shifted / 146_097, dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return "\(digits(year, 4))-\(digits(month, 2))-\(digits(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1, 2))"
    }

    /// Nil unless `name(_:)` gives `text` for some day.
    static func named(_ text: some StringProtocol) -> Int? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
        guard parts.count == 3, parts.allSatisfy({ $0 >= 0 }), (1...12).contains(parts[1]) else { return nil }
        let year = parts[1] <= 2 ? parts[0] - 1 : parts[0], shiftedMonth = (parts[1] + 9) % 12
        let yearOfEra = year % 400, dayOfYear = (153 * shiftedMonth + 2) / 5 + parts[2] - 1
        let day =
            year / 400 * 146_097 + 365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        return range.contains(day) && name(day) == text ? day : nil
    }

    private static func digits(_ number: Int, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(width - text.utf8.count, 0)) + text
    }
}
