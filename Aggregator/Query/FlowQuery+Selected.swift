package import BatchFormat
internal import FilterLanguage
package import FlowModel
package import Identity
internal import QueryEngine

extension FlowQuery {
    /// All records under way at some moment of [from, to) that `select` keeps, whole, in no order; copies for other
    /// shards are never seen.
    /// - Parameters:
    ///   - fields: all that `select` looks at.
    ///   - select: gives those of the rows that it keeps, rising.
    ///   - take: is given what was kept, some thousand records at a time.
    /// - Returns: what it cost; `isCutShort` when the budget ended before the history.
    package func selected(
        tenant: TenantID, from: Int64, to: Int64, fields: FieldSet,
        _ select: @escaping (borrowing FlowColumns, [Int32]) -> [Int32], take: @escaping (FlowColumns) -> Void
    ) async throws(QueryError) -> QueryEffort {
        try await asking(tenant, FlowFilter(from: from, to: to)) {
            (walk, _, _) async throws(QueryError) -> QueryEffort in
            var consumer = SelectingConsumer(selectFields: fields.union(.flags), test: select, take: take)
            try await walk.read(from: from, to: to, into: &consumer)
            return walk.effort
        }
    }
}

private struct SelectingConsumer: BlockConsumer {
    let selectFields: FieldSet
    let test: (borrowing FlowColumns, [Int32]) -> [Int32]
    let take: (FlowColumns) -> Void

    var fields: FieldSet { .all }
    var usesRecords: Bool { true }
    func select(_ rows: [Int32], of block: RowBlock) -> [Int32] { test(block.columns, rows) }
    mutating func add(_ rows: [Int32], of block: RowBlock) throws(EngineError) { take(block.taking(rows).columns) }
}
