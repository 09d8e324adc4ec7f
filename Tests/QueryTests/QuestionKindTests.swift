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

@Suite("Kinds of questions")
struct QuestionKindTests {
    let tenant: TenantID
    let folder: TemporaryFolder
    init() throws {
        tenant = try #require(TenantID("acme"))
        folder = try TemporaryFolder("weir-questions")
    }

    /// A history of which all batches are in segments of some hundred rows.
    private func compacted(seed: UInt64, batches: Int = 16) async throws -> (RandomHistory, SQLiteFlowStore) {
        var generator = SeededGenerator(seed: seed)
        let history = try RandomHistory(using: &generator, tenant: tenant, batchCount: batches)
        let store = try SQLiteFlowStore(directory: folder.file("\(seed)").path)
        try await store.store(history.batches)
        try await compact(store)
        return (history, store)
    }
    private func compact(_ store: SQLiteFlowStore) async throws {
        var policy = CompactionPolicy()
        policy.rowsMax = 150
        _ = try await store.compact(now: RandomHistory.start + 100 * RandomHistory.hour, policy: policy)
    }
    private func query(_ store: any SegmentStore) -> FlowQuery { FlowQuery(store: store, time: ManualTime(), seed: 3) }
    private func counted(_ history: RandomHistory) -> [FlowRecord] {
        history.records.map(\.record).filter { !$0.flags.contains(.secondary) }
    }

    @Test("a plan counts what the question then reads, and reads no column itself") func plan() async throws {
        let (_, store) = try await compacted(seed: 1)
        let all = try await store.segments(tenant: tenant, from: .min, to: .max).count
        for text in ["any", "dst port 22", "ip 10.0.2.0", "ip 10.9.9.9", "dst port 9"] {
            let filter = FlowFilter(
                try FilterParser.parse(text), from: RandomHistory.start,
                to: RandomHistory.start + 12 * RandomHistory.hour)
            let plan = try await query(store).plan(tenant: tenant, filter: filter)
            let top = try await query(store).top(
                tenant: tenant, filter: filter, by: [.sourceAddress], measure: .octets, limit: 1)
            var cost = top.effort
            #expect(plan.matched == 0 && plan.bytesRead > 0 && plan.bytesRead <= cost.bytesRead, "\(text)")
            #expect((plan.bytesRead == cost.bytesRead) == (plan.rows == 0), "\(text)")
            #expect(plan.skippedByTime == all - plan.segments && plan.skippedByTime > 0, "\(text)")
            // What no bounds and no Bloom filter tells turns out on the way.
            #expect(cost.rows <= plan.rows && cost.blocksSkipped >= plan.blocksSkipped, "\(text)")
            (cost.rows, cost.blocksSkipped) = (plan.rows, plan.blocksSkipped)
            (cost.matched, cost.bytesRead, cost.skippedByTime) = (0, plan.bytesRead, plan.skippedByTime)
            #expect(plan.listBlocks == 0)
            cost.listBlocks = 0
            #expect(plan == cost, "\(text)")
        }
    }

