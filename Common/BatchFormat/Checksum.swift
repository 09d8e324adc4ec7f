internal import WireBytes

/// The low 32 bits of XXH64 with seed 0, the sum that zstd frames have too (RFC 8878 §3.1.1): eight octets a step, so
/// that a body's check costs a reader less than a nanosecond a row.
package enum Checksum {
    private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87, prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9, prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
    private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

    package static func of(_ bytes: RawSpan) -> UInt32 {
        var offset = 0
        var hash = bytes.byteCount >= 32 ? stripes(bytes, &offset) : prime5
        hash &+= UInt64(bytes.byteCount)
        while bytes.byteCount - offset >= 8 {
            hash = rotate(hash ^ round(0, bytes.le64(at: offset)), 27) &* prime1 &+ prime4
            offset += 8
        }
        if bytes.byteCount - offset >= 4 {
            hash = rotate(hash ^ UInt64(bytes.le32(at: offset)) &* prime1, 23) &* prime2 &+ prime3
            offset += 4
        }
        while offset < bytes.byteCount {
            hash = rotate(hash ^ UInt64(bytes.u8(at: offset)) &* prime5, 11) &* prime1
            offset += 1
        }
        hash = (hash ^ hash >> 33) &* prime2
        hash = (hash ^ hash >> 29) &* prime3
        return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
    }

    /// All whole 32-octet stripes, from `offset` on.
    private static func stripes(_ bytes: RawSpan, _ offset: inout Int) -> UInt64 {
        var a = prime1 &+ prime2, b = prime2, c: UInt64 = 0, d = 0 &- prime1
        while bytes.byteCount - offset >= 32 {
            a = round(a, bytes.le64(at: offset))
            b = round(b, bytes.le64(at: offset &+ 8))
            c = round(c, bytes.le64(at: offset &+ 16))
            d = round(d, bytes.le64(at: offset &+ 24))
            offset &+= 32
        }
        var hash = rotate(a, 1) &+ rotate(b, 7) &+ rotate(c, 12) &+ rotate(d, 18)
        for lane in [a, b, c, d] { hash = (hash ^ round(0, lane)) &* prime1 &+ prime4 }
        return hash
    }
    @inline(__always) private static func round(_ sum: UInt64, _ input: UInt64) -> UInt64 {
        rotate(sum &+ input &* prime2, 31) &* prime1
    }
    @inline(__always) private static func rotate(_ word: UInt64, _ bits: UInt64) -> UInt64 {
        word &<< bits | word &>> (64 &- bits)
    }
}
