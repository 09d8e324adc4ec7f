internal import BatchFormat
internal import Foundation
internal import Identity
internal import Query
internal import QueryEngine

/// Makes blocks of rows out of an answer as it comes in parts of any size.
struct RowFeed {
    /// The budget has ended.
    struct Enough: Error {}

    let tenant: TenantID
    let budget: QueryBudget
    /// What rows are held against once more; nil: SQL has said it all.
    let condition: Condition?
    var effort: QueryEffort
    private var left: [UInt8] = []
    private var waitFor = 1

    init(_ tenant: TenantID, _ budget: QueryBudget, _ condition: Condition?, _ effort: QueryEffort) {
        (self.tenant, self.budget, self.condition, self.effort) = (tenant, budget, condition, effort)
    }

    mutating func take(
        _ part: [UInt8], _ body: (RowBlock, [Int32]) async throws -> Void
    ) async throws {
        left += part
        effort.bytesRead += part.count
        guard left.count >= waitFor else { return }
        try await read(body)
        // What is not whole is looked at again when there is twice as much of it.
        waitFor = 2 * left.count + 1
    }
    /// What is left at the end.
    mutating func end(_ body: (RowBlock, [Int32]) async throws -> Void) async throws {
        try await read(body)
        guard !left.isEmpty else { return }
        // A server that fails under way says so in the middle of its answer.
        let told = String(decoding: left.suffix(1_000), as: UTF8.self)
        guard let found = told.range(of: "Code: "), let code = Int(told[found.upperBound...].prefix { $0.isNumber })
        else { throw ClickHouseFault.away("the answer broke off") }
        throw ClickHouseFault.refused(code: code, String(told[found.lowerBound...].prefix(300)))
    }

    private mutating func read(_ body: (RowBlock, [Int32]) async throws -> Void) async throws {
        var start = 0
        while start < left.count {  // ends: `start` grows, or the block is not whole
            guard case .block(let block, let end) = try NativeBlock.read(left, from: start) else { break }
            start = end
            guard block.rows > 0 else { continue }
            try await show(block, body)
            guard effort.rows < budget.rowsMax, effort.bytesRead < budget.bytesMax else { throw Enough() }
        }
        left.removeFirst(start)
    }
    private mutating func show(
        _ block: NativeBlock, _ body: (RowBlock, [Int32]) async throws -> Void
    ) async throws {
        let rows = try FlowTable.rows(block, of: tenant)
        effort.rows += block.rows
        var found = Array(0..<Int32(block.rows))
        if let condition {
            var mask = RowMask(count: block.rows)
            condition.keep(&mask, in: rows)
            found = mask.rows
        }
        effort.matched += found.count
        if !found.isEmpty { try await body(rows, found) }
    }
}
