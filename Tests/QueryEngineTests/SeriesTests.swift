import FlowModel
import Identity
import Platform
import QueryEngine
import TestKit
import Testing

@Suite("Series")
struct SeriesTests {
    /// The part of a record in [start, start + period), by the rule of rollups, said by cumulated counters.
    private func part(_ record: FlowRecord, from start: Int64, period: Int64) -> Tally {
        let first = record.flowStartMilliseconds, last = record.flowEndMilliseconds
        let isSpread = last > first && last - first <= SeriesSums.durationMax
        func by(_ value: UInt64, _ time: Int64) -> UInt64 {
            if !isSpread { return time > last ? value : 0 }
            if time > last { return value }
            guard time > first else { return 0 }
            let product = value.multipliedFullWidth(by: UInt64(min(time, last) - first))
            return UInt64(last - first).dividingFullWidth(product).quotient
        }
        func share(_ value: UInt64) -> UInt64 {
            let end = start + period
            // What counts at the very end belongs to the period of the end.
            let upper = last >= end ? by(value, min(end, last)) : value
            let lower = last >= start ? by(value, start) : value
            return isSpread || (last >= start && last < end) ? upper &- lower : 0
        }
        let holdsEnd = last >= start && last < start + period
        if last < start || (isSpread ? first : last) >= start + period { return Tally() }
        return Tally(
            flows: holdsEnd ? UInt64(record.deltaFlowCount) : 0, octets: share(record.octetDeltaCount),
            packets: share(record.packetDeltaCount))
    }

    @Test("every period has the sums of a count by hand, in the largest groups and in all others") func stacked() throws
    {
        var parts = 0
        try forAll(runs: 25) { generator, seed in
            // More rows than a chunk, and more groups than are kept apart at a time, in runs and not.
            let isLarge = seed % 5 == 0
            var random = try RandomBlocks(using: &generator, count: isLarge ? 1_400 : 150, spread: isLarge ? 12 : 4)
            if seed % 10 == 0 { random.known.sort { $0.record.sourceIPAddress < $1.record.sourceIPAddress } }
            let choice: [[FlowKey]] =
                isLarge
                ? [[.sourceAddress], [.destinationTransportPort]]
                : [[], [.service], [.sourceAddress], [.exporter, .vlan]]
            let keys = choice.randomElement(using: &generator) ?? []
            let period: Int64 = [1_000, 60_000, 300_000].randomElement(using: &generator) ?? 1_000
            let from = RandomBlocks.start + Int64.random(in: -100_000..<1_000_000, using: &generator)
            let to = from + Int64.random(in: 1..<(isLarge ? 60_000 : 600_000), using: &generator)
            var sums = SeriesSums(by: keys, from: from, to: to, period: period, seed: generator.next())
            let blocks = isLarge ? [try RandomBlocks.block(random.known)] : try random.blocks(using: &generator)
            for block in blocks { try sums.add(block, rows: RandomBlocks.counted(block)) }
            let limit = Int.random(in: 0...4, using: &generator)
            let series = try sums.stacked(limit, by: .packets)
            #expect(series.from <= from && series.from > from - period && series.from % period == 0)

            var want: [FlowGroupKey: [Tally]] = [:]
            for item in random.counted {
                for bucket in 0..<series.bucketCount {
                    let share = part(item.record, from: series.from + Int64(bucket) * period, period: period)
                    guard share != Tally() else { continue }
                    let none = [Tally](repeating: Tally(), count: series.bucketCount)
                    want[FlowGroupKey(item, by: keys), default: none][bucket] += share
                    parts += 1
                }
            }
            for line in series.series {
                let isSame = want[line.key] ?? [] == line.buckets
                #expect(isSame || line.total == Tally(), "SEED=\(seed) \(line.key)")
            }
            var other = series.other
            for line in series.series { for (place, tally) in line.buckets.enumerated() { other[place] += tally } }
            var all = [Tally](repeating: Tally(), count: series.bucketCount)
            for buckets in want.values { for (place, tally) in buckets.enumerated() { all[place] += tally } }
            #expect(other == all, "SEED=\(seed) period \(period)")
            let totals = want.values.map { $0.reduce(UInt64(0)) { $0 + $1.packets } }.sorted(by: >)
            #expect(series.series.map(\.total.packets) == Array((totals + [0, 0, 0, 0]).prefix(series.series.count)))
        }
        #expect(parts > 1_000, "\(parts)")
    }

