import FilterLanguage
import FlowModel
import Identity
import Platform
import QueryEngine
import TestKit
import Testing

/// What a group's key is, said in another way than the product says it.
extension FlowGroupKey {
    init(_ known: RandomBlocks.Known, by keys: [FlowKey]) {
        self.init()
        let record = known.record
        func cut(_ address: IPAddress, _ v4: Int, _ v6: Int) -> IPNetwork {
            IPNetwork(address, length: address.isV4 ? v4 : v6)
        }
        for key in keys {
            switch key {
            case .sourceAddress: sourceAddress = record.sourceIPAddress
            case .destinationAddress: destinationAddress = record.destinationIPAddress
            case .nextHop: nextHop = record.ipNextHopAddress
            case .sourceNetwork(let v4, let v6): sourceNetwork = cut(record.sourceIPAddress, v4, v6)
            case .destinationNetwork(let v4, let v6): destinationNetwork = cut(record.destinationIPAddress, v4, v6)
            case .sourceTransportPort: sourceTransportPort = record.sourceTransportPort
            case .destinationTransportPort: destinationTransportPort = record.destinationTransportPort
            case .protocolIdentifier: protocolIdentifier = record.protocolIdentifier
            case .service:
                let ports = [record.sourceTransportPort, record.destinationTransportPort].filter { $0 > 0 }
                let isICMP = [1, 58].contains(record.protocolIdentifier)
                service = FlowService(
                    protocolIdentifier: record.protocolIdentifier,
                    port: isICMP ? record.destinationTransportPort : ports.min() ?? 0)
            case .sourceCountry: sourceCountry = SumsTests.place(record.sourceIPAddress).country
            case .destinationCountry: destinationCountry = SumsTests.place(record.destinationIPAddress).country
            case .sourceSystem: sourceSystem = SumsTests.place(record.sourceIPAddress).system
            case .destinationSystem: destinationSystem = SumsTests.place(record.destinationIPAddress).system
            case .sourceAS: sourceAS = record.bgpSourceAsNumber
            case .destinationAS: destinationAS = record.bgpDestinationAsNumber
            case .ingressInterface: ingressInterface = record.ingressInterface
            case .egressInterface: egressInterface = record.egressInterface
            case .exporter: exporter = known.exporter
            case .site: site = known.sensor.site
            case .sensor: sensor = known.sensor
            case .tcpControlBits: tcpControlBits = record.tcpControlBits
            case .codePoint: codePoint = record.ipClassOfService / 4
            case .vlan: vlan = record.vlanId
            case .direction: direction = record.flowDirection
            case .family: family = record.sourceIPAddress.isV4 ? 4 : record.sourceIPAddress.isAbsent ? 0 : 6
            case .time(let period): time = record.flowEndMilliseconds / period * period
            }
        }
    }
}

@Suite("Sums by group")
struct SumsTests {
    static let keys: [FlowKey] =
        FlowKey.allCases.map { $0.asked(of: places) }
        + [.sourceNetwork(v4: 24, v6: 48), .destinationNetwork(v4: 22, v6: 0)]
    static let places = PlaceTable { place($0) }
    /// Some addresses of each kind have neither, one, or both.
    static func place(_ address: IPAddress) -> PlaceTable.Place {
        guard !address.isAbsent else { return .init(country: 0, system: 0) }
        let mixed = address.low &* 0x9E37_79B9_7F4A_7C15
        return .init(
            country: mixed >> 60 < 3 ? 0 : 0x4141 + UInt16(mixed >> 56 & 3), system: UInt32(mixed >> 40 & 7))
    }
    /// So little memory that entries go to the scratch file at once.
    static var tiny: QueryMemory {
        var memory = QueryMemory()
        memory.residentBytes = 20_000
        return memory
    }

