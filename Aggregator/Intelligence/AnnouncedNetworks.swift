package import FlowModel
internal import NetworkTable

/// Which addresses belong to listed systems, as a table of systems has it (`Enrichment`): an indicator that is a system
/// is matched by these, as if its networks were listed.
/// Invariants: at most `networksMax` networks, of each the system that announces it; what found no room is counted.
package struct AnnouncedNetworks: Sendable {
    package static let none = AnnouncedNetworks([])
    package static let networksMax = 1_000_000

    let table: NetworkTable
    /// By place in `table`.
    private let systems: [UInt32]
    package let leftOut: Int

    /// - Parameter networks: not overlapping; of several systems that have one the lowest counts.
    package init(_ networks: some Sequence<(network: IPNetwork, system: UInt32)>) {
        var taken: [(network: IPNetwork, system: UInt32)] = [], leftOut = 0
        for pair in networks where pair.system != 0 {
            if taken.count < Self.networksMax { taken.append(pair) } else { leftOut += 1 }
        }
        let table = NetworkTable(taken.lazy.map(\.network))
        var systems = [UInt32](repeating: 0, count: table.count)
        for pair in taken {
            guard let place = table.place(of: pair.network) else { continue }
            systems[place] = systems[place] == 0 ? pair.system : min(systems[place], pair.system)
        }
        (self.table, self.systems, self.leftOut) = (table, systems, leftOut)
    }

    package var count: Int { table.count }

    /// 0 when it is in none of them.
    func system(of address: IPAddress) -> UInt32 { table.narrowest(holding: address).map { systems[$0] } ?? 0 }

    /// Those of `wanted`.
    package func networks(of wanted: Set<UInt32>) -> [IPNetwork] {
        systems.indices.lazy.filter { wanted.contains(systems[$0]) }.map { table[$0] }
    }
    /// Those that have a network here.
    package var known: Set<UInt32> { Set(systems) }
}
