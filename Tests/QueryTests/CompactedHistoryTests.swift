import FilterLanguage
import FlowModel
import FlowStore
import Foundation
import Identity
import Platform
import Query
import QueryEngine
import TestKit
import Testing

@Suite("Queries over batches and compacted segments")
struct CompactedHistoryTests {
    let tenant: TenantID
    let folder: TemporaryFolder
    init() throws {
        tenant = try #require(TenantID("acme"))
        folder = try TemporaryFolder("weir-compacted")
    }

    /// A record with who sent it.
    private struct Row: Hashable {
        let record: Shown, sensor: SensorIdentity
    }
    private func row(_ known: RandomHistory.Known) -> Row {
        Row(
            record: Shown(known.record, known.exporter),
            sensor: SensorIdentity(tenant: tenant, site: "hq", name: known.sensor))
    }

    /// Makes segments of all batches that are there; later the batches go.
    private func compact(_ store: SQLiteFlowStore, purges: Bool) async throws {
        var policy = CompactionPolicy()
        policy.rowsMax = 150
        let now = RandomHistory.start + 100 * RandomHistory.hour
        let report = try await store.compact(now: now, policy: policy)
        #expect(report.damage == StoreDamage())
        if purges { _ = try await store.compact(now: now + 600_000, policy: policy) }
    }
    private func query(_ store: any SegmentStore) -> FlowQuery { FlowQuery(store: store, time: ManualTime(), seed: 3) }

