package import FlowModel

/// A set of addresses: as it was written (`terms`), and as ranges for looking up.
///
/// Invariants: ranges rise and neither touch nor overlap, in the order of addresses as 128-bit numbers, IPv4 in its
/// mapped form. A range of IPv6 addresses never holds IPv4 ones, and the absent address `::` is in no network: only in
/// a set that names it alone.
package struct AddressSet: Hashable, Sendable {
    package enum Term: Hashable, Sendable {
        case network(IPNetwork)
        case range(ClosedRange<IPAddress>)
        /// One of the tenant's named networks, without the `@`.
        case named(String)
        /// A country by its code of two capital letters (ISO 3166-1 alpha-2).
        case country(String)
    }
    /// Each once, in the order of `AddressSet.isBefore`.
    package let terms: [Term]
    package let ranges: [ClosedRange<IPAddress>]

    /// - Parameter names: gives the networks of `named` and `country`; what it does not know is empty.
    package init(_ terms: some Sequence<Term>, names: NamedNetworks = NamedNetworks()) {
        self.terms = Set(terms).sorted(by: Self.isBefore)
        ranges = Self.merged(self.terms.flatMap { Self.ranges(of: $0, names) })
    }
    package init(_ networks: some Sequence<IPNetwork>) { self.init(networks.map { Term.network($0) }) }

    package func contains(_ address: IPAddress) -> Bool {
        var low = 0, high = ranges.count
        while low < high {  // ends: the distance halves
            let middle = (low + high) / 2
            if ranges[middle].upperBound < address { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].lowerBound <= address
    }

    private static func ranges(of term: Term, _ names: NamedNetworks) -> [ClosedRange<IPAddress>] {
        switch term {
        case .network(let network): split(network.address...network.last)
        case .range(let range): split(range)
        case .named(let name): (names.networks[name] ?? []).flatMap { split($0.address...$0.last) }
        case .country(let code): (names.country?(code) ?? []).flatMap { split($0) }
        }
    }
    /// Without the absent address, unless that is all; without IPv4 addresses in the middle of IPv6 ones.
    private static func split(_ range: ClosedRange<IPAddress>) -> [ClosedRange<IPAddress>] {
        var lower = range.lowerBound
        let upper = range.upperBound
        if lower.isAbsent, !upper.isAbsent { lower = IPAddress(high: 0, low: 1) }
        guard !lower.isV4 || !upper.isV4 else { return [lower...upper] }
        let before = IPAddress(high: 0, low: IPAddress.mappedPrefix - 1)
        let after = IPAddress(high: 0, low: IPAddress.mappedPrefix + (1 << 32))
        if upper < after { return lower <= before ? [lower...min(upper, before)] : [] }
        if lower > before { return [max(lower, after)...upper] }
        return [lower...before, after...upper]
    }
    private static func merged(_ ranges: [ClosedRange<IPAddress>]) -> [ClosedRange<IPAddress>] {
        var merged: [ClosedRange<IPAddress>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, last.upperBound.next.map({ range.lowerBound <= $0 }) ?? true {
                merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        return merged
    }

    /// Networks by address and length, then ranges, names, countries.
    static func isBefore(_ a: Term, _ b: Term) -> Bool {
        switch (a, b) {
        case (.network(let a), .network(let b)): (a.address, a.length) < (b.address, b.length)
        case (.range(let a), .range(let b)): (a.lowerBound, a.upperBound) < (b.lowerBound, b.upperBound)
        case (.named(let a), .named(let b)), (.country(let a), .country(let b)): a < b
        default: a.rank < b.rank
        }
    }
}

extension AddressSet.Term {
    fileprivate var rank: Int {
        switch self {
        case .network: 0
        case .range: 1
        case .named: 2
        case .country: 3
        }
    }
}

extension IPNetwork {
    /// The highest address in it.
    package var last: IPAddress {
        let bits = address.isV4 ? length + 96 : length
        let high = bits >= 64 ? address.high : address.high | .max >> UInt64(bits)
        let low = bits <= 64 ? .max : bits == 128 ? address.low : address.low | .max >> UInt64(bits - 64)
        return IPAddress(high: high, low: low)
    }
}

extension IPAddress {
    /// The next higher one; nil after the highest.
    fileprivate var next: IPAddress? {
        let (low, carries) = self.low.addingReportingOverflow(1)
        let (high, isOver) = self.high.addingReportingOverflow(carries ? 1 : 0)
        return isOver ? nil : IPAddress(high: high, low: low)
    }
}

/// What names in a filter stand for: a tenant's own networks, and countries.
package struct NamedNetworks: Sendable {
    /// By name, without the `@`: letters, digits, `.`, `_` and `-`.
    package var networks: [String: [IPNetwork]]
    /// The ranges of a country's code in capital letters; nil for one that is not known. Nil as a whole: there is no
    /// table of countries, and filters that name one are refused.
    package var country: (@Sendable (String) -> [ClosedRange<IPAddress>]?)?

    package init(
        _ networks: [String: [IPNetwork]] = [:], country: (@Sendable (String) -> [ClosedRange<IPAddress>]?)? = nil
    ) {
        self.networks = networks
        self.country = country
    }
}
