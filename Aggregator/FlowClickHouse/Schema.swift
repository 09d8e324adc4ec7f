internal import FlowStore
internal import Identity

/// Which databases and tables there are. All names have the version of their columns at the end, so that nodes of two
/// versions can work side by side.
///
/// | table | one row |
/// | --- | --- |
/// | `flows1` | a record, with its batch's key |
/// | `batches1` | a batch that is stored |
/// | `rollup_…1` | sums of a minute and key, made by the materialised view `view_…1` from what is inserted |
///
/// In a cluster each is a `Distributed` table over replicated ones, `…_local`; a batch lies on one shard, by its key.
/// All are partitioned by the batch's day, so that retention is dropping partitions.
struct Schema: Sendable {
    let settings: ClickHouseSettings
    let dialect: SQLDialect
    private var cluster: SQLName? { settings.cluster.flatMap { SQLName($0) } }

    static func database(of tenant: TenantID, _ settings: ClickHouseSettings) -> SQLName? {
        SQLName(settings.databases + tenant.rawValue)
    }
    /// The tenant whose database has this name; nil for others' databases.
    static func tenant(ofDatabase name: String, _ settings: ClickHouseSettings) -> TenantID? {
        name.hasPrefix(settings.databases) ? TenantID(name.dropFirst(settings.databases.count)) : nil
    }
    static let flows = SQLName(ours: "flows1"), batches = SQLName(ours: "batches1")

    /// Where rows lie: in a cluster not in the table that is asked.
    func local(_ table: SQLName) -> SQLName {
        settings.cluster == nil ? table : SQLName(table.text + "_local") ?? table
    }
    static let batchColumns: [(name: String, type: String)] = [
        ("day", "Date"), ("site", "String"), ("sensor", "String"), ("epoch_high", "UInt64"), ("epoch_low", "UInt64"),
        ("sequence", "UInt64"), ("batch_rows", "UInt64"), ("batch_flows", "UInt64"), ("batch_octets", "UInt64"),
        ("batch_packets", "UInt64"), ("body_bytes", "UInt64"), ("log_offset", "Int64"), ("received", "Int64"),
    ]

    /// All statements that make a tenant's tables where they are not there, in order.
    func statements(for database: SQLName) -> [SQLText] {
        var all: [SQLText] = ["CREATE DATABASE IF NOT EXISTS \(database)\(onCluster)"]
        all += table(
            database, Self.flows, FlowTable.definition, engine: "MergeTree",
            order: "(intDiv(flow_end, 3600000), protocol, source_high, source_low, destination_low, flow_end)")
        // Twice the same key is one row, at last.
        all += table(
            database, Self.batches, Self.batchColumns, engine: "ReplacingMergeTree",
            order: "(epoch_high, epoch_low, sequence, site, sensor)")
        for rollup in RollupTable.all {
            all += table(
                database, rollup.table, rollup.definition, engine: "SummingMergeTree", order: rollup.order)
            all.append(view(database, rollup))
        }
        return all
    }
    var onCluster: SQLText { cluster.map { " ON CLUSTER \($0)" } ?? "" }

