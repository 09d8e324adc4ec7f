internal import FlowModel
internal import QueryEngine

/// Where a series comes from: records whose counters are spread over time, or sums by minute.
struct SeriesSource {
    let keys: KeySQL
    /// All of `t0`, the start of a period's part, `sf`, `so`, `sp` as sums of a `GROUP BY`.
    private let definitions: SQLText, table: SQLText, which: SQLText
    private let flows: SQLText, octets: SQLText, packets: SQLText
    private let from: Int64, period: Int64

    /// Of records.
    init(_ keys: KeySQL, _ which: SQLText, _ span: Range<Int64>, _ period: Int64, _ table: SQLText) {
        self.keys = keys
        definitions = "WITH \(TimeSpread(period: period, within: span).definitions) "
        (self.table, self.which, from, self.period) = (table, which, span.lowerBound, period)
        flows = "sum(if(b = b1, toUInt64(flows), toUInt64(0)))"
        octets = "sum(toUInt64(o1 - o0))"
        packets = "sum(toUInt64(p1 - p0))"
    }
    /// Of a rollup.
    init(_ rollup: RollupTable, _ keys: KeySQL, _ span: Range<Int64>, _ period: Int64, _ database: SQLName) {
        self.keys = keys
        definitions = "WITH minute AS t0 "
        table = "\(database).\(rollup.table)"
        which = "minute >= \(span.lowerBound) AND minute < \(span.upperBound)"
        (from, self.period) = (span.lowerBound, period)
        (flows, octets, packets) = ("sum(sum_flows)", "sum(sum_octets)", "sum(sum_packets)")
    }

    /// As `GroupList` reads it.
    func groups(by measure: FlowMeasure, limit: Int) -> SQLText {
        let sums: SQLText = "\(flows) AS f, \(octets) AS o, \(packets) AS p, uniq(t0) AS n"
        guard !keys.isEmpty else {
            return "\(definitions)SELECT \(sums) FROM \(table) WHERE \(which)"
        }
        // Rates have no time of their own here.
        let value: SQLText = measure.needsTimes ? "toUInt64(0)" : GroupList.value(measure)
        return """
            \(definitions)SELECT \(keys.definitions()), \(sums) FROM \(table) WHERE \(which) \
            GROUP BY \(keys.names()) WITH TOTALS ORDER BY \(value) DESC, \(keys.names()) LIMIT \(limit)
            """
    }
    /// A row for each period and group, and one for each period of the others: the period's number, 1 for a group, the
    /// group, flows, octets, packets.
    /// - Parameter groups: values of `KeySQL.values`.
    func periods(of groups: [SQLText]) -> SQLText {
        let number: SQLText = "intDiv(t0 - \(from), \(period)) AS q"
        guard !keys.isEmpty else {
            return """
                \(definitions)SELECT \(number), 1 AS m, \(flows) AS f, \(octets) AS o, \(packets) AS p \
                FROM \(table) WHERE \(which) GROUP BY q
                """
        }
        let isMeant: SQLText = groups.isEmpty ? "0" : "\(keys.tuple()) IN (\(groups.joined(", ")))"
        return """
            SELECT q, \(isMeant) AS m, \(keys.masked(by: "m")), sum(f) AS sf, sum(o) AS so, sum(p) AS sp FROM \
            (\(definitions)SELECT \(number), \(keys.definitions()), \(flows) AS f, \(octets) AS o, \(packets) AS p \
            FROM \(table) WHERE \(which) GROUP BY q, \(keys.names())) GROUP BY q, m, \(keys.names("g"))
            """
    }
}

/// Both directions of conversations as one row: the same ends as `ConversationSums` has.
enum ConversationSQL {
    /// The type and code that an answer's question has.
    private static let question: SQLText = """
        multiIf(protocol = 1 AND bitShiftRight(destination_port, 8) = 0, 2048, \
        protocol = 1 AND bitShiftRight(destination_port, 8) IN (14, 16, 18), destination_port - 256, \
        protocol = 58 AND bitShiftRight(destination_port, 8) = 129, 32768, destination_port)
        """

    static func query(from table: SQLText, where which: SQLText, by measure: FlowMeasure, limit: Int) -> SQLText {
        // Rates go by the conversation's whole time.
        """
        WITH protocol IN (1, 58) AS icmp, toUInt16(if(icmp, 0, source_port)) AS sp, \
        toUInt16(if(icmp, \(question), destination_port)) AS dp, \
        source_high < destination_high OR (source_high = destination_high AND (source_low < destination_low \
        OR (source_low = destination_low AND (icmp OR source_port <= destination_port)))) AS forth \
        SELECT if(forth, source_high, destination_high) AS ah, if(forth, source_low, destination_low) AS al, \
        if(forth, destination_high, source_high) AS bh, if(forth, destination_low, source_low) AS bl, \
        if(forth OR icmp, sp, dp) AS ap, if(forth OR icmp, dp, sp) AS bp, protocol, \
        sum(toUInt64(flows)) AS f, sum(octets) AS o, sum(packets) AS p, count() AS n, \
        sum(if(forth, toUInt64(flows), toUInt64(0))) AS ff, sum(if(forth, octets, toUInt64(0))) AS fo, \
        sum(if(forth, packets, toUInt64(0))) AS fp, \
        min(if(forth, flow_start, toInt64(\(Int64.max)))) AS sa, \
        min(if(forth, toInt64(\(Int64.max)), flow_start)) AS sb, max(flow_end) AS z, min(flow_start) AS a \
        FROM \(table) WHERE \(which) GROUP BY ah, al, bh, bl, ap, bp, protocol \
        ORDER BY \(GroupList.value(measure)) DESC, ah, al, bh, bl, ap, bp, protocol LIMIT \(limit)
        """
    }

    static func read(_ row: [Cell]) throws(ClickHouseFault) -> (group: FlowGroup, conversation: Conversation) {
        guard row.count == 18 else { throw .garbled("a row of \(row.count)") }
        let a = IPAddress(high: try row[0].number(), low: try row[1].number())
        let b = IPAddress(high: try row[2].number(), low: try row[3].number())
        let aPort = UInt16(truncatingIfNeeded: try row[4].number())
        let bPort = UInt16(truncatingIfNeeded: try row[5].number())
        let number = UInt8(truncatingIfNeeded: try row[6].number())
        let both = try GroupList.tally(row[7...]), rows = try row[10].number()
        let conversation = Conversation(
            from: a, aPort, to: b, bPort, protocolIdentifier: number, both: both,
            forth: try GroupList.tally(row[11...]), starts: (try row[14].signed(), try row[15].signed()),
            last: try row[16].signed(), rows: rows)
        var key = FlowGroupKey()
        (key.sourceAddress, key.destinationAddress, key.protocolIdentifier) = (a, b, number)
        (key.sourceTransportPort, key.destinationTransportPort) = (aPort, bPort)
        return (FlowGroup(key: key, tally: both, rows: rows, period: conversation.period), conversation)
    }
}