    @Test("the 95th percentile is what is left when the highest twentieth is struck off") func percentile() {
        #expect(Percentile.nearestRank(Array(1...100), percent: 95) == 95)
        #expect(Percentile.nearestRank(Array(1...20).reversed(), percent: 95) == 19)
        #expect(Percentile.nearestRank([7], percent: 95) == 7)
        #expect(Percentile.nearestRank([], percent: 95) == 0)
        #expect(
            Percentile.nearestRank([3, 1, 2], percent: 0) == 1 && Percentile.nearestRank([3, 1, 2], percent: 100) == 3)
        // 300 s at 8 kbit/s, idle, and one burst.
        let buckets = [300_000, 0, 3_000_000].map { Tally(octets: UInt64($0)) }
        #expect(Percentile.bitRates(buckets, period: 300_000) == [8_000, 0, 80_000])
    }
}

@Suite("Conversations, hunts, newest records")
struct OtherSumsTests {
    @Test("both directions of a conversation are one, begun by who sent first") func conversations() throws {
        struct Ends: Hashable {
            let ends: Set<String>, number: UInt8
        }
        func question(_ record: FlowRecord) -> UInt16 {
            switch (record.protocolIdentifier, record.destinationTransportPort) {
            case (1, 0..<256): 0x0800
            case (1, 0x0E00): 0x0D00
            case (58, 0x8100): 0x8000
            default: record.destinationTransportPort
            }
        }
        func ends(_ record: FlowRecord) -> Ends {
            let isICMP = [1, 58].contains(record.protocolIdentifier)
            let port = isICMP ? "\(question(record))" : ""
            return Ends(
                ends: [
                    "\(record.sourceIPAddress) \(isICMP ? port : "\(record.sourceTransportPort)")",
                    "\(record.destinationIPAddress) \(isICMP ? port : "\(record.destinationTransportPort)")",
                ], number: record.protocolIdentifier)
        }
        try forAll(runs: 30) { generator, seed in
            let random = try RandomBlocks(using: &generator, count: 300, spread: 3)
            var sums = ConversationSums(seed: generator.next(), memory: SumsTests.tiny)
            for block in try random.blocks(using: &generator) { try sums.add(block, rows: RandomBlocks.counted(block)) }
            let (found, count) = try sums.top(.max, by: .packets)
            let groups = Dictionary(grouping: random.counted.map(\.record), by: ends)
            #expect(count == groups.count && found.count == count, "SEED=\(seed)")
            for conversation in found {
                var record = FlowRecord()
                record.sourceIPAddress = conversation.source
                record.destinationIPAddress = conversation.destination
                record.sourceTransportPort = conversation.sourceTransportPort
                record.destinationTransportPort = conversation.destinationTransportPort
                record.protocolIdentifier = conversation.protocolIdentifier
                let own = groups[ends(record)] ?? []
                #expect(UInt64(own.count) == conversation.rows, "SEED=\(seed) \(conversation)")
                var both = conversation.sent
                both += conversation.received
                #expect(both == own.reduce(into: Tally()) { $0 += $1.tally }, "SEED=\(seed)")
                let first = own.map(\.flowStartMilliseconds).min() ?? 0
                #expect(conversation.period.lowerBound == first, "SEED=\(seed)")
                let isFirst = own.contains {
                    $0.flowStartMilliseconds == first && $0.sourceIPAddress == conversation.source
                }
                #expect(isFirst, "SEED=\(seed) \(conversation)")
            }
            let packets = found.map { $0.sent.packets + $0.received.packets }
            #expect(packets == packets.sorted(by: >), "SEED=\(seed)")
        }
    }

