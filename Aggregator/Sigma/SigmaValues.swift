/// Values of rules as numbers, texts and sets.
import FilterLanguage
import FlowModel

extension SigmaValue.Kind {
    /// As a rule writes it.
    var text: String {
        switch self {
        case .null: "null"
        case .flag(let flag): flag ? "true" : "false"
        case .integer(let number): String(number)
        case .decimal(let text), .text(let text): text
        }
    }
    var flag: Bool? {
        switch text.lowercased() {
        case "true": true
        case "false": false
        default: nil
        }
    }
    /// In the column's unit; nil for what is no number or below zero.
    func number(scale: UInt64) -> UInt64? {
        switch self {
        case .null, .flag: return nil
        case .integer, .decimal, .text:
            let text = self.text
            guard text.utf8.count <= 24, text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2E }) else {
                return nil
            }
            if let whole = UInt64(text) {
                let (scaled, overflows) = whole.multipliedReportingOverflow(by: scale)
                return overflows ? .max - 1 : scaled
            }
            guard scale > 1, let value = Double(text), value * Double(scale) < 1e18 else { return nil }
            return UInt64((value * Double(scale)).rounded())
        }
    }
}

extension NumberSet {
    /// The numbers that compare so with `number`; nil for what is no comparison of numbers.
    init?(_ match: SigmaModifiers.Match, _ number: UInt64?) {
        guard let number else { return nil }
        let last = NumberColumn.absent - 1
        switch match {
        case .equals: self.init([min(number, last)...min(number, last)])
        case .compare(.gt): self = number < last ? NumberSet([(number + 1)...last]) : .empty
        case .compare(.gte): self.init([min(number, last)...last])
        case .compare(.lt): self = number > 0 ? NumberSet([0...(number - 1)]) : .empty
        case .compare(.lte): self.init([0...min(number, last)])
        default: return nil
        }
    }
    /// Without numbers above `max`.
    func cut(to max: UInt64) -> NumberSet {
        NumberSet(ranges.compactMap { $0.lowerBound > max ? nil : $0.lowerBound...min($0.upperBound, max) })
    }
}

extension SigmaField {
    /// The record has the field.
    var presence: SigmaPredicate {
        switch column {
        case .number(let column): .test(.number(column, NumberSet([0...(NumberColumn.absent - 1)])))
        case .address(let column): .not(.test(.address(column, AddressSet([IPNetwork(.absent, length: 128)]))))
        }
    }
}

extension IPNetwork {
    /// The IPv4 networks whose addresses' texts begin so: `10.` is 10.0.0.0/8, `172.2` 172.2.0.0/16, 172.20.0.0/16 and
    /// so on. Nil for what has no dot, which IPv6 addresses may begin with, too, and for what no address begins with.
    static func beginning(_ text: String) -> [IPNetwork]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (2...4).contains(parts.count), let last = parts.last else { return nil }
        var bits: UInt32 = 0
        for part in parts.dropLast() {
            guard let octet = UInt8(part), String(octet) == part else { return nil }
            bits = bits << 8 | UInt32(octet)
        }
        let length = 8 * (parts.count - 1)
        if last.isEmpty { return [IPNetwork(IPAddress(v4: bits << UInt32(32 - length)), length: length)] }
        let octets = (0...255).filter { String($0).hasPrefix(last) }
        guard !octets.isEmpty else { return nil }
        let shift = UInt32(24 - length)
        return octets.map { IPNetwork(IPAddress(v4: (bits << 8 | UInt32($0)) << shift), length: length + 8) }
    }
}
