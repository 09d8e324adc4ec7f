/// Hashes that are the same on every machine and in every run (Swift's own are seeded per process). For names, not
/// for secrets: FNV-1a (Fowler, Noll, Vo; draft-eastlake-fnv).
package enum StableHash {
    /// Of the UTF-8 of `parts`, each closed by an octet that UTF-8 never has: ("a", "bc") and ("ab", "c") differ.
    package static func hex128(_ parts: String...) -> String {
        var hash: UInt128 = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D
        let prime: UInt128 = 0x0000_0000_0100_0000_0000_0000_0000_013B
        for part in parts {
            for octet in part.utf8 { hash = (hash ^ UInt128(octet)) &* prime }
            hash = (hash ^ 0xFF) &* prime
        }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 32 - digits.utf8.count) + digits
    }

    package static func fnv64(_ octets: ArraySlice<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for octet in octets { hash = (hash ^ UInt64(octet)) &* 0x0000_0100_0000_01B3 }
        return hash
    }
    package static func of(_ text: String) -> UInt64 { fnv64(Array(text.utf8)[...]) }
}
