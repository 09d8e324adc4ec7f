import FlowModel
import NetworkTable
import Platform
import TestKit
import Testing

@Suite("Networks, sorted") struct NetworkTableTests {
    static func network(_ text: String) throws -> IPNetwork { try #require(IPNetwork(text)) }
    static func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test("the narrowest network is found, and from it all wider ones") func nesting() throws {
        let texts = [
            "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "192.0.2.0/25", "2001:db8::/32",
            "2001:db8:1::/48", "2001:db8:1::1/128", "2001:db8::/33",
        ]
        let table = NetworkTable(try texts.map(Self.network) + texts.map(Self.network))
        #expect(table.count == texts.count, "told once each")
        func holders(_ text: String) throws -> [String] {
            table.all(holding: try Self.address(text)).map { "\(table[$0])" }
        }
        let expected = [
            "10.1.2.3": ["10.1.2.3/32", "10.1.2.0/24", "10.1.0.0/16", "10.0.0.0/8", "0.0.0.0/0"],
            "10.1.2.4": ["10.1.2.0/24", "10.1.0.0/16", "10.0.0.0/8", "0.0.0.0/0"],
            "10.200.0.1": ["10.0.0.0/8", "0.0.0.0/0"],
            "192.0.2.128": ["0.0.0.0/0"],
            "2001:db8:1::1": ["2001:db8:1::1/128", "2001:db8:1::/48", "2001:db8::/33", "2001:db8::/32"],
            "2001:db8:8000::1": ["2001:db8::/32"],
            "2001:db9::1": [],
        ]
        for (text, networks) in expected {
            let found = try holders(text)
            #expect(found == networks, "\(text)")
        }
    }

    @Test("an empty table holds nothing") func empty() throws {
        let table = NetworkTable([])
        #expect(table.isEmpty)
        #expect(table.narrowest(holding: try Self.address("192.0.2.1")) == nil)
        #expect(table.narrowest(holding: .absent) == nil)
        #expect(table.places(within: try Self.network("0.0.0.0/0")).isEmpty)
    }

    /// A network whose bits are drawn from few values, so that nesting and neighbours are frequent.
    private func anyNetwork(_ generator: inout SeededGenerator, few: Bool) -> IPNetwork {
        if Bool.random(using: &generator) {
            let bits = UInt32.random(in: 0...(few ? 63 : .max), using: &generator) << (few ? 24 : 0)
            let low = few ? UInt32.random(in: 0..<16, using: &generator) : 0
            return IPNetwork(IPAddress(v4: bits | low), length: Int.random(in: 0...32, using: &generator))
        }
        let high = UInt64.random(in: 0..<(few ? 8 : .max), using: &generator) << 56 | 1
        let low = UInt64.random(in: 0..<(few ? 8 : .max), using: &generator)
        return IPNetwork(IPAddress(high: high, low: low), length: Int.random(in: 0...128, using: &generator))
    }

    @Test("it agrees with asking every network, in tables small and large") func model() throws {
        try forAll(runs: 24) { generator, seed in
            let few = seed.isMultiple(of: 2)
            let networks = (0..<(seed % 6 == 0 ? 4_000 : 60)).map { _ in anyNetwork(&generator, few: few) }
            let table = NetworkTable(networks), distinct = Set(networks)
            #expect(table.count == distinct.count, "SEED=\(seed)")
            for _ in 0..<60 {
                let near = networks[Int.random(in: 0..<networks.count, using: &generator)].address
                let address =
                    Bool.random(using: &generator) ? near : anyNetwork(&generator, few: few).address
                let expected = distinct.filter { $0.contains(address) }.sorted { $0.length > $1.length }
                let found = table.all(holding: address).map { table[$0] }
                #expect(found == expected, "SEED=\(seed) \(address)")
                let outer = anyNetwork(&generator, few: few)
                let inside = Set(table.places(within: outer).map { table[$0] })
                let expectedInside = distinct.filter { outer.contains($0.address) && $0.length >= outer.length }
                #expect(inside == expectedInside, "SEED=\(seed) \(outer)")
            }
            for network in distinct.prefix(50) {
                let place = try #require(table.place(of: network), "SEED=\(seed)")
                #expect(table[place] == network)
            }
        }
    }

    @Test("what one table has and another has not is told as sets tell it") func difference() {
        forAll(runs: 60) { generator, seed in
            func some() -> [IPNetwork] {
                (0..<Int.random(in: 0..<60, using: &generator)).map { _ in
                    let isWide = Bool.random(using: &generator)
                    let low = UInt64.random(in: 0..<16, using: &generator) << 60
                    let address = isWide ? IPAddress(high: low, low: 0) : IPAddress(v4: UInt32(low >> 32))
                    return IPNetwork(address, length: Int.random(in: 0...(isWide ? 64 : 32), using: &generator))
                }
            }
            let (one, other) = (some(), some()), table = NetworkTable(one)
            let found = table.networks(notIn: NetworkTable(other))
            #expect(Set(found) == Set(one).subtracting(other), "SEED=\(seed)")
            #expect(found == (0..<table.count).map { table[$0] }.filter { !other.contains($0) }, "SEED=\(seed)")
        }
    }
}
