/// Lists of what must not be reported: well-known services that feeds keep listing by mistake. MISP's warning lists
/// (`list.json` of misp-warninglists) and plain lists.
package import FlowModel
import NetworkTable

package struct AllowList: Equatable, Sendable {
    package var name: String
    package var networks: [IPNetwork]

    package init(name: String, networks: [IPNetwork]) {
        self.name = name
        self.networks = networks
    }
}

private struct WarningList: Decodable {
    var name: String, type: String
    var list: Lossy<String>
}

extension FeedRead {
    /// Reads a warning list. Private and wide networks are welcome in it: it can only silence.
    /// - Returns: nil when the list is not one of addresses; the refusals say so.
    package mutating func readWarningList(_ octets: [UInt8]) -> AllowList? {
        guard let list = document(octets, as: WarningList.self) else { return nil }
        guard list.type == "cidr" || list.type == "string" else {
            refuse(.otherKind, at: "document", "a list of type \(list.type)")
            return nil
        }
        note(list.list, "list")
        var networks: [IPNetwork] = []
        for text in list.list.elements {
            if let network = IPNetwork(text) { networks.append(network) } else { refuse(.notAnIndicator, at: text) }
        }
        return networks.isEmpty ? nil : AllowList(name: Limit.short(list.name), networks: networks)
    }
}

extension FeedRead {
    /// Reads a plain list: an address or a network a line, of any width; `#` and `;` begin comments.
    package mutating func readAllowList(_ octets: [UInt8]) -> AllowList? {
        guard accepts(octets, max: Limit.documentOctetsMax) else { return nil }
        var networks: [IPNetwork] = [], number = 0
        for line in octets.split(separator: 0x0A, omittingEmptySubsequences: false) {
            number += 1
            let word = line.drop { $0 == 0x20 || $0 == 0x09 }.prefix {
                ![0x20, 0x09, 0x0D, UInt8(ascii: ","), UInt8(ascii: "#"), UInt8(ascii: ";")].contains($0)
            }
            guard !word.isEmpty else { continue }
            let text = String(decoding: word.prefix(Limit.textOctetsMax), as: UTF8.self)
            if let network = IPNetwork(text), networks.count < Limit.indicatorsMax {
                networks.append(network)
            } else {
                refuse(networks.count < Limit.indicatorsMax ? .notAnIndicator : .tooMuch, at: "line \(number)", text)
            }
        }
        return AllowList(name: source.name, networks: networks)
    }
}

/// All allow-lists, ready to be asked.
package struct AllowTable: Sendable {
    private let table: NetworkTable
    /// By place in the table: the lists that have the network.
    private var lists: [[UInt16]]
    private let names: [String]

    package static let listsMax = 1_000

    package init(_ all: [AllowList] = []) {
        let kept = all.prefix(Self.listsMax)
        names = kept.map(\.name)
        table = NetworkTable(kept.flatMap(\.networks))
        lists = [[UInt16]](repeating: [], count: table.count)
        for (index, list) in kept.enumerated() {
            for network in list.networks {
                guard let place = table.place(of: network), lists[place].last != UInt16(index) else { continue }
                lists[place].append(UInt16(index))
            }
        }
    }

    package var isEmpty: Bool { table.isEmpty }

    /// The names of the lists that have `address`, in their order, each once.
    package func lists(holding address: IPAddress) -> [String] {
        guard !table.isEmpty else { return [] }
        return Set(table.all(holding: address).flatMap { lists[$0] }).sorted().map { names[Int($0)] }
    }
    /// The same for all of `network`: a list that has only a part of it does not count.
    package func lists(holding network: IPNetwork) -> [String] {
        let places = table.all(holding: network.address).filter { table[$0].length <= network.length }
        return Set(places.flatMap { lists[$0] }).sorted().map { names[Int($0)] }
    }
}