    private func randomKeys(_ generator: inout SeededGenerator) -> [FlowKey] {
        let few = Self.keys.filter { _ in Int.random(in: 0..<6, using: &generator) == 0 }
        return few.shuffled(using: &generator).filter { key in
            // Of one time only one period can be asked for.
            if case .time = key {
                key == few.first(where: { if case .time = $0 { true } else { false } })
            } else {
                true
            }
        }
    }
    private func sums(_ known: [RandomBlocks.Known], _ keys: [FlowKey]) -> [FlowGroupKey: (Tally, UInt64)] {
        known.reduce(into: [:]) { sums, item in
            let key = FlowGroupKey(item, by: keys)
            var sum = sums[key] ?? (Tally(), 0)
            sum.0 += item.record.tally
            sum.1 += 1
            sums[key] = sum
        }
    }

    @Test(
        "sums by any keys are those of a dictionary, in any cut and order of blocks, in memory or not",
        arguments: [false, true])
    func groups(isTiny: Bool) throws {
        var spilled = 0
        try forAll(runs: 30) { generator, seed in
            let random = try RandomBlocks(using: &generator, count: isTiny ? 3_000 : 300, spread: isTiny ? 4_000 : 6)
            let keys = isTiny ? [.sourceAddress, .destinationAddress, .exporter] : randomKeys(&generator)
            let blocks = try random.blocks(using: &generator, sizeMax: isTiny ? 1_500 : 60)
            var table = GroupSums(
                by: keys, seed: generator.next(), memory: isTiny ? Self.tiny : QueryMemory())
            for block in blocks { try table.add(block, rows: RandomBlocks.counted(block)) }
            let want = sums(random.counted, keys)
            let measure = try #require(FlowMeasure.allCases.filter { !$0.needsTimes }.randomElement(using: &generator))
            let limit = Int.random(in: 1...20, using: &generator)
            let top = try table.top(limit, by: measure)
            spilled += table.scratchBytes > 0 || top.groupCount > 1_000 ? 1 : 0
            #expect(top.groupCount == want.count, "SEED=\(seed) \(keys)")
            var total = Tally()
            for (tally, _) in want.values { total += tally }
            #expect(top.total == total, "SEED=\(seed) \(keys)")
            let sorted = want.sorted { a, b in
                let (left, right) = (
                    measure.value(of: a.value.0, milliseconds: 0), measure.value(of: b.value.0, milliseconds: 0)
                )
                return left != right ? left > right : a.key < b.key
            }
            let isSame =
                top.groups.map(\.key) == sorted.prefix(limit).map(\.key)
                && top.groups.map(\.tally) == sorted.prefix(limit).map(\.value.0)
                && top.groups.map(\.rows) == sorted.prefix(limit).map(\.value.1)
            #expect(isSame, "SEED=\(seed) \(keys) \(measure)")
        }
        #expect(!isTiny || spilled > 20, "\(spilled) runs with many groups")
    }

    @Test("what exceeds memory goes to a scratch file, and beyond that the question ends") func scratch() throws {
        var generator = SeededGenerator(seed: 1)
        let random = try RandomBlocks(using: &generator, count: 20_000, spread: 1 << 20)
        let block = try RandomBlocks.block(random.known)
        func top(_ memory: QueryMemory) throws -> (TopGroups, Int) {
            var table = GroupSums(by: [.sourceAddress, .destinationAddress], seed: 5, memory: memory)
            try table.add(block, rows: RandomBlocks.counted(block))
            let bytes = table.scratchBytes
            return (try table.top(50, by: .packets), bytes)
        }
        let (wanted, none) = try top(QueryMemory())
        var memory = Self.tiny
        let (found, some) = try top(memory)
        #expect(found == wanted && none == 0 && some > 100_000)
        memory.scratchBytes = some / 2
        #expect(throws: EngineError.tooManyGroups) { try top(memory) }
        memory.scratchFolder = "/nonexistent"
        let failure = #expect(throws: EngineError.self) { try top(memory) }
        #expect(failure.map { if case .scratch = $0 { true } else { false } } == true)
    }

