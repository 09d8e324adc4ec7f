internal import Glibc

/// How many different values were seen, in 64 octets: a HyperLogLog of 64 registers (Flajolet et al., 2007), with
/// linear counting for few values. The error is about 13 %. Union is exact: merging sketches is the sketch of all
/// values.
package struct DistinctSketch: Hashable, Sendable {
    package var registers: SIMD64<UInt8> = .zero

    package init() {}
    package init(registers: SIMD64<UInt8>) { self.registers = registers }

    /// Notes a value. The hash is fixed, so that sketches of different sensors can be merged.
    package mutating func insert(_ value: UInt64) {
        let hash = Self.mix(value)
        let index = Int(hash & 63), rest = hash >> 6
        let rank = UInt8(truncatingIfNeeded: (rest | 1 << 58).trailingZeroBitCount + 1)
        if rank > registers[index] { registers[index] = rank }
    }
    package mutating func merge(_ other: DistinctSketch) {
        registers.replace(with: other.registers, where: other.registers .> registers)
    }

    package var estimate: Double {
        var sum = 0.0, zeros = 0
        for index in 0..<64 {
            sum += pow(2, -Double(min(registers[index], 63)))
            if registers[index] == 0 { zeros += 1 }
        }
        let raw = 0.709 * 64 * 64 / sum
        return raw <= 160 && zeros > 0 ? 64 * log(64 / Double(zeros)) : raw
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var bits = value &+ 0x9E37_79B9_7F4A_7C15
        bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        return bits ^ bits >> 31
    }
}

/// What a row stands for when its key was made coarser: how many different ports and peers its flows had.
package struct DistinctPair: Hashable, Sendable {
    /// Destination ports, and ICMP types and codes.
    package var ports = DistinctSketch()
    /// Addresses of the end that was summed away.
    package var peers = DistinctSketch()
    package init() {}
}

/// The sketches of some columns' rows. A row's place is 1 + its pair's number; 0 is "none: count the rows".
package struct DistinctCounts: Sendable {
    package var pairs: [DistinctPair] = []
    package init() {}

    /// Adds a pair and returns its place.
    package mutating func add(_ pair: DistinctPair) -> UInt32 {
        pairs.append(pair)
        return UInt32(truncatingIfNeeded: pairs.count)
    }
    package func pair(at place: UInt32) -> DistinctPair? {
        place > 0 && Int(place) <= pairs.count ? pairs[Int(place) - 1] : nil
    }
    package mutating func copy(_ place: UInt32, from other: DistinctCounts) -> UInt32 {
        other.pair(at: place).map { add($0) } ?? 0
    }
    package mutating func removeAll() { pairs.removeAll(keepingCapacity: true) }
}
