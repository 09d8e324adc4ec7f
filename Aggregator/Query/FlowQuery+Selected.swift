package import BatchFormat
package import FilterLanguage
package import FlowModel
internal import FlowStore
package import Identity
internal import QueryEngine
internal import Synchronization

/// Which records a question of `FlowQuery.selected` is about, and what it looks at.
package struct RecordSelection: Sendable {
    /// Under way at some moment of [from, to), in ms since 1970 UTC.
    package var from: Int64, to: Int64
    /// What it lets pass is shown to `select`: what is certain without a look at records.
    package var net: FilterExpression
    /// All that `select` looks at, and all that is wanted of records that it keeps.
    package var fields: FieldSet, taken: FieldSet
    /// Gives those of the rows that it keeps, rising.
    package let select: @Sendable (borrowing FlowColumns, [Int32]) -> [Int32]

    package init(
        from: Int64 = .min, to: Int64 = .max, net: FilterExpression = .any, fields: FieldSet, taken: FieldSet = .all,
        _ select: @escaping @Sendable (borrowing FlowColumns, [Int32]) -> [Int32]
    ) {
        (self.from, self.to, self.net) = (from, to, net)
        (self.fields, self.taken, self.select) = (fields, taken.union(fields), select)
    }
}

extension FlowQuery {
    /// All records that a selection keeps, in no order; copies for other shards are never seen.
    ///
    /// While nobody else asks, the places of other questions help: segments are gone through by as many at once. A
    /// helper leaves after the segments that it is at when somebody waits.
    /// - Parameter take: is given what was kept, some thousand records at a time; by several at once.
    /// - Returns: what it cost; `isCutShort` when the budget ended before the history.
    package func selected(
        tenant: TenantID, _ selection: RecordSelection, take: @escaping @Sendable (FlowColumns) -> Void
    ) async throws(QueryError) -> QueryEffort {
        let filter = FlowFilter(selection.net, from: selection.from, to: selection.to)
        let consumer = SelectingConsumer(selection: selection, take: take)
        return try await asking(tenant, filter) { (walk, _, budget) async throws(QueryError) -> QueryEffort in
            let queue = SegmentQueue(try await walk.list(from: selection.from, to: selection.to))
            let condition = walk.condition, helpers = queue.helpers { gate.enterIfFree(tenant) }, turn = walk.turn
            let results = await withTaskGroup(of: Result<QueryEffort, QueryError>.self) { group in
                let share = budget.shared(by: helpers.count + 1)
                group.addTask {
                    await lane(
                        HistoryWalk(store, tenant, condition, time, share, turn), queue, consumer, isHelper: false)
                }
                for helper in helpers {
                    group.addTask {
                        defer { gate.leave(helper) }
                        return await lane(
                            HistoryWalk(store, tenant, condition, time, share, nil), queue, consumer, isHelper: true)
                    }
                }
                var results: [Result<QueryEffort, QueryError>] = []
                for await result in group {
                    results.append(result)
                    if case .failure = result { group.cancelAll() }
                }
                return results
            }
            var effort = QueryEffort()
            // In the order in which they ended: what went wrong before those who were called off for it.
            for result in results { effort.add(try result.get()) }
            return effort
        }
    }

    private func lane(
        _ begun: consuming HistoryWalk, _ queue: SegmentQueue, _ consumer: SelectingConsumer, isHelper: Bool
    ) async -> Result<QueryEffort, QueryError> {
        var walk = begun, consumer = consumer
        do throws(QueryError) {
            while !(isHelper && gate.isWanted), let segments = queue.next() {
                try await walk.read(segments, into: &consumer)
                if walk.effort.isCutShort { break }
            }
            return .success(walk.effort)
        } catch {
            return .failure(error)
        }
    }
}

/// Segments that wait to be read by one of several.
private final class SegmentQueue: Sendable {
    private let segments: [Segment]
    private let taken = Mutex(0)

    init(_ segments: [Segment]) { self.segments = segments }

    /// The places that `enter` gives, as long as there is work for each.
    func helpers(_ enter: () -> QueryTurn?) -> [QueryTurn] {
        var helpers: [QueryTurn] = []
        while helpers.count + 1 < min(segments.count, 16), let turn = enter() { helpers.append(turn) }
        return helpers
    }
    /// A few at a time, so that heads are read together; ever fewer, so that all end at about the same time.
    func next() -> [Segment]? {
        taken.withLock { taken in
            let left = segments.count - taken
            guard left > 0 else { return nil }
            let count = max(min(left / 4, HistoryWalk.togetherMax), 1)
            defer { taken += count }
            return Array(segments[taken..<(taken + count)])
        }
    }
}

private struct SelectingConsumer: BlockConsumer, Sendable {
    let selection: RecordSelection
    let take: @Sendable (FlowColumns) -> Void
    /// What the net leaves is little, so it is decoded at once, and selected then.
    private var isSharp: Bool { selection.net != .any }

    init(selection: RecordSelection, take: @escaping @Sendable (FlowColumns) -> Void) {
        (self.selection, self.take) = (selection, take)
    }

    var selectFields: FieldSet { isSharp ? [] : selection.fields.union(.flags) }
    var fields: FieldSet { selection.taken.union(.flags) }
    var usesRecords: Bool { true }
    func select(_ rows: [Int32], of block: RowBlock) -> [Int32] {
        isSharp ? rows : selection.select(block.columns, rows)
    }
    mutating func add(_ rows: [Int32], of block: RowBlock) throws(EngineError) {
        let kept = isSharp ? selection.select(block.columns, rows) : rows
        if !kept.isEmpty { take(block.taking(kept).columns) }
    }
}

extension QueryBudget {
    /// Of one of several who work on a question together.
    func shared(by count: Int) -> QueryBudget {
        var share = self
        share.rowsMax = max(rowsMax / count, 1)
        share.bytesMax = max(bytesMax / count, 1)
        return share
    }
}

extension QueryEffort {
    fileprivate mutating func add(_ other: QueryEffort) {
        segments += other.segments
        skippedByTime += other.skippedByTime
        skippedByBounds += other.skippedByBounds
        skippedByBloom += other.skippedByBloom
        blocks += other.blocks
        blocksSkipped += other.blocksSkipped
        rows += other.rows
        matched += other.matched
        listBlocks += other.listBlocks
        bytesRead += other.bytesRead
        scratchBytes += other.scratchBytes
        unreadable += other.unreadable
        isCutShort = isCutShort || other.isCutShort
    }
}