    /// A history of which the first batches are in segments and the last are not.
    private func mixed(seed: UInt64) async throws -> (RandomHistory, SeededGenerator, SQLiteFlowStore) {
        var generator = SeededGenerator(seed: seed)
        let history = try RandomHistory(using: &generator, tenant: tenant, batchCount: 16)
        let store = try SQLiteFlowStore(directory: folder.file("\(seed)").path)
        let cut = Int.random(in: 1...16, using: &generator)
        try await store.store(Array(history.batches.prefix(cut / 2)))
        try await compact(store, purges: Bool.random(using: &generator))
        try await store.store(Array(history.batches[(cut / 2)..<cut]))
        try await compact(store, purges: Bool.random(using: &generator))
        try await store.store(Array(history.batches.dropFirst(cut)))
        return (history, generator, store)
    }
    private func expression(_ generator: inout SeededGenerator) -> FilterExpression {
        let tests: [FilterTest] = [
            .number(.destinationPort, NumberSet(22)), .number(.port, NumberSet([53...443])),
            .number(.protocolIdentifier, NumberSet(6)), .number(.octets, NumberSet([50_000...UInt64.max])),
            .address(.source, AddressSet([IPNetwork(IPAddress(v4: 0x0A00_0100), length: 24)])),
            .address(.either, AddressSet([IPNetwork(IPAddress(v4: 0x0A00_0300), length: 32)])),
            .address(.exporter, AddressSet([IPNetwork(IPAddress(v4: 0xC000_0201), length: 32)])),
            .address(.destination, AddressSet([IPNetwork(IPAddress(v4: 0x0909_0909), length: 32)])),
            .family(.ipv6), .label(.sensor, ["edge-1"]), .number(.duration, NumberSet([1...30_000])),
        ]
        let first = FilterExpression.test(tests[Int.random(in: 0..<tests.count, using: &generator)])
        let second = FilterExpression.test(tests[Int.random(in: 0..<tests.count, using: &generator)])
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: return .any
        case 1: return .conjunction(of: [first, second])
        case 2: return .disjunction(of: [first, second])
        case 3: return .conjunction(of: [first, .negation(of: second)])
        default: return first
        }
    }
    private func filter(_ generator: inout SeededGenerator) -> FlowFilter {
        let parts = RandomHistory.filter(using: &generator)
        return FlowFilter(expression(&generator), from: parts.from, to: parts.to)
    }
    private func matching(_ history: RandomHistory, _ filter: FlowFilter) -> [RandomHistory.Known] {
        history.records.filter {
            filter.matches(
                FilterSubject($0.record, exporter: $0.exporter, site: "hq", sensor: $0.sensor))
        }
    }

    @Test("top lists and conversations are those of a count by hand, whatever is compacted") func sums() async throws {
        var pruned = 0
        for seed in UInt64(1)...5 {
            var (history, generator, store) = try await mixed(seed: seed)
            for _ in 0..<8 {
                let filter = filter(&generator)
                let want = matching(history, filter).map(\.record)
                var total = Tally()
                for record in want { total += record.tally }
                let top = try await query(store).top(
                    tenant: tenant, filter: filter, by: [.sourceAddress], measure: .octets, limit: 3)
                #expect(top.total == total && top.effort.unreadable == 0, "SEED=\(seed) \(filter)")
                let groups = Dictionary(grouping: want, by: \.sourceIPAddress)
                    .mapValues { $0.reduce(UInt64(0)) { $0 + $1.octetDeltaCount } }
                #expect(top.groupCount == groups.count, "SEED=\(seed) \(filter)")
                #expect(top.groups.map(\.tally.octets) == Array(groups.values.sorted(by: >).prefix(3)), "SEED=\(seed)")
                for group in top.groups {
                    let address = try #require(group.key.sourceAddress)
                    #expect(groups[address] == group.tally.octets, "SEED=\(seed)")
                }
                let conversations = try await query(store).conversations(
                    tenant: tenant, filter: filter, measure: .packets, limit: 10_000)
                let packets = conversations.conversations.reduce(UInt64(0)) {
                    $0 + $1.sent.packets + $1.received.packets
                }
                #expect(packets == total.packets, "SEED=\(seed) \(filter)")
                let distinct = try await query(store).distinct(tenant: tenant, filter: filter, of: [.sourceAddress])
                #expect(distinct.count == .exact(UInt64(groups.count)), "SEED=\(seed)")
                pruned += top.effort.skippedByBounds + top.effort.skippedByBloom + top.effort.blocksSkipped
            }
        }
        #expect(pruned > 0, "no segment was ever left out")
    }

    @Test("pages show each record once, though batches are compacted between them") func pages() async throws {
        for seed in UInt64(20)...25 {
            var generator = SeededGenerator(seed: seed)
            let history = try RandomHistory(using: &generator, tenant: tenant, batchCount: 12)
            let store = try SQLiteFlowStore(directory: folder.file("\(seed)").path)
            try await store.store(history.batches)
            let filter = FlowFilter(expression(&generator)), limit = Int.random(in: 1...90, using: &generator)
            var shown: [Row] = [], after: RecordPosition?, ends: [Int64] = []
            repeat {
                let page = try await query(store).records(tenant: tenant, filter: filter, limit: limit, after: after)
                for row in page.columns.rows {
                    let record = Shown(page.columns[row], page.columns.exporterKey(ofRow: row))
                    shown.append(Row(record: record, sensor: page.sensors[row]))
                    ends.append(page.columns.flowEndMilliseconds[row])
                }
                after = page.next
                if Bool.random(using: &generator) { try await compact(store, purges: true) }
            } while after != nil
            let want = matching(history, filter).map(row)
            let isSame = counted(shown) == counted(want)
            #expect(isSame, "SEED=\(seed) limit \(limit) \(filter): \(shown.count) of \(want.count)")
            #expect(ends == ends.sorted(by: >), "SEED=\(seed)")
        }
    }

    @Test("a stream hands over every record once") func stream() async throws {
        let (history, _, store) = try await mixed(seed: 40)
        let shown = Locked<[Row]>([])
        let effort = try await query(store).stream(tenant: tenant, filter: FlowFilter()) { columns, sensors in
            shown.with { shown in
                for row in columns.rows {
                    let record = Shown(columns[row], columns.exporterKey(ofRow: row))
                    shown.append(Row(record: record, sensor: sensors[row]))
                }
            }
        }
        let want = matching(history, FlowFilter()).map(row)
        let isSame = counted(shown.with { $0 }) == counted(want)
        #expect(isSame && effort.matched == want.count && !want.isEmpty)
    }

    @Test("a series has what a sum by hand has, and what rollups have") func series() async throws {
        for seed in UInt64(50)...51 {
            let (history, _, store) = try await mixed(seed: seed)
            let filter = FlowFilter(from: RandomHistory.start, to: RandomHistory.start + 26 * RandomHistory.hour)
            func ask(_ mayUseRollups: Bool, _ period: RollupPeriod) async throws -> SeriesAnswer {
                try await query(store).series(
                    tenant: tenant, filter: filter, by: [.service], measure: .octets, limit: 100,
                    period: period.rawValue, mayUseRollups: mayUseRollups)
            }
            for period in [RollupPeriod.minute, .hour] {
                let answer = try await ask(false, period)
                var want: [Int64: Tally] = [:]
                for known in history.records where !known.record.flags.contains(.secondary) {
                    let record = known.record
                    TimeShare(
                        start: record.flowStartMilliseconds, end: record.flowEndMilliseconds, tally: record.tally
                    ).forEachBucket(of: period) { start, part in want[start, default: Tally()] += part }
                }
                for bucket in 0..<answer.series.bucketCount {
                    var sum = answer.series.other[bucket]
                    for line in answer.series.series { sum += line.buckets[bucket] }
                    let start = answer.series.from + Int64(bucket) * period.rawValue
                    #expect(sum == want[start] ?? Tally(), "SEED=\(seed) \(start)")
                }
                let summed = try await ask(true, period)
                #expect(summed.isFromRollups && !answer.isFromRollups)
                #expect(summed.series.series == answer.series.series, "SEED=\(seed) \(period)")
                #expect(summed.series.other == answer.series.other, "SEED=\(seed) \(period)")
            }
        }
    }

    @Test("a hunt finds all meetings, and reads no columns where a Bloom filter says no") func hunt() async throws {
        let (history, _, store) = try await mixed(seed: 60)
        try await compact(store, purges: true)
        let indicator = IPNetwork(IPAddress(v4: 0x0A00_0200), length: 32)
        let answer = try await query(store).hunt(tenant: tenant, indicators: [indicator])
        let met = matching(history, FlowFilter()).map(\.record).filter {
            indicator.contains($0.sourceIPAddress) || indicator.contains($0.destinationIPAddress)
        }
        let hosts = Set(met.flatMap { [$0.sourceIPAddress, $0.destinationIPAddress] })
        #expect(Set(answer.sightings.map(\.host)).isSubset(of: hosts) && !met.isEmpty)
        var total = Tally()
        for sighting in answer.sightings where sighting.host != sighting.met {
            total += sighting.sent
            total += sighting.received
        }
        var want = Tally()
        for record in met where record.sourceIPAddress != record.destinationIPAddress { want += record.tally }
        #expect(total == want && answer.leftOut == 0)

        let stranger = IPNetwork(IPAddress(v4: 0x0A00_0205), length: 32)
        let none = try await query(store).hunt(tenant: tenant, indicators: [stranger])
        #expect(none.sightings == [] && none.effort.skippedByBloom == none.effort.segments)
        #expect(none.effort.segments > 0 && none.effort.blocks == 0 && none.effort.rows == 0)
    }
}
