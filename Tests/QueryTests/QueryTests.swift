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

extension FlowFilterParts {
    var filter: FlowFilter {
        var filter = FlowFilter(from: from, to: to)
        (filter.sourceNetworks, filter.destinationNetworks, filter.networks) = (sources, destinations, either)
        (filter.sourcePorts, filter.destinationPorts, filter.ports) = (sourcePorts, destinationPorts, ports)
        filter.protocols = Set(protocols)
        return filter
    }
}

/// A record with its exporter by name, since numbers differ from columns to columns.
struct Shown: Hashable {
    var record: FlowRecord
    let exporter: ExporterKey
    init(_ record: FlowRecord, _ exporter: ExporterKey) {
        self.record = record
        self.record.exporter = 0
        self.exporter = exporter
    }
}

/// How often each is there, for a comparison whatever the order: as text, each would be slow to make.
func counted<Value: Hashable>(_ values: [Value]) -> [Value: Int] {
    values.reduce(into: [:]) { $0[$1, default: 0] += 1 }
}

@Suite("Queries")
struct QueryTests {
    let tenant: TenantID
    let folder: TemporaryFolder
    init() throws {
        tenant = try #require(TenantID("acme"))
        folder = try TemporaryFolder("weir-query")
    }

    /// A history in a store of its own.
    private func world(seed: UInt64) async throws -> (RandomHistory, SeededGenerator, SQLiteFlowStore) {
        var generator = SeededGenerator(seed: seed)
        let history = try RandomHistory(using: &generator, tenant: tenant)
        let store = try SQLiteFlowStore(directory: folder.file("\(seed)").path)
        try await store.store(history.batches)
        return (history, generator, store)
    }
    private func query(_ store: any SegmentStore, budget: QueryBudget = QueryBudget(), atOnce: Int = 2) -> FlowQuery {
        FlowQuery(store: store, time: ManualTime(), budget: budget, atOnce: atOnce)
    }
    private func pages(
        _ query: FlowQuery, _ filter: FlowFilter, size: Int
    ) async throws -> [[Shown]] {
        var pages: [[Shown]] = [], after: RecordPosition?
        repeat {
            let answer = try await query.records(tenant: tenant, filter: filter, limit: size, after: after)
            #expect(answer.sensors.count == answer.columns.count)
            #expect(answer.effort.unreadable == 0)
            pages.append(
                answer.columns.rows.map { Shown(answer.columns[$0], answer.columns.exporterKey(ofRow: $0)) })
            after = answer.next.map(\.description).flatMap { RecordPosition($0) }
            #expect((after == nil) == (answer.next == nil))
        } while after != nil
        return pages
    }

    @Test("records are those of a search by hand, newest first, at every page size") func recordsMatchBruteForce()
        async throws
    {
        for seed in UInt64(1)...5 {
            var (history, generator, store) = try await world(seed: seed)
            let newestFirst = history.records.sorted { $0.position > $1.position }
            for _ in 0..<8 {
                let parts = RandomHistory.filter(using: &generator)
                let want = newestFirst.filter { parts.holds($0.record) }.map { Shown($0.record, $0.exporter) }
                let size = Int.random(in: 1...80, using: &generator)
                let found = try await pages(query(store), parts.filter, size: size)
                // Not compared inside the macro: it would print every record.
                let ends = found.flatMap { $0 }.map(\.record.flowEndMilliseconds)
                let isSame =
                    counted(found.flatMap { $0 }) == counted(want)
                    && ends == want.map(\.record.flowEndMilliseconds)
                #expect(isSame, "SEED=\(seed) \(parts) page size \(size)")
                #expect(found.dropLast().allSatisfy { $0.count == size }, "SEED=\(seed)")
            }
            #expect(newestFirst.contains { FlowFilterParts().holds($0.record) }, "SEED=\(seed): nothing was compared")
        }
    }

