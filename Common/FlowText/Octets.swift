import FlowModel

enum Ascii {
    static let lineFeed = UInt8(ascii: "\n"), comma = UInt8(ascii: ","), space = UInt8(ascii: " "),
        colon = UInt8(ascii: ":"), dot = UInt8(ascii: "."), zero = UInt8(ascii: "0"), quote = UInt8(ascii: "\""),
        backslash = UInt8(ascii: "\\")
}

/// Numbers, addresses and JSON members appended as octets.
extension Array where Element == UInt8 {
    mutating func appendDecimal(_ value: some BinaryInteger) {
        if value < 0 { append(UInt8(ascii: "-")) }
        appendDigits(UInt64(value.magnitude))
    }
    /// Least significant digit first, then turned around in place.
    private mutating func appendDigits(_ value: UInt64) {
        let start = count
        var rest = value
        repeat {
            append(Ascii.zero + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest != 0
        var (low, high) = (start, count - 1)
        while low < high {
            swapAt(low, high)
            (low, high) = (low + 1, high - 1)
        }
    }
    /// At least `digits` digits, with zeros in front. `value` must not be negative.
    mutating func appendDecimal(_ value: Int, digits: Int) {
        var limit = 10
        var missing = digits - 1
        while missing > 0, value >= limit {  // ends: `missing` falls
            limit *= 10
            missing -= 1
        }
        append(contentsOf: repeatElement(Ascii.zero, count: missing))
        appendDecimal(value)
    }

    mutating func appendAddress(_ address: IPAddress) {
        guard address.isV4 else { return append(contentsOf: address.description.utf8) }
        for shift: UInt32 in [24, 16, 8, 0] {
            appendDigits(UInt64(address.v4 >> shift & 0xFF))
            if shift > 0 { append(Ascii.dot) }
        }
    }

    /// `,"key":`, as there is always a member before.
    mutating func appendKey(_ key: String) {
        append(Ascii.comma)
        append(UInt8(ascii: "\""))
        append(contentsOf: key.utf8)
        append(UInt8(ascii: "\""))
        append(Ascii.colon)
    }
    mutating func appendField(_ key: String, _ value: some BinaryInteger) {
        appendKey(key)
        appendDecimal(value)
    }
    mutating func appendFieldUnlessZero(_ key: String, _ value: some BinaryInteger) {
        if value != 0 { appendField(key, value) }
    }
    /// Nothing when the address is not in the record.
    mutating func appendAddress(_ address: IPAddress, _ v4Key: String, _ v6Key: String) {
        guard !address.isAbsent else { return }
        appendKey(address.isV4 ? v4Key : v6Key)
        append(UInt8(ascii: "\""))
        appendAddress(address)
        append(UInt8(ascii: "\""))
    }
}
