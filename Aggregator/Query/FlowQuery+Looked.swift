package import BatchFormat
package import FlowModel
package import Identity
internal import QueryEngine

extension FlowQuery {
    /// Shows all records under way at some moment of [from, to) to `look`, in no order, and keeps none; copies for
    /// other shards are never seen.
    /// - Parameters:
    ///   - fields: all that `look` looks at; the others' columns are not decoded.
    ///   - look: is given some rows of a block, rising.
    /// - Returns: what it cost; `isCutShort` when the budget ended before the history.
    package func looked(
        tenant: TenantID, from: Int64, to: Int64, fields: FieldSet,
        _ look: @escaping (borrowing FlowColumns, [Int32]) -> Void
    ) async throws(QueryError) -> QueryEffort {
        try await asking(tenant, FlowFilter(from: from, to: to)) {
            (walk, _, _) async throws(QueryError) -> QueryEffort in
            var consumer = LookingConsumer(fields: fields.union(.flags), look: look)
            try await walk.read(from: from, to: to, into: &consumer)
            return walk.effort
        }
    }
}

private struct LookingConsumer: BlockConsumer {
    let fields: FieldSet
    let look: (borrowing FlowColumns, [Int32]) -> Void

    mutating func add(_ rows: [Int32], of block: RowBlock) throws(EngineError) { look(block.columns, rows) }
}
