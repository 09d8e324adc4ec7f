/// What is known about an address besides its flows: country, system, the tenant's own network.
///
/// An `Enrichment` is a value that is replaced as a whole when a file or a list has changed; who enriches many records
/// asks through a `PlaceCache` of its own, which forgets all when the value is another.
/// Invariants: no lookup fails: what isn't known is unknown; the same files give the same answers.
/// Not here: reading and watching files, names from DNS, threat intelligence (`Intelligence`).
package import FlowModel
internal import Synchronization

/// One file or list with countries, systems, or both.
package enum PlaceSource: Sendable {
    case database(AddressDatabase)
    /// Countries only.
    case ranges(AddressRanges)

    func place(of address: IPAddress) -> AddressPlace {
        switch self {
        case .database(let database): database.place(of: address)
        case .ranges(let ranges): AddressPlace(country: ranges.country(of: address), systemNumber: 0)
        }
    }
    /// Of a country; of any for `.none`.
    func ranges(of country: CountryCode) -> [ClosedRange<IPAddress>] {
        switch self {
        case .database(let database): database.ranges(of: country)
        case .ranges(let ranges): ranges.ranges(of: country)
        }
    }
    /// Of systems, by sorted numbers; of any for none.
    func ranges(ofSystems systems: [UInt32]) -> [SystemRange] {
        switch self {
        case .database(let database): database.ranges(ofSystems: systems)
        case .ranges: []
        }
    }
}

extension [ClosedRange<IPAddress>] {
    /// What of these ranges is in none of `others`; neither overlap among themselves.
    func without(_ others: [ClosedRange<IPAddress>]) -> [ClosedRange<IPAddress>] {
        let holes = others.sorted { $0.lowerBound < $1.lowerBound }
        var left: [ClosedRange<IPAddress>] = [], first = 0
        for range in sorted(by: { $0.lowerBound < $1.lowerBound }) {
            while first < holes.count, holes[first].upperBound < range.lowerBound { first += 1 }
            var lower: IPAddress? = range.lowerBound, at = first
            while at < holes.count, let from = lower, holes[at].lowerBound <= range.upperBound {
                if from < holes[at].lowerBound, let end = holes[at].lowerBound.previous { left.append(from...end) }
                lower = holes[at].upperBound < range.upperBound ? holes[at].upperBound.following : nil
                at += 1
            }
            if let from = lower { left.append(from...range.upperBound) }
        }
        return left
    }
}

extension IPAddress {
    fileprivate var previous: IPAddress? {
        let (low, borrows) = self.low.subtractingReportingOverflow(1)
        let (high, isUnder) = self.high.subtractingReportingOverflow(borrows ? 1 : 0)
        return isUnder ? nil : IPAddress(high: high, low: low)
    }
    fileprivate var following: IPAddress? {
        let (low, carries) = self.low.addingReportingOverflow(1)
        let (high, isOver) = self.high.addingReportingOverflow(carries ? 1 : 0)
        return isOver ? nil : IPAddress(high: high, low: low)
    }
}

package struct Enrichment: Sendable {
    /// Asked in order, for what those before don't know.
    let sources: [PlaceSource]
    package let assets: AssetNetworks
    /// Different for each that was made from other files: a cache keeps to one.
    package let generation: UInt64

    package static let sourcesMax = 8
    package static let none = Enrichment(sources: [], assets: .none, generation: 0)

    /// - Parameter generation: one more than that of the value it replaces.
    package init(sources: [PlaceSource], assets: AssetNetworks, generation: UInt64) {
        self.sources = Array(sources.prefix(Self.sourcesMax))
        self.assets = assets
        self.generation = generation
    }

    package func place(of address: IPAddress) -> AddressPlace {
        var place = AddressPlace.unknown
        for source in sources {
            let more = source.place(of: address)
            if place.country.isNone { place.country = more.country }
            if place.systemNumber == 0 { place.systemNumber = more.systemNumber }
            if !place.country.isNone, place.systemNumber != 0 { break }
        }
        return place
    }

    /// Whether nothing is known about any address but the tenants' own.
    package var isEmpty: Bool { sources.isEmpty }
    /// Whether a country's ranges can be told.
    package var hasRanges: Bool { !sources.isEmpty }
    /// The addresses of a country, as `place` has it: where sources differ, those before count. Nil for one that is in
    /// none of them.
    package func ranges(of country: CountryCode) -> [ClosedRange<IPAddress>]? {
        guard !country.isNone else { return nil }
        var found: [ClosedRange<IPAddress>] = []
        for (number, source) in sources.enumerated() {
            var own = source.ranges(of: country)
            // Those of which nobody before knows a country.
            for earlier in sources[..<number] where !own.isEmpty { own = own.without(earlier.ranges(of: .none)) }
            found += own
        }
        return found.isEmpty ? nil : found
    }

    /// The name of who announces the address, from the first source that has one. For answers to people.
    package func systemName(of address: IPAddress) -> String? {
        for case .database(let database) in sources {
            if let name = database.systemName(of: address) { return name }
        }
        return nil
    }
}

/// Answers to the latest questions, one for each of `entries` places that addresses hash to.
package struct PlaceCache: Sendable {
    private struct Entry {
        var address = IPAddress.absent
        var place = AddressPlace.unknown
    }
    private var entries: [Entry]
    private let shift: UInt64
    private var generation: UInt64 = 0
    package private(set) var hits: UInt64 = 0, misses: UInt64 = 0

    /// - Parameter bits: of the number of entries, 4...20; an entry takes 24 octets, so the usual cache has 768 KiB.
    package init(bits: Int = 15) {
        let bits = min(max(bits, 4), 20)
        entries = [Entry](repeating: Entry(), count: 1 << bits)
        shift = UInt64(64 - bits)
    }

    package mutating func place(of address: IPAddress, in enrichment: borrowing Enrichment) -> AddressPlace {
        if enrichment.generation != generation { forget(enrichment.generation) }
        let mixed = (address.high &* 0x9E37_79B9_7F4A_7C15) ^ address.low
        let index = Int((mixed &* 0xBF58_476D_1CE4_E5B9) >> shift)
        if entries[index].address == address, !address.isAbsent {
            hits &+= 1
            return entries[index].place
        }
        misses &+= 1
        let place = address.isAbsent ? .unknown : enrichment.place(of: address)
        entries[index] = Entry(address: address, place: place)
        return place
    }

    private mutating func forget(_ newGeneration: UInt64) {
        for index in entries.indices { entries[index] = Entry() }
        generation = newGeneration
    }
}

/// The value in use, for all who ask: replaced by a reload, while questions under way keep the one they began with.
package final class CurrentEnrichment: Sendable {
    private let current: Mutex<Enrichment>

    package init(_ first: Enrichment) { current = Mutex(first) }

    package var value: Enrichment { current.withLock { $0 } }

    /// Puts another in its place, with the next generation.
    package func replace(sources: [PlaceSource], assets: AssetNetworks) {
        current.withLock { value in
            value = Enrichment(sources: sources, assets: assets, generation: value.generation &+ 1)
        }
    }
}
