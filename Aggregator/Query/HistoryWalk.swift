internal import BatchFormat
internal import FlowModel
internal import FlowStore
internal import Identity
internal import Platform
internal import QueryEngine
internal import SegmentFormat
internal import WireBytes

/// Goes through what a tenant's history has of a period, newest first, within a budget, and shows the rows that match
/// to a `BlockConsumer`; counts what it costs.
///
/// The whole period is listed at once, at the beginning: what compaction replaces meanwhile stays readable long enough,
/// so each record is met exactly once.
struct HistoryWalk: ~Copyable {
    let store: any SegmentStore
    let tenant: TenantID
    let condition: Condition
    private let time: any TimeSource
    private let budget: QueryBudget
    private var deadline: Duration
    /// Who has the place at the gate; nil: another lane of the same question.
    let turn: QueryTurn?
    private var decoder = BatchDecoder()
    /// Room that segments use one after another: for a reader's buffers, a block's columns, sums by endpoint.
    var reader: SegmentReader?
    var columns = FlowColumns()
    var sums = EndpointSums()
    /// What the question may ask Bloom filters about, once it is known.
    var askedNetworks: [IPNetwork]?
    var effort = QueryEffort()
    /// When cut short: the largest flow end that the segments not looked at can have.
    private(set) var unseen: Int64?

    init(
        _ store: any SegmentStore, _ tenant: TenantID, _ condition: Condition, _ time: any TimeSource,
        _ budget: QueryBudget, _ turn: QueryTurn?
    ) {
        self.store = store
        self.tenant = tenant
        self.condition = condition
        self.time = time
        self.budget = budget
        self.turn = turn
        deadline = time.monotonic() + budget.duration
    }

    /// Shows all that matches in [from, to) to `consumer`.
    mutating func read(
        from: Int64, to: Int64, into consumer: inout some BlockConsumer
    ) async throws(QueryError) {
        try await read(try await list(from: from, to: to), into: &consumer)
    }
    func list(from: Int64, to: Int64) async throws(QueryError) -> [Segment] {
        do throws(FlowStoreError) {
            return try await store.segments(tenant: tenant, from: from, to: to)
        } catch {
            throw QueryError(error)
        }
    }

    /// Shows all that matches in these segments, which are sorted newest first.
    mutating func read(_ segments: [Segment], into consumer: inout some BlockConsumer) async throws(QueryError) {
        effort.segments += segments.count
        var ahead: [Pruned] = [], next = 0
        for (number, segment) in segments.enumerated() {
            guard !Task.isCancelled else { throw .cancelled }
            if let floor = consumer.floor, segment.position.flowEndMax < floor {
                effort.skippedByTime += segments.count - number
                return
            }
            guard effort.rows < budget.rowsMax, effort.bytesRead < budget.bytesMax, time.monotonic() < deadline else {
                effort.isCutShort = true
                unseen = segment.position.flowEndMax
                return
            }
            switch segment.kind {
            case .batch: try await readBatch(segment, &consumer)
            case .compacted:
                // Who ends early may need none but the first.
                if next == ahead.count, !consumer.endsEarly {
                    (ahead, next) = (try await lookAhead(segments[number...], consumer), 0)
                }
                let pruned = next < ahead.count ? ahead[next] : nil
                next += pruned == nil ? 0 : 1
                let isWhole = try await readSegment(segment, pruned, &consumer)
                if !isWhole {
                    effort.isCutShort = true
                    unseen = segment.position.flowEndMax
                    return
                }
            }
            try await pause()
        }
    }
    /// Lets others work; the time that this takes is not the question's.
    mutating func pause() async throws(QueryError) {
        await Task.yield()
        if let turn { deadline += try await turn.pause() }
    }

    /// Looks at the next compacted ones.
    private mutating func lookAhead(
        _ segments: ArraySlice<Segment>, _ consumer: some BlockConsumer
    ) async throws(QueryError) -> [Pruned] {
        let some = Array(segments.lazy.filter { $0.kind == .compacted }.prefix(Self.togetherMax))
        do {
            return try await prune(some, consumer)
        } catch let error as FlowStoreError {
            throw QueryError(error)
        } catch {
            throw .storage("\(error)")
        }
    }

    /// Whether there is time for one more block.
    func hasTime() throws(QueryError) -> Bool {
        guard !Task.isCancelled else { throw .cancelled }
        return time.monotonic() < deadline
    }

    // MARK: Batches

    private mutating func readBatch(
        _ segment: Segment, _ consumer: inout some BlockConsumer
    ) async throws(QueryError) {
        guard let body = try await body(of: segment), let sensor = segment.sensor else {
            effort.unreadable += 1
            return
        }
        effort.blocks += 1
        effort.rows += segment.rows
        effort.bytesRead += body.count
        let selecting = condition.fields.union(consumer.selectFields)
        guard let block = decode(body, selecting, sensor) else { return try await damaged(segment) }
        var mask = RowMask(count: block.count)
        condition.keep(&mask, in: block)
        let rows = consumer.select(mask.rows, of: block)
        guard !rows.isEmpty else { return }
        effort.matched += rows.count
        guard let whole = selecting.isSuperset(of: consumer.fields) ? block : decode(body, consumer.fields, sensor)
        else { return try await damaged(segment) }
        do throws(EngineError) { try consumer.add(rows, of: whole) } catch { throw QueryError(error) }
    }
    private func body(of segment: Segment) async throws(QueryError) -> [UInt8]? {
        do throws(FlowStoreError) {
            return try await store.body(of: segment, tenant: tenant)
        } catch {
            if error == .gone { return nil }
            throw QueryError(error)
        }
    }
    /// Nil when the body is damaged.
    private mutating func decode(_ body: [UInt8], _ fields: FieldSet, _ sensor: SensorIdentity) -> RowBlock? {
        var columns = FlowColumns()
        do throws(BatchError) {
            try body.withBytes { span throws(BatchError) in
                // Counters are held against the batch's sums, to which some rows add nothing: their flags say which.
                try decoder.decode(span, into: &columns, fields: fields.union(.flags))
            }
            return RowBlock(columns: columns, sensors: .one(sensor))
        } catch {
            return nil
        }
    }
    mutating func damaged(_ segment: Segment) async throws(QueryError) {
        effort.unreadable += 1
        do throws(FlowStoreError) {
            try await store.reportDamage(of: segment, tenant: tenant, reason: "it does not decode")
        } catch {
            throw QueryError(error)
        }
    }
}

extension QueryError {
    init(_ error: FlowStoreError) {
        switch error {
        case .full: self = .storage("the disk is full")
        case .storage(let reason): self = .storage(reason)
        case .keyDestroyed: self = .keyDestroyed
        case .keyUnavailable(let reason): self = .storage("the tenant's data key can't be had now: \(reason)")
        case .unavailable(let reason): self = .storage("the history can't be had now: \(reason)")
        case .archiveUnavailable(let reason): self = .storage("the archive can't be had now: \(reason)")
        case .gone: self = .storage("a part of the history went away meanwhile")
        case .cancelled: self = .cancelled
        }
    }
}
