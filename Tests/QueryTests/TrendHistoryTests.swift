import FlowModel
import FlowStore
import HistoryKit
import Query
import QueryEngine
import TestKit
import Testing

@Suite("Histories for trends")
struct TrendHistoryTests {
    private func history(
        _ world: FiveWeeks, _ subject: TrendSubject, step: RollupPeriod = .hour, budget: QueryBudget = QueryBudget(),
        rowsMax: Int = 1_000_000
    ) async throws -> TrendHistory {
        try await FlowQuery(store: world.store, time: ManualTime(), budget: budget, seed: 3).history(
            tenant: world.tenant, of: subject, from: FiveWeeks.start, to: FiveWeeks.end, step: step,
            lateAfterMilliseconds: 900_000, qualityRowsMax: rowsMax)
    }
    private func octets(_ history: TrendHistory) -> [UInt64?] { history.steps.map { $0.tally?.octets } }
    private func expected(_ value: (Int) -> UInt64) -> [UInt64?] {
        (0..<FiveWeeks.hours).map { FiveWeeks.gap.contains($0) ? nil : value($0) }
    }

    @Test(
        "tenant, host and service are exact by the hour, from batches and from rollups; a gap is not zero",
        arguments: [false, true])
    func exact(isCompacted: Bool) async throws {
        let world = try await FiveWeeks(isCompacted: isCompacted)
        let all = try await history(world, .tenant)
        #expect(octets(all) == (0..<FiveWeeks.hours).map(FiveWeeks.all) && all.isComplete)
        let web = try await history(world, .service(FlowService(protocolIdentifier: 6, port: 443)))
        #expect(octets(web) == expected(FiveWeeks.webOctets) && web.isComplete)
        let names = try await history(world, .host(IPNetwork(FiveWeeks.names, length: 32)))
        #expect(octets(names) == expected { _ in FiveWeeks.nameOctets })
        let nobody = try await history(world, .host(IPNetwork(IPAddress(v4: 0x0909_0909), length: 32)))
        #expect(octets(nobody) == expected { _ in 0 })
    }

    @Test("a service that its rollup kept no key for is asked of the records") func crowdedOut() async throws {
        let world = try await FiveWeeks(isCompacted: true)
        let names = try await history(world, .service(FlowService(protocolIdentifier: 17, port: 53)))
        // The smallest of 402 in that hour: 256 have a key.
        #expect(octets(names) == expected { _ in FiveWeeks.nameOctets })
        let rollup = try await world.store.rollup(
            RollupQuestion(
                tenant: world.tenant, kind: .service, period: .hour, from: FiveWeeks.start, to: FiveWeeks.end))
        let crowd = rollup.buckets.first {
            $0.start == FiveWeeks.start + Int64(FiveWeeks.crowded) * FiveWeeks.hour
        }
        #expect(crowd?.entries[.service(protocolIdentifier: 17, port: 53)] == nil && crowd?.other != Tally())
    }

    @Test("lateness and sampling are counted by step, of the newest records when there are too many")
    func quality() async throws {
        let world = try await FiveWeeks(isCompacted: true)
        let all = try await history(world, .tenant)
        for (place, step) in all.steps.enumerated() where !FiveWeeks.gap.contains(place) {
            #expect(step.records == (place == FiveWeeks.crowded ? 402 : 2), "\(place)")
            #expect(step.late == (place % 10 == 0 ? 1 : 0), "\(place)")
            #expect(step.samplingInterval == (FiveWeeks.sampled.contains(place) ? 100 : 1), "\(place)")
        }
        #expect(all.recordsFrom == nil)
        let some = try await history(world, .tenant, rowsMax: 100)
        let from = try #require(some.recordsFrom)
        #expect(from > FiveWeeks.start && from < FiveWeeks.end && octets(some) == octets(all))
        #expect(some.steps.first?.records == 0 && some.steps.last?.records == 2)
    }

    @Test("steps that a budget did not reach are unknown, and it says so") func cutShort() async throws {
        let world = try await FiveWeeks(isCompacted: true)
        var budget = QueryBudget()
        budget.rowsMax = 200
        let web = try await history(world, .host(IPNetwork(FiveWeeks.web, length: 32)), budget: budget)
        #expect(!web.isComplete && web.steps.first?.tally == nil)
        #expect(web.steps.last?.tally?.octets == FiveWeeks.webOctets(FiveWeeks.hours - 1))
        // Each step is whole or unknown.
        for (place, step) in web.steps.enumerated() {
            let crowd = place == FiveWeeks.crowded ? 400 * FiveWeeks.crowdOctets : 0
            #expect(step.tally == nil || step.tally?.octets == FiveWeeks.webOctets(place) + crowd, "\(place)")
        }
    }

    @Test("days are sums of their hours") func days() async throws {
        let world = try await FiveWeeks(isCompacted: true)
        let web = try await history(world, .service(FlowService(protocolIdentifier: 6, port: 443)), step: .day)
        #expect(web.steps.count == 35)
        #expect(web.steps[0].tally?.octets == (0..<24).map(FiveWeeks.webOctets).reduce(0, +))
        await #expect(throws: QueryError.badPeriod) {
            try await FlowQuery(store: world.store, time: ManualTime()).history(
                tenant: world.tenant, of: .tenant, from: .min, to: .max, step: .day, lateAfterMilliseconds: 0)
        }
    }
}
