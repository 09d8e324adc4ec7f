package import FlowModel

/// Addresses from a first to a last one, both included, that one system announces.
package struct SystemRange: Equatable, Sendable {
    package let addresses: ClosedRange<IPAddress>
    package let system: UInt32

    package init(addresses: ClosedRange<IPAddress>, system: UInt32) {
        (self.addresses, self.system) = (addresses, system)
    }

    /// The fewest networks that are these addresses together, none wider than /8 (IPv4) or /20 (IPv6).
    package var networks: [IPNetwork] {
        let isV4 = addresses.lowerBound.isV4
        guard isV4 == addresses.upperBound.isV4 else { return [] }
        let widest = isV4 ? 32 - 8 : 128 - 20
        var first = addresses.lowerBound.number, found: [IPNetwork] = []
        let last = addresses.upperBound.number
        while first <= last {  // ends: each turn takes the network that begins at `first`
            // As wide as its first address lets it begin there, and as what is left has room for.
            let left = last - first
            let room = left == .max ? 128 : UInt128.bitWidth - 1 - (left + 1).leadingZeroBitCount
            let hostBits = min(first.trailingZeroBitCount, room, widest)
            let address = IPAddress(number: first)
            // IPv4's own place among the numbers of IPv6 is no network of IPv6.
            if address.isV4 == isV4 { found.append(IPNetwork(address, length: (isV4 ? 32 : 128) - hostBits)) }
            let (next, isOver) = first.addingReportingOverflow(UInt128(1) << UInt128(hostBits))
            guard !isOver else { break }
            first = next
        }
        return found
    }
}

extension IPAddress {
    fileprivate var number: UInt128 { UInt128(high) << 64 | UInt128(low) }
    fileprivate init(number: UInt128) {
        self.init(high: UInt64(truncatingIfNeeded: number >> 64), low: UInt64(truncatingIfNeeded: number))
    }
}

extension Enrichment {
    /// The addresses of systems, as `place` has them: where sources differ, those before count. Goes through whole
    /// files: some seconds for large ones.
    package func ranges(ofSystems systems: Set<UInt32>) -> [SystemRange] {
        let wanted = systems.subtracting([0]).sorted()
        guard !wanted.isEmpty else { return [] }
        var found: [SystemRange] = []
        for (number, source) in sources.enumerated() {
            let own = source.ranges(ofSystems: wanted)
            // Those of which nobody before knows a system.
            let earlier = own.isEmpty ? [] : sources[..<number].map { $0.ranges(ofSystems: []).map(\.addresses) }
            for (system, ranges) in Dictionary(grouping: own, by: \.system).sorted(by: { $0.key < $1.key }) {
                let left = earlier.reduce(ranges.map(\.addresses)) { $0.without($1) }
                found += left.map { SystemRange(addresses: $0, system: system) }
            }
        }
        return found
    }
}
