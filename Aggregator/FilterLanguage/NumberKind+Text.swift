/// Numbers as people write them.
extension NumberKind {
    /// What is expected, in errors.
    var description: String {
        switch self {
        case .plain: "a whole number or a range such as 1000-2000"
        case .quantity: "a whole number such as 1500, 20k, 1.5M or 4Gi"
        case .duration: "a duration in ms, or such as 10s, 5min, 2h"
        case .instant: "a time in ms since 1970, or such as 2026-11-21T04:00:00Z"
        case .protocolNumber: "a protocol's number or name"
        case .direction: "ingress, egress or a number"
        case .autonomousSystem: "a number of an autonomous system such as 64512 or AS64512"
        case .mac: "a MAC address such as 00:00:5e:00:53:01"
        case .boolean: "true or false"
        }
    }
    /// Names that stand for numbers.
    var names: [String]? {
        switch self {
        case .protocolNumber: Array(FilterKeyword.protocols.keys)
        case .direction: Array(FilterKeyword.directions.keys)
        case .boolean: ["true", "false"]
        default: nil
        }
    }

    /// One value, or two with a hyphen between.
    func range(_ word: String) -> ClosedRange<UInt64>? {
        if let single = value(word) { return single...single }
        for hyphen in word.indices where word[hyphen] == "-" {
            guard let low = value(word[..<hyphen]), let high = value(word[word.index(after: hyphen)...]) else {
                continue
            }
            return low <= high ? low...high : nil
        }
        return nil
    }

    func value(_ word: some StringProtocol) -> UInt64? {
        if let number = Self.whole(word) { return number }
        switch self {
        case .plain: return nil
        case .quantity: return Self.scaled(word, FilterKeyword.quantityUnits, alsoOtherCase: true)
        case .duration: return Self.scaled(word, FilterKeyword.durationUnits, alsoOtherCase: false)
        case .instant: return FilterInstant.milliseconds(word)
        case .protocolNumber: return FilterKeyword.protocols[word.lowercased()].map { UInt64($0) }
        case .direction: return FilterKeyword.directions[word.lowercased()]
        case .autonomousSystem: return word.lowercased().hasPrefix("as") ? Self.whole(word.dropFirst(2)) : nil
        case .mac: return Self.mac(word)
        case .boolean: return word.lowercased() == "true" ? 1 : word.lowercased() == "false" ? 0 : nil
        }
    }

    /// Digits alone, or `0x` and hexadecimal ones.
    private static func whole(_ word: some StringProtocol) -> UInt64? {
        if word.hasPrefix("0x") {
            let digits = word.dropFirst(2)
            return digits.utf8.first.map { $0 == UInt8(ascii: "+") } == false ? UInt64(digits, radix: 16) : nil
        }
        return word.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt64(word) : nil
    }
    /// `1.5M`: digits, perhaps a point and more, and a unit; nil unless the result is whole.
    private static func scaled(
        _ word: some StringProtocol, _ units: [String: UInt64], alsoOtherCase: Bool
    ) -> UInt64? {
        let digits = word.prefix { $0.isASCII && ($0.isNumber || $0 == ".") },
            unit = String(word.dropFirst(digits.count))
        let scale =
            units[unit] ?? (alsoOtherCase ? units.first { $0.key.lowercased() == unit.lowercased() }?.value : nil)
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        guard let scale, (1...2).contains(parts.count), !parts[0].isEmpty, let front = UInt64(parts[0]) else {
            return nil
        }
        let (whole, isTooLarge) = front.multipliedReportingOverflow(by: scale)
        guard !isTooLarge else { return nil }
        guard parts.count == 2 else { return whole }
        return fraction(parts[1], of: scale).flatMap { part in
            let (sum, isOver) = whole.addingReportingOverflow(part)
            return isOver ? nil : sum
        }
    }
    private static func fraction(_ digits: some StringProtocol, of scale: UInt64) -> UInt64? {
        guard (1...18).contains(digits.utf8.count), let number = UInt64(digits) else { return nil }
        let divisor = (0..<digits.utf8.count).reduce(UInt64(1)) { power, _ in power * 10 }
        let (high, low) = number.multipliedFullWidth(by: scale)
        guard high < divisor else { return nil }
        let (part, rest) = divisor.dividingFullWidth((high, low))
        return rest == 0 ? part : nil
    }
    private static func mac(_ word: some StringProtocol) -> UInt64? {
        let parts = word.split(separator: word.contains("-") ? "-" : ":", omittingEmptySubsequences: false)
        guard parts.count == 6 else { return nil }
        var bits: UInt64 = 0
        for part in parts {
            guard part.utf8.count == 2, part.utf8.first != UInt8(ascii: "+"), let octet = UInt8(part, radix: 16) else {
                return nil
            }
            bits = bits << 8 | UInt64(octet)
        }
        return bits
    }
}

/// Points in time as ISO 8601 has them, in UTC: `2026-11-21`, `2026-11-21T04:00`, `…:05`, `…:05.123`, with or without
/// `Z`.
enum FilterInstant {
    static func milliseconds(_ word: some StringProtocol) -> UInt64? {
        var text = Substring(word.uppercased())
        if text.last == "Z" { text = text.dropLast() }
        let halves = text.split(separator: "T", omittingEmptySubsequences: false)
        guard (1...2).contains(halves.count), let day = day(halves[0]) else { return nil }
        guard halves.count == 2 else { return day * 86_400_000 }
        return ofDay(halves[1]).map { day * 86_400_000 + $0 }
    }

    private static func number(_ digits: Substring, _ count: Int, _ range: ClosedRange<UInt64>) -> UInt64? {
        guard digits.utf8.count == count, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = UInt64(digits), range.contains(number)
        else { return nil }
        return number
    }
    private static func day(_ text: Substring) -> UInt64? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, let year = number(parts[0], 4, 1_970...9_999), let month = number(parts[1], 2, 1...12),
            let day = number(parts[2], 2, 1...31), day <= daysOf(month, year)
        else { return nil }
        let before = (year - 1_970) * 365 + leapDays(before: year) - leapDays(before: 1_970)
        return before + (1..<month).reduce(0) { $0 + daysOf($1, year) } + day - 1
    }
    private static func leapDays(before year: UInt64) -> UInt64 {
        let last = year - 1
        return last / 4 - last / 100 + last / 400
    }
    private static func daysOf(_ month: UInt64, _ year: UInt64) -> UInt64 {
        if month == 2 { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28 }
        return [4, 6, 9, 11].contains(month) ? 30 : 31
    }
    private static func ofDay(_ text: Substring) -> UInt64? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count), let hour = number(parts[0], 2, 0...23),
            let minute = number(parts[1], 2, 0...59)
        else { return nil }
        let sum = hour * 3_600_000 + minute * 60_000
        guard parts.count == 3 else { return sum }
        let pieces = parts[2].split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(pieces.count), let second = number(pieces[0], 2, 0...59) else { return nil }
        guard pieces.count == 2 else { return sum + second * 1_000 }
        guard (1...3).contains(pieces[1].utf8.count), let part = number(pieces[1], pieces[1].utf8.count, 0...999) else {
            return nil
        }
        return sum + second * 1_000 + part * [100, 10, 1][pieces[1].utf8.count - 1]
    }
}
