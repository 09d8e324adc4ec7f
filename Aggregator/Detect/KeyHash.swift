/// Hashes of hosts, and of what concerns them, for tables that keep no keys (`FingerprintTable`).
///
/// Invariants: a function of the tenant and the key alone, so that a replay, another node and a snapshot agree; it
/// differs from tenant to tenant. Each is the folded product of wyhash (Wang Yi): every bit of a key reaches all of it.
/// Not here: hashes that nobody outside can know (`WindowKey.fastHash`); a table that is asked by these bounds what
/// keys of one hash can cost.
import FlowModel
import Identity

struct KeyHash: Sendable {
    private let a, b, c, d, e, f: UInt64

    init(_ tenant: TenantID) {
        var state = StableHash.of(tenant.rawValue)
        /// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
        func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var word = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
            word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
            return word ^ (word >> 31)
        }
        (a, b, c) = (next(), next(), next())
        (d, e, f) = (next(), next(), next())
    }

    /// Of a host or a network.
    @inline(__always)
    func host(_ address: IPAddress) -> UInt64 { Self.fold(address.high ^ a, address.low ^ b) }

    /// Of a host, a detail and a window.
    @inline(__always)
    func of(_ host: UInt64, detail: UInt64, epoch: Int64) -> UInt64 {
        Self.fold(host ^ (detail &* 0x9E37_79B9_7F4A_7C15) ^ c, UInt64(bitPattern: epoch) ^ d)
    }

    /// Of two hosts, in this order, a detail and a window.
    @inline(__always)
    func of(_ first: UInt64, _ second: UInt64, detail: UInt64, epoch: Int64) -> UInt64 {
        of(Self.fold(first ^ e, second ^ f), detail: detail, epoch: epoch)
    }

    @inline(__always)
    private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }
}
