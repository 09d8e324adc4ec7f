/// All indicators that count for a tenant, made once and then only asked: a new set takes the place of the old one.
///
/// An address first meets the filter, which nearly all fail; what is left is searched in a sorted table that gives
/// every network holding it. Expiry is told at the match, by the record's own time, so a replay of last month matches
/// what was valid then.
/// A listed system is met by the networks that a table of systems says it announces (`AnnouncedNetworks`), which the
/// filter has, too, and where that table doesn't know the address, by the number that the record has.
/// Invariants: immutable; at most `Limit.indicatorsMax` indicators; of one feed the latest word on a network and port
/// counts. A million IPv4 addresses take some 36 MB, of IPv6 some 50 MB.
/// Not here: whether a match matters (`ScoreRules`), what must not be reported (`AllowTable`).
package import FlowModel
package import NetworkTable

package struct IndicatorSet: Sendable {
    /// By `Match.feed`.
    package let feeds: [FeedSource]
    /// Indicators that another of the same feed stood for, and those there was no room for.
    package let superseded: Int, refused: Int
    let filter: AddressFilter
    package let table: NetworkTable
    /// The entries of the network at place `p` are `firstEntry[p]..<firstEntry[p + 1]`.
    let firstEntry: [UInt32]
    let entries: IndicatorEntries
    /// Sorted numbers of systems, with entries that follow those of the networks.
    package let systems: [UInt32]
    let firstSystemEntry: [UInt32]
    let systemFilter: SystemFilter
    /// Of `systems`.
    package let announced: AnnouncedNetworks

    /// One indicator that an address meets.
    package struct Match: Equatable, Sendable {
        package let feed: Int
        package let indicator: Indicator
    }

    package static let empty = IndicatorSet([])

    package var count: Int { entries.count }
    package var isEmpty: Bool { entries.count == 0 }

    /// False for nearly every address that no indicator holds, true for all others; but for those of systems, by
    /// numbers that records have.
    package func mayHold(_ address: IPAddress) -> Bool { filter.passes(high: address.high, low: address.low) }

    /// The rows of which an end may be an indicator's, in order.
    package func candidates(in columns: FlowColumns, rows: Range<Int>) -> [Int] {
        guard !isEmpty else { return [] }
        var found: [Int] = []
        let sourceHighs = columns.sourceHigh, sourceLows = columns.sourceLow
        let destinationHighs = columns.destinationHigh, destinationLows = columns.destinationLow
        for row in rows.clamped(to: columns.rows) {
            if filter.passes(high: sourceHighs[row], low: sourceLows[row])
                || filter.passes(high: destinationHighs[row], low: destinationLows[row])
            {
                found.append(row)
            }
        }
        return systems.isEmpty ? found : merge(found, systemCandidates(in: columns, rows: rows))
    }

    private func systemCandidates(in columns: FlowColumns, rows: Range<Int>) -> [Int] {
        let sources = columns.bgpSourceAsNumber, destinations = columns.bgpDestinationAsNumber
        return rows.clamped(to: columns.rows).filter { row in
            hasSystem(sources[row]) || hasSystem(destinations[row])
        }
    }
    private func merge(_ some: [Int], _ others: [Int]) -> [Int] {
        others.isEmpty ? some : Set(some + others).sorted()
    }
    package func hasSystem(_ number: UInt32) -> Bool {
        systemFilter.passes(number) && number != 0 && systemPlace(number) != nil
    }
    private func systemPlace(_ number: UInt32) -> Int? {
        var low = 0, high = systems.count
        while low < high {  // ends: the distance shrinks
            let middle = (low + high) >> 1
            if systems[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low < systems.count && systems[low] == number ? low : nil
    }

    /// Whether some network, or a listed system's, holds the address, whatever its indicators' time and port.
    package func holds(_ address: IPAddress) -> Bool {
        mayHold(address) && (table.narrowest(holding: address) != nil || announced.system(of: address) != 0)
    }
    /// The listed system that the address is of, by the table of systems; 0 is none.
    package func listedSystem(of address: IPAddress) -> UInt32 { mayHold(address) ? announced.system(of: address) : 0 }

    /// Every indicator that `address`, or its system, meets at `time`, the narrowest network first.
    /// - Parameters:
    ///   - port: the peer's, 0 when the record has none; indicators of another port don't match.
    ///   - system: of the address, by the record, for where no listed system is known to have it; 0 is unknown.
    ///   - time: event time in ms since 1970 UTC; nil takes expired ones, too.
    package func matches(
        _ address: IPAddress, port: UInt16 = 0, system: UInt32 = 0, at time: Int64?
    ) -> [Match] {
        var found: [Match] = [], system = system
        if mayHold(address) {
            for place in table.all(holding: address) { add(networkEntries(at: place), port, time, &found) }
            let announcing = announced.system(of: address)
            if announcing != 0 { system = announcing }
        }
        if system != 0, let place = systemPlace(system) {
            add(Int(firstSystemEntry[place])..<Int(firstSystemEntry[place + 1]), port, time, &found)
        }
        return found
    }

    /// The indicators of exactly the networks that hold `network`, and how many networks within it have some.
    package func covering(_ network: IPNetwork) -> (matches: [Match], within: Int) {
        var found: [Match] = []
        for place in table.all(holding: network.address) where table[place].length <= network.length {
            add(networkEntries(at: place), 0, nil, &found)
        }
        let own = table.place(of: network) == nil ? 0 : 1
        return (found, table.places(within: network).count - own)
    }

    private func networkEntries(at place: Int) -> Range<Int> { Int(firstEntry[place])..<Int(firstEntry[place + 1]) }

    private func add(_ range: Range<Int>, _ port: UInt16, _ time: Int64?, _ found: inout [Match]) {
        for entry in range where entries.isValid(entry, at: time) && entries.hasPort(entry, port) {
            found.append(entries.match(entry))
        }
    }
}
