package import FlowModel
package import FlowStore
package import Identity
package import Platform
package import QueryEngine

/// Answers questions from a store: batches as they came and compacted segments alike. Only the columns that a question
/// names are decoded, and only where they can match.
package struct FlowQuery: FlowHistory {
    let store: any SegmentStore
    let time: any TimeSource
    private let budget: QueryBudget
    private let tenantBudgets: [TenantID: QueryBudget]
    let gate: QueryGate
    private let seed: UInt64

    /// Records that one answer of `records` can hold.
    package static let recordsMax = 10_000
    /// Groups that one answer can hold.
    package static let groupsMax = 10_000

    /// - Parameters:
    ///   - budget: of one question, unless its tenant has a budget of its own in `tenantBudgets`.
    ///   - atOnce: questions that work at the same time; twice as many may have begun and wait for their next turn.
    ///   - ofTenant: of those, of one tenant; nil: all.
    ///   - waitingMax: questions that wait for their turn; beyond, they get `.busy`.
    ///   - seed: secret, so that nobody makes groups collide.
    package init(
        store: any SegmentStore, time: any TimeSource, budget: QueryBudget = QueryBudget(),
        tenantBudgets: [TenantID: QueryBudget] = [:], atOnce: Int = 2, ofTenant: Int? = nil, waitingMax: Int = 64,
        seed: UInt64 = .random(in: .min ... .max)
    ) {
        self.store = store
        self.time = time
        self.budget = budget
        self.tenantBudgets = tenantBudgets
        self.seed = seed
        gate = QueryGate(atOnce: atOnce, ofTenant: ofTenant ?? atOnce, waitingMax: waitingMax, time: time)
    }

    func budget(of tenant: TenantID) -> QueryBudget { tenantBudgets[tenant] ?? budget }

    package func inTurn<Value: Sendable>(of tenant: TenantID, _ body: () async throws -> Value) async throws -> Value {
        try await gate.inTurn(tenant, body)
    }

    /// Calls `body` when it is the tenant's turn.
    func asking<Answer: Sendable>(
        _ tenant: TenantID, _ filter: FlowFilter,
        _ body: (inout HistoryWalk, UInt64, QueryBudget) async throws(QueryError) -> Answer
    ) async throws(QueryError) -> Answer {
        let budget = self.budget(of: tenant)
        return try await gate.passing(tenant) { (turn) async throws(QueryError) -> Answer in
            var walk = HistoryWalk(store, tenant, filter.condition, time, budget, turn)
            return try await body(&walk, seed, budget)
        }
    }
    /// As `asking`, of what is summed.
    /// - Parameter own: instead of the tenant's budget.
    func summing<Answer: Sendable>(
        _ tenant: TenantID, _ filter: FlowFilter, _ own: QueryBudget? = nil,
        _ body: (inout HistoryWalk, UInt64, QueryBudget) async throws(QueryError) -> Answer
    ) async throws(QueryError) -> Answer {
        let budget = own ?? self.budget(of: tenant)
        return try await gate.passing(tenant) { (turn) async throws(QueryError) -> Answer in
            var walk = HistoryWalk(store, tenant, filter.condition.counted, time, budget, turn)
            return try await body(&walk, seed, budget)
        }
    }
    /// What long work at the end of a question calls now and then.
    static func check() throws(EngineError) {
        if Task.isCancelled { throw .cancelled }
    }

    /// The newest records that match, newest first.
    /// - Parameters:
    ///   - limit: 1...`recordsMax`; others are moved into the range.
    ///   - after: `next` of an earlier answer to the same question. Records that came meanwhile are not shown by later
    ///     pages, unless they are older than the page; none is shown twice, whatever was compacted meanwhile.
    package func records(
        tenant: TenantID, filter: FlowFilter, limit: Int, after: RecordPosition? = nil
    ) async throws(QueryError) -> RecordsAnswer {
        let limit = min(max(limit, 1), Self.recordsMax)
        return try await asking(tenant, filter) { (walk, _, _) async throws(QueryError) -> RecordsAnswer in
            var consumer = NewestConsumer(newest: NewestRecords(limit: limit, before: after)), to = filter.to
            // What is older than a record that ended at T was under way before T + 1.
            if let end = after?.flowEndMilliseconds, end < .max { to = min(to, end + 1) }
            try await walk.read(from: filter.from, to: to, into: &consumer)
            let found = consumer.newest.answer(certainAfter: walk.unseen)
            if walk.effort.isCutShort, found.columns.count == 0 { throw .tooMuch(rows: walk.effort.rows) }
            let isMore = walk.effort.isCutShort || found.columns.count == limit
            return RecordsAnswer(
                columns: found.columns, sensors: found.sensors, next: isMore ? found.last : nil, effort: walk.effort)
        }
    }

    /// The groups of matching records with the most of something.
    /// - Parameters:
    ///   - keys: empty gives one group, the total.
    ///   - limit: 1...`groupsMax`; others are moved into the range.
    package func top(
        tenant: TenantID, filter: FlowFilter, by keys: [FlowKey], measure: FlowMeasure, limit: Int
    ) async throws(QueryError) -> TopAnswer {
        let limit = min(max(limit, 1), Self.groupsMax)
        return try await summing(tenant, filter) { (walk, seed, budget) async throws(QueryError) -> TopAnswer in
            var consumer = TopConsumer(
                sums: GroupSums(by: keys, hasTimes: measure.needsTimes, seed: seed, memory: budget.memory))
            try await walk.read(from: filter.from, to: filter.to, into: &consumer)
            do throws(EngineError) {
                let top = try consumer.sums.top(min(limit, budget.groupsMax), by: measure, check: Self.check)
                walk.effort.scratchBytes = consumer.sums.scratchBytes
                var answer = TopAnswer(
                    groups: top.groups, total: top.total, groupCount: top.groupCount, other: Tally(),
                    effort: walk.effort)
                if top.groupCount > budget.groupsMax {
                    answer.other = top.total
                    for group in top.groups { answer.other -= group.tally }
                }
                return answer
            } catch {
                throw QueryError(error)
            }
        }
    }

    /// All matching records, in no order, some thousands at a time, as they are found: `body` is waited for, so that
    /// memory stays bounded however slowly they are taken.
    /// - Returns: what it cost; `isCutShort` when the budget ended before the history.
    package func stream(
        tenant: TenantID, filter: FlowFilter,
        _ body: (FlowColumns, [SensorIdentity]) async throws(QueryError) -> Void
    ) async throws(QueryError) -> QueryEffort {
        try await asking(tenant, filter) { (walk, _, _) async throws(QueryError) -> QueryEffort in
            var consumer = StreamConsumer()
            for segment in try await walk.list(from: filter.from, to: filter.to) {
                try await walk.read([segment], into: &consumer)
                for part in consumer.found { try await body(part.columns, part.sensors) }
                consumer.found = []
                if walk.effort.isCutShort { break }
            }
            return walk.effort
        }
    }
}
