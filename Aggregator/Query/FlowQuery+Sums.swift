internal import FilterLanguage
package import FlowModel
internal import FlowStore
package import Identity
package import QueryEngine

/// Questions whose answers are sums of other shapes than a list.
extension FlowQuery {
    /// Sums over time, stacked by the groups with the most and all others together.
    /// - Parameters:
    ///   - keys: what to stack by; empty gives one series, the total.
    ///   - period: ms, 1 s at least.
    ///   - filter: its period is the series' one, widened to whole periods; at most `SeriesSums.bucketsMax` of them.
    ///   - mayUseRollups: where rollups have the answer, they are asked instead of the records. Small groups are in
    ///     `other` then.
    package func series(
        tenant: TenantID, filter: FlowFilter, by keys: [FlowKey], measure: FlowMeasure, limit: Int, period: Int64,
        mayUseRollups: Bool = false
    ) async throws(QueryError) -> SeriesAnswer {
        let limit = min(max(limit, 0), Self.groupsMax)
        guard filter.from < filter.to, period >= 1_000,
            (filter.to - 1).subtractingReportingOverflow(filter.from).partialValue / period
                < Int64(SeriesSums.bucketsMax),
            !filter.to.subtractingReportingOverflow(filter.from).overflow
        else { throw .badPeriod }
        var filter = filter
        let whole = SeriesSums.whole(from: filter.from, to: filter.to, period: period)
        (filter.from, filter.to) = (whole.lowerBound, whole.upperBound)
        let wanted = filter
        return try await summing(tenant, wanted) { (walk, seed, budget) async throws(QueryError) -> SeriesAnswer in
            var consumer = SeriesConsumer(
                sums: SeriesSums(
                    by: keys, from: wanted.from, to: wanted.to, period: period, seed: seed, memory: budget.memory))
            if mayUseRollups, wanted.whole == .any,
                let rollups = try await self.rollups(tenant, consumer.sums, keys, period)
            {
                try await walk.read(rollups.answer.unsummed, into: &consumer)
                let rest = try finish(&consumer.sums, 1_000, .octets, &walk.effort)
                let series = RollupSeries(rest, rollups.answer, kind: rollups.kind, limit: limit, measure: measure)
                    .answer
                return SeriesAnswer(series: series, isFromRollups: true, effort: walk.effort)
            }
            try await walk.read(from: wanted.from, to: wanted.to, into: &consumer)
            let series = try finish(&consumer.sums, limit, measure, &walk.effort)
            return SeriesAnswer(series: series, effort: walk.effort)
        }
    }
    func finish(
        _ sums: inout SeriesSums, _ limit: Int, _ measure: FlowMeasure, _ effort: inout QueryEffort
    ) throws(QueryError) -> StackedSeries {
        do throws(EngineError) {
            let series = try sums.stacked(limit, by: measure, check: Self.check)
            effort.scratchBytes = sums.scratchBytes
            return series
        } catch {
            throw QueryError(error)
        }
    }

    /// How many different keys the matching records have: addresses, pairs of them, services …
    /// - Parameters:
    ///   - groups: also the groups by these keys with the most different `keys`.
    ///   - limit: of those.
    package func distinct(
        tenant: TenantID, filter: FlowFilter, of keys: [FlowKey], groupedBy groups: [FlowKey] = [], limit: Int = 10
    ) async throws(QueryError) -> DistinctAnswer {
        let limit = min(max(limit, 1), Self.groupsMax)
        return try await summing(tenant, filter) { (walk, seed, budget) async throws(QueryError) -> DistinctAnswer in
            var consumer = DistinctConsumer(keys: DistinctKeys(keys, seed: seed))
            if !groups.isEmpty {
                consumer.groups = DistinctByGroup(by: groups, of: keys, seed: seed, memory: budget.memory)
            }
            try await walk.read(from: filter.from, to: filter.to, into: &consumer)
            do throws(EngineError) {
                let top = try consumer.groups?.top(limit, check: Self.check)
                walk.effort.scratchBytes = consumer.groups?.scratchBytes ?? 0
                return DistinctAnswer(count: consumer.keys.count, groups: top?.groups ?? [], effort: walk.effort)
            } catch {
                throw QueryError(error)
            }
        }
    }

    /// The conversations with the most in both directions together.
    package func conversations(
        tenant: TenantID, filter: FlowFilter, measure: FlowMeasure, limit: Int
    ) async throws(QueryError) -> ConversationsAnswer {
        let limit = min(max(limit, 1), Self.groupsMax)
        return try await summing(tenant, filter) {
            (walk, seed, budget) async throws(QueryError) -> ConversationsAnswer in
            var consumer = ConversationConsumer(sums: ConversationSums(seed: seed, memory: budget.memory))
            try await walk.read(from: filter.from, to: filter.to, into: &consumer)
            do throws(EngineError) {
                let top = try consumer.sums.top(limit, by: measure, check: Self.check)
                walk.effort.scratchBytes = consumer.sums.scratchBytes
                return ConversationsAnswer(
                    conversations: top.conversations, count: top.count, effort: walk.effort)
            } catch {
                throw QueryError(error)
            }
        }
    }

    /// Which hosts met the indicators, and when: over all history, from Bloom filters first, so that segments without
    /// any of them cost only their filter.
    /// - Parameters:
    ///   - indicators: at most `IndicatorSet.countMax`; the rest is refused with `.tooMuch`.
    ///   - sightingsMax: pairs of addresses that the answer keeps apart.
    package func hunt(
        tenant: TenantID, indicators: [IPNetwork], from: Int64 = .min, to: Int64 = .max, sightingsMax: Int = 100_000
    ) async throws(QueryError) -> HuntAnswer {
        guard indicators.count <= IndicatorSet.countMax else { throw .tooMuch(rows: 0) }
        let set = IndicatorSet(indicators)
        return try await asking(tenant, FlowFilter(from: from, to: to)) {
            (walk, _, _) async throws(QueryError) -> HuntAnswer in
            var consumer = HuntConsumer(hunt: IndicatorHunt(set, sightingsMax: sightingsMax))
            try await walk.read(from: from, to: to, into: &consumer)
            return HuntAnswer(
                sightings: consumer.hunt.answer, leftOut: consumer.hunt.leftOut, effort: walk.effort)
        }
    }
}