    @Test("rates go by the time from a group's first start to its last end") func rates() throws {
        var generator = SeededGenerator(seed: 2)
        let random = try RandomBlocks(using: &generator, count: 500)
        var table = GroupSums(by: [.vlan], hasTimes: true, seed: 1)
        for block in try random.blocks(using: &generator) { try table.add(block, rows: RandomBlocks.counted(block)) }
        let top = try table.top(10, by: .packetsPerSecond)
        #expect(top.groups.count == 3)
        for group in top.groups {
            let own = random.counted.map(\.record).filter { $0.vlanId == group.key.vlan }
            let start = own.map(\.flowStartMilliseconds).min() ?? 0, end = own.map(\.flowEndMilliseconds).max() ?? 0
            #expect(group.period == start...end)
            let packets = own.reduce(UInt64(0)) { $0 + $1.packetDeltaCount }
            #expect(FlowMeasure.packetsPerSecond.value(of: group) == packets * 1_000 / UInt64(end - start))
        }
        let rates = top.groups.map { FlowMeasure.packetsPerSecond.value(of: $0) }
        #expect(rates == rates.sorted(by: >))
    }

    @Test("different values are counted exactly up to a bound and about beyond") func distinct() throws {
        try forAll(runs: 20) { generator, seed in
            let random = try RandomBlocks(using: &generator, count: 300, spread: 40)
            let keys = randomKeys(&generator)
            var distinct = DistinctKeys(keys, seed: generator.next())
            for block in try random.blocks(using: &generator) { distinct.add(block, rows: RandomBlocks.counted(block)) }
            let want = Set(random.counted.map { FlowGroupKey($0, by: keys) })
            #expect(distinct.count == .exact(UInt64(want.count)), "SEED=\(seed) \(keys)")
        }
        var distinct = DistinctKeys([.sourceAddress], seed: 9), columns = FlowColumns()
        for number in 0..<200_000 {
            var record = FlowRecord()
            record.sourceIPAddress = IPAddress(v4: UInt32(number) &* 2_654_435_761)
            columns.append(record)
        }
        let block = RowBlock(columns: columns, sensors: .each([], []))
        let rows = (0..<Int32(200_000)).map { $0 }
        for _ in 0..<2 { distinct.add(block, rows: rows) }
        guard case .about(let count) = distinct.count else {
            Issue.record("200 000 values counted exactly")
            return
        }
        #expect((195_000...205_000).contains(count), "\(count)")
    }

    @Test("groups by how many different values they have are those of sets") func distinctByGroup() throws {
        try forAll(runs: 20) { generator, seed in
            let random = try RandomBlocks(using: &generator, count: 400, spread: 16)
            let outer: [FlowKey] = Bool.random(using: &generator) ? [.sourceAddress] : [.exporter, .vlan]
            let inner: [FlowKey] = [.destinationAddress, .destinationTransportPort]
            var table = DistinctByGroup(by: outer, of: inner, seed: generator.next(), memory: Self.tiny)
            for block in try random.blocks(using: &generator) {
                try table.add(block, rows: RandomBlocks.counted(block))
            }
            var want: [FlowGroupKey: Set<FlowGroupKey>] = [:]
            for item in random.counted {
                want[FlowGroupKey(item, by: outer), default: []].insert(FlowGroupKey(item, by: inner))
            }
            let top = try table.top(5)
            #expect(top.count == want.count, "SEED=\(seed)")
            let sorted = want.sorted { a, b in
                a.value.count != b.value.count ? a.value.count > b.value.count : a.key < b.key
            }
            #expect(top.groups.map(\.key) == sorted.prefix(5).map(\.key), "SEED=\(seed)")
            #expect(top.groups.map(\.rows) == sorted.prefix(5).map { UInt64($0.value.count) }, "SEED=\(seed)")
        }
    }

    @Test("names of keys read back, and nothing else is a key") func keyNames() {
        for key in Self.keys { #expect(FlowKey(name: key.rawValue)?.asked(of: Self.places) == key) }
        #expect(FlowKey(name: "sourceIPv4Address/24") == .sourceNetwork(v4: 24, v6: 48))
        #expect(FlowKey(name: "destinationAddress/64") == .destinationNetwork(v4: 32, v6: 64))
        for name in ["", "/", "sourceAddress/", "sourceAddress/x", "sourceAddress/129", "vlanId/3", "a/1/2/3"] {
            #expect(FlowKey(name: name) == nil, "\(name)")
        }
    }
}
