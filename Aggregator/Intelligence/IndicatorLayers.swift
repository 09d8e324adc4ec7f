/// The indicators that all tenants share and those of one tenant's own feeds, asked as one set: a million shared ones
/// are in memory once, however many tenants have feeds of their own.
package import FlowModel

package struct IndicatorLayers: Sendable {
    package let shared: IndicatorSet, own: IndicatorSet

    package static let empty = IndicatorLayers(shared: .empty)

    package init(shared: IndicatorSet, own: IndicatorSet = .empty) {
        (self.shared, self.own) = (shared, own)
    }

    /// By `Match.feed`: the shared ones first.
    package var feeds: [FeedSource] { own.feeds.isEmpty ? shared.feeds : shared.feeds + own.feeds }
    package var count: Int { shared.count + own.count }
    package var isEmpty: Bool { shared.isEmpty && own.isEmpty }

    /// See `IndicatorSet`.
    package func mayHold(_ address: IPAddress) -> Bool {
        shared.mayHold(address) || (!own.isEmpty && own.mayHold(address))
    }
    package func hasSystem(_ number: UInt32) -> Bool { shared.hasSystem(number) || own.hasSystem(number) }
    package func candidates(in columns: FlowColumns, rows: Range<Int>) -> [Int] {
        if own.isEmpty { return shared.candidates(in: columns, rows: rows) }
        let owns = own.candidates(in: columns, rows: rows)
        if shared.isEmpty { return owns }
        let others = shared.candidates(in: columns, rows: rows)
        return owns.isEmpty ? others : others.isEmpty ? owns : Set(owns).union(others).sorted()
    }
    package func listedSystem(of address: IPAddress) -> UInt32 {
        let system = shared.listedSystem(of: address)
        return system == 0 ? own.listedSystem(of: address) : system
    }
    package func holds(_ address: IPAddress) -> Bool { shared.holds(address) || own.holds(address) }
    package func matches(
        _ address: IPAddress, port: UInt16 = 0, system: UInt32 = 0, at time: Int64?
    ) -> [IndicatorSet.Match] {
        let others = shared.matches(address, port: port, system: system, at: time)
        return own.isEmpty
            ? others : together(others, own.matches(address, port: port, system: system, at: time))
    }
    package func covering(_ network: IPNetwork) -> (matches: [IndicatorSet.Match], within: Int) {
        let others = shared.covering(network)
        if own.isEmpty { return others }
        let owns = own.covering(network)
        return (together(others.matches, owns.matches), others.within + owns.within)
    }

    /// The narrowest first, of equals the shared one; the tenant's feeds are counted after the shared ones.
    private func together(
        _ others: [IndicatorSet.Match], _ owns: [IndicatorSet.Match]
    ) -> [IndicatorSet.Match] {
        let moved = owns.map { IndicatorSet.Match(feed: $0.feed + shared.feeds.count, indicator: $0.indicator) }
        let all = others + moved
        return all.enumerated().sorted { a, b in
            let (first, second) = (a.element.width, b.element.width)
            return first != second ? first < second : a.offset < b.offset
        }
        .map(\.element)
    }
}

extension IndicatorSet.Match {
    /// How wide the subject is: host bits of a network; a system is wider than any.
    fileprivate var width: Int {
        guard case .network(let network) = indicator.subject else { return 129 }
        return (network.address.isV4 ? 32 : 128) - network.length
    }
}
