internal import FilterLanguage
internal import FlowModel
package import FlowStore
package import Identity
package import Query
package import QueryEngine

/// Sums over time, and by conversation.
extension ClickHouseHistory {
    package func series(
        tenant: TenantID, filter: FlowFilter, by keys: [FlowKey], measure: FlowMeasure, limit: Int, period: Int64,
        mayUseRollups: Bool
    ) async throws(QueryError) -> SeriesAnswer {
        let limit = min(max(limit, 0), FlowQuery.groupsMax)
        let whole = try Self.wholePeriods(filter, period)
        var filter = filter
        (filter.from, filter.to) = (whole.lowerBound, whole.upperBound)
        let span = whole, asked = filter
        let empty = StackedSeries(
            from: span.lowerBound, period: period, bucketCount: Int((span.upperBound - span.lowerBound) / period),
            groupCount: 0)
        return try await asking(tenant) {
            SeriesAnswer(series: empty, effort: $0)
        } _: { (asking) async throws in
            let which = FilterSQL(asked, isCounted: true)
            if mayUseRollups, asked.whole == .any, period % 60_000 == 0, let rollup = RollupTable.answering(keys) {
                let source = SeriesSource(rollup, KeySQL(keys, in: rollup), span, period, asking.database)
                let series = try await stacked(&asking, source, empty, measure, limit)
                return SeriesAnswer(series: series, isFromRollups: true, effort: asking.effort)
            }
            guard which.isExact, let columns = KeySQL(keys) else {
                var sums = SeriesSums(
                    by: keys, from: span.lowerBound, to: span.upperBound, period: period, seed: 0,
                    memory: asking.budget.memory)
                try await asking.rows(asked, which, sums.fields) { block, rows in try sums.add(block, rows: rows) }
                return SeriesAnswer(series: try sums.stacked(limit, by: measure), effort: asking.effort)
            }
            let source = SeriesSource(columns, which.sql, span, period, asking.flows)
            let series = try await stacked(&asking, source, empty, measure, limit)
            return SeriesAnswer(series: series, effort: asking.effort)
        }
    }
    private static func wholePeriods(_ filter: FlowFilter, _ period: Int64) throws(QueryError) -> Range<Int64> {
        guard filter.from < filter.to, period >= 1_000,
            (filter.to - 1).subtractingReportingOverflow(filter.from).partialValue / period
                < Int64(SeriesSums.bucketsMax),
            !filter.to.subtractingReportingOverflow(filter.from).overflow
        else { throw .badPeriod }
        return SeriesSums.whole(from: filter.from, to: filter.to, period: period)
    }

    /// The largest groups first; then all periods of those, and of all others together.
    private func stacked(
        _ asking: inout Asking, _ source: SeriesSource, _ empty: StackedSeries, _ measure: FlowMeasure, _ limit: Int
    ) async throws -> StackedSeries {
        var series = empty, lines: [FlowGroupKey: Int] = [:], values: [SQLText] = []
        let keys = source.keys
        if !keys.isEmpty || limit > 0 {
            // Rates of a whole series have no time of their own: as the sums of a group without one.
            let answer = try await asking.table(source.groups(by: measure, limit: max(limit, 1)))
            let (groups, _, rows) = try GroupList(keys).groups(answer, of: asking.tenant, by: measure)
            asking.effort.matched = Int(clamping: rows)
            series.groupCount = groups.isEmpty ? 0 : answer.groupCount
            for group in groups.prefix(limit) {
                lines[group.key] = series.series.count
                series.series.append(series.empty(group))
            }
            if !keys.isEmpty, limit > 0 {
                values = try answer.data.map { try keys.values($0[..<keys.count]) }
            }
        }
        let answer = try await asking.table(source.periods(of: values))
        for row in answer.data {
            guard row.count == keys.count + 5 else { throw ClickHouseFault.garbled("a row of \(row.count)") }
            // Of the others there is no key.
            let isLine = try row[1].number() == 1
            let key = isLine ? try keys.key(row[2..<(2 + keys.count)], of: asking.tenant) : FlowGroupKey()
            series.add(
                try GroupList.tally(row[(2 + keys.count)...]), bucket: Int(try row[0].signed()),
                series: isLine ? lines[key] : nil)
        }
        return series
    }

