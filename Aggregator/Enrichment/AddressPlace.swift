/// Where an address is and who announces it, in eight octets: what the hot path carries.

/// Two letters of ISO 3166-1 alpha-2; none is the absent country.
package struct CountryCode: Hashable, Sendable, CustomStringConvertible {
    /// The letters' octets, the first in the upper half; 0 is none.
    package let rawValue: UInt16
    package static let none = CountryCode(rawValue: 0)

    private init(rawValue: UInt16) { self.rawValue = rawValue }
    /// Two letters in either case; nil for anything else.
    package init?(_ text: some StringProtocol) {
        let octets = Array(text.utf8.prefix(3))
        guard octets.count == 2 else { return nil }
        self.init(octets[0], octets[1])
    }
    init?(_ first: UInt8, _ second: UInt8) {
        // Without arrays: lists have half a million lines.
        let (one, other) = (first & ~0x20, second & ~0x20)
        guard (0x41...0x5A).contains(one), (0x41...0x5A).contains(other) else { return nil }
        rawValue = UInt16(one) << 8 | UInt16(other)
    }
    package var isNone: Bool { rawValue == 0 }
    /// Empty for none.
    package var description: String {
        isNone ? "" : String(decoding: [UInt8(rawValue >> 8), UInt8(truncatingIfNeeded: rawValue)], as: UTF8.self)
    }
}

package struct AddressPlace: Hashable, Sendable {
    package var country: CountryCode
    /// 0 is not known.
    package var systemNumber: UInt32
    package static let unknown = AddressPlace(country: .none, systemNumber: 0)

    package init(country: CountryCode, systemNumber: UInt32) {
        self.country = country
        self.systemNumber = systemNumber
    }
}
