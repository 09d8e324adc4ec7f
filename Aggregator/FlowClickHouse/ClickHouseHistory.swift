internal import BatchFormat
internal import FilterLanguage
internal import FlowModel
internal import FlowStore
package import Identity
package import Query
package import QueryEngine

/// Questions about what `ClickHouseFlowStore` keeps, answered by the servers in their SQL.
///
/// What SQL can't say (elements without a column, countries by our tables) is asked as rows, and summed by the same
/// code as on a node alone. When no server can be had the answer is empty and says that it is not whole.
package struct ClickHouseHistory: FlowHistory {
    let server: ClickHouseServer
    private let budget: QueryBudget
    private let gate: QueryGate
    /// Whether batches of a tenant wait for a server: then no answer is whole.
    private let isBehind: @Sendable (TenantID) -> Bool

    /// - Parameters:
    ///   - atOnce: questions that servers are asked at the same time.
    ///   - isBehind: whether batches of a tenant wait to be stored.
    package init(
        _ store: ClickHouseFlowStore, budget: QueryBudget = QueryBudget(), atOnce: Int = 4, ofTenant: Int? = nil,
        waitingMax: Int = 64, isBehind: @escaping @Sendable (TenantID) -> Bool = { _ in false }
    ) {
        server = store.server
        self.budget = budget
        self.isBehind = isBehind
        gate = QueryGate(atOnce: atOnce, ofTenant: ofTenant ?? atOnce, waitingMax: waitingMax)
    }

    /// What a question asks with, and what that has cost.
    struct Asking {
        let server: ClickHouseServer
        let tenant: TenantID, database: SQLName
        let budget: QueryBudget
        /// On a second try: shards that can't be had are left out.
        let skips: Bool
        var effort = QueryEffort()
        var flows: SQLText { "\(database).\(Schema.flows)" }
        var seconds: Int64 { max(budget.duration.components.seconds, 1) }

        /// A table's answer; `sql` without its format.
        mutating func table(_ sql: SQLText) async throws(ClickHouseFault) -> TableAnswer {
            let suffix: SQLText = skips ? " SETTINGS skip_unavailable_shards = 1" : ""
            let bytes = try await server.ask("\(sql)\(suffix) FORMAT JSONCompact", seconds: seconds)
            let answer = try TableAnswer(bytes)
            effort.rows += Int(clamping: answer.statistics?.rowsRead ?? 0)
            effort.bytesRead += Int(clamping: answer.statistics?.bytesRead ?? 0)
            return answer
        }
    }

    /// Calls `body` when it is the tenant's turn; once more with the shards that are there when others are not.
    /// - Parameter nothing: the answer of who has stored nothing, or can't be asked.
    func asking<Answer: Sendable>(
        _ tenant: TenantID, _ nothing: (QueryEffort) -> Answer,
        _ body: (inout Asking) async throws -> Answer
    ) async throws(QueryError) -> Answer {
        guard let database = Schema.database(of: tenant, server.settings) else { return nothing(QueryEffort()) }
        return try await gate.pass(tenant) { () async throws(QueryError) -> Answer in
            var lacking = QueryEffort()
            lacking.unreadable = isBehind(tenant) ? 1 : 0
            let tries = server.settings.cluster == nil ? [false] : [false, true]
            for skips in tries {
                var asking = Asking(
                    server: server, tenant: tenant, database: database, budget: budget, skips: skips, effort: lacking)
                do {
                    return try await body(&asking)
                } catch let fault as ClickHouseFault {
                    if fault.isOfNothing { return nothing(lacking) }
                    guard case .away = fault else { throw QueryError(fault) }
                    lacking.unreadable = 1
                } catch let error as QueryError {
                    throw error
                } catch let error as EngineError {
                    throw QueryError(error)
                } catch {
                    throw .storage("\(error)")
                }
            }
            return nothing(lacking)
        }
    }

    // MARK: Groups

    package func top(
        tenant: TenantID, filter: FlowFilter, by keys: [FlowKey], measure: FlowMeasure, limit: Int
    ) async throws(QueryError) -> TopAnswer {
        let limit = min(max(limit, 1), FlowQuery.groupsMax)
        let which = FilterSQL(filter, isCounted: true)
        return try await asking(tenant) {
            TopAnswer(groups: [], total: Tally(), groupCount: 0, effort: $0)
        } _: { (asking) async throws in
            guard which.isExact, let columns = KeySQL(keys) else {
                var sums = GroupSums(by: keys, hasTimes: measure.needsTimes, seed: 0, memory: asking.budget.memory)
                try await asking.rows(filter, which, sums.fields) { block, rows in try sums.add(block, rows: rows) }
                let top = try sums.top(limit, by: measure)
                return TopAnswer(
                    groups: top.groups, total: top.total, groupCount: top.groupCount, effort: asking.effort)
            }
            let list = GroupList(columns, hasTimes: measure.needsTimes)
            let answer = try await asking.table(
                list.query(from: asking.flows, where: which.sql, by: measure, limit: limit))
            let (groups, total, rows) = try list.groups(answer, of: tenant, by: measure)
            asking.effort.matched = Int(clamping: rows)
            return TopAnswer(
                groups: groups, total: total, groupCount: groups.isEmpty ? 0 : answer.groupCount,
                effort: asking.effort)
        }
    }

    package func distinct(
        tenant: TenantID, filter: FlowFilter, of keys: [FlowKey], groupedBy groups: [FlowKey], limit: Int
    ) async throws(QueryError) -> DistinctAnswer {
        let limit = min(max(limit, 1), FlowQuery.groupsMax)
        let which = FilterSQL(filter, isCounted: true)
        return try await asking(tenant) {
            DistinctAnswer(count: .exact(0), effort: $0)
        } _: { (asking) async throws in
            guard which.isExact, let inner = KeySQL(keys), let outer = KeySQL(groups), !inner.isEmpty else {
                return try await distinctOfRows(&asking, filter, which, keys, groups, limit)
            }
            let count = try await asking.table(
                """
                SELECT uniqExact(\(inner.names())) AS n FROM (SELECT \(inner.definitions()) \
                FROM \(asking.flows) WHERE \(which.sql))
                """)
            let number = try count.data.first?.first?.number() ?? 0
            guard !outer.isEmpty else {
                return DistinctAnswer(count: .exact(number), effort: asking.effort)
            }
            let answer = try await asking.table(
                """
                SELECT \(outer.names("h")), sum(f) AS sf, sum(o) AS so, sum(p) AS sp, \
                uniqExact(\(inner.names())) AS n FROM (SELECT \(outer.definitions("h")), \(inner.definitions()), \
                toUInt64(flows) AS f, octets AS o, packets AS p FROM \(asking.flows) WHERE \(which.sql)) \
                GROUP BY \(outer.names("h")) ORDER BY n DESC, \(outer.names("h")) LIMIT \(limit)
                """)
            var found: [FlowGroup] = []
            for row in answer.data where row.count == outer.count + 4 {
                let sums = row[outer.count...]
                found.append(
                    FlowGroup(
                        key: try outer.key(row[..<outer.count], of: tenant), tally: try GroupList.tally(sums),
                        rows: try sums[sums.startIndex + 3].number()))
            }
            found.sort { $0.rows != $1.rows ? $0.rows > $1.rows : $0.key < $1.key }
            return DistinctAnswer(count: .exact(number), groups: found, effort: asking.effort)
        }
    }
    private func distinctOfRows(
        _ asking: inout Asking, _ filter: FlowFilter, _ which: FilterSQL, _ keys: [FlowKey], _ groups: [FlowKey],
        _ limit: Int
    ) async throws -> DistinctAnswer {
        var inner = DistinctKeys(keys, seed: 0)
        var outer = groups.isEmpty ? nil : DistinctByGroup(by: groups, of: keys, seed: 0, memory: asking.budget.memory)
        try await asking.rows(filter, which, inner.fields.union(outer?.fields ?? [])) { block, rows in
            inner.add(block, rows: rows)
            try outer?.add(block, rows: rows)
        }
        let top = try outer?.top(limit)
        return DistinctAnswer(count: inner.count, groups: top?.groups ?? [], effort: asking.effort)
    }

    package func plan(tenant: TenantID, filter: FlowFilter) async throws(QueryError) -> QueryEffort {
        let which = FilterSQL(filter, isCounted: false)
        return try await asking(tenant, { $0 }) { (asking) async throws in
            let answer = try await asking.table("SELECT count() AS n FROM \(asking.flows) WHERE \(which.sql)")
            asking.effort.matched = Int(clamping: try answer.data.first?.first?.number() ?? 0)
            return asking.effort
        }
    }
}