    @Test("of records of the same moment the one received later comes first, whichever batch reaches further")
    func tiesAcrossBatches() async throws {
        let store = try SQLiteFlowStore(directory: folder.file("ties").path), end = RandomHistory.start
        try await store.store([
            try RandomHistory.batch(tenant: tenant, offset: 1, ends: [end, end + 60_000]) { columns in
                (columns.receiveMilliseconds[0], columns.receiveMilliseconds[1]) = (end + 70_000, end + 70_000)
            },
            try RandomHistory.batch(tenant: tenant, offset: 2, ends: [end]) {
                $0.receiveMilliseconds[0] = end + 80_000
            },
        ])
        let answer = try await query(store).records(tenant: tenant, filter: FlowFilter(), limit: 2)
        #expect(answer.columns.rows.map { answer.columns.octetDeltaCount[$0] } == [1_001, 2_000])
        let rest = try await query(store).records(
            tenant: tenant, filter: FlowFilter(), limit: 2, after: answer.next)
        #expect(rest.columns.rows.map { rest.columns.octetDeltaCount[$0] } == [1_000])
        #expect(rest.next == nil)
    }

    @Test("the filter's own slow way says the same") func matchesAgrees() async throws {
        try forAll(runs: 8) { generator, seed in
            let history = try RandomHistory(using: &generator, tenant: tenant)
            for _ in 0..<15 {
                let parts = RandomHistory.filter(using: &generator), filter = parts.filter
                let wrong = history.records.filter { known in
                    let subject = FilterSubject(known.record, exporter: known.exporter)
                    return filter.matches(subject) != parts.holds(known.record)
                }
                #expect(wrong.isEmpty, "SEED=\(seed) \(parts)")
            }
        }
    }

    @Test("top lists have the exact sums of a count by hand, for any keys and measure") func topMatchesBruteForce()
        async throws
    {
        for seed in UInt64(1)...5 {
            var (history, generator, store) = try await world(seed: seed)
            for _ in 0..<8 {
                let parts = RandomHistory.filter(using: &generator)
                let keys = Self.keys.filter { _ in Int.random(in: 0..<3, using: &generator) == 0 }
                let measure = try #require(Self.measures.randomElement(using: &generator))
                let answer = try await query(store).top(
                    tenant: tenant, filter: parts.filter, by: keys, measure: measure, limit: 5)
                let want = sums(history, parts, keys)
                #expect(answer.groupCount == want.count, "SEED=\(seed) \(keys)")
                #expect(answer.other == Tally(), "SEED=\(seed)")
                var total = Tally()
                for tally in want.values { total += tally }
                #expect(answer.total == total, "SEED=\(seed)")
                for group in answer.groups { #expect(want[group.key] == group.tally, "SEED=\(seed) \(keys)") }
                let values = want.values.map { value($0, measure) }.sorted(by: >)
                #expect(
                    answer.groups.map { value($0.tally, measure) } == Array(values.prefix(5)), "SEED=\(seed) \(keys)")
            }
        }
    }
    private static let keys: [FlowKey] = [
        .sourceAddress, .destinationAddress, .sourceTransportPort, .destinationTransportPort, .protocolIdentifier,
        .exporter,
    ]
    private static let measures: [FlowMeasure] = [.octets, .packets, .flows]
    private func value(_ tally: Tally, _ measure: FlowMeasure) -> UInt64 {
        switch measure {
        case .octets: tally.octets
        case .packets: tally.packets
        default: tally.flows
        }
    }
    private func sums(_ history: RandomHistory, _ parts: FlowFilterParts, _ keys: [FlowKey]) -> [FlowGroupKey: Tally] {
        var sums: [FlowGroupKey: Tally] = [:]
        for known in history.records where parts.holds(known.record) {
            var key = FlowGroupKey()
            for part in keys {
                switch part {
                case .sourceAddress: key.sourceAddress = known.record.sourceIPAddress
                case .destinationAddress: key.destinationAddress = known.record.destinationIPAddress
                case .sourceTransportPort: key.sourceTransportPort = known.record.sourceTransportPort
                case .destinationTransportPort: key.destinationTransportPort = known.record.destinationTransportPort
                case .protocolIdentifier: key.protocolIdentifier = known.record.protocolIdentifier
                default: key.exporter = known.exporter
                }
            }
            sums[key, default: Tally()] += known.record.tally
        }
        return sums
    }

