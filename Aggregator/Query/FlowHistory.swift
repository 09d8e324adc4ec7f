package import BatchFormat
package import FlowModel
package import FlowStore
package import Identity
package import QueryEngine

/// A tenant's history as questions see it. `FlowQuery` answers from segments on this node, `ClickHouseHistory` by
/// asking ClickHouse; the contract tests hold both to the same answers.
///
/// An answer that lacks something says so by its effort: `isCutShort`, `unreadable`. A history that can't be reached
/// answers with what there is, which may be nothing, and with `unreadable`.
package protocol FlowHistory: Sendable {
    /// The newest records that match, newest first.
    /// - Parameters:
    ///   - limit: 1...`FlowQuery.recordsMax`; others are moved into the range.
    ///   - after: `next` of an earlier answer to the same question. None is shown twice.
    func records(
        tenant: TenantID, filter: FlowFilter, limit: Int, after: RecordPosition?
    ) async throws(QueryError) -> RecordsAnswer

    /// The groups of matching records with the most of something.
    /// - Parameter keys: empty gives one group, the total.
    func top(
        tenant: TenantID, filter: FlowFilter, by keys: [FlowKey], measure: FlowMeasure, limit: Int
    ) async throws(QueryError) -> TopAnswer

    /// Sums over time, stacked by the groups with the most and all others together.
    /// - Parameters:
    ///   - period: ms, 1 s at least.
    ///   - mayUseRollups: where rollups have the answer, they are asked instead of the records.
    func series(
        tenant: TenantID, filter: FlowFilter, by keys: [FlowKey], measure: FlowMeasure, limit: Int, period: Int64,
        mayUseRollups: Bool
    ) async throws(QueryError) -> SeriesAnswer

    /// How many different keys the matching records have, and the groups by `groups` with the most of them.
    func distinct(
        tenant: TenantID, filter: FlowFilter, of keys: [FlowKey], groupedBy groups: [FlowKey], limit: Int
    ) async throws(QueryError) -> DistinctAnswer

    /// The conversations with the most in both directions together.
    func conversations(
        tenant: TenantID, filter: FlowFilter, measure: FlowMeasure, limit: Int
    ) async throws(QueryError) -> ConversationsAnswer

    /// Which hosts met the indicators, and when.
    func hunt(
        tenant: TenantID, indicators: [IPNetwork], from: Int64, to: Int64, sightingsMax: Int
    ) async throws(QueryError) -> HuntAnswer

    /// What a question with this filter would read.
    func plan(tenant: TenantID, filter: FlowFilter) async throws(QueryError) -> QueryEffort

    /// All matching records, in no order, some thousands at a time: `body` is waited for.
    func stream(
        tenant: TenantID, filter: FlowFilter,
        _ body: (FlowColumns, [SensorIdentity]) async throws(QueryError) -> Void
    ) async throws(QueryError) -> QueryEffort

    /// Shows all records under way in [from, to) to `look`, in no order, and keeps none.
    /// - Parameter fields: all that `look` looks at.
    func looked(
        tenant: TenantID, from: Int64, to: Int64, fields: FieldSet,
        _ look: @escaping (borrowing FlowColumns, [Int32]) -> Void
    ) async throws(QueryError) -> QueryEffort

    /// All records that a selection keeps, in no order.
    func selected(
        tenant: TenantID, _ selection: RecordSelection, take: @escaping @Sendable (FlowColumns) -> Void
    ) async throws(QueryError) -> QueryEffort

    /// The sums of a subject, step by step, and what is known of the records behind them.
    func history(
        tenant: TenantID, of subject: TrendSubject, from: Int64, to: Int64, step: RollupPeriod,
        lateAfterMilliseconds: Int64, qualityRowsMax: Int
    ) async throws(QueryError) -> TrendHistory

    /// Calls `body` when it is the tenant's turn, for questions and for what is made of their answers: writing a long
    /// answer is work as much as finding it.
    /// - Throws: `QueryError.busy` when too many wait; what `body` throws.
    func inTurn<Value: Sendable>(of tenant: TenantID, _ body: () async throws -> Value) async throws -> Value
}

/// With what is usual.
extension FlowHistory {
    package func inTurn<Value: Sendable>(
        of tenant: TenantID, _ body: () async throws -> Value
    ) async throws -> Value { try await body() }

    package func records(
        tenant: TenantID, filter: FlowFilter, limit: Int
    ) async throws(QueryError) -> RecordsAnswer {
        try await records(tenant: tenant, filter: filter, limit: limit, after: nil)
    }
    package func series(
        tenant: TenantID, filter: FlowFilter, by keys: [FlowKey], measure: FlowMeasure, limit: Int, period: Int64
    ) async throws(QueryError) -> SeriesAnswer {
        try await series(
            tenant: tenant, filter: filter, by: keys, measure: measure, limit: limit, period: period,
            mayUseRollups: false)
    }
    package func hunt(
        tenant: TenantID, indicators: [IPNetwork], sightingsMax: Int
    ) async throws(QueryError) -> HuntAnswer {
        try await hunt(tenant: tenant, indicators: indicators, from: .min, to: .max, sightingsMax: sightingsMax)
    }
    package func hunt(
        tenant: TenantID, indicators: [IPNetwork], from: Int64, to: Int64
    ) async throws(QueryError) -> HuntAnswer {
        try await hunt(tenant: tenant, indicators: indicators, from: from, to: to, sightingsMax: 100_000)
    }
    package func history(
        tenant: TenantID, of subject: TrendSubject, from: Int64, to: Int64, step: RollupPeriod,
        lateAfterMilliseconds: Int64
    ) async throws(QueryError) -> TrendHistory {
        try await history(
            tenant: tenant, of: subject, from: from, to: to, step: step,
            lateAfterMilliseconds: lateAfterMilliseconds, qualityRowsMax: TrendHistory.qualityRowsMax)
    }

    /// Percentiles of the bit rates of periods, idle ones included: 95 % of 5-minute periods is what transit is billed
    /// by.
    /// - Parameters:
    ///   - keys: a line for each group: `[.exporter, .ingressInterface]` for instance.
    ///   - filter: its period must be bounded.
    ///   - period: ms.
    package func percentiles(
        tenant: TenantID, filter: FlowFilter, by keys: [FlowKey], percent: Double = 95, limit: Int,
        period: Int64 = 300_000
    ) async throws(QueryError) -> PercentileAnswer {
        let answer = try await series(
            tenant: tenant, filter: filter, by: keys, measure: .octets, limit: limit, period: period)
        let lines = answer.series.series.map { line in
            let rates = Percentile.bitRates(line.buckets, period: period)
            let milliseconds = UInt64(period) * UInt64(max(rates.count, 1))
            return PercentileAnswer.Line(
                key: line.key, percentile: Percentile.nearestRank(rates, percent: percent), most: rates.max() ?? 0,
                mean: FlowMeasure.bitsPerSecond.value(of: line.total, milliseconds: milliseconds), total: line.total)
        }
        return PercentileAnswer(lines: lines, percent: percent, effort: answer.effort)
    }
}