    package func conversations(
        tenant: TenantID, filter: FlowFilter, measure: FlowMeasure, limit: Int
    ) async throws(QueryError) -> ConversationsAnswer {
        let limit = min(max(limit, 1), FlowQuery.groupsMax)
        let which = FilterSQL(filter, isCounted: true)
        return try await asking(tenant) {
            ConversationsAnswer(conversations: [], count: 0, effort: $0)
        } _: { (asking) async throws in
            guard which.isExact else {
                var sums = ConversationSums(seed: 0, memory: asking.budget.memory)
                try await asking.rows(filter, which, sums.fields) { block, rows in try sums.add(block, rows: rows) }
                let top = try sums.top(limit, by: measure)
                return ConversationsAnswer(conversations: top.conversations, count: top.count, effort: asking.effort)
            }
            let answer = try await asking.table(
                ConversationSQL.query(from: asking.flows, where: which.sql, by: measure, limit: limit))
            var found: [(group: FlowGroup, conversation: Conversation)] = []
            for row in answer.data { found.append(try ConversationSQL.read(row)) }
            found.sort { a, b in
                let (left, right) = (measure.value(of: a.group), measure.value(of: b.group))
                return left != right ? left > right : a.group.key < b.group.key
            }
            return ConversationsAnswer(
                conversations: found.map(\.conversation), count: found.isEmpty ? 0 : answer.groupCount,
                effort: asking.effort)
        }
    }

    /// A step is known where the tenant has any record; its records say how late and how sampled they are.
    package func history(
        tenant: TenantID, of subject: TrendSubject, from: Int64, to: Int64, step: RollupPeriod,
        lateAfterMilliseconds: Int64, qualityRowsMax: Int
    ) async throws(QueryError) -> TrendHistory {
        let period = step.rawValue, span = try Self.wholePeriods(FlowFilter(from: from, to: to), period)
        let count = Int((span.upperBound - span.lowerBound) / period)
        var history = TrendHistory(from: span.lowerBound, period: period, count: count)
        let filter = FlowFilter(subject.expression, from: span.lowerBound, to: span.upperBound)
        let all = try await series(
            tenant: tenant, filter: FlowFilter(from: span.lowerBound, to: span.upperBound), by: [.service],
            measure: .octets, limit: 0, period: period, mayUseRollups: true)
        let own = try await series(
            tenant: tenant, filter: filter, by: [], measure: .octets, limit: 0, period: period, mayUseRollups: false)
        for place in history.steps.indices where all.series.other[place] != Tally() {
            history.steps[place].tally = own.series.other[place]
        }
        let quality = try await self.quality(history, tenant, filter, lateAfterMilliseconds)
        history = quality.history
        for effort in [all.effort, own.effort, quality.effort] where effort.isCutShort || effort.unreadable > 0 {
            history.isComplete = false
        }
        return history
    }
    private func quality(
        _ begun: TrendHistory, _ tenant: TenantID, _ filter: FlowFilter, _ lateAfter: Int64
    ) async throws(QueryError) -> (history: TrendHistory, effort: QueryEffort) {
        let which = FilterSQL(filter, isCounted: true), period = begun.period
        return try await asking(tenant, { (begun, $0) }) { (asking) async throws in
            var history = begun
            let answer = try await asking.table(
                """
                SELECT intDiv(flow_end - \(begun.from), \(period)) AS b, count() AS n, \
                countIf(receive_time > \(begun.from) + (intDiv(flow_end - \(begun.from), \(period)) + 1) * \(period) \
                + \(lateAfter)) AS late, toString(greatest(max(sampling), 1)) AS i FROM \(asking.flows) \
                WHERE \(which.sql) AND flow_end < \(filter.to) GROUP BY b
                """)
            for row in answer.data where row.count == 4 {
                let place = Int(try row[0].signed())
                guard history.steps.indices.contains(place) else { continue }
                history.steps[place].records = try row[1].number()
                history.steps[place].late = try row[2].number()
                history.steps[place].samplingInterval = Double(row[3].text) ?? 1
            }
            return (history, asking.effort)
        }
    }
}
