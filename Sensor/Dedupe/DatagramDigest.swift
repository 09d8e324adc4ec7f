internal import WireBytes

/// 128 bits that stand for a datagram's bytes and length: two independent lanes, each of multiply-and-fold steps as in
/// wyhash. Without the seed, collisions can't be looked for.
struct DatagramDigest: Equatable, Sendable {
    private let first: UInt64, second: UInt64

    init(_ bytes: RawSpan, _ seed: (UInt64, UInt64)) {
        let count = bytes.byteCount
        var a = seed.0 ^ UInt64(count), b = seed.1 &+ UInt64(count) &* 0x9E37_79B9_7F4A_7C15
        var offset = 0
        while count - offset >= 16 {
            Self.step(&a, &b, bytes.le64(at: offset), bytes.le64(at: offset &+ 8), seed)
            offset &+= 16
        }
        var low: UInt64 = 0, high: UInt64 = 0
        for index in offset..<count {
            let shift = UInt64(8 * ((index - offset) % 8))
            if index - offset < 8 {
                low |= UInt64(bytes.u8(at: index)) << shift
            } else {
                high |= UInt64(bytes.u8(at: index)) << shift
            }
        }
        Self.step(&a, &b, low, high, seed)
        first = Self.fold(a ^ seed.1, b ^ 0xA076_1D64_78BD_642F)
        second = Self.fold(b ^ seed.0, a ^ 0xE703_7ED1_A0B4_28DB)
    }

    @inline(__always)
    private static func step(
        _ a: inout UInt64, _ b: inout UInt64, _ low: UInt64, _ high: UInt64, _ seed: (UInt64, UInt64)
    ) {
        a = fold(low ^ seed.0 ^ 0x8EBC_6AF0_9C88_C6E3, high ^ a) &+ low
        b = fold(high ^ seed.1 ^ 0x5895_65E3_9D4B_1F2B, low ^ b) &+ high
    }
    @inline(__always)
    private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }
}

extension DatagramDigest: Hashable {
    /// Already uniform: one word is enough to find it by.
    func hash(into hasher: inout Hasher) { hasher.combine(first) }
}
