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
        func number(of bucket: RollupBucket) -> Int? {
            let place = Int((bucket.start - rest.from) / rest.period)
            return rest.other.indices.contains(place) ? place : nil
        }
        // Sums first, so that only the lines that are shown have a sum for each period.
        var totals: [RollupKey: Tally] = [:], sums: [FlowGroupKey: Tally] = [:]
        for bucket in rollups.buckets where number(of: bucket) != nil {
            for (key, tally) in bucket.entries { totals[key, default: Tally()] += tally }
        }
        for (key, tally) in totals { sums[FlowGroupKey(key, kind)] = tally }
        for line in rest.series { sums[line.key, default: Tally()] += line.total }
        let groups = sums.map { FlowGroup(key: $0.key, tally: $0.value, rows: 0) }
        let top = groups.sorted { a, b in
            let (left, right) = (measure.value(of: a), measure.value(of: b))
            return left != right ? left > right : a.key < b.key
        }.prefix(limit)
        var answer = StackedSeries(
            from: rest.from, period: rest.period, bucketCount: rest.bucketCount, groupCount: groups.count)
        answer.other = rest.other
        var lines: [FlowGroupKey: Int] = [:], places: [RollupKey: Int] = [:]
        for (number, group) in top.enumerated() {
            lines[group.key] = number
            answer.series.append(answer.empty(group))
        }
        for line in rest.series {
            for (place, tally) in line.buckets.enumerated() {
                answer.add(tally, bucket: place, series: lines[line.key])
            }
        }
        for key in totals.keys { if let line = lines[FlowGroupKey(key, kind)] { places[key] = line } }
        for bucket in rollups.buckets {
            guard let place = number(of: bucket) else { continue }
            answer.add(bucket.other, bucket: place, series: nil)
            for (key, tally) in bucket.entries { answer.add(tally, bucket: place, series: places[key]) }
        }
        self.answer = answer
    }
}
