internal import WireBytes

/// 128 bits that stand for a datagram's bytes and length. Each step multiplies two words of the state, mixed with 16
/// octets and the seed, and keeps the whole product: one multiplication for 16 octets. Without the seed, collisions
/// can't be looked for; by chance two datagrams share a digest once in 2^60 pairs or less often (a factor of 0).
///
/// It runs as four chains, every fourth 16 octets in one: a step waits for the one before it in its chain, so
/// four chains take a quarter of the time. They are joined by steps of the same kind.
struct DatagramDigest: Equatable, Sendable, BitwiseCopyable {
    let first: UInt64, second: UInt64

    init(_ bytes: RawSpan, _ seed: (UInt64, UInt64)) {
        let count = bytes.byteCount
        var chain = Chain(seed, count: count, number: 0)
        var offset = 0
        if count >= 64 {
            var other1 = Chain(seed, count: count, number: 1), other2 = Chain(seed, count: count, number: 2)
            var other3 = Chain(seed, count: count, number: 3)
            while count - offset >= 64 {
                let part = bytes.extracting(offset..<(offset &+ 64))  // one check of bounds for all
                chain.step(part.le64(at: 0), part.le64(at: 8), seed)
                other1.step(part.le64(at: 16), part.le64(at: 24), seed)
                other2.step(part.le64(at: 32), part.le64(at: 40), seed)
                other3.step(part.le64(at: 48), part.le64(at: 56), seed)
                offset &+= 64
            }
            chain.join(other1, seed)
            chain.join(other2, seed)
            chain.join(other3, seed)
        }
        while count - offset >= 16 {
            chain.step(bytes.le64(at: offset), bytes.le64(at: offset &+ 8), seed)
            offset &+= 16
        }
        let rest = Self.rest(of: bytes, from: offset)
        chain.step(rest.low, rest.high, seed)
        first = fold(chain.a ^ seed.1, chain.b ^ 0xA076_1D64_78BD_642F)
        second = fold(chain.b ^ seed.0, chain.a ^ 0xE703_7ED1_A0B4_28DB)
    }

    /// Up to 15 octets, the others zero: the length is in the chains' start.
    @inline(__always)
    private static func rest(of bytes: RawSpan, from start: Int) -> (low: UInt64, high: UInt64) {
        var low: UInt64 = 0, high: UInt64 = 0, offset = start
        if bytes.byteCount - offset >= 8 {
            low = bytes.le64(at: offset)
            offset &+= 8
            for index in offset..<bytes.byteCount {
                high |= UInt64(bytes.u8(at: index)) << UInt64(8 * (index - offset))
            }
        } else {
            for index in offset..<bytes.byteCount { low |= UInt64(bytes.u8(at: index)) << UInt64(8 * (index - offset)) }
        }
        return (low, high)
    }

    /// The state of one chain.
    private struct Chain {
        var a: UInt64, b: UInt64

        @inline(__always)
        init(_ seed: (UInt64, UInt64), count: Int, number: UInt64) {
            // Crosswise, so that a step's seeds don't cancel out.
            let start = UInt64(truncatingIfNeeded: count) | number << 32
            a = seed.1 &+ start &* 0x9E37_79B9_7F4A_7C15
            b = seed.0 &+ start &* 0xD6E8_FEB8_6659_FD93
        }
        @inline(__always)
        mutating func step(_ low: UInt64, _ high: UInt64, _ seed: (UInt64, UInt64)) {
            let left = low ^ a ^ seed.0 ^ 0x8EBC_6AF0_9C88_C6E3
            let product = left.multipliedFullWidth(by: high ^ b ^ seed.1 ^ 0x5895_65E3_9D4B_1F2B)
            a = product.low &+ high
            b = product.high &+ low
        }
        /// Takes in another chain's end.
        @inline(__always)
        mutating func join(_ other: Chain, _ seed: (UInt64, UInt64)) {
            a = fold(other.a ^ seed.0 ^ 0x8EBC_6AF0_9C88_C6E3, a ^ seed.1) &+ other.a
            b = fold(other.b ^ seed.1 ^ 0x5895_65E3_9D4B_1F2B, b ^ seed.0) &+ other.b
        }
    }
}

@inline(__always)
private func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
}
