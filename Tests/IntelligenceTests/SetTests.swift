import FlowModel
import Intelligence
import Platform
import TestKit
import Testing

@Suite("The set of indicators") struct SetTests {
    private func found(
        _ set: IndicatorSet, _ text: String, port: UInt16 = 0, system: UInt32 = 0, at time: Int64? = Feeds.now
    ) throws -> [String] {
        set.matches(try Feeds.address(text), port: port, system: system, at: time)
            .map { "\(set.feeds[$0.feed].name) \($0.indicator.subject)" }
    }

    @Test("an address meets its own indicators, its networks' and its system's, the narrowest first") func matches()
        throws
    {
        let one = [
            try Feeds.indicator("198.51.100.7"), try Feeds.indicator("198.51.100.0/24"),
            try Feeds.indicator("2001:db8::/32"), try Feeds.indicator("AS64496"), try Feeds.indicator("AS64500"),
        ]
        let two = [
            try Feeds.indicator("198.51.100.7"), try Feeds.indicator("2001:db8::1"), try Feeds.indicator("AS64496"),
        ]
        let set = IndicatorSet([(FeedSource(name: "one"), one), (FeedSource(name: "two"), two)])
        #expect(set.count == 8)
        let expected = [
            "198.51.100.7": ["one 198.51.100.7", "two 198.51.100.7", "one 198.51.100.0/24"],
            "198.51.100.8": ["one 198.51.100.0/24"], "198.51.101.8": [], "::": [],
            "2001:db8::1": ["two 2001:db8::1", "one 2001:db8::/32"], "2001:db8:ffff::1": ["one 2001:db8::/32"],
            "2001:db9::1": [],
        ]
        for (text, indicators) in expected {
            let found = try found(set, text)
            #expect(found == indicators, "\(text)")
        }
        let bySystem = try found(set, "203.0.113.1", system: 64_496)
        #expect(bySystem == ["one AS64496", "two AS64496"])
        let byNone = try found(set, "203.0.113.1", system: 64_497)
        #expect(byNone == [])
        #expect(set.hasSystem(64_500) && !set.hasSystem(0))
    }

