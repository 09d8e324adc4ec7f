import FlowModel
import FlowStore
import Foundation
import Identity
import Platform
import TestKit
import Testing

@Suite("Rollups")
struct RollupTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-store") }

    /// What the rollup of some records must say, by brute force.
    static func sums(
        _ records: [KeptRecord: Int], _ kind: RollupKind, _ period: RollupPeriod
    ) -> [Int64: [RollupKey: Tally]] {
        var sums: [Int64: [RollupKey: Tally]] = [:]
        for (kept, count) in records where !kept.record.flags.contains(.observedElsewhere) {
            let record = kept.record
            let key: RollupKey =
                switch kind {
                case .service:
                    .service(
                        protocolIdentifier: record.protocolIdentifier,
                        port: record.protocolIdentifier == 1
                            ? record.destinationTransportPort
                            : min(record.sourceTransportPort, record.destinationTransportPort))
                case .hostPair:
                    .hosts(
                        min(record.sourceIPAddress, record.destinationIPAddress),
                        max(record.sourceIPAddress, record.destinationIPAddress))
                case .sourceAS: .asNumber(record.bgpSourceAsNumber)
                case .destinationAS: .asNumber(record.bgpDestinationAsNumber)
                case .ingressInterface: .interface(kept.exporter, index: record.ingressInterface)
                case .egressInterface: .interface(kept.exporter, index: record.egressInterface)
                case .sourceCountry, .destinationCountry: .country(0)
                }
            for _ in 0..<count {
                let share = TimeShare(
                    start: record.flowStartMilliseconds, end: record.flowEndMilliseconds, tally: record.tally)
                share.forEachBucket(of: period) { start, part in
                    sums[start, default: [:]][key, default: Tally()] += part
                }
            }
        }
        return sums
    }
    private static let kinds: [RollupKind] = [
        .service, .hostPair, .sourceAS, .destinationAS, .ingressInterface, .egressInterface,
    ]
    private func ask(
        _ store: SQLiteFlowStore, _ kind: RollupKind, _ period: RollupPeriod, from: Int64 = .min, to: Int64 = .max
    ) async throws -> RollupAnswer {
        try await store.rollup(
            RollupQuestion(tenant: try tenant(), kind: kind, period: period, from: from, to: to))
    }

    @Test("sums of compacted records are those of the records themselves, by every kind and period")
    func exact() async throws {
        var real = RealBatches(seed: 21)
        try real.add(20)
        let store = try SQLiteFlowStore(directory: folder.path)
        try await store.store(real.batches)
        let before = try await ask(store, .service, .minute)
        #expect(before.buckets.isEmpty)
        #expect(before.unsummed.count == 20)
        // Several segments, so that buckets are put together.
        _ = try await store.compact(now: later, policy: eager(rows: 300))
        for kind in Self.kinds {
            for period in RollupPeriod.allCases {
                let answer = try await ask(store, kind, period)
                #expect(answer.unsummed.isEmpty)
                #expect(answer.damaged == 0)
                let want = Self.sums(real.records, kind, period)
                #expect(answer.buckets.map(\.start) == want.keys.sorted())
                for bucket in answer.buckets {
                    #expect(bucket.entries == want[bucket.start], "\(kind) \(period) \(bucket.start)")
                    #expect(bucket.other == Tally())
                }
            }
        }
    }

    @Test("a bucket with more keys than it keeps has the largest, and the rest is in other, exactly")
    func largest() async throws {
        var real = RealBatches(seed: 22)
        // All in a few minutes: hundreds of host pairs in each.
        try real.add(10, rows: 200, span: 120_000)
        let store = try SQLiteFlowStore(directory: folder.path)
        try await store.store(real.batches)
        _ = try await store.compact(now: later, policy: eager())
        let answer = try await ask(store, .hostPair, .minute), want = Self.sums(real.records, .hostPair, .minute)
        #expect(answer.buckets.contains { $0.other.octets > 0 })
        for bucket in answer.buckets {
            let all = try #require(want[bucket.start]), kept = bucket.entries.count
            #expect(kept == min(all.count, RollupLimit.entriesMax(.minute)))
            let largest = all.values.map(\.octets).sorted(by: >).prefix(kept)
            #expect(bucket.entries.values.map(\.octets).sorted(by: >) == Array(largest))
            for (key, tally) in bucket.entries { #expect(all[key] == tally) }
            var total = bucket.other
            for tally in bucket.entries.values { total += tally }
            #expect(total == all.values.reduce(into: Tally()) { $0 += $1 })
        }
    }

    @Test("a question gets the buckets that begin in its time, and the batches that can have a part in them")
    func timeRange() async throws {
        var real = RealBatches(seed: 23)
        try real.add(5)
        let store = try SQLiteFlowStore(directory: folder.path)
        try await store.store(real.batches)
        _ = try await store.compact(now: later, policy: eager())
        var more = real
        try more.add(1)
        try await store.store(more.batches)
        let from = noon - 3_600_000, to = noon - 1_800_000
        let answer = try await ask(store, .service, .minute, from: from, to: to)
        #expect(answer.buckets.map(\.start) == (0..<30).map { from + $0 * 60_000 })
        #expect(answer.unsummed.map(\.position.logOffset) == [6])
        let outside = try await ask(store, .service, .minute, from: noon + day, to: noon + 2 * day)
        #expect(outside.buckets.isEmpty && outside.unsummed.isEmpty)
    }

    @Test("a record's parts add up to it, in every period, whatever its times") func shares() {
        forAll(runs: 500) { generator, seed in
            let end =
                Bool.random(using: &generator)
                ? Int64.random(in: .min ... .max, using: &generator)
                : noon - Int64.random(in: 0..<day, using: &generator)
            let (start, _) = end.subtractingReportingOverflow(Int64.random(in: -10...10_000_000, using: &generator))
            let tally = Tally(
                flows: .random(in: 0...9, using: &generator), octets: .random(in: 0...(.max), using: &generator),
                packets: .random(in: 0...100, using: &generator))
            let share = TimeShare(start: start, end: end, tally: tally)
            var minutes: [Int64: Tally] = [:]
            share.forEachBucket(of: .minute) { minutes[$0, default: Tally()] += $1 }
            #expect(minutes.count <= 61, "SEED=\(seed)")
            #expect(minutes.values.reduce(into: Tally()) { $0 += $1 } == tally, "SEED=\(seed)")
            var hours: [Int64: Tally] = [:], ofMinutes: [Int64: Tally] = [:]
            share.forEachBucket(of: .hour) { hours[$0, default: Tally()] += $1 }
            for (minute, part) in minutes { ofMinutes[TimeShare.bucket(of: minute, .hour), default: Tally()] += part }
            #expect(hours == ofMinutes, "SEED=\(seed)")
        }
    }

    @Test("half of a record's time has half of its octets") func evenly() {
        let start = noon + 30_000
        let share = TimeShare(start: start, end: start + 60_000, tally: Tally(flows: 1, octets: 1_001, packets: 10))
        var parts: [Tally] = []
        share.forEachBucket(of: .minute) { _, part in parts.append(part) }
        #expect(parts == [Tally(flows: 0, octets: 500, packets: 5), Tally(flows: 1, octets: 501, packets: 5)])
    }
}
