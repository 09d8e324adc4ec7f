internal import FlowModel
internal import FlowStore
internal import Identity
internal import Platform

/// Goes through a tenant's segments, newest first, within a budget; counts what it costs.
struct SegmentWalk {
    private let store: any FlowStore
    private let time: any TimeSource
    private let budget: QueryBudget
    private let tenant: TenantID
    private let from: Int64
    /// Segments that start later are left out; may be lowered before the first step.
    var to: Int64
    private let deadline: Duration
    private var page: ArraySlice<Segment> = []
    private var before: SegmentPosition?
    private var isLastPage = false
    var effort = QueryEffort()
    /// When cut short: the largest flow end that the segments not looked at can have.
    private(set) var unseen: Int64?

    private static let pageSegments = 256

    init(store: any FlowStore, time: any TimeSource, budget: QueryBudget, tenant: TenantID, filter: FlowFilter) {
        self.store = store
        self.time = time
        self.budget = budget
        self.tenant = tenant
        from = filter.from
        to = filter.to
        deadline = time.monotonic() + budget.duration
    }

    /// The next segment; nil at the end, when the budget is used up, and when all that are left ended before `floor`.
    mutating func next(olderThan floor: Int64?) async throws(QueryError) -> Segment? {
        guard !Task.isCancelled else { throw .cancelled }
        if page.isEmpty, !isLastPage { try await turnPage() }
        guard let segment = page.first else { return nil }
        if let floor, segment.position.flowEndMax < floor { return nil }
        guard effort.rows < budget.rowsMax, time.monotonic() < deadline else {
            effort.isCutShort = true
            unseen = segment.position.flowEndMax
            return nil
        }
        page.removeFirst()
        effort.segments += 1
        effort.rows += segment.rows
        return segment
    }

    /// Nil, and counted, when it went away meanwhile.
    mutating func body(of segment: Segment) async throws(QueryError) -> [UInt8]? {
        let found: [UInt8]?
        do { found = try await store.body(of: segment, tenant: tenant) } catch { throw QueryError(error) }
        if let found { effort.bodyBytes += found.count } else { effort.unreadable += 1 }
        return found
    }

    private mutating func turnPage() async throws(QueryError) {
        do {
            let found = try await store.segments(
                tenant: tenant, from: from, to: to, before: before, limit: Self.pageSegments)
            page = found[...]
        } catch {
            throw QueryError(error)
        }
        before = page.last?.position ?? before
        isLastPage = page.count < Self.pageSegments
    }
}

extension QueryError {
    init(_ error: FlowStoreError) {
        switch error {
        case .full: self = .storage("the disk is full")
        case .storage(let reason): self = .storage(reason)
        case .cancelled: self = .cancelled
        }
    }
}