extension QueryError {
    init(_ fault: ClickHouseFault) {
        switch fault {
        case .refused(159, _), .refused(160, _), .refused(158, _), .refused(307, _): self = .tooMuch(rows: 0)
        case .refused(241, _): self = .tooManyGroups
        case .refused(let code, let problem): self = .storage("ClickHouse says \(code): \(problem)")
        case .away(let problem), .garbled(let problem): self = .storage(problem)
        case .cancelled: self = .cancelled
        }
    }
}

/// Sums by group, as one table.
struct GroupList {
    private let columns: KeySQL
    private let hasTimes: Bool

    init(_ columns: KeySQL, hasTimes: Bool = false) { (self.columns, self.hasTimes) = (columns, hasTimes) }

    func query(from table: SQLText, where which: SQLText, by measure: FlowMeasure, limit: Int) -> SQLText {
        let sums: SQLText = """
            sum(toUInt64(flows)) AS f, sum(octets) AS o, sum(packets) AS p, count() AS n\
            \(hasTimes ? ", min(flow_start) AS a, max(flow_end) AS z" : "" as SQLText)
            """
        guard !columns.isEmpty else { return "SELECT \(sums) FROM \(table) WHERE \(which)" }
        return """
            SELECT \(columns.definitions()), \(sums) FROM \(table) WHERE \(which) GROUP BY \(columns.names()) \
            WITH TOTALS ORDER BY \(Self.value(measure)) DESC, \(columns.names()) LIMIT \(limit)
            """
    }
    static func value(_ measure: FlowMeasure) -> SQLText {
        let duration: SQLText = "if(z > a AND z - a > 0, toUInt64(z - a), toUInt64(0))"
        return switch measure {
        case .octets: "o"
        case .packets: "p"
        case .flows: "f"
        case .bitsPerSecond: RateSQL.rate("o", times: 8_000, per: duration)
        case .packetsPerSecond: RateSQL.rate("p", times: 1_000, per: duration)
        case .octetsPerPacket: "if(p = 0, toUInt64(0), intDiv(o, greatest(p, 1)))"
        }
    }

