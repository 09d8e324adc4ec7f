internal import Foundation

/// Days of the week and hours of the day in a time zone.
package struct Schedule: Equatable, Sendable, Codable {
    /// 1 is Monday, 7 Sunday (ISO 8601).
    package let days: Set<Int>
    /// Minutes after midnight: `from` belongs to it and `to` doesn't. When `to` is not later than `from` it goes on
    /// past midnight, as part of the day on which it began.
    package let from: Int, to: Int
    /// A name of the tz database, such as `Europe/Berlin`.
    package let zone: String

    package static let minutesOfDay = 1_440

    /// Nil for days, minutes or a zone that don't exist.
    package init?(days: Set<Int> = Set(1...7), from: Int = 0, to: Int = 1_440, zone: String = "UTC") {
        guard !days.isEmpty, days.isSubset(of: Set(1...7)), (0..<Self.minutesOfDay).contains(from),
            (0...Self.minutesOfDay).contains(to), TimeZone(identifier: zone) != nil
        else { return nil }
        self.days = days
        (self.from, self.to) = (from, to)
        self.zone = zone
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let schedule = Schedule(
            days: try container.decode(Set<Int>.self, forKey: .days),
            from: try container.decode(Int.self, forKey: .from),
            to: try container.decode(Int.self, forKey: .to), zone: try container.decode(String.self, forKey: .zone))
        guard let schedule else {
            throw DecodingError.dataCorruptedError(forKey: .zone, in: container, debugDescription: "no schedule")
        }
        self = schedule
    }
    enum CodingKeys: String, CodingKey { case days, from, to, zone }

    /// - Parameter time: in ms since 1970 UTC.
    package func contains(_ time: Int64) -> Bool {
        guard let zone = TimeZone(identifier: zone) else { return false }
        let offset = zone.secondsFromGMT(for: Foundation.Date(timeIntervalSince1970: Double(time / 1_000)))
        let (local, _) = time.addingReportingOverflow(Int64(offset) * 1_000)
        let minute = Int(Self.floorModulo(local, 86_400_000) / 60_000)
        let today = Self.weekday(ofLocal: local), yesterday = today == 1 ? 7 : today - 1
        if from < to { return days.contains(today) && (from..<to).contains(minute) }
        return (minute >= from && days.contains(today)) || (minute < to && days.contains(yesterday))
    }

    /// Of the day that `local`, ms since 1970 by the local clock, lies in. 1 January 1970 was a Thursday.
    static func weekday(ofLocal local: Int64) -> Int {
        let day = (local - floorModulo(local, 86_400_000)) / 86_400_000
        return Int(floorModulo(day + 3, 7)) + 1
    }
    private static func floorModulo(_ value: Int64, _ modulus: Int64) -> Int64 {
        let rest = value % modulus
        return rest < 0 ? rest + modulus : rest
    }
}
