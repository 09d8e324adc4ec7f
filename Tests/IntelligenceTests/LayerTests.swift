import FlowModel
import Identity
import Intelligence
import Platform
import TestKit
import Testing

@Suite("Shared indicators and a tenant's own") struct LayerTests {
    private func indicators(_ texts: [String]) throws -> [Indicator] { try texts.map { try Feeds.indicator($0) } }

    @Test("two layers answer as one set of both would") func together() throws {
        let shared = try indicators(["198.51.100.0/24", "198.51.100.7", "2001:db8::/32", "AS64496"])
        let own = try indicators(["198.51.100.7", "198.51.100.0/28", "203.0.113.9", "AS64497"])
        let sources = ["shared", "own"].map { FeedSource(name: $0) }
        let one = IndicatorSet([(sources[0], shared), (sources[1], own)])
        let layers = IndicatorLayers(
            shared: IndicatorSet([(sources[0], shared)]), own: IndicatorSet([(sources[1], own)]))
        #expect(layers.feeds == one.feeds && layers.count == one.count)
        for text in ["198.51.100.7", "198.51.100.8", "198.51.100.99", "203.0.113.9", "2001:db8::1", "192.0.2.1"] {
            let address = try #require(IPAddress(text))
            #expect(layers.mayHold(address) == one.mayHold(address) || layers.mayHold(address))
            for system in [UInt32(0), 64_496, 64_497] {
                let found = layers.matches(address, system: system, at: nil)
                #expect(found == one.matches(address, system: system, at: nil), "\(text) \(system)")
            }
        }
        let network = try #require(IPNetwork("198.51.100.0/26"))
        #expect(layers.covering(network).matches == one.covering(network).matches)
        #expect(layers.covering(network).within == 3, "each layer counts its own")
        #expect(layers.hasSystem(64_496) && layers.hasSystem(64_497) && !layers.hasSystem(1))
    }

    @Test("the rows that may match are those of either") func candidates() throws {
        var columns = FlowColumns()
        for text in ["198.51.100.7", "192.0.2.1", "203.0.113.9", "192.0.2.2", "198.51.100.7"] {
            var record = FlowRecord()
            record.sourceIPAddress = IPAddress(v4: 0x0A00_0001)
            record.destinationIPAddress = try #require(IPAddress(text))
            columns.append(record)
        }
        let source = FeedSource(name: "a")
        let one = IndicatorSet([(source, try indicators(["198.51.100.7"]))])
        let other = IndicatorSet([(source, try indicators(["203.0.113.9"]))])
        func rows(_ layers: IndicatorLayers) -> [Int] { layers.candidates(in: columns, rows: columns.rows) }
        #expect(rows(IndicatorLayers(shared: one)) == [0, 4])
        #expect(rows(IndicatorLayers(shared: .empty, own: other)) == [2])
        #expect(rows(IndicatorLayers(shared: one, own: other)) == [0, 2, 4])
        #expect(rows(.empty).isEmpty)
    }

    @Test("an edition has each tenant's own, and a worker's edition is behind until it ends") func editions() throws {
        let acme = try #require(TenantID("acme")), globex = try #require(TenantID("globex"))
        let set = IndicatorSet([(FeedSource(name: "a"), try indicators(["198.51.100.7"]))])
        let current = CurrentIntelligence()
        #expect(current.begin().generation == 0 && !current.isBehind(0))
        let generation = current.replace(
            shared: .none,
            own: [acme: Intelligence(indicators: set, allowed: AllowTable(), rules: ScoreRules())])
        #expect(generation == 1 && current.isBehind(1))
        #expect(current.edition[acme].indicators.count == 1 && current.edition[globex].indicators.isEmpty)
        current.end()
        #expect(!current.isBehind(1))
        #expect(current.begin().generation == 1 && !current.isBehind(1))
    }
}