    /// Largest first.
    /// - Returns: also the sums and the rows of all groups.
    func groups(
        _ answer: TableAnswer, of tenant: TenantID, by measure: FlowMeasure
    ) throws(ClickHouseFault) -> (groups: [FlowGroup], total: Tally, rows: UInt64) {
        var groups: [FlowGroup] = []
        for row in answer.data {
            guard row.count == columns.count + (hasTimes ? 6 : 4) else { throw .garbled("a row of \(row.count)") }
            let sums = row[columns.count...], rows = try sums[columns.count + 3].number()
            guard rows > 0 else { continue }  // the only group of nothing
            var group = FlowGroup(
                key: try columns.key(row[..<columns.count], of: tenant), tally: try Self.tally(sums), rows: rows)
            if hasTimes {
                let first = try row[columns.count + 4].signed()
                group.period = first...max(first, try row[columns.count + 5].signed())
            }
            groups.append(group)
        }
        groups.sort { a, b in
            let (left, right) = (measure.value(of: a), measure.value(of: b))
            return left != right ? left > right : a.key < b.key
        }
        if columns.isEmpty { return (groups, groups.first?.tally ?? Tally(), groups.first?.rows ?? 0) }
        guard let totals = answer.totals, totals.count >= columns.count + 4, !groups.isEmpty else {
            return (groups, Tally(), 0)
        }
        let sums = totals[columns.count...]
        return (groups, try Self.tally(sums), try sums[columns.count + 3].number())
    }
    /// Of cells that begin with flows, octets and packets.
    static func tally(_ cells: ArraySlice<Cell>) throws(ClickHouseFault) -> Tally {
        let at = cells.startIndex
        return Tally(
            flows: try cells[at].number(), octets: try cells[at + 1].number(), packets: try cells[at + 2].number())
    }
}