    @Test("a listed system is met by the networks it announces, and there the record's number doesn't count")
    func announced() throws {
        func network(_ text: String) throws -> IPNetwork { try #require(IPNetwork(text)) }
        let pairs: [(network: IPNetwork, system: UInt32)] = [
            (try network("203.0.113.0/24"), 64_496), (try network("2001:db8::/32"), 64_497),
            (try network("198.51.100.0/25"), 64_496), (try network("192.0.2.0/24"), 0),
        ]
        let announced = AnnouncedNetworks(pairs)
        #expect(announced.count == 3 && announced.known == [64_496, 64_497] && announced.leftOut == 0)
        let all = ["AS64496", "AS64497", "198.51.100.7"], source = FeedSource(name: "a")
        let set = IndicatorSet([(source, try all.map { try Feeds.indicator($0) })], announced: announced)
        #expect(try found(set, "203.0.113.1") == ["a AS64496"])
        #expect(try found(set, "203.0.113.1", system: 64_497) == ["a AS64496"], "the table's word counts")
        #expect(try found(set, "203.0.114.1", system: 64_497) == ["a AS64497"], "where it has none, the record's")
        #expect(try found(set, "198.51.100.7") == ["a 198.51.100.7", "a AS64496"])
        #expect(try found(set, "2001:db8::1") == ["a AS64497"])
        for text in ["203.0.113.1", "2001:db8:5::1", "198.51.100.9"] {
            let address = try Feeds.address(text)
            #expect(set.mayHold(address) && set.holds(address) && set.listedSystem(of: address) != 0, "\(text)")
        }
        let other = try Feeds.address("192.0.2.1")
        #expect(!set.holds(other) && set.listedSystem(of: other) == 0)
        let empty = IndicatorSet([(source, [try Feeds.indicator("AS64496")])])
        #expect(try found(empty, "203.0.113.1") == [] && empty.announced.count == 0)
        // Two layers: either's systems count, by either's networks.
        let own = IndicatorSet(
            [(FeedSource(name: "b"), [try Feeds.indicator("AS64500")])],
            announced: AnnouncedNetworks([(network: try network("192.0.2.0/24"), system: UInt32(64_500))]))
        let layers = IndicatorLayers(shared: set, own: own)
        #expect(layers.listedSystem(of: other) == 64_500 && layers.holds(other))
        #expect(layers.listedSystem(of: try Feeds.address("203.0.113.1")) == 64_496)
        #expect(layers.matches(other, at: nil).map { layers.feeds[$0.feed].name } == ["b"])
    }

    @Test("the systems that a set asks networks of are those of its feeds") func askedFor() throws {
        var asked: [Set<UInt32>] = []
        for text in ["AS64496\nAS64500\n198.51.100.7\n", "198.51.100.7\n"] {
            var read = FeedRead(source: FeedSource(name: "a"), time: Feeds.now)
            read.readList(Array(text.utf8))
            _ = IndicatorSet(reads: [read]) { systems in
                asked.append(systems)
                return .none
            }
        }
        #expect(asked == [[64_496, 64_500]])
    }

    @Test("expiry is told by the record's time") func expiry() throws {
        let indicator = try Feeds.indicator("198.51.100.7", expires: Feeds.now + 5_500)
        let set = IndicatorSet([(FeedSource(name: "a"), [indicator])])
        let before = try found(set, "198.51.100.7", at: Feeds.now),
            after = try found(set, "198.51.100.7", at: Feeds.now + 5_500)
        let ever = try found(set, "198.51.100.7", at: nil)
        #expect(before.count == 1)
        #expect(after.isEmpty)
        #expect(ever.count == 1)
    }

    @Test("an indicator of a port meets that port, and records without one") func ports() throws {
        let set = IndicatorSet([
            (
                FeedSource(name: "a"),
                [try Feeds.indicator("198.51.100.7", port: 443), try Feeds.indicator("198.51.100.7", port: 80)]
            )
        ])
        #expect(set.count == 2)
        let counts = try [443, 80, 22, 0].map { try found(set, "198.51.100.7", port: $0).count }
        #expect(counts == [1, 1, 0, 2])
    }

    @Test("of one feed the latest word counts; what was said about it comes back whole") func latest() throws {
        let old = try Feeds.indicator("198.51.100.7", confidence: 99, lastSeen: Feeds.now - Feeds.day)
        let new = try Feeds.indicator(
            "198.51.100.7", port: 0, confidence: 20, lastSeen: Feeds.now, expires: Feeds.now + Feeds.day,
            labels: ["c2"], family: "Emotet", techniques: ["T1071"])
        let set = IndicatorSet([(FeedSource(name: "a"), [new, old]), (FeedSource(name: "a"), [old])])
        #expect(set.count == 1)
        #expect(set.superseded == 2)
        #expect(set.feeds.count == 1)
        let match = try #require(set.matches(try Feeds.address("198.51.100.7"), at: Feeds.now).first)
        #expect(match.indicator == new)
    }

    @Test("a whole family, or what is as wide, is not taken") func wide() throws {
        let all = try ["0.0.0.0/0", "::/0", "2000::/3", "64.0.0.0/7"].map { try Feeds.indicator($0) }
        let set = IndicatorSet([(FeedSource(name: "a"), all)])
        #expect(set.isEmpty)
        #expect(set.refused == 4)
    }

    @Test("it agrees with asking every indicator, in sets small and large") func model() {
        forAll(runs: 16) { generator, seed in
            var indicators: [Indicator] = []
            for index in 0..<(seed.isMultiple(of: 4) ? 6_000 : 200) {
                let network: IPNetwork
                if Bool.random(using: &generator) {
                    let bits = UInt32.random(in: 0..<4_096, using: &generator) << 16 | 0x0100_0000
                    network = IPNetwork(
                        IPAddress(v4: bits | UInt32.random(in: 0..<512, using: &generator)),
                        length: [8, 12, 16, 24, 25, 31, 32].randomElement(using: &generator) ?? 32)
                } else {
                    let high = 0x2001_0000_0000_0000 | UInt64.random(in: 0..<4_096, using: &generator) << 28
                    network = IPNetwork(
                        IPAddress(high: high, low: UInt64.random(in: 0..<4, using: &generator)),
                        length: [20, 24, 32, 40, 48, 56, 64, 128].randomElement(using: &generator) ?? 128)
                }
                indicators.append(
                    Indicator(
                        .network(network), confidence: UInt8(index % 100), lastSeen: Int64(index + 1) * 1_000,
                        context: IndicatorContext()))
            }
            let set = IndicatorSet([(FeedSource(name: "a"), indicators)])
            let networks = Set(indicators.map(\.subject))
            #expect(set.count == networks.count, "SEED=\(seed)")
            for _ in 0..<200 {
                guard case .network(let near)? = indicators.randomElement(using: &generator)?.subject else { continue }
                let address = IPAddress(
                    high: near.address.high,
                    low: near.address.low ^ UInt64.random(in: 0..<1_024, using: &generator))
                let expected = networks.filter { subject in
                    if case .network(let network) = subject { return network.contains(address) }
                    return false
                }
                let found = set.matches(address, at: nil).map(\.indicator.subject)
                #expect(Set(found) == expected, "SEED=\(seed) \(address)")
                #expect(found.count == expected.count)
                #expect(expected.isEmpty || set.mayHold(address))
            }
        }
    }

    @Test("of a batch the rows are found that have an indicator, and hardly another") func candidates() throws {
        var generator = SeededGenerator(seed: 5)
        let listed = (0..<20_000).map { _ in
            IPAddress(v4: UInt32.random(in: 0x0B00_0000..<0xDF00_0000, using: &generator))
        }
        let indicators = listed.map {
            Indicator(.network(IPNetwork($0, length: 32)), confidence: 50, context: IndicatorContext())
        }
        let set = IndicatorSet([(FeedSource(name: "a"), indicators + [try Feeds.indicator("AS64496")])])
        var columns = FlowColumns(capacity: 3_000), expected: [Int] = []
        for row in 0..<3_000 {
            var record = FlowRecord()
            record.sourceIPAddress = IPAddress(v4: 0x0A00_0001)
            record.destinationIPAddress = IPAddress(v4: UInt32.random(in: 0x0B00_0000..<0xDF00_0000, using: &generator))
            switch row % 100 {
            case 7: record.sourceIPAddress = listed[row]
            case 9: record.destinationIPAddress = listed[row]
            case 11: record.bgpDestinationAsNumber = 64_496
            default: break
            }
            if [7, 9, 11].contains(row % 100) { expected.append(row) }
            columns.append(record)
        }
        let found = set.candidates(in: columns, rows: columns.rows)
        #expect(Set(found).isSuperset(of: expected))
        #expect(found == found.sorted())
        #expect(
            found.count < expected.count + 6,
            "one in 800 random addresses shares a /24 with a listed host, and few of them its hash")
        #expect(set.candidates(in: columns, rows: 0..<8) == [7])
        #expect(IndicatorSet.empty.candidates(in: columns, rows: columns.rows).isEmpty)
    }
}
