import FlowModel
import FlowStore
import Identity
import Platform
import Query
import QueryEngine
import TestKit
import Testing

@Suite("Limits of queries")
struct QueryLimitsTests {
    let tenant: TenantID
    let folder: TemporaryFolder
    init() throws {
        tenant = try #require(TenantID("acme"))
        folder = try TemporaryFolder("weir-query")
    }

    private func history(seed: UInt64) async throws -> (RandomHistory, SQLiteFlowStore) {
        var generator = SeededGenerator(seed: seed)
        let history = try RandomHistory(using: &generator, tenant: tenant, batchCount: 30)
        let store = try SQLiteFlowStore(directory: folder.path)
        try await store.store(history.batches)
        return (history, store)
    }

    @Test("an answer that the budget cuts short says so, shows only what is certain, and goes on from there")
    func cutShort() async throws {
        let (history, store) = try await history(seed: 5)
        var budget = QueryBudget()
        budget.rowsMax = 200
        let query = FlowQuery(store: store, time: ManualTime(), budget: budget)
        let want = history.records.filter { FlowFilterParts().holds($0.record) }
            .sorted { $0.position > $1.position }.map(\.record.octetDeltaCount)
        let first = try await query.records(tenant: tenant, filter: FlowFilter(), limit: 10_000)
        #expect(first.effort.isCutShort)
        #expect(first.next != nil)
        #expect((1..<want.count).contains(first.columns.count))
        // Sorted, as records of the same moment come in another order than they were logged.
        #expect(
            first.columns.octetDeltaCount.prefix(first.columns.count).sorted()
                == want.prefix(first.columns.count).sorted())
        let top = try await query.top(tenant: tenant, filter: FlowFilter(), by: [], measure: .octets, limit: 1)
        #expect(top.effort.isCutShort)
        #expect(top.total.octets < want.reduce(0, +))
    }

    @Test("when nothing is certain yet, the question is refused instead of answered wrongly") func tooMuch()
        async throws
    {
        let (_, store) = try await history(seed: 6)
        var budget = QueryBudget()
        budget.rowsMax = 0
        let query = FlowQuery(store: store, time: ManualTime(), budget: budget)
        await #expect(throws: QueryError.tooMuch(rows: 0)) {
            try await query.records(tenant: tenant, filter: FlowFilter(), limit: 10)
        }
    }

    @Test("a question ends with its task") func cancellation() async throws {
        let (_, store) = try await history(seed: 7)
        let query = FlowQuery(store: store, time: ManualTime()), tenant = tenant
        let asked = Task {
            while !Task.isCancelled { await Task.yield() }
            _ = try await query.top(tenant: tenant, filter: FlowFilter(), by: [], measure: .octets, limit: 1)
        }
        asked.cancel()
        await #expect(throws: QueryError.cancelled) { try await asked.value }
    }

    @Test("too many questions at once are told to come later, the others are answered") func gate() async throws {
        let store = SlowStore()
        let query = FlowQuery(store: store, time: ManualTime(), atOnce: 2, waitingMax: 3), tenant = tenant
        let outcomes = await withTaskGroup(of: String.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    do {
                        _ = try await query.records(tenant: tenant, filter: FlowFilter(), limit: 1)
                        return "answered"
                    } catch { return "\(error)" }
                }
            }
            return await group.reduce(into: [:] as [String: Int]) { $0[$1, default: 0] += 1 }
        }
        #expect(outcomes == ["answered": 5, "busy": 15])
        #expect(store.atOnceMax == 2)
    }

    @Test("a body that is damaged is counted, and the rest is answered") func damagedBody() async throws {
        var generator = SeededGenerator(seed: 8)
        var history = try RandomHistory(using: &generator, tenant: tenant)
        let damaged = try #require(history.batches.firstIndex { $0.rows > 0 })
        history.batches[damaged].body[history.batches[damaged].body.count / 2] ^= 0xFF
        let store = try SQLiteFlowStore(directory: folder.path)
        try await store.store(history.batches)
        let query = FlowQuery(store: store, time: ManualTime())
        let answer = try await query.records(tenant: tenant, filter: FlowFilter(), limit: 10_000)
        #expect(answer.effort.unreadable == 1)
        let offset = history.batches[damaged].logOffset
        let want = history.records.filter { $0.position.offset != offset && FlowFilterParts().holds($0.record) }
        #expect(answer.columns.count == want.count)
    }

    @Test("a position's text reads back, and nothing else is a position") func positionText() {
        for position in [
            position(end: .min, received: 0, copy: 0), position(end: 1_795_262_400_000, received: .max, copy: 65_535),
            position(end: -1, received: -5, copy: .max),
        ] {
            #expect(RecordPosition(position.description) == position)
        }
        for text in [
            "", "1.2", "1.2.3.4", "1.2.3.4.5.6", "1.2.3.4.-5", "1.2.-3.4.5", "a.b.!.1.1", "1.2.3.4.05", "+1.2.3.4.5",
            "1..3.4.5", "Z.1.1.1.1",
        ] {
            #expect(RecordPosition(text) == nil, "\(text)")
        }
    }
    private func position(end: Int64, received: Int64, copy: Int) -> RecordPosition {
        RecordPosition(
            flowEndMilliseconds: end, receiveMilliseconds: received, digest: RecordDigest(high: .max, low: 7),
            copy: copy)
    }

    @Test("a tenant that asks all the time leaves room to others, and gets its share") func fairness() async throws {
        let store = SlowStore(), other = try #require(TenantID("globex"))
        let query = FlowQuery(store: store, time: ManualTime(), atOnce: 2, ofTenant: 1, waitingMax: 8), tenant = tenant
        let order = Locked<[String]>([])
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let answer = try? await query.records(tenant: tenant, filter: FlowFilter(), limit: 1)
                    order.with { $0.append(answer == nil ? "refused" : "acme") }
                }
            }
            try? await Task.sleep(for: .milliseconds(50))
            group.addTask {
                let answer = try? await query.records(tenant: other, filter: FlowFilter(), limit: 1)
                order.with { $0.append(answer == nil ? "refused" : "globex") }
            }
        }
        let finished = order.with { $0 }
        // With one question of each at work, the other tenant's is among the first two to end.
        #expect(finished.count { $0 == "acme" } == 4 && finished.prefix(2).contains("globex"), "\(finished)")
        #expect(store.atOnceMax == 2)
    }
}

/// A store with nothing in it that takes its time.
final class SlowStore: SegmentStore {
    private let running = Locked((now: 0, max: 0))
    let quarantinedFiles = 0
    var atOnceMax: Int { running.with { $0.max } }

    func store(_ batches: [StoredBatch]) async throws(FlowStoreError) -> StoreTotals { StoreTotals() }
    func segments(
        tenant: TenantID, from: Int64, to: Int64, before: SegmentPosition?, limit: Int
    ) async throws(FlowStoreError) -> [Segment] {
        running.with { $0 = ($0.now + 1, Swift.max($0.max, $0.now + 1)) }
        try? await Task.sleep(for: .milliseconds(200))
        running.with { $0.now -= 1 }
        return []
    }
    func body(of segment: Segment, tenant: TenantID) async throws(FlowStoreError) -> [UInt8]? { nil }
    func totals(of tenant: TenantID) async throws(FlowStoreError) -> StoreTotals { StoreTotals() }
}
