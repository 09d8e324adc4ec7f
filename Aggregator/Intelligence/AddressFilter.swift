/// Tells for almost every address that is not among the indicators that it isn't, with one look.
///
/// IPv4 has a bit for each /24, set where an indicator is in it or holds it; where it is set, a second look tells hosts
/// (a bitmap of hashed addresses) from networks, so that neighbours of listed hosts end there. IPv6 has a bitmap of
/// hashed prefixes: an indicator of /48 or narrower is there by its first 48 bits, a wider one by its first 32, and one
/// wider than that by every /32 in it; and the same two to look at then. Without them a site whose own prefix happens
/// to be a listed one's neighbour would have every record looked up.
/// Invariants: never a miss: what an indicator holds always passes. 4 MiB, and 8 to 16 bits for each host of IPv4, 16
/// to 32 for each of IPv6, three times, at most 4 MiB each.
import FlowModel

struct AddressFilter: Sendable {
    private var v4: [UInt64], v4Networks: [UInt64], v4Hosts: [UInt64]
    private let v4HostMask: UInt64
    private var wide: [UInt64], wideNetworks: [UInt64], wideHosts: [UInt64]
    private let wideMask: UInt64

    private static let v4Words = 1 << 18, bitsMax = 1 << 25

    init(_ networks: some Sequence<IPNetwork>) {
        var wideCount = 0, hostCount = 0
        for network in networks {
            if network.address.isV4 { hostCount += network.isHost ? 1 : 0 } else { wideCount += Self.keyCount(network) }
        }
        let wideBits = Self.bits(wideCount * 16), hostBits = Self.bits(hostCount * 8)
        v4 = [UInt64](repeating: 0, count: Self.v4Words)
        v4Networks = v4
        v4Hosts = [UInt64](repeating: 0, count: hostBits / 64)
        v4HostMask = UInt64(hostBits - 1)
        wide = [UInt64](repeating: 0, count: wideBits / 64)
        (wideNetworks, wideHosts) = (wide, wide)
        wideMask = UInt64(wideBits - 1)
        for network in networks { if network.address.isV4 { setV4(network) } else { setWide(network) } }
    }

    @inline(__always)
    func passes(high: UInt64, low: UInt64) -> Bool {
        if high == 0, low >> 32 == 0xFFFF {
            let bits = UInt32(truncatingIfNeeded: low), block = bits >> 8
            guard v4[Int(block >> 6)] >> UInt64(block & 63) & 1 != 0 else { return false }
            return v4Networks[Int(block >> 6)] >> UInt64(block & 63) & 1 != 0 || hasHost(bits)
        }
        let narrow = Self.hash(high >> 16, 48)
        if isSet(wide, narrow), isSet(wideNetworks, narrow) || isSet(wideHosts, Self.hash(high, low)) { return true }
        return isSet(wideNetworks, Self.hash(high >> 32, 32))
    }

    /// A power of two, at least `wanted` where that is allowed.
    private static func bits(_ wanted: Int) -> Int {
        var bits = 1_024
        while bits < wanted, bits < bitsMax { bits <<= 1 }
        return bits
    }
    private func hostBit(_ bits: UInt32) -> UInt64 {
        ((UInt64(bits) &* 0x9E37_79B9_7F4A_7C15) >> 32) & v4HostMask
    }
    private func hasHost(_ bits: UInt32) -> Bool {
        let bit = hostBit(bits)
        return v4Hosts[Int(bit >> 6)] >> (bit & 63) & 1 != 0
    }

    @inline(__always)
    private func isSet(_ bitmap: [UInt64], _ hash: UInt64) -> Bool {
        let bit = hash & wideMask
        return bitmap[Int(bit >> 6)] >> (bit & 63) & 1 != 0
    }
    private static func hash(_ prefix: UInt64, _ length: UInt64) -> UInt64 {
        let mixed = (prefix &+ length) &* 0x9E37_79B9_7F4A_7C15
        return ((mixed ^ mixed >> 29) &* 0xBF58_476D_1CE4_E5B9) >> 24
    }

    private mutating func setV4(_ network: IPNetwork) {
        let first = network.address.v4 >> 8
        if network.isHost {
            v4[Int(first >> 6)] |= 1 << UInt64(first & 63)
            let bit = hostBit(network.address.v4)
            v4Hosts[Int(bit >> 6)] |= 1 << (bit & 63)
            return
        }
        let blocks = network.length >= 24 ? 1 : UInt32(1) << UInt32(24 - max(network.length, 0))
        // Whole words where a network has them: one of /8 is 1,024.
        if blocks >= 64 {
            for word in (first >> 6)..<((first >> 6) + blocks / 64) {
                (v4[Int(word)], v4Networks[Int(word)]) = (.max, .max)
            }
        } else {
            for block in first..<(first + blocks) {
                v4[Int(block >> 6)] |= 1 << UInt64(block & 63)
                v4Networks[Int(block >> 6)] |= 1 << UInt64(block & 63)
            }
        }
    }

    private static func keyCount(_ network: IPNetwork) -> Int {
        network.length >= 32 ? 1 : 1 << min(32 - max(network.length, 0), 32)
    }
    private mutating func setWide(_ network: IPNetwork) {
        if network.length >= 48 {
            let narrow = Self.hash(network.address.high >> 16, 48)
            set(\.wide, narrow)
            if network.isHost {
                set(\.wideHosts, Self.hash(network.address.high, network.address.low))
            } else {
                set(\.wideNetworks, narrow)
            }
            return
        }
        let first = network.address.high >> 32
        for key in 0..<UInt64(Self.keyCount(network)) { set(\.wideNetworks, Self.hash(first &+ key, 32)) }
    }
    private mutating func set(_ bitmap: WritableKeyPath<Self, [UInt64]>, _ hash: UInt64) {
        let bit = hash & wideMask
        self[keyPath: bitmap][Int(bit >> 6)] |= 1 << (bit & 63)
    }
}

/// Tells the same of systems' numbers: a bit for each 16 last bits. 8 KiB, or nothing where no system is listed.
struct SystemFilter: Sendable {
    private var bits: [UInt64] = []

    init(_ systems: [UInt32]) {
        guard !systems.isEmpty else { return }
        bits = [UInt64](repeating: 0, count: 1_024)
        for number in systems { bits[Int(number >> 6 & 1_023)] |= 1 << UInt64(number & 63) }
    }
    @inline(__always)
    func passes(_ number: UInt32) -> Bool {
        !bits.isEmpty && bits[Int(number >> 6 & 1_023)] >> UInt64(number & 63) & 1 != 0
    }
}
