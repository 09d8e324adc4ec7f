internal import FlowModel
internal import FlowStore
internal import Identity
internal import QueryEngine

/// Series out of rollups.
extension FlowQuery {
    /// What rollups know of a series; nil when they don't have its keys or periods.
    func rollups(
        _ tenant: TenantID, _ sums: SeriesSums, _ keys: [FlowKey], _ period: Int64
    ) async throws(QueryError) -> (answer: RollupAnswer, kind: RollupKind)? {
        guard let period = RollupPeriod(rawValue: period), let kind = RollupKind(keys) else { return nil }
        do throws(FlowStoreError) {
            let question = RollupQuestion(tenant: tenant, kind: kind, period: period, from: sums.from, to: sums.to)
            return (try await store.rollup(question), kind)
        } catch {
            throw QueryError(error)
        }
    }
}

extension RollupKind {
    /// The kind with these keys; nil when there is none.
    fileprivate init?(_ keys: [FlowKey]) {
        switch Set(keys) {
        case [.service]: self = .service
        case [.sourceAS]: self = .sourceAS
        case [.destinationAS]: self = .destinationAS
        case [.exporter, .ingressInterface]: self = .ingressInterface
        case [.exporter, .egressInterface]: self = .egressInterface
        default: return nil
        }
    }
}

extension FlowGroupKey {
    fileprivate init(_ key: RollupKey, _ kind: RollupKind) {
        self.init()
        switch (key, kind) {
        case (.service(let transport, let port), _):
            service = FlowService(protocolIdentifier: transport, port: port)
        case (.asNumber(let number), .sourceAS): sourceAS = number
        case (.asNumber(let number), _): destinationAS = number
        case (.interface(let key, let index), .ingressInterface): (exporter, ingressInterface) = (key, index)
        case (.interface(let key, let index), _): (exporter, egressInterface) = (key, index)
        case (.hosts, _), (.country, _): return
        }
    }
}

/// Rollups and what they do not have yet as one series.
struct RollupSeries {
    let answer: StackedSeries

    /// - Parameter rest: all groups of the segments that are in no rollup.
    init(_ rest: StackedSeries, _ rollups: RollupAnswer, kind: RollupKind, limit: Int, measure: FlowMeasure) {
        var lines: [FlowGroupKey: [Tally]] = [:], other = rest.other
        let empty = [Tally](repeating: Tally(), count: rest.bucketCount)
        for line in rest.series { lines[line.key] = line.buckets }
        for bucket in rollups.buckets {
            let place = Int((bucket.start - rest.from) / rest.period)
            guard other.indices.contains(place) else { continue }
            other[place] += bucket.other
            for (key, tally) in bucket.entries {
                lines[FlowGroupKey(key, kind), default: empty][place] += tally
            }
        }
        let groups = lines.map { key, buckets in
            FlowGroup(key: key, tally: buckets.reduce(into: Tally()) { $0 += $1 }, rows: 0)
        }
        let sorted = groups.sorted { a, b in
            let (left, right) = (measure.value(of: a), measure.value(of: b))
            return left != right ? left > right : a.key < b.key
        }
        var answer = StackedSeries(
            from: rest.from, period: rest.period, bucketCount: rest.bucketCount, groupCount: sorted.count)
        for (place, group) in sorted.enumerated() {
            let buckets = lines[group.key] ?? empty
            if place < limit {
                answer.series.append(StackedSeries.Line(key: group.key, total: group.tally, buckets: buckets))
            } else {
                for (place, tally) in buckets.enumerated() { other[place] += tally }
            }
        }
        answer.other = other
        self.answer = answer
    }
}