    @Test("a hunt finds who met which indicator, the narrowest one, and when") func hunt() throws {
        try forAll(runs: 30) { generator, seed in
            let random = try RandomBlocks(using: &generator, count: 300, spread: 20)
            var networks = [
                IPNetwork(IPAddress(v4: 0x0A00_0100), length: 24), IPNetwork(IPAddress(v4: 0x0A00_0000), length: 22),
                IPNetwork(IPAddress(v4: 0x0A00_0102), length: 32),
                IPNetwork(IPAddress(high: 0x2001_0DB8_0000_0001, low: 0), length: 64),
            ].filter { _ in Bool.random(using: &generator) }
            networks.append(IPNetwork(IPAddress(v4: 0x0A00_0203), length: 32))
            var hunt = IndicatorHunt(IndicatorSet(networks + networks))
            for block in try random.blocks(using: &generator) {
                hunt.add(hunt.meetings((0..<Int32(block.count)).map { $0 }, of: block), of: block)
            }
            func narrowest(_ address: IPAddress) -> IPNetwork? {
                networks.filter { $0.contains(address) }.max { $0.length < $1.length }
            }
            var want: [String: (Tally, Tally)] = [:]
            for item in random.known {
                let record = item.record, source = record.sourceIPAddress, destination = record.destinationIPAddress
                if let indicator = narrowest(destination) {
                    want["\(indicator) \(destination) \(source)", default: (Tally(), Tally())].0 += record.tally
                }
                if let indicator = narrowest(source) {
                    want["\(indicator) \(source) \(destination)", default: (Tally(), Tally())].1 += record.tally
                }
            }
            #expect(hunt.answer.count == want.count, "SEED=\(seed)")
            for sighting in hunt.answer {
                let sums = want["\(sighting.indicator) \(sighting.met) \(sighting.host)"]
                #expect(sums?.0 == sighting.sent && sums?.1 == sighting.received, "SEED=\(seed) \(sighting)")
                let own = random.known.map(\.record).filter {
                    Set([$0.sourceIPAddress, $0.destinationIPAddress]) == Set([sighting.met, sighting.host])
                }
                #expect(own.map(\.flowStartMilliseconds).min() == sighting.period.lowerBound, "SEED=\(seed)")
            }
        }
    }

    @Test("pages show every record once, also of records alike, however blocks are cut between pages") func pages()
        throws
    {
        try forAll(runs: 30) { generator, seed in
            var random = try RandomBlocks(using: &generator, count: 120)
            for _ in 0..<40 { random.known.append(try #require(random.known.randomElement(using: &generator))) }
            var shown: [String] = [], after: RecordPosition?
            let limit = Int.random(in: 1...50, using: &generator)
            func text(_ record: FlowRecord, _ exporter: ExporterKey, _ sensor: String, _ extras: [ExtraValue]) -> String
            {
                var record = record
                (record.exporter, record.extra) = (0, 0)
                return "\(record) \(exporter) \(sensor) \(extras)"
            }
            while true {
                var newest = NewestRecords(limit: limit, before: after)
                // Compaction between pages: other blocks, another order.
                for block in try random.blocks(using: &generator) {
                    newest.add(newest.useful((0..<Int32(block.count)).map { $0 }, of: block), of: block)
                }
                let answer = newest.answer()
                for row in answer.columns.rows {
                    shown.append(
                        text(
                            answer.columns[row], answer.columns.exporterKey(ofRow: row), answer.sensors[row].name,
                            answer.columns.extras.values(at: answer.columns.extra[row])))
                }
                guard answer.columns.count == limit else { break }
                after = answer.last.map(\.description).flatMap { RecordPosition($0) }
                #expect(after == answer.last)
            }
            let want = random.known.map { text($0.record, $0.exporter, $0.sensor.name, $0.extras) }
            let isSame = shown.sorted() == want.sorted()
            #expect(isSame, "SEED=\(seed) limit \(limit): \(shown.count) of \(want.count)")
        }
    }
}
