/// A tenant's own networks, with names and tags: which part of the site an address belongs to.
///
///     10.1.0.0/16,Office Zurich,office ch
///     10.1.7.0/24,Payment,server pci critical
///
/// A network's tags are those of the narrowest network that holds an address; wider ones add nothing.
package import FlowModel
internal import NetworkTable

package struct AssetNetwork: Hashable, Sendable {
    package var network: IPNetwork
    package var name: String
    package var tags: [String]

    package init(network: IPNetwork, name: String, tags: [String]) {
        self.network = network
        self.name = name
        self.tags = tags
    }
}

package struct AssetNetworks: Sendable {
    package struct Fault: Error, Equatable, Sendable {
        package let line: Int
        package let reason: String
    }
    private let table: NetworkTable
    /// By place in the table.
    private let assets: [AssetNetwork]

    package static let networksMax = 100_000, tagsMax = 32, textOctetsMax = 256
    package static let none = AssetNetworks([])

    /// Of two with one network the later counts.
    package init(_ assets: [AssetNetwork]) {
        let kept = assets.prefix(Self.networksMax)
        let table = NetworkTable(kept.map(\.network))
        var byPlace: [Int: AssetNetwork] = [:]
        for asset in kept { if let place = table.place(of: asset.network) { byPlace[place] = asset } }
        self.table = table
        self.assets = (0..<table.count).compactMap { byPlace[$0] }
    }

    /// Reads a list, a network a line: the network, a name, and tags with blanks between them; `#` begins a comment.
    /// - Throws: the first line that is wrong; a list is taken whole or not at all.
    package init(list octets: [UInt8]) throws(Fault) {
        var assets: [AssetNetwork] = []
        let text = String(decoding: octets, as: UTF8.self)
        let lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }
        for (index, line) in lines.enumerated() {
            let content = line.prefix { $0 != "#" }.split(separator: ",", omittingEmptySubsequences: false)
                .map { $0.split(separator: " ").joined(separator: " ") }
            if content.allSatisfy(\.isEmpty) { continue }
            func fault(_ reason: String) -> Fault { Fault(line: index + 1, reason: reason) }
            guard let network = IPNetwork(content[0]) else { throw fault("'\(content[0].prefix(64))' is no network") }
            guard content.count <= 3 else { throw fault("more than network, name and tags") }
            let name = content.count > 1 ? content[1] : ""
            let tags = content.count > 2 ? content[2].split(separator: " ").map(String.init) : []
            guard tags.count <= Self.tagsMax, line.utf8.count <= 2 * Self.textOctetsMax else { throw fault("too long") }
            guard assets.count < Self.networksMax else { throw fault("more than \(Self.networksMax) networks") }
            assets.append(AssetNetwork(network: network, name: name, tags: tags))
        }
        self.init(assets)
    }

    package var count: Int { assets.count }

    /// The narrowest of the tenant's networks that holds `address`; nil when none does.
    package func asset(holding address: IPAddress) -> AssetNetwork? {
        table.narrowest(holding: address).map { assets[$0] }
    }
}
