package import BatchFormat
internal import FilterLanguage
package import FlowModel
package import Identity
package import Query
package import QueryEngine

extension ClickHouseHistory.Asking {
    /// Shows the rows that a filter means, block by block; ends when the budget does.
    /// - Parameter fields: all that `body` looks at.
    mutating func rows(
        _ filter: FlowFilter, _ which: FilterSQL, _ fields: FieldSet, isCounted: Bool = true,
        _ body: (RowBlock, [Int32]) async throws -> Void
    ) async throws {
        var condition = Condition(filter.whole, from: filter.from, to: filter.to)
        if isCounted { condition = condition.counted }
        let needed = which.isExact ? fields : fields.union(condition.fields)
        let skipping: SQLText = skips ? " SETTINGS skip_unavailable_shards = 1" : ""
        let names = FlowTable.names(for: needed).compactMap { SQLName($0) }.map { "\($0)" as SQLText }.joined(", ")
        var feed = RowFeed(tenant, budget, which.isExact ? nil : condition, effort)
        defer { effort = feed.effort }
        do {
            try await server.stream(
                "SELECT \(names) FROM \(flows) WHERE \(which.sql)\(skipping) FORMAT Native", seconds: seconds
            ) { try await feed.take($0, body) }
            try await feed.end(body)
        } catch is RowFeed.Enough {
            feed.effort.isCutShort = true
        }
    }
    /// As `rows`, for who must see none twice: what breaks off is not begun anew.
    mutating func rowsOnce(
        _ filter: FlowFilter, _ fields: FieldSet, _ body: (RowBlock, [Int32]) async throws -> Void
    ) async throws {
        let before = effort.rows
        do {
            try await rows(filter, FilterSQL(filter, isCounted: false), fields, isCounted: false, body)
        } catch let fault as ClickHouseFault {
            guard case .away = fault, effort.rows > before else { throw fault }
            effort.unreadable += 1
        }
    }
}

/// Questions whose answers are records, or are made of them here.
extension ClickHouseHistory {
    package func records(
        tenant: TenantID, filter: FlowFilter, limit: Int, after: RecordPosition?
    ) async throws(QueryError) -> RecordsAnswer {
        let limit = min(max(limit, 1), FlowQuery.recordsMax)
        return try await asking(tenant) {
            RecordsAnswer(columns: FlowColumns(), sensors: [], next: nil, effort: $0)
        } _: { (asking) async throws in
            // The page's oldest record, by its times: many can have the same, and all of those are read.
            var newest = NewestRecords(limit: limit, before: after)
            let which = FilterSQL(filter, isCounted: false)
            var older: SQLText = "1", from: SQLText = "1"
            if let after {
                let end = after.flowEndMilliseconds, received = after.receiveMilliseconds
                older = "(flow_end < \(end) OR (flow_end = \(end) AND receive_time <= \(received)))"
            }
            if which.isExact, let last = try await last(&asking, which.sql, older, after, limit) {
                from = "(flow_end > \(last.end) OR (flow_end = \(last.end) AND receive_time >= \(last.received)))"
            }
            let page = FilterSQL(sql: "\(which.sql) AND \(older) AND \(from)", isExact: which.isExact)
            try await asking.rows(filter, page, .all, isCounted: false) { block, rows in
                newest.add(newest.useful(rows, of: block), of: block)
            }
            guard !asking.effort.isCutShort else { throw QueryError.tooMuch(rows: asking.effort.rows) }
            let found = newest.answer(), isMore = found.columns.count == limit
            return RecordsAnswer(
                columns: found.columns, sensors: found.sensors, next: isMore ? found.last : nil,
                effort: asking.effort)
        }
    }
    /// The times of the last record of a page; nil when the page is not full.
    private func last(
        _ asking: inout Asking, _ which: SQLText, _ older: SQLText, _ after: RecordPosition?, _ limit: Int
    ) async throws -> (end: Int64, received: Int64)? {
        // Those that are as old as the record before may all have been shown.
        var shown: UInt64 = 0
        if let after {
            let alike = try await asking.table(
                """
                SELECT count() AS n FROM \(asking.flows) WHERE \(which) AND flow_end = \(after.flowEndMilliseconds) \
                AND receive_time = \(after.receiveMilliseconds)
                """)
            shown = try alike.data.first?.first?.number() ?? 0
        }
        let answer = try await asking.table(
            """
            SELECT flow_end, receive_time FROM \(asking.flows) WHERE \(which) AND \(older) \
            ORDER BY flow_end DESC, receive_time DESC LIMIT \(UInt64(limit) - 1 + shown), 1
            """)
        guard let row = answer.data.first, row.count == 2 else { return nil }
        return (try row[0].signed(), try row[1].signed())
    }

    package func stream(
        tenant: TenantID, filter: FlowFilter,
        _ body: (FlowColumns, [SensorIdentity]) async throws(QueryError) -> Void
    ) async throws(QueryError) -> QueryEffort {
        try await asking(tenant, { $0 }) { (asking) async throws in
            try await asking.rowsOnce(filter, .all) { block, rows in
                let part = block.taking(rows)
                try await body(part.columns, part.sensors)
            }
            return asking.effort
        }
    }

    package func looked(
        tenant: TenantID, from: Int64, to: Int64, fields: FieldSet,
        _ look: @escaping (borrowing FlowColumns, [Int32]) -> Void
    ) async throws(QueryError) -> QueryEffort {
        try await asking(tenant, { $0 }) { (asking) async throws in
            try await asking.rowsOnce(FlowFilter(from: from, to: to), fields.union(.flags)) { block, rows in
                look(block.columns, rows)
            }
            return asking.effort
        }
    }

    package func selected(
        tenant: TenantID, _ selection: RecordSelection, take: @escaping @Sendable (FlowColumns) -> Void
    ) async throws(QueryError) -> QueryEffort {
        try await asking(tenant, { $0 }) { (asking) async throws in
            let filter = FlowFilter(selection.net, from: selection.from, to: selection.to)
            try await asking.rowsOnce(filter, selection.taken.union(.flags)) { block, rows in
                let kept = selection.select(block.columns, rows)
                if !kept.isEmpty { take(block.taking(kept).columns) }
            }
            return asking.effort
        }
    }

    package func hunt(
        tenant: TenantID, indicators: [IPNetwork], from: Int64, to: Int64, sightingsMax: Int
    ) async throws(QueryError) -> HuntAnswer {
        guard indicators.count <= IndicatorSet.countMax else { throw .tooMuch(rows: 0) }
        let set = IndicatorSet(indicators)
        return try await asking(tenant) {
            HuntAnswer(sightings: [], leftOut: 0, effort: $0)
        } _: { (asking) async throws in
            var hunt = IndicatorHunt(set, sightingsMax: sightingsMax)
            let filter = FlowFilter(.test(.address(.either, AddressSet(set.networks))), from: from, to: to)
            let which = FilterSQL(filter, isCounted: false), fields = IndicatorHunt.fields.union(.flags)
            try await asking.rows(filter, which, fields, isCounted: false) { block, rows in
                hunt.add(hunt.meetings(rows, of: block), of: block)
            }
            return HuntAnswer(sightings: hunt.answer, leftOut: hunt.leftOut, effort: asking.effort)
        }
    }
}
