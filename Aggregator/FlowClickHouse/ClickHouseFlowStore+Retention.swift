package import FlowStore
package import Identity

extension ClickHouseFlowStore {
    private struct DayParts {
        var rows: UInt64 = 0
        var bytes = 0
    }

    /// Gives up what is older than the policy keeps, and a tenant's oldest days while it has more than its quota: whole
    /// partitions of a tenant's tables. Rollups outlive records.
    /// - Parameters:
    ///   - now: ms since 1970 UTC.
    ///   - own: tenants whose policy is another one.
    package func retain(
        now: Int64, policy: RetentionPolicy, own: [TenantID: RetentionPolicy] = [:]
    ) async throws(FlowStoreError) -> [RetiredDay] {
        var retired: [RetiredDay] = []
        do throws(ClickHouseFault) {
            let schema = Schema(settings: server.settings, dialect: try await server.dialect())
            for (tenant, database) in try await databases() {
                retired += try await retain(tenant, database, schema, now: now, own[tenant] ?? policy)
            }
        } catch {
            // What was given up before is told; the rest is for the next time.
            guard retired.isEmpty else { return retired }
            throw FlowStoreError(error)
        }
        return retired
    }

    /// Tenants of whom something is kept.
    private func databases() async throws(ClickHouseFault) -> [(tenant: TenantID, name: SQLName)] {
        let answer = try TableAnswer(
            await server.ask("SELECT name FROM system.databases ORDER BY name FORMAT JSONCompact"))
        return answer.data.compactMap { row in
            guard let name = row.first?.text, let tenant = Schema.tenant(ofDatabase: name, server.settings),
                let database = SQLName(name)
            else { return nil }
            return (tenant, database)
        }
    }

    private func retain(
        _ tenant: TenantID, _ database: SQLName, _ schema: Schema, now: Int64, _ policy: RetentionPolicy
    ) async throws(ClickHouseFault) -> [RetiredDay] {
        let today = Day.containing(now)
        let records = [schema.local(Schema.flows), schema.local(Schema.batches)]
        let rollups = RollupTable.all.map { schema.local($0.table) }
        var kept = try await parts(of: records, database, schema), retired: [RetiredDay] = []
        let sums = try await parts(of: rollups, database, schema)
        func give(
            _ day: String, _ tables: [SQLName], _ reason: RetiredDay.Reason, _ parts: DayParts
        ) async throws(ClickHouseFault) {
            for table in tables {
                let statement: SQLText = """
                    ALTER TABLE \(database).\(table)\(schema.onCluster) DROP PARTITION \(text: day)
                    """
                try await server.run(statement.withLiterals)
            }
            retired.append(
                RetiredDay(
                    tenant: tenant, day: day, reason: reason, bytes: parts.bytes, archivedBytes: 0, rows: parts.rows))
        }
        let oldest = Day.name(max(today - max(policy.days, 1) + 1, 0))
        for (day, parts) in kept.sorted(by: { $0.key < $1.key }) where day < oldest {
            try await give(day, records, .age, parts)
            kept[day] = nil
        }
        let oldestSums = Day.name(max(today - policy.rollupDays + 1, 0))
        for (day, parts) in sums.sorted(by: { $0.key < $1.key }) where day < oldestSums {
            try await give(day, rollups, .rollupAge, parts)
        }
        var bytes = kept.values.reduce(0) { $0 + $1.bytes } + sums.values.reduce(0) { $0 + $1.bytes }
        for (day, parts) in kept.sorted(by: { $0.key < $1.key }) {
            guard policy.bytesMax > 0, bytes > policy.bytesMax else { break }
            try await give(day, records, .quota, parts)
            bytes -= parts.bytes
        }
        return retired
    }

    /// What lies in partitions, by day: on all shards of a cluster, one replica of each.
    private func parts(
        of tables: [SQLName], _ database: SQLName, _ schema: Schema
    ) async throws(ClickHouseFault) -> [String: DayParts] {
        let names = tables.map { "\(text: $0.text)" as SQLText }.joined(", ")
        let source: SQLText =
            server.settings.cluster.map { "cluster(\(text: $0), system, parts)" } ?? "system.parts"
        let answer = try TableAnswer(
            await server.ask(
                """
                SELECT partition, sum(if(table = \(text: tables[0].text), rows, 0)) AS n, sum(bytes) AS b \
                FROM \(source) WHERE active AND database = \(text: database.text) AND table IN (\(names)) \
                GROUP BY partition FORMAT JSONCompact
                """))
        var days: [String: DayParts] = [:]
        for row in answer.data where row.count == 3 {
            // Newer servers put a text between quotes.
            let day = row[0].text.trimmingPrefix("'").prefix { $0 != "'" }
            days[String(day)] = DayParts(rows: try row[1].number(), bytes: Int(clamping: try row[2].number()))
        }
        return days
    }
}