    @Test("of a bill's periods the highest twentieth is struck off, idle ones count as nothing") func percentiles()
        async throws
    {
        let store = try SQLiteFlowStore(directory: folder.file("bill").path), period: Int64 = 300_000
        // 19 of 20 periods have traffic: 1, 2 … 19 kbit/s.
        let ends = (0..<19).map { RandomHistory.start + period * Int64($0) + 60_000 }
        try await store.store([
            RandomHistory.batch(tenant: tenant, offset: 1, ends: ends) { columns in
                for row in columns.rows { columns.octetDeltaCount[row] = UInt64(row + 1) * 37_500 }
            }
        ])
        let filter = FlowFilter(from: RandomHistory.start, to: RandomHistory.start + 20 * period)
        func line(_ percent: Double) async throws -> PercentileAnswer.Line? {
            let answer = try await query(store).percentiles(
                tenant: tenant, filter: filter, by: [.exporter], percent: percent, limit: 5)
            #expect(answer.lines.count == 1 && answer.percent == percent)
            return answer.lines.first
        }
        let billed = try #require(try await line(95))
        // Of 20 values the 19th: 0, 1, 2 … 18.
        #expect(billed.percentile == 18_000 && billed.most == 19_000 && billed.mean == 9_500)
        #expect(billed.total.octets == 190 * 37_500 && billed.total.flows == 19)
        #expect(try await line(50)?.percentile == 9_000)
        await #expect(throws: QueryError.badPeriod) {
            try await query(store).percentiles(tenant: tenant, filter: FlowFilter(), by: [], limit: 5)
        }
    }

    @Test("who has the most different peers is a count of sets by hand") func distinctByGroup() async throws {
        let (history, store) = try await compacted(seed: 2)
        let answer = try await query(store).distinct(
            tenant: tenant, filter: FlowFilter(), of: [.destinationAddress], groupedBy: [.sourceAddress], limit: 4)
        let peers = Dictionary(grouping: counted(history), by: \.sourceIPAddress)
            .mapValues { Set($0.map(\.destinationIPAddress)).count }
        #expect(answer.groups.map { Int($0.rows) } == Array(peers.values.sorted(by: >).prefix(4)))
        for group in answer.groups {
            let address = try #require(group.key.sourceAddress)
            #expect(peers[address] == Int(group.rows))
        }
        #expect(answer.count == .exact(UInt64(Set(counted(history).map(\.destinationIPAddress)).count)))
    }

    @Test("a tenant's own budget is its own") func tenantBudgets() async throws {
        let (history, store) = try await compacted(seed: 3)
        let other = try #require(TenantID("globex"))
        let ends = (0..<50).map { RandomHistory.start + Int64($0) }
        try await store.store([
            RandomHistory.batch(tenant: other, offset: 1, ends: ends),
            RandomHistory.batch(tenant: other, offset: 2, ends: ends),
        ])
        var small = QueryBudget()
        small.rowsMax = 50
        let query = FlowQuery(store: store, time: ManualTime(), tenantBudgets: [other: small])
        func total(_ tenant: TenantID) async throws -> TopAnswer {
            try await query.top(tenant: tenant, filter: FlowFilter(), by: [], measure: .flows, limit: 1)
        }
        let cut = try await total(other), whole = try await total(tenant)
        #expect(cut.effort.isCutShort && cut.total.flows == 50)
        #expect(!whole.effort.isCutShort && whole.total.flows == counted(history).reduce(0) { $0 + $1.tally.flows })
    }

    @Test("100 000 indicators are hunted at once, one more is refused") func hugeHunt() async throws {
        let (history, store) = try await compacted(seed: 4)
        let met = IPNetwork(IPAddress(v4: 0x0A00_0100), length: 32)
        // All but one are of a network that nobody met.
        var indicators = (0..<UInt32(99_999)).map { IPNetwork(IPAddress(v4: 0x0B00_0000 + 2 * $0), length: 32) }
        let none = try await query(store).hunt(tenant: tenant, indicators: indicators)
        #expect(none.sightings == [] && none.effort.segments > 3)
        #expect(none.effort.matched == 0)
        indicators.append(met)
        let answer = try await query(store).hunt(tenant: tenant, indicators: indicators)
        let hosts = counted(history).flatMap { record -> [IPAddress] in
            (met.contains(record.sourceIPAddress) ? [record.destinationIPAddress] : [])
                + (met.contains(record.destinationIPAddress) ? [record.sourceIPAddress] : [])
        }
        #expect(Set(answer.sightings.map(\.host)) == Set(hosts) && !hosts.isEmpty)
        #expect(answer.sightings.allSatisfy { $0.indicator == met && $0.met == met.address })
        indicators.append(IPNetwork(IPAddress(v4: 1), length: 32))
        await #expect(throws: QueryError.tooMuch(rows: 0)) {
            try await query(store).hunt(tenant: tenant, indicators: indicators)
        }
    }

    @Test("the cost of a rare address grows with the segments that have it, not with history") func needle()
        async throws
    {
        let store = try SQLiteFlowStore(directory: folder.file("needle").path), needle = IPAddress(v4: 0xC633_6407)
        func add(_ offsets: Range<Int64>, has: Bool) async throws {
            for offset in offsets {
                let ends = (0..<150).map { RandomHistory.start + 1_000 * Int64($0) }
                try await store.store([
                    RandomHistory.batch(tenant: tenant, offset: offset, ends: ends) { columns in
                        for row in columns.rows {
                            let host = IPAddress(v4: 0x0A00_0000 | UInt32(offset) << 8 | UInt32(row))
                            (columns.sourceHigh[row], columns.sourceLow[row]) = (host.high, host.low)
                            (columns.destinationHigh[row], columns.destinationLow[row]) = (host.high, host.low)
                        }
                        if has { columns.destinationLow[7] = needle.low }
                    }
                ])
            }
            try await compact(store)
        }
        func ask() async throws -> TopAnswer {
            let filter = FlowFilter(try FilterParser.parse("ip \(needle)"))
            return try await query(store).top(tenant: tenant, filter: filter, by: [], measure: .flows, limit: 1)
        }
        try await add(1..<4, has: true)
        let before = try await ask()
        try await add(4..<40, has: false)
        let after = try await ask()
        #expect(before.total.flows == 3 && after.total == before.total)
        #expect(before.effort.segments == 3 && after.effort.segments == 39)
        // About one filter in a hundred says yes for nothing.
        let more = after.effort.rows - before.effort.rows
        #expect(before.effort.rows == 450 && more <= 3 * 150, "\(after.effort)")
    }
}
