/// What a rule means for one record, as a tree of tests over columns.
import FilterLanguage
import FlowModel

indirect enum SigmaPredicate: Hashable, Sendable {
    case constant(Bool)
    case test(SigmaTest)
    case not(SigmaPredicate)
    case and([SigmaPredicate])
    case or([SigmaPredicate])

    /// The same without constants within it, and without lists in lists of the same kind.
    var folded: SigmaPredicate {
        switch self {
        case .constant, .test: return self
        case .not(let inner):
            switch inner.folded {
            case .constant(let value): return .constant(!value)
            case .not(let twice): return twice
            case let other: return .not(other)
            }
        case .and(let members): return Self.joined(members, unit: true)
        case .or(let members): return Self.joined(members, unit: false)
        }
    }
    private static func joined(_ members: [SigmaPredicate], unit: Bool) -> SigmaPredicate {
        var list: [SigmaPredicate] = []
        for member in members.map(\.folded) {
            switch member {
            case .constant(let value): if value != unit { return .constant(value) }
            case .and(let inner) where unit: list += inner
            case .or(let inner) where !unit: list += inner
            default: list.append(member)
            }
        }
        if list.isEmpty { return .constant(unit) }
        return list.count == 1 ? list[0] : unit ? .and(list) : .or(list)
    }
}

enum SigmaTest: Hashable, Sendable {
    case number(NumberColumn, NumberSet)
    case address(AddressColumn, AddressSet)
    /// Over the address as people write it.
    case addressText(AddressColumn, TextPattern)
    /// Both are there, and are the same.
    case sameAddress(AddressColumn, AddressColumn)
    case sameNumber(NumberColumn, NumberColumn)
    case timePart(NumberColumn, TimePart, NumberSet)
}

/// A number in a moment's date, in UTC.
enum TimePart: String, Sendable, CaseIterable {
    case minute, hour, day, week, month, year

    /// - Parameter milliseconds: since 1970 UTC.
    func value(of milliseconds: UInt64) -> UInt64 {
        let seconds = Int64(min(milliseconds, 253_402_300_799_999) / 1_000)
        let days = seconds / 86_400
        switch self {
        case .minute: return UInt64(seconds / 60 % 60)
        case .hour: return UInt64(seconds / 3_600 % 24)
        case .day: return UInt64(Self.civil(days).day)
        case .month: return UInt64(Self.civil(days).month)
        case .year: return UInt64(Self.civil(days).year)
        case .week:
            // ISO 8601: the week is that of its Thursday. 1 January 1970 was a Thursday.
            let thursday = days - (days + 3) % 7 + 3
            let newYear = Self.days(ofNewYear: Self.civil(thursday).year)
            return UInt64((thursday - newYear) / 7 + 1)
        }
    }

    /// After Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"; from 1970 on.
    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = shifted / 146_097, dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
    private static func days(ofNewYear year: Int64) -> Int64 {
        let before = year - 1
        return before * 365 + before / 4 - before / 100 + before / 400 - 719_162
    }
}
