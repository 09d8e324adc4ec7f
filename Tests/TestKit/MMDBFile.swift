package import FlowModel

/// A file in MaxMind's format (MMDB 2.0) that says which system announces which network, for tests without the makers'
/// files.
package enum MMDBFile {
    private struct Node {
        /// Another node, a record, or nothing, for each side.
        var sides: (Entry, Entry) = (.none, .none)
    }
    private enum Entry {
        case none
        case node(Int)
        case record(Int)
    }

    /// - Parameter systems: networks that don't overlap.
    package static func octets(systems: [(IPNetwork, UInt32)]) -> [UInt8] {
        var nodes = [Node()], records: [UInt8] = []
        for (network, system) in systems {
            let place = records.count
            records +=
                map([("autonomous_system_number", number(system)), ("as_name", text("System \(system)"))])
            add(network, place, &nodes)
        }
        var octets: [UInt8] = []
        for node in nodes {
            for side in [node.sides.0, node.sides.1] {
                let value =
                    switch side {
                    case .none: nodes.count
                    case .node(let index): index
                    case .record(let place): nodes.count + 16 + place
                    }
                octets += [UInt8(value >> 16 & 0xFF), UInt8(value >> 8 & 0xFF), UInt8(value & 0xFF)]
            }
        }
        octets += [UInt8](repeating: 0, count: 16) + records
        octets += [0xAB, 0xCD, 0xEF] + Array("MaxMind.com".utf8)
        return octets
            + map([
                ("node_count", number(UInt32(nodes.count))), ("record_size", short(24)), ("ip_version", short(6)),
                ("database_type", text("Test-ASN")), ("languages", [0x00, 0x04]),
                ("binary_format_major_version", short(2)), ("binary_format_minor_version", short(0)),
                ("build_epoch", [0x01, 0x02, 1]), ("description", map([])),
            ])
    }

    private static func add(_ network: IPNetwork, _ record: Int, _ nodes: inout [Node]) {
        let isV4 = network.address.isV4, length = network.length + (isV4 ? 96 : 0)
        // IPv4 is where the first 96 bits are zeros.
        let low = isV4 ? UInt64(network.address.v4) : network.address.low
        var here = 0
        for bit in 0..<length {
            let word = bit < 64 ? network.address.high : low
            let isRight = word >> UInt64(63 - bit % 64) & 1 == 1
            let side = isRight ? nodes[here].sides.1 : nodes[here].sides.0
            var next = 0
            if bit == length - 1 {
                set(.record(record), isRight, &nodes[here])
            } else if case .node(let known) = side {
                next = known
            } else {
                next = nodes.count
                nodes.append(Node())
                set(.node(next), isRight, &nodes[here])
            }
            here = next
        }
    }
    private static func set(_ entry: Entry, _ isRight: Bool, _ node: inout Node) {
        if isRight { node.sides.1 = entry } else { node.sides.0 = entry }
    }

    private static func text(_ text: String) -> [UInt8] {
        let count = text.utf8.count
        return (count < 29 ? [0x40 | UInt8(count)] : [0x5D, UInt8(count - 29)]) + Array(text.utf8)
    }
    private static func number(_ value: UInt32) -> [UInt8] {
        [0xC4] + [24, 16, 8, 0].map { UInt8(value >> UInt32($0) & 0xFF) }
    }
    private static func short(_ value: UInt16) -> [UInt8] { [0xA2, UInt8(value >> 8), UInt8(value & 0xFF)] }
    private static func map(_ pairs: [(String, [UInt8])]) -> [UInt8] {
        [0xE0 | UInt8(pairs.count)] + pairs.flatMap { text($0.0) + $0.1 }
    }
}
