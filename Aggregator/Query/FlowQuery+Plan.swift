package import Identity

extension FlowQuery {
    /// What a question with this filter would read: segments, those that bounds and Bloom filters rule out, blocks and
    /// rows that are left. Reads heads and Bloom filters, and no columns.
    package func plan(tenant: TenantID, filter: FlowFilter) async throws(QueryError) -> QueryEffort {
        try await asking(tenant, filter) { (walk, _, _) async throws(QueryError) -> QueryEffort in
            try await walk.plan(from: filter.from, to: filter.to)
            let all = try await walk.list(from: .min, to: .max).count
            walk.effort.skippedByTime = max(all - walk.effort.segments, 0)
            return walk.effort
        }
    }
}
