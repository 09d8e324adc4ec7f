import FilterLanguage
import FlowClickHouse
import FlowModel
import FlowStore
import HistoryKit
import Identity
import Platform
import Query
import QueryEngine
import TestKit
import Testing

@Suite("The contract of stores", .serialized)
struct FlowStoreContractTests {
    let tenant: TenantID, other: TenantID
    init() throws {
        tenant = try #require(TenantID("acme"))
        other = try #require(TenantID("globex-2"))
    }
    private func mixed(_ seed: UInt64, _ tenant: TenantID? = nil, batches: Int = 10) throws -> MixedHistory {
        var generator = SeededGenerator(seed: seed)
        return try MixedHistory(using: &generator, tenant: tenant ?? self.tenant, batchCount: batches)
    }
    private func total(_ place: Place, _ tenant: TenantID) async throws -> TopAnswer {
        try await place.history.top(tenant: tenant, filter: FlowFilter(), by: [], measure: .octets, limit: 1)
    }
    private func counted(_ history: MixedHistory) -> Tally {
        history.subjects.reduce(into: Tally()) { sum, subject in
            if !subject.record.flags.contains(.secondary) { sum += subject.record.tally }
        }
    }

    @Test("a batch is stored once, however often and in whatever company it comes", arguments: Contestant.all)
    func idempotent(_ contestant: Contestant) async throws {
        let place = try await Place(contestant), history = try mixed(1)
        var expected = StoreTotals()
        for batch in history.batches {
            expected.batches += 1
            expected.rows += UInt64(batch.rows)
            expected.tally += batch.tally
            expected.bodyBytes += UInt64(batch.body.count)
        }
        let first = try await place.store.store(Array(history.batches[..<6]))
        #expect(first.batches == 6)
        // Some again, some new, one twice in one call.
        let second = try await place.store.store(Array(history.batches[3...]) + [history.batches[9]])
        #expect(second.batches == 4)
        #expect(try await place.store.store(history.batches) == StoreTotals())
        #expect(try await place.store.totals(of: tenant) == expected)
        let answer = try await total(place, tenant)
        #expect(answer.total == counted(history) && answer.effort.unreadable == 0)
    }

    @Test("tenants are apart, also where their sensors and keys have the same names", arguments: Contestant.all)
    func tenants(_ contestant: Contestant) async throws {
        let place = try await Place(contestant)
        let ours = try mixed(2, batches: 4), theirs = try mixed(3, other, batches: 3)
        try await place.store.store(ours.batches + theirs.batches)
        #expect(try await place.store.totals(of: tenant).batches == 4)
        #expect(try await place.store.totals(of: other).batches == 3)
        #expect(try await total(place, tenant).total == counted(ours))
        #expect(try await total(place, other).total == counted(theirs))
        let nobody = try #require(TenantID("nobody"))
        #expect(try await place.store.totals(of: nobody) == StoreTotals())
        let nothing = try await total(place, nobody)
        #expect(nothing.groups == [] && nothing.groupCount == 0 && nothing.effort.unreadable == 0)
        let records = try await place.history.records(tenant: other, filter: FlowFilter(), limit: 1_000)
        #expect(records.columns.count > 0 && records.sensors.allSatisfy { $0.tenant == other })
    }

    @Test("days beyond the policy go, younger ones and other tenants' stay", arguments: Contestant.all)
    func retention(_ contestant: Contestant) async throws {
        let place = try await Place(contestant)
        let ours = try mixed(4, batches: 12), theirs = try mixed(5, other, batches: 2)
        try await place.store.store(ours.batches + theirs.batches)
        try await place.settle()
        var policy = RetentionPolicy()
        policy.days = 3
        let day: Int64 = 86_400_000
        #expect(try await place.retain(now: MixedHistory.start + day, policy) == [])
        // 2026-11-23 is the oldest day that is kept: what ended before goes, as batches go whole.
        let cut = (MixedHistory.start / day + 2) * day
        var longer = policy
        longer.days = 30
        let retired = try await place.retain(now: MixedHistory.start + 4 * day, policy, own: [other: longer])
        #expect(Set(retired.map(\.tenant)) == [tenant] && retired.allSatisfy { $0.reason == .age })
        #expect(try await place.store.totals(of: other).batches == 2)
        let kept = ours.batches.filter { $0.flowEndMax >= cut }
        #expect(try await place.store.totals(of: tenant).batches == UInt64(kept.count))
        #expect(
            retired.filter { $0.tenant == tenant }.reduce(0) { $0 + $1.rows }
                == UInt64(ours.batches.filter { $0.flowEndMax < cut }.reduce(0) { $0 + $1.rows }))
        let whole = FlowFilter(from: MixedHistory.start - day, to: cut + day)
        let answer = try await place.history.top(tenant: tenant, filter: whole, by: [], measure: .flows, limit: 1)
        #expect(answer.effort.unreadable == 0)
    }

    @Test("a batch whose key was not written before a crash is not counted twice", arguments: Contestant.clickHouses)
    func crashBeforeKey(_ contestant: Contestant) async throws {
        let place = try await Place(contestant), history = try mixed(6), settings = try #require(place.settings)
        try await place.store.store(history.batches)
        let before = try await rollups(place)
        // What a crash between rows and keys leaves.
        let probe = ClickHouseProbe(settings, password: place.server == nil ? nil : "history")
        let table = settings.cluster.map { "batches1_local ON CLUSTER \($0)" } ?? "batches1"
        for day in 20...25 {
            try probe.run("ALTER TABLE \(settings.databases)acme.\(table) DROP PARTITION '2026-11-\(day)'")
        }
        #expect(try await place.store.totals(of: tenant) == StoreTotals())
        let afresh = ClickHouseFlowStore(settings)
        let again = try await afresh.store(history.batches)
        #expect(again.batches == UInt64(history.batches.count))
        #expect(try await afresh.totals(of: tenant).batches == UInt64(history.batches.count))
        #expect(try await total(place, tenant).total == counted(history))
        #expect(try await rollups(place) == before)
    }
    private func rollups(_ place: Place) async throws -> StackedSeries {
        let start = MixedHistory.start
        return try await place.history.series(
            tenant: tenant, filter: FlowFilter(from: start, to: start + 48 * MixedHistory.hour), by: [.service],
            measure: .octets, limit: 5, period: MixedHistory.hour, mayUseRollups: true
        ).series
    }

    @Test(
        "while the server is away nothing is stored and answers say that they lack something; then all goes on",
        .enabled(if: ClickHouseTestServer.isInstalled, "\(ClickHouseTestServer.why)")) func away() async throws
    {
        let place = try await Place(.installed), history = try mixed(7), server = try #require(place.server)
        try await place.store.store(Array(history.batches[..<5]))
        server.stop()
        let problem = await #expect(throws: FlowStoreError.self) {
            try await place.store.store(Array(history.batches[5...]))
        }
        if case .unavailable = problem {} else { Issue.record("\(String(describing: problem))") }
        let partial = try await total(place, tenant)
        #expect(partial.groups == [] && partial.effort.unreadable == 1)
        let records = try await place.history.records(tenant: tenant, filter: FlowFilter(), limit: 10)
        #expect(records.columns.count == 0 && records.next == nil && records.effort.unreadable == 1)
        try await server.start()
        try await place.store.store(history.batches)
        let whole = try await total(place, tenant)
        #expect(whole.total == counted(history) && whole.effort.unreadable == 0)
    }
}
