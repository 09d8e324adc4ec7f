/// Writers of fixed-width integers, the mirror of the readers in `RawSpan+Integers.swift`.
extension Array where Element == UInt8 {
    /// Two octets, most significant first.
    package mutating func appendBE(_ value: UInt16) {
        append(UInt8(truncatingIfNeeded: value >> 8))
        append(UInt8(truncatingIfNeeded: value))
    }
    /// Four octets, most significant first.
    package mutating func appendBE(_ value: UInt32) {
        appendBE(UInt16(truncatingIfNeeded: value >> 16))
        appendBE(UInt16(truncatingIfNeeded: value))
    }
    /// Eight octets, most significant first.
    package mutating func appendBE(_ value: UInt64) {
        appendBE(UInt32(truncatingIfNeeded: value >> 32))
        appendBE(UInt32(truncatingIfNeeded: value))
    }
    /// Two octets, least significant first.
    package mutating func appendLE(_ value: UInt16) {
        append(UInt8(truncatingIfNeeded: value))
        append(UInt8(truncatingIfNeeded: value >> 8))
    }
    /// Four octets, least significant first.
    package mutating func appendLE(_ value: UInt32) {
        appendLE(UInt16(truncatingIfNeeded: value))
        appendLE(UInt16(truncatingIfNeeded: value >> 16))
    }
    /// Eight octets, least significant first.
    package mutating func appendLE(_ value: UInt64) {
        appendLE(UInt32(truncatingIfNeeded: value))
        appendLE(UInt32(truncatingIfNeeded: value >> 32))
    }
}
