/// CRC-32C (Castagnoli; RFC 3720 appendix B.4), a byte at a time: it runs over heads and small states, not over bodies.
package enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
    }
    package static func checksum(_ bytes: RawSpan) -> UInt32 {
        let table = Self.table.span
        var crc = UInt32.max
        for offset in 0..<bytes.byteCount {
            crc = table[Int(UInt8(truncatingIfNeeded: crc) ^ bytes.u8(at: offset))] ^ crc >> 8
        }
        return ~crc
    }
}
