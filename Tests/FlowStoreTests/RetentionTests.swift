import FlowModel
import FlowStore
import Foundation
import Identity
import TestKit
import Testing

@Suite("Retention")
struct RetentionTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder("weir-store") }

    private func files() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter { $0.contains("sqlite") }.sorted()
    }
    private func bytes(of name: String = "acme") throws -> Int {
        try files().filter { $0.hasPrefix(name) }.reduce(0) {
            $0 + (try FileManager.default.attributesOfItem(atPath: folder.file($1).path)[.size] as? Int ?? 0)
        }
    }
    /// A day's batches for each of the days before noon's, half of them compacted.
    private func fill(_ store: SQLiteFlowStore, days: Int, rows: Int = 100) async throws -> RealBatches {
        var real = RealBatches(seed: 31)
        for back in 0..<days { try real.add(4, rows: rows, end: noon - Int64(back) * day) }
        try await store.store(real.batches)
        _ = try await store.compact(now: noon, policy: eager(rows: 2 * rows))
        return real
    }
    private func policy(days: Int = 30, rollupDays: Int = 400, bytesMax: Int = 0) -> RetentionPolicy {
        var policy = RetentionPolicy()
        (policy.days, policy.rollupDays, policy.bytesMax) = (days, rollupDays, bytesMax)
        return policy
    }

    @Test("days that are older than the policy go, and are named with what they held") func age() async throws {
        let store = try SQLiteFlowStore(directory: folder.path), real = try await fill(store, days: 5)
        #expect(try await store.retain(now: noon, policy: policy(days: 5)).isEmpty)
        let gone = try await store.retain(now: noon + day, policy: policy(days: 4))
        #expect(gone.map(\.day) == ["2026-11-17", "2026-11-18"])
        #expect(gone.allSatisfy { $0.reason == .age && $0.rows == 400 && $0.bytes > 65_536 })
        #expect(try await store.totals(of: try tenant()).rows == 1_200)
        let records = try await store.allRecords()
        #expect(records == real.records.filter { $0.key.record.flowEndMilliseconds > noon - 5 * day / 2 })
        #expect(try files().filter { $0.hasPrefix("acme/2026-11-17") } == ["acme/2026-11-17.rollup.sqlite"])
        // Nothing is left that a new file of that day could take for its own.
        let late = try stored(900, to: noon - 4 * day)
        try await store.store([late])
        #expect(try await store.offsets(from: noon - 5 * day, to: noon - 3 * day) == [901])
    }

    @Test("rollups stay when the records go, batches' that were not compacted too, until their own time")
    func rollupsStay() async throws {
        let store = try SQLiteFlowStore(directory: folder.path)
        var real = RealBatches(seed: 32)
        try real.add(4, end: noon - 10 * day)
        try await store.store(real.batches)
        let question = RollupQuestion(tenant: try tenant(), kind: .service, period: .hour, from: .min, to: .max)
        #expect(try await store.retain(now: noon, policy: policy(days: 3)).map(\.reason) == [.age])
        #expect(try await store.all().isEmpty)
        let want = RollupTests.sums(real.records, .service, .hour)
        func check(_ store: SQLiteFlowStore) async throws {
            let answer = try await store.rollup(question)
            #expect(answer.unsummed.isEmpty)
            #expect(
                [Int64: [RollupKey: Tally]](uniqueKeysWithValues: answer.buckets.map { ($0.start, $0.entries) }) == want
            )
        }
        try await check(store)
        try await check(try SQLiteFlowStore(directory: folder.path))
        #expect(try await store.retain(now: noon, policy: policy(days: 3, rollupDays: 11)).isEmpty)
        let gone = try await store.retain(now: noon, policy: policy(days: 3, rollupDays: 10))
        #expect(gone.map(\.reason) == [.rollupAge])
        #expect(try await store.rollup(question).buckets.isEmpty)
        #expect(try files().isEmpty)
    }

    @Test("late data of a day that has gone adds to its rollups when it goes again") func lateData() async throws {
        let store = try SQLiteFlowStore(directory: folder.path)
        var real = RealBatches(seed: 33)
        try real.add(2, end: noon - 10 * day)
        try await store.store(real.batches)
        _ = try await store.retain(now: noon, policy: policy(days: 3))
        let first = real.batches.count
        try real.add(2, end: noon - 10 * day)
        try await store.store(Array(real.batches[first...]))
        _ = try await store.retain(now: noon + 60_000, policy: policy(days: 3))
        let answer = try await store.rollup(
            RollupQuestion(tenant: try tenant(), kind: .sourceAS, period: .day, from: .min, to: .max))
        let found = [Int64: [RollupKey: Tally]](uniqueKeysWithValues: answer.buckets.map { ($0.start, $0.entries) })
        #expect(found == RollupTests.sums(real.records, .sourceAS, .day))
    }

    @Test("a tenant that has too many octets loses its oldest days until it has not; others lose nothing")
    func quota() async throws {
        let store = try SQLiteFlowStore(directory: folder.path)
        _ = try await fill(store, days: 6, rows: 2_000)
        var other = RealBatches(seed: 34)
        try other.add(1, tenant: "globex", end: noon - 20 * day)
        try await store.store(other.batches)
        let whole = try bytes()
        #expect(try await store.retain(now: noon, policy: policy(bytesMax: whole)).isEmpty)
        let quota = whole / 2
        let gone = try await store.retain(now: noon, policy: policy(bytesMax: quota))
        #expect(gone.count >= 2 && gone.count < 6)
        #expect(gone.allSatisfy { $0.reason == .quota && $0.tenant.rawValue == "acme" })
        #expect(gone.map(\.day) == gone.map(\.day).sorted())
        #expect(gone.first?.day == "2026-11-16")
        #expect(try bytes() <= quota)
        #expect(try await store.totals(of: try tenant("globex")).rows == 50)
        #expect(try await store.totals(of: try tenant()).batches == UInt64(24 - 4 * gone.count))
        // Whoever can't keep a single day keeps none, and the next batch is taken all the same.
        _ = try await store.retain(now: noon, policy: policy(bytesMax: 1))
        #expect(try await store.all().isEmpty)
        #expect(try await store.store([try stored(77)]).batches == 1)
    }

    @Test("a day that is read while it goes is read to the end, or says that it is gone") func whileRead() async throws
    {
        let store = try SQLiteFlowStore(directory: folder.path)
        _ = try await fill(store, days: 8)
        let results = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask { try await store.allRecords().rows }
            }
            group.addTask { try await store.retain(now: noon, policy: policy(days: 4)).count * 1_000_000 }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(results.contains(4_000_000))
        #expect(results.filter { $0 < 4_000_000 }.allSatisfy { (1_600...3_200).contains($0) && $0 % 200 == 0 })
        #expect(try await store.allRecords().rows == 1_600)
    }
}
