internal import FlowModel
package import FlowStore
package import Identity
internal import QueryEngine

/// Histories of sums, for trends.
extension FlowQuery {
    /// The sums of a subject, step by step, from rollups where they know it and from records where they don't.
    ///
    /// A step is unknown where the tenant has no record at all: no sensor was heard. A service's step whose rollup kept
    /// too few keys to say is asked of the records, as is a host's every step; where retention has removed them, it is
    /// unknown.
    /// - Parameters:
    ///   - from: widened to whole steps, as `to`; at most `SeriesSums.bucketsMax` of them.
    ///   - lateAfterMilliseconds: a record that reached its sensor so long after its step's end is late.
    ///   - qualityRowsMax: newest records that are looked at for lateness and sampling.
    package func history(
        tenant: TenantID, of subject: TrendSubject, from: Int64, to: Int64, step: RollupPeriod,
        lateAfterMilliseconds: Int64, qualityRowsMax: Int = TrendHistory.qualityRowsMax
    ) async throws(QueryError) -> TrendHistory {
        let (span, overflows) = to.subtractingReportingOverflow(from)
        guard from < to, !overflows, span / step.rawValue < Int64(SeriesSums.bucketsMax) else { throw .badPeriod }
        let whole = SeriesSums.whole(from: from, to: to, period: step.rawValue)
        let count = Int((whole.upperBound - whole.lowerBound) / step.rawValue)
        var history = TrendHistory(from: whole.lowerBound, period: step.rawValue, count: count)
        let rest = try await fill(&history, tenant, subject, step)
        if !rest.isEmpty { try await fillFromRecords(&history, rest, tenant, subject) }
        try await judge(&history, tenant, subject, lateAfterMilliseconds, qualityRowsMax)
        return history
    }

    private func filter(_ history: TrendHistory, _ subject: TrendSubject) -> FlowFilter {
        FlowFilter(subject.expression, from: history.from, to: history.start(of: history.steps.count))
    }

    /// What rollups, and the batches that are in none yet, say.
    /// - Returns: places whose records must be asked.
    private func fill(
        _ history: inout TrendHistory, _ tenant: TenantID, _ subject: TrendSubject, _ step: RollupPeriod
    ) async throws(QueryError) -> [Int] {
        let all = filter(history, .tenant), answer: RollupAnswer
        do throws(FlowStoreError) {
            answer = try await store.rollup(
                RollupQuestion(tenant: tenant, kind: .service, period: step, from: all.from, to: all.to))
        } catch {
            throw QueryError(error)
        }
        let known = TrendRollups(answer, subject, in: history)
        let fresh = try await sums(tenant, all, step.rawValue, answer.unsummed)
        let own =
            switch subject {
            case .tenant: fresh
            case .service: try await sums(tenant, filter(history, subject), step.rawValue, answer.unsummed)
            case .host: fresh  // only tells which steps are known
            }
        history.isComplete = fresh.isComplete && own.isComplete && answer.damaged == 0
        for place in history.steps.indices {
            guard known.tallies[place] != nil || fresh.tallies[place] != Tally() else { continue }
            var tally = known.tallies[place] ?? Tally()
            tally += own.tallies[place]
            history.steps[place].tally = tally
        }
        if case .host = subject { return history.steps.indices.filter { history.steps[$0].tally != nil } }
        return history.steps.indices.filter { known.isUncertain[$0] }
    }

    /// Asks the records about the steps at `places`; those that are older than the records become unknown.
    private func fillFromRecords(
        _ history: inout TrendHistory, _ places: [Int], _ tenant: TenantID, _ subject: TrendSubject
    ) async throws(QueryError) {
        let filter = filter(history, subject), segments: [Segment]
        do throws(FlowStoreError) {
            segments = try await store.segments(tenant: tenant, from: filter.from, to: filter.to)
        } catch {
            throw QueryError(error)
        }
        let found = try await sums(tenant, filter, history.period, segments)
        history.isComplete = history.isComplete && found.isComplete
        let oldest = segments.map(\.flowStartMin).min() ?? .max
        for place in places {
            let isKept = history.start(of: place + 1) > oldest
            let isSeen = found.unseen.map { history.start(of: place) > $0 } ?? true
            history.steps[place].tally = isKept && isSeen ? found.tallies[place] : nil
        }
    }

    private struct StepSums {
        var tallies: [Tally]
        /// The largest flow end of what was not looked at.
        var unseen: Int64?
        var isComplete: Bool
    }
    private func sums(
        _ tenant: TenantID, _ filter: FlowFilter, _ period: Int64, _ segments: [Segment]
    ) async throws(QueryError) -> StepSums {
        try await summing(tenant, filter) { (walk, seed, budget) async throws(QueryError) -> StepSums in
            var consumer = SeriesConsumer(
                sums: SeriesSums(
                    by: [], from: filter.from, to: filter.to, period: period, seed: seed, memory: budget.memory))
            try await walk.read(segments, into: &consumer)
            let series = try finish(&consumer.sums, 1, .octets, &walk.effort)
            var tallies = series.other
            for line in series.series {
                for place in tallies.indices { tallies[place] += line.buckets[place] }
            }
            let isComplete = !walk.effort.isCutShort && walk.effort.unreadable == 0
            return StepSums(tallies: tallies, unseen: walk.unseen, isComplete: isComplete)
        }
    }

    /// Looks at the newest records for lateness and sampling.
    private func judge(
        _ history: inout TrendHistory, _ tenant: TenantID, _ subject: TrendSubject, _ lateAfter: Int64,
        _ rowsMax: Int
    ) async throws(QueryError) {
        var budget = self.budget(of: tenant)
        budget.rowsMax = min(budget.rowsMax, rowsMax)
        let filter = filter(history, subject), blank = history
        history = try await summing(tenant, filter, budget) {
            (walk, _, _) async throws(QueryError) -> TrendHistory in
            var consumer = TrendQualityConsumer(history: blank, lateAfter: lateAfter)
            try await walk.read(from: filter.from, to: filter.to, into: &consumer)
            consumer.history.recordsFrom = walk.unseen.map { min($0, filter.to) }
            return consumer.history
        }
    }
}