    private func table(
        _ database: SQLName, _ name: SQLName, _ columns: [(name: String, type: String)], engine: SQLText,
        order: SQLText
    ) -> [SQLText] {
        let list = columns.compactMap { column -> SQLText? in
            guard let name = SQLName(column.name), let type = Self.types[column.type] else { return nil }
            return "\(name) \(type)"
        }.joined(", ")
        let sync: SQLText =
            dialect.syncsInserts ? " SETTINGS fsync_after_insert = 1, fsync_part_directory = 1" : ""
        let local = local(name)
        var replicated: SQLText = "\(engine)"
        if cluster != nil {
            let path = "/clickhouse/tables/{shard}/\(database.text)/\(local.text)"
            replicated = "Replicated\(engine)(\(text: path), '{replica}')"
        }
        let made: SQLText = """
            CREATE TABLE IF NOT EXISTS \(database).\(local)\(onCluster) (\(list)) ENGINE = \(replicated.withLiterals) \
            PARTITION BY day ORDER BY \(order)\(sync)
            """
        guard let cluster else { return [made] }
        let isByBatch = name == Self.flows || name == Self.batches
        let key: SQLText = isByBatch ? "intHash64(bitXor(epoch_low, sequence))" : "rand()"
        return [
            made,
            """
            CREATE TABLE IF NOT EXISTS \(database).\(name)\(onCluster) (\(list)) ENGINE = \
            Distributed(\(cluster), \(database), \(local), \(key))
            """,
        ]
    }
    private func view(_ database: SQLName, _ rollup: RollupTable) -> SQLText {
        """
        CREATE MATERIALIZED VIEW IF NOT EXISTS \(database).\(rollup.view)\(onCluster) \
        TO \(database).\(local(rollup.table)) AS \(sums(rollup, of: database, "1", from: local(Self.flows)))
        """
    }
    /// Statements that make the sums of one day out of its records.
    func sumsAnew(of day: Int, in database: SQLName) -> [SQLText] {
        let which: SQLText = "day = toDate(\(day))"
        return RollupTable.all.flatMap { rollup -> [SQLText] in
            let emptied: SQLText = """
                ALTER TABLE \(database).\(local(rollup.table))\(onCluster) DROP PARTITION \(text: Day.name(day))
                """
            return [emptied.withLiterals, "INSERT INTO \(database).\(rollup.table) \(anew(rollup, database, which))"]
        }
    }
    /// As `sums`, with names that a shard of 18.16 gives back to who asked it.
    private func anew(_ rollup: RollupTable, _ database: SQLName, _ which: SQLText) -> SQLText {
        guard let keys = KeySQL(Array(rollup.questions)) else { return "" }
        let sums = TimeSpread.sums(flows: "f", octets: "o", packets: "p")
        return """
            SELECT day, q * 60000, \(keys.names()), f, o, p FROM (WITH \(TimeSpread(period: 60_000).definitions) \
            SELECT day, intDiv(t0, 60000) AS q, \(keys.definitions()), \(sums) FROM \(database).\(Self.flows) \
            WHERE \(FilterSQL.counted) AND \(which) GROUP BY day, q, \(keys.names()))
            """
    }
    private func sums(_ rollup: RollupTable, of database: SQLName, _ which: SQLText, from table: SQLName) -> SQLText {
        let keys = rollup.keys.map(\.definition).joined(", ")
        let names = rollup.keys.map { "\($0.name)" as SQLText }.joined(", ")
        let sums = TimeSpread.sums(flows: "sum_flows", octets: "sum_octets", packets: "sum_packets")
        return """
            WITH \(TimeSpread(period: 60_000).definitions) SELECT day, t0 AS minute, \(keys), \(sums) \
            FROM \(database).\(table) WHERE \(FilterSQL.counted) AND \(which) GROUP BY day, minute, \(names)
            """
    }
    private static let types: [String: SQLText] = [
        "Date": "Date", "UInt64": "UInt64", "UInt32": "UInt32", "UInt16": "UInt16", "UInt8": "UInt8",
        "Int64": "Int64", "Float32": "Float32", "String": "String", "Array(UInt64)": "Array(UInt64)",
    ]
}

/// How counters of a record are spread over time in SQL: the same parts as `TimeShare` and `SeriesSums` make.
///
/// ⌊value × part ÷ whole⌋ is ⌊value ÷ whole⌋ × part + ⌊(value mod whole) × part ÷ whole⌋, of which nothing exceeds 64
/// bits: part and whole are an hour at most.
struct TimeSpread {
    /// ms.
    let period: Int64
    /// Only periods that begin in it; both ends are multiples of `period`.
    var within: Range<Int64>?

    /// Names for a `WITH`: a row for each period `t0` that has a part of the record; `o0`, `o1` octets by its start and
    /// end, `p0`, `p1` packets; `b = b1` in the last one.
    var definitions: SQLText {
        func number(_ time: SQLText) -> SQLText {
            KeySQL.quotient(time, period)
        }
        func counted(_ value: SQLText, _ time: SQLText) -> SQLText {
            """
            if(\(time) <= s, toUInt64(0), intDiv(\(value), d) * toUInt64(\(time) - s) \
            + intDiv(modulo(\(value), d) * toUInt64(\(time) - s), d))
            """
        }
        let first: SQLText = within.map { "greatest(b0, toInt64(\($0.lowerBound / period)))" } ?? "b0"
        let last: SQLText = within.map { "least(b1, toInt64(\($0.upperBound / period - 1)))" } ?? "b1"
        return """
            if(flow_end > flow_start AND flow_end - flow_start > 0 AND flow_end - flow_start <= 3600000, flow_start, \
            flow_end) AS s, toUInt64(greatest(flow_end - s, 1)) AS d, \(number("s")) AS b0, \
            \(number("flow_end")) AS b1, \(first) AS c0, \(last) AS c1, \
            c0 + toInt64(arrayJoin(range(toUInt64(greatest(c1 - c0 + 1, 0))))) AS b, \
            b * \(period) AS t0, t0 + \(period) AS t1, \(counted("octets", "t0")) AS o0, \
            if(b = b1, octets, \(counted("octets", "t1"))) AS o1, \(counted("packets", "t0")) AS p0, \
            if(b = b1, packets, \(counted("packets", "t1"))) AS p1
            """
    }
    static func sums(flows: StaticString, octets: StaticString, packets: StaticString) -> SQLText {
        """
        sum(if(b = b1, toUInt64(flows), toUInt64(0))) AS \(SQLName(ours: flows)), \
        sum(toUInt64(o1 - o0)) AS \(SQLName(ours: octets)), sum(toUInt64(p1 - p0)) AS \(SQLName(ours: packets))
        """
    }
}
