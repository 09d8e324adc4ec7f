internal import BatchFormat
internal import FlowModel
package import FlowStore
package import Identity
package import Platform
internal import WireBytes

/// Answers questions from a store. A batch's columns are decoded only as far as a question needs them, and only in
/// batches whose times can match.
package struct FlowQuery: Sendable {
    private let store: any FlowStore
    private let time: any TimeSource
    private let budget: QueryBudget
    private let gate: QueryGate

    /// Records that one answer of `records` can hold.
    package static let recordsMax = 10_000
    /// Groups that one answer of `top` can hold.
    package static let groupsMax = 10_000

    /// - Parameters:
    ///   - atOnce: questions that work at the same time.
    ///   - waitingMax: questions that wait for their turn; beyond, they get `.busy`.
    package init(
        store: any FlowStore, time: any TimeSource, budget: QueryBudget = QueryBudget(), atOnce: Int = 1,
        waitingMax: Int = 64
    ) {
        self.store = store
        self.time = time
        self.budget = budget
        gate = QueryGate(atOnce: atOnce, waitingMax: waitingMax)
    }

    /// The newest records that match, newest first.
    /// - Parameters:
    ///   - limit: 1...`recordsMax`; others are moved into the range.
    ///   - after: `next` of an earlier answer to the same question. Records that came meanwhile are not shown by later
    ///     pages, unless they are older than the page; none is shown twice.
    package func records(
        tenant: TenantID, filter: FlowFilter, limit: Int, after: RecordPosition? = nil
    ) async throws(QueryError) -> RecordsAnswer {
        try await gate.pass { () async throws(QueryError) -> RecordsAnswer in
            try await findRecords(tenant, filter, min(max(limit, 1), Self.recordsMax), after)
        }
    }

    /// The groups of matching records with the most octets, packets or flows.
    /// - Parameter keys: empty gives one group, the total.
    package func top(
        tenant: TenantID, filter: FlowFilter, by keys: [FlowKey], measure: FlowMeasure, limit: Int
    ) async throws(QueryError) -> TopAnswer {
        try await gate.pass { () async throws(QueryError) -> TopAnswer in
            try await sumGroups(tenant, filter, Set(keys), measure, min(max(limit, 1), Self.groupsMax))
        }
    }

    private func findRecords(
        _ tenant: TenantID, _ filter: FlowFilter, _ limit: Int, _ after: RecordPosition?
    ) async throws(QueryError) -> RecordsAnswer {
        var walk = SegmentWalk(store: store, time: time, budget: budget, tenant: tenant, filter: filter)
        // What is older than a record that ended at T was under way before T + 1.
        if let end = after?.flowEndMilliseconds, end < .max { walk.to = min(filter.to, end + 1) }
        let selector = RowSelector(filter)
        var newest = NewestRecords(limit: limit, before: after), decoder = ColumnReader()
        while let segment = try await walk.next(olderThan: newest.floor?.flowEndMilliseconds) {
            guard let body = try await walk.body(of: segment) else { continue }
            let offset = segment.position.logOffset
            guard decoder.read(body, fields: selector.fields) else {
                walk.effort.unreadable += 1
                continue
            }
            let rows = newest.useful(selector.rows(of: decoder.columns), of: decoder.columns, logOffset: offset)
            guard !rows.isEmpty else { continue }
            guard decoder.read(body, fields: .all) else {
                walk.effort.unreadable += 1
                continue
            }
            newest.add(rows, of: decoder.columns, logOffset: offset, sensor: segment.sensor)
        }
        let found = newest.answer(certainAfter: walk.unseen)
        if walk.effort.isCutShort, found.columns.count == 0 { throw .tooMuch(rows: walk.effort.rows) }
        let isMore = walk.effort.isCutShort || found.columns.count == limit
        return RecordsAnswer(
            columns: found.columns, sensors: found.sensors, next: isMore ? found.last : nil, effort: walk.effort)
    }

    private func sumGroups(
        _ tenant: TenantID, _ filter: FlowFilter, _ keys: Set<FlowKey>, _ measure: FlowMeasure, _ limit: Int
    ) async throws(QueryError) -> TopAnswer {
        var walk = SegmentWalk(store: store, time: time, budget: budget, tenant: tenant, filter: filter)
        let selector = RowSelector(filter)
        var table = GroupTable(by: keys, groupsMax: budget.groupsMax), decoder = ColumnReader()
        let fields = selector.fields.union(table.fields)
        while let segment = try await walk.next(olderThan: nil) {
            guard let body = try await walk.body(of: segment) else { continue }
            guard decoder.read(body, fields: fields) else {
                walk.effort.unreadable += 1
                continue
            }
            table.add(decoder.columns, rows: selector.countedRows(of: decoder.columns))
        }
        return TopAnswer(
            groups: table.top(limit, by: measure), total: table.total, groupCount: table.count, other: table.other,
            effort: walk.effort)
    }
}

/// A decoder with the columns it decodes into, used again from batch to batch.
private struct ColumnReader: ~Copyable {
    private var decoder = BatchDecoder()
    var columns = FlowColumns()

    /// - Returns: false when the body is damaged.
    mutating func read(_ body: [UInt8], fields: FieldSet) -> Bool {
        columns.removeAll()
        do {
            try body.withBytes { span throws(BatchError) in
                try decoder.decode(span, into: &columns, fields: fields)
            }
            return true
        } catch {
            return false
        }
    }
}
