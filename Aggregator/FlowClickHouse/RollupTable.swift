internal import QueryEngine

/// Sums by minute of one kind of key.
struct RollupTable: Sendable {
    struct Key: Sendable {
        let name: SQLName
        let type: String
        /// Of a record; nil: the column of that name.
        var sql: SQLText?
        var definition: SQLText { sql.map { "\($0) AS \(name)" } ?? "\(name)" }
    }
    let table: SQLName, view: SQLName
    let keys: [Key]
    /// What a question must group by to be answered from it.
    let questions: Set<FlowKey>

    var definition: [(name: String, type: String)] {
        [("day", "Date"), ("minute", "Int64")] + keys.map { ($0.name.text, $0.type) } + [
            ("sum_flows", "UInt64"), ("sum_octets", "UInt64"), ("sum_packets", "UInt64"),
        ]
    }
    var order: SQLText { "(minute, \(keys.map { "\($0.name)" as SQLText }.joined(", ")))" }

    static let all = [
        RollupTable(
            table: SQLName(ours: "rollup_service1"), view: SQLName(ours: "view_service1"),
            keys: [
                Key(name: SQLName(ours: "protocol"), type: "UInt8"),
                Key(name: SQLName(ours: "service_port"), type: "UInt16", sql: KeySQL.servicePort),
            ], questions: [.service]),
        RollupTable(
            table: SQLName(ours: "rollup_source_as1"), view: SQLName(ours: "view_source_as1"),
            keys: [Key(name: SQLName(ours: "source_as"), type: "UInt32")], questions: [.sourceAS]),
        RollupTable(
            table: SQLName(ours: "rollup_destination_as1"), view: SQLName(ours: "view_destination_as1"),
            keys: [Key(name: SQLName(ours: "destination_as"), type: "UInt32")],
            questions: [.destinationAS]),
        RollupTable(
            table: SQLName(ours: "rollup_ingress1"), view: SQLName(ours: "view_ingress1"),
            keys: exporter + [Key(name: SQLName(ours: "ingress"), type: "UInt32")],
            questions: [.exporter, .ingressInterface]),
        RollupTable(
            table: SQLName(ours: "rollup_egress1"), view: SQLName(ours: "view_egress1"),
            keys: exporter + [Key(name: SQLName(ours: "egress"), type: "UInt32")],
            questions: [.exporter, .egressInterface]),
    ]
    private static let exporter = [
        Key(name: SQLName(ours: "exporter_high"), type: "UInt64"),
        Key(name: SQLName(ours: "exporter_low"), type: "UInt64"),
        Key(name: SQLName(ours: "exporter_domain"), type: "UInt32"),
        Key(name: SQLName(ours: "exporter_protocol"), type: "UInt8"),
    ]

    /// The one that answers a question by these keys.
    static func answering(_ keys: [FlowKey]) -> RollupTable? { all.first { $0.questions == Set(keys) } }
}
