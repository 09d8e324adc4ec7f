import Enrichment
import FlowModel
import Foundation
import Platform
import TestKit
import Testing

@Suite("The networks of a system") struct SystemRangeTests {
    private static let folder = "enrich/maxmind-test"
    private static let present = !Fixtures.files(in: folder, suffix: ".mmdb").isEmpty

    private func database(_ systems: [(String, UInt32)]) throws -> AddressDatabase {
        let folder = try TemporaryFolder(), file = folder.file("systems.mmdb").path
        let known = try systems.map { (try #require(IPNetwork($0.0)), $0.1) }
        try makeFile(file, with: MMDBFile.octets(systems: known))
        return try AddressDatabase(path: file)
    }
    private func enrichment(_ databases: [AddressDatabase]) -> Enrichment {
        Enrichment(sources: databases.map { .database($0) }, assets: .none, generation: 1)
    }
    private func networks(_ ranges: [SystemRange], of system: UInt32) -> [String] {
        ranges.filter { $0.system == system }.flatMap(\.networks).map { "\($0)" }
    }

    @Test("are those that the table gives its addresses, whichever they are neighbours of") func found() throws {
        let database = try database([
            ("198.51.100.0/24", 64_496), ("198.51.101.0/24", 64_497), ("198.51.102.0/23", 64_496),
            ("203.0.113.0/25", 64_496), ("203.0.113.128/25", 64_496), ("2001:db8::/32", 64_498),
            ("2001:db9::/32", 64_496),
        ])
        let both = enrichment([database]).ranges(ofSystems: [64_496, 64_498, 0, 64_500])
        #expect(
            networks(both, of: 64_496) == ["198.51.100.0/24", "198.51.102.0/23", "203.0.113.0/24", "2001:db9::/32"])
        #expect(networks(both, of: 64_498) == ["2001:db8::/32"])
        #expect(networks(both, of: 64_497) == [] && networks(both, of: 64_500) == [])
        #expect(enrichment([database]).ranges(ofSystems: []) == [] && Enrichment.none.ranges(ofSystems: [1]) == [])
        #expect(database.place(of: try #require(IPAddress("203.0.113.200"))).systemNumber == 64_496)
    }

    @Test("where tables differ, the one before counts, as for one address") func several() throws {
        let first = try database([("198.51.100.0/25", 64_497), ("2001:db8:1::/48", 64_496)])
        let second = try database([("198.51.100.0/24", 64_496), ("2001:db8::/32", 64_497)])
        let table = enrichment([first, second]), ranges = table.ranges(ofSystems: [64_496, 64_497])
        #expect(networks(ranges, of: 64_496).sorted() == ["198.51.100.128/25", "2001:db8:1::/48"])
        for text in ["198.51.100.1", "198.51.100.129", "2001:db8:1::1", "2001:db8:2::1", "2001:db8::1"] {
            let address = try #require(IPAddress(text)), system = table.place(of: address).systemNumber
            let holding = ranges.filter { $0.addresses.contains(address) }.map(\.system)
            #expect(holding == [system], "\(text)")
        }
    }

    @Test("any range is the fewest networks, and no address more or less") func split() throws {
        func range(_ first: String, _ last: String) throws -> [String] {
            let addresses = try #require(IPAddress(first))...(try #require(IPAddress(last)))
            return SystemRange(addresses: addresses, system: 1).networks.map { "\($0)" }
        }
        #expect(try range("10.0.0.1", "10.0.0.6") == ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"])
        #expect(try range("0.0.0.0", "255.255.255.255").count == 256)
        #expect(try range("10.0.0.0", "11.255.255.255") == ["10.0.0.0/8", "11.0.0.0/8"])
        #expect(try range("2a00::", "2a00:1fff:ffff:ffff:ffff:ffff:ffff:ffff") == ["2a00::/20", "2a00:1000::/20"])
        #expect(try range("ffff:ffff:ffff:ffff::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").count == 1)
        #expect(try range("::1", "::1") == ["::1/128"])
        forAll(runs: 300) { generator, seed in
            let first = UInt32.random(in: 0...(.max), using: &generator)
            let last = first.addingReportingOverflow(UInt32.random(in: 0...0x3_FFFF, using: &generator))
            guard !last.overflow else { return }
            let networks = SystemRange(
                addresses: IPAddress(v4: first)...IPAddress(v4: last.partialValue), system: 1
            ).networks
            var next = UInt64(first)
            for network in networks {
                #expect(UInt64(network.address.v4) == next, "seed \(seed)")
                next += 1 << UInt64(32 - network.length)
            }
            #expect(next == UInt64(last.partialValue) + 1 && networks.count <= 36, "seed \(seed)")
        }
    }

    @Test(
        "of a maker's file are those that its addresses give",
        .enabled(if: present, Comment(rawValue: Fixtures.why))) func real() throws
    {
        let path = Fixtures.root.appendingPathComponent("\(Self.folder)/test-data/GeoLite2-ASN-Test.mmdb").path
        let table = enrichment([try AddressDatabase(path: path)])
        let ranges = table.ranges(ofSystems: [1_221, 237, 15_169, 7_018])
        #expect(Set(ranges.map(\.system)).isSuperset(of: [1_221, 237, 7_018]))
        for range in ranges {
            for address in [range.addresses.lowerBound, range.addresses.upperBound] {
                #expect(table.place(of: address).systemNumber == range.system, "\(address)")
            }
            #expect(!range.networks.isEmpty)
        }
        let one = try #require(IPAddress("1.128.0.1"))
        #expect(ranges.contains { $0.system == 1_221 && $0.addresses.contains(one) })
    }

    @Test("of a broken file are some or none, and it ends", .enabled(if: present, Comment(rawValue: Fixtures.why)))
    func broken() {
        var opened = 0
        for file in Fixtures.files(in: Self.folder, suffix: ".mmdb") {
            let path = Fixtures.root.appendingPathComponent(file).path
            guard let database = try? AddressDatabase(path: path) else { continue }
            opened += 1
            let ranges = enrichment([database]).ranges(ofSystems: Set(1...70_000))
            #expect(ranges.allSatisfy { (1...70_000).contains($0.system) })
        }
        #expect(opened > 10)
    }
}