    @Test("of more groups than there may be the largest are exact and the rest is under other") func boundedGroups()
        async throws
    {
        let (history, _, store) = try await world(seed: 3)
        var budget = QueryBudget()
        budget.groupsMax = 3
        let keys: [FlowKey] = [.sourceAddress, .destinationTransportPort]
        let answer = try await query(store, budget: budget).top(
            tenant: tenant, filter: FlowFilter(), by: keys, measure: .octets, limit: 10)
        let want = sums(history, FlowFilterParts(), keys)
        #expect(answer.groups.count == 3)
        var sum = answer.other
        for group in answer.groups {
            #expect(want[group.key] == group.tally)
            sum += group.tally
        }
        #expect(answer.other.octets > 0)
        #expect(sum == answer.total)
    }

    @Test("a record that another observer's stands for is shown and not counted") func observedElsewhere() async throws
    {
        let store = try SQLiteFlowStore(directory: folder.file("marked").path)
        let ends = [RandomHistory.start, RandomHistory.start + 1_000, RandomHistory.start + 2_000]
        try await store.store([
            RandomHistory.batch(tenant: tenant, offset: 1, ends: ends, flags: [[], .observedElsewhere, .denied])
        ])
        let top = try await query(store).top(
            tenant: tenant, filter: FlowFilter(), by: [.exporter], measure: .flows, limit: 10)
        #expect(top.total == Tally(flows: 2, octets: 1_000 + 1_002, packets: 0), "\(top.total)")
        #expect(top.groupCount == 1)
        let records = try await query(store).records(tenant: tenant, filter: FlowFilter(), limit: 10)
        #expect(records.columns.rows.map { records.columns[$0].octetDeltaCount } == [1_002, 1_001, 1_000])
        #expect(
            records.columns.rows.map { records.columns[$0].flags } == [.denied, .observedElsewhere, []])
    }

    @Test("an answer's records keep their further elements, observers and sketches") func details() async throws {
        let store = try SQLiteFlowStore(directory: folder.file("details").path)
        let element = ElementKey(enterprise: 6_876, id: 880)
        try await store.store([
            RandomHistory.batch(tenant: tenant, offset: 1, ends: [RandomHistory.start, RandomHistory.start + 1_000]) {
                columns in
                let other = ExporterKey(address: IPAddress(v4: 7), observationDomain: 3, exportProtocol: .netflow9)
                columns.extra[1] = columns.extras.add([ExtraValue(element, [6])])
                if let number = columns.intern(other) {
                    columns.observers[1] = columns.observerSets.place(of: [number])
                }
                var pair = DistinctPair()
                pair.ports.insert(443)
                columns.sketch[1] = columns.sketches.add(pair)
            }
        ])
        let found = try await query(store).records(tenant: tenant, filter: FlowFilter(), limit: 10).columns
        try #require(found.count == 2)
        #expect(found.extras.values(at: found.extra[0]) == [ExtraValue(element, [6])])
        let observers = found.observerSets.set(at: found.observers[0]).map { found.exporters[Int($0)].address }
        #expect(observers == [IPAddress(v4: 7)])
        #expect(found.sketches.pair(at: found.sketch[0])?.ports.estimate.rounded() == 1)
        #expect(found.extra[1] == 0 && found.observers[1] == 0 && found.sketch[1] == 0)
    }

    @Test("another tenant's question finds nothing") func tenantIsolation() async throws {
        let (_, _, store) = try await world(seed: 4)
        let other = try #require(TenantID("globex"))
        let records = try await query(store).records(tenant: other, filter: FlowFilter(), limit: 10)
        #expect(records.columns.count == 0 && records.next == nil)
        let top = try await query(store).top(
            tenant: other, filter: FlowFilter(), by: [.exporter], measure: .flows, limit: 10)
        #expect(top.groups == [] && top.total == Tally())
    }
}
