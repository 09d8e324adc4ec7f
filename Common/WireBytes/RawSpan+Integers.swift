internal import CPrefetch

/// Fixed-width integers out of borrowed bytes, in network order (`be`) for protocols and little-endian (`le`) for our
/// own formats.
///
/// This module is the one place in Weir that uses `unsafe` beside the wrappers of C libraries: the loads below are
/// bounds-checked by the standard library (an offset outside the span stops the process), and a decoder checks
/// lengths before it reads, so the check never fires on wire input. They are marked unsafe only because a load could
/// build any type; here it builds integers.
extension RawSpan {
    /// One octet at `offset`, counted from the start of this span.
    @inlinable @inline(__always)
    package func u8(at offset: Int) -> UInt8 {
        unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
    }
    /// Two octets, most significant first.
    @inlinable @inline(__always)
    package func be16(at offset: Int) -> UInt16 {
        unsafe UInt16(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }
    /// Four octets, most significant first.
    @inlinable @inline(__always)
    package func be32(at offset: Int) -> UInt32 {
        unsafe UInt32(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
    /// Eight octets, most significant first.
    @inlinable @inline(__always)
    package func be64(at offset: Int) -> UInt64 {
        unsafe UInt64(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    /// `width` octets (1...8), most significant first: IPFIX reduced-size encoding (RFC 7011 §6.2).
    @inlinable @inline(__always)
    package func beInteger(at offset: Int, width: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<width { value = value << 8 | UInt64(u8(at: offset &+ index)) }
        return value
    }
    /// Two octets, least significant first.
    @inlinable @inline(__always)
    package func le16(at offset: Int) -> UInt16 {
        unsafe UInt16(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }
    /// Four octets, least significant first.
    @inlinable @inline(__always)
    package func le32(at offset: Int) -> UInt32 {
        unsafe UInt32(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
    /// Eight octets, least significant first.
    @inlinable @inline(__always)
    package func le64(at offset: Int) -> UInt64 {
        unsafe UInt64(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    /// Reads one octet of each cache line, so that those not yet in the cache come all at once and not one after
    /// another as the loops over records get to them. Returns something made of them, to be kept: unused loads are
    /// left out by the compiler.
    package func warm() -> UInt8 {
        unsafe withUnsafeBytes { unsafe weirWarm($0.baseAddress, $0.count) }
    }
    /// The same for bytes that are needed soon, without waiting for them.
    package func prefetch() {
        unsafe withUnsafeBytes { unsafe weirPrefetch($0.baseAddress, $0.count) }
    }
    /// The bytes as an array: for what must outlive the span.
    @inlinable
    package func copied() -> [UInt8] {
        unsafe withUnsafeBytes { unsafe [UInt8]($0) }
    }
    /// Whether two spans hold the same bytes.
    @inlinable
    package func isEqual(to other: RawSpan) -> Bool {
        guard byteCount == other.byteCount else { return false }
        for index in 0..<byteCount where u8(at: index) != other.u8(at: index) { return false }
        return true
    }
}

extension Array where Element == UInt8 {
    /// Calls `body` with the array's bytes as a `RawSpan`: the way from an array to a decoder.
    @inlinable
    package func withBytes<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(unsafe span.bytes)
    }
}
