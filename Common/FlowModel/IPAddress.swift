/// An IPv6 address, or an IPv4 one in its mapped form `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2), as two 64-bit words.
///
/// `::` stands for "no address in the record"; 0.0.0.0 is the mapped zero and differs from it.
///
/// Usable from inline code, as without that the compiler ignores `@inlinable` on the members and each costs a call.
@usableFromInline package struct IPAddress: Hashable, Sendable, BitwiseCopyable {
    @usableFromInline package var high: UInt64, low: UInt64

    @inlinable package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
    /// An IPv4 address from its 32 bits, most significant octet first: 10.0.0.1 is 0x0A00_0001.
    @inlinable package init(v4 bits: UInt32) {
        self.init(high: 0, low: Self.mappedPrefix | UInt64(bits))
    }
    /// The low word's upper half in every mapped IPv4 address.
    @inlinable package static var mappedPrefix: UInt64 { 0x0000_FFFF_0000_0000 }
    @inlinable package static var absent: IPAddress { IPAddress(high: 0, low: 0) }

    @inlinable package static func == (a: IPAddress, b: IPAddress) -> Bool { a.high == b.high && a.low == b.low }

    @inlinable package var isV4: Bool { high == 0 && low >> 32 == 0xFFFF }
    @inlinable package var isAbsent: Bool { high == 0 && low == 0 }
    /// The 32 bits of an IPv4 address; meaningless for others.
    @inlinable package var v4: UInt32 { UInt32(truncatingIfNeeded: low) }

    /// This address with all bits after the first `length` cleared. `length` counts in the address's own family:
    /// 0...32 or 0...128.
    package func prefix(_ length: Int) -> IPAddress {
        let bits = min(max(isV4 ? length + 96 : length, 0), 128)
        let highMask: UInt64 = bits == 0 ? 0 : bits >= 64 ? .max : ~(.max >> UInt64(bits))
        let lowMask: UInt64 = bits <= 64 ? 0 : bits == 128 ? .max : ~(.max >> UInt64(bits - 64))
        return IPAddress(high: high & highMask, low: low & lowMask)
    }
}

extension IPAddress: Comparable {
    @inlinable package static func < (a: IPAddress, b: IPAddress) -> Bool {
        a.high != b.high ? a.high < b.high : a.low < b.low
    }
}

/// A network: an address and how many of its leading bits count.
package struct IPNetwork: Hashable, Sendable {
    /// Already cut to `length` bits.
    package let address: IPAddress
    /// In the address's own family: 0...32 for IPv4, 0...128 for IPv6.
    package let length: Int

    package init(_ address: IPAddress, length: Int) {
        self.address = address.prefix(length)
        self.length = length
    }
    package func contains(_ other: IPAddress) -> Bool {
        other.isV4 == address.isV4 && other.prefix(length) == address
    }
}
