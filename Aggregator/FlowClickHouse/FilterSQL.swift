internal import FilterLanguage
internal import FlowModel
internal import Query

/// A filter as a condition in SQL.
struct FilterSQL: Sendable {
    /// True of every record that the filter means, and perhaps of others: see `isExact`.
    let sql: SQLText
    /// False when the records must be held against the filter once more: it asks for the values of elements without a
    /// column, or for sets too large for a query.
    let isExact: Bool

    /// Not a copy for other shards, and not what another observer's record stands for.
    static let counted: SQLText = "bitAnd(flags, 132) = 0"
    /// Ranges of one set that a query says; beyond, it says the bounds of them all.
    static let rangesMax = 20_000

    init(sql: SQLText, isExact: Bool) { (self.sql, self.isExact) = (sql, isExact) }
    /// - Parameter isCounted: only what is summed.
    init(_ filter: FlowFilter, isCounted: Bool) {
        var writer = FilterWriter()
        var members = [isCounted ? Self.counted : "bitAnd(flags, 4) = 0" as SQLText]
        if filter.from > .min {
            members.append("flow_end >= \(filter.from)")
            // The order of the table.
            members.append("intDiv(flow_end, 3600000) >= \(filter.from / 3_600_000)")
        }
        if filter.to < .max { members.append("flow_start < \(filter.to)") }
        let whole = filter.whole
        if whole != .any { members.append(writer.condition(whole, isNegated: false)) }
        sql = members.joined(" AND ")
        isExact = writer.isExact
    }
}

/// Writes a tree; what it can't say exactly is said too wide, under `not` too narrow.
private struct FilterWriter {
    var isExact = true

    private func truth(_ isTrue: Bool) -> SQLText { isTrue ? "1" : "0" }
    private mutating func unsure(_ isNegated: Bool, _ wide: SQLText = "1") -> SQLText {
        isExact = false
        return isNegated ? "0" : wide
    }

    mutating func condition(_ expression: FilterExpression, isNegated: Bool) -> SQLText {
        switch expression {
        case .any: return "1"
        case .not(let inner): return "(NOT \(condition(inner, isNegated: !isNegated)))"
        case .and(let members):
            var all: [SQLText] = []
            for member in members { all.append(condition(member, isNegated: isNegated)) }
            return "(\(all.joined(" AND ")))"
        case .or(let members):
            var all: [SQLText] = []
            for member in members { all.append(condition(member, isNegated: isNegated)) }
            return "(\(all.joined(" OR ")))"
        case .test(let test): return self.test(test, isNegated)
        }
    }

    private mutating func test(_ test: FilterTest, _ isNegated: Bool) -> SQLText {
        switch test {
        case .address(let field, let set):
            var all: [SQLText] = []
            for side in field.sides { all.append(address(side, set, isNegated)) }
            return "(\(all.joined(" OR ")))"
        case .number(let field, let set):
            var all: [SQLText] = []
            for side in field.sides { all.append(number(side, set, isNegated)) }
            return "(\(all.joined(" OR ")))"
        case .controlBits(let set, let mask):
            return set & ~mask != 0 ? "0" : "(bitAnd(tcp_bits, \(mask)) = \(set))"
        case .family(.ipv4): return "(\(Self.isV4("source")) OR \(Self.isV4("destination")))"
        case .family(.ipv6): return "(\(Self.isV6("source")) OR \(Self.isV6("destination")))"
        case .label(.site, let labels): return texts("site", labels)
        case .label(.sensor, let labels): return texts("sensor", labels)
        case .label(.exportProtocol, let labels):
            let numbers = labels.compactMap { ExportProtocol(name: $0)?.rawValue }.sorted()
            guard !numbers.isEmpty else { return "0" }
            return "(exporter_protocol IN (\(numbers.map { "\($0)" as SQLText }.joined(", "))))"
        case .mark(let mark):
            guard let flag = mark.flag else { return "(sampling > 1)" }
            return "(bitAnd(flags, \(flag.rawValue)) != 0)"
        case .element(let test):
            let keys = test.keys.map { "has(extra_keys, \(FlowDetails.key($0)))" as SQLText }
            guard !keys.isEmpty else { return "0" }
            let isThere: SQLText = "(\(keys.joined(" OR ")))"
            return test.operand == .present ? isThere : unsure(isNegated, isThere)
        }
    }
    private func texts(_ column: SQLText, _ labels: Set<String>) -> SQLText {
        guard !labels.isEmpty else { return "0" }
        return "(\(column) IN (\(labels.sorted().map { "\(text: $0)" as SQLText }.joined(", "))))"
    }

    // MARK: Addresses

    private static func isV4(_ side: StaticString) -> SQLText {
        let (high, low) = columns(side)
        return "(\(high) = 0 AND bitShiftRight(\(low), 32) = 65535)"
    }
    private static func isV6(_ side: StaticString) -> SQLText {
        let (high, low) = columns(side)
        return "(NOT \(isV4(side)) AND NOT (\(high) = 0 AND \(low) = 0))"
    }
    private static func columns(_ side: StaticString) -> (high: SQLName, low: SQLName) {
        switch "\(side)" {
        case "source": (SQLName(ours: "source_high"), SQLName(ours: "source_low"))
        case "destination": (SQLName(ours: "destination_high"), SQLName(ours: "destination_low"))
        case "next_hop": (SQLName(ours: "next_hop_high"), SQLName(ours: "next_hop_low"))
        default: (SQLName(ours: "exporter_high"), SQLName(ours: "exporter_low"))
        }
    }
    private mutating func address(_ field: AddressField, _ set: AddressSet, _ isNegated: Bool) -> SQLText {
        guard let least = set.ranges.first?.lowerBound, let most = set.ranges.last?.upperBound else { return "0" }
        let (high, low) =
            switch field {
            case .source, .either: Self.columns("source")
            case .destination: Self.columns("destination")
            case .nextHop: Self.columns("next_hop")
            case .exporter: Self.columns("exporter")
            }
        guard set.ranges.count <= FilterSQL.rangesMax else {
            return unsure(isNegated, "(\(high) BETWEEN \(least.high) AND \(most.high))")
        }
        // Single addresses of one upper half, as IPv4's are, are one set.
        var singles: [UInt64: [UInt64]] = [:], all: [SQLText] = []
        for range in set.ranges {
            let (a, b) = (range.lowerBound, range.upperBound)
            if a == b {
                singles[a.high, default: []].append(a.low)
            } else if a.high == b.high {
                all.append("(\(high) = \(a.high) AND \(low) BETWEEN \(a.low) AND \(b.low))")
            } else {
                all.append(
                    """
                    ((\(high) > \(a.high) OR (\(high) = \(a.high) AND \(low) >= \(a.low))) \
                    AND (\(high) < \(b.high) OR (\(high) = \(b.high) AND \(low) <= \(b.low))))
                    """)
            }
        }
        for (upper, lows) in singles.sorted(by: { $0.key < $1.key }) {
            all.append("(\(high) = \(upper) AND \(low) IN (\(lows.map { "\($0)" as SQLText }.joined(", "))))")
        }
        return "(\(all.joined(" OR ")))"
    }

    // MARK: Numbers

    private mutating func number(_ field: NumberField, _ set: NumberSet, _ isNegated: Bool) -> SQLText {
        guard !set.isEmpty else { return "0" }
        guard set.ranges.count <= FilterSQL.rangesMax else { return unsure(isNegated) }
        let value = Self.value(field)
        let singles = set.ranges.filter { $0.lowerBound == $0.upperBound }.map { "\($0.lowerBound)" as SQLText }
        var all = set.ranges.filter { $0.lowerBound != $0.upperBound }.map { range -> SQLText in
            "(\(value) BETWEEN \(range.lowerBound) AND \(range.upperBound))"
        }
        if !singles.isEmpty { all.append("(\(value) IN (\(singles.joined(", "))))") }
        let holds: SQLText = "(\(all.joined(" OR ")))"
        switch field {
        case .direction: return "(direction != 255 AND \(holds))"
        case .icmpType, .icmpCode: return "(protocol IN (1, 58) AND \(holds))"
        default: return holds
        }
    }
    private static func value(_ field: NumberField) -> SQLText {
        switch field {
        case .sourcePort, .port: "source_port"
        case .destinationPort: "destination_port"
        case .sourceAS, .autonomousSystem: "source_as"
        case .destinationAS: "destination_as"
        case .sourcePrefixLength, .prefixLength: "source_prefix"
        case .destinationPrefixLength: "destination_prefix"
        case .ingressInterface, .interface: "ingress"
        case .egressInterface: "egress"
        case .protocolIdentifier: "protocol"
        case .classOfService: "class_of_service"
        case .codePoint: "bitShiftRight(class_of_service, 2)"
        case .vlan: "vlan"
        case .direction: "direction"
        case .octets: "octets"
        case .packets: "packets"
        case .flows: "flows"
        case .icmpType: "bitShiftRight(destination_port, 8)"
        case .icmpCode: "bitAnd(destination_port, 255)"
        case .observationDomain: "exporter_domain"
        case .flowStart: time("flow_start")
        case .flowEnd: time("flow_end")
        case .exportTime: time("export_time")
        case .receiveTime: time("receive_time")
        default: derived(field)
        }
    }
    private static func time(_ column: SQLText) -> SQLText { "if(\(column) < 0, 0, toUInt64(\(column)))" }

    private static let duration: SQLText = """
        if(flow_end > flow_start AND flow_end - flow_start > 0, toUInt64(flow_end - flow_start), toUInt64(0))
        """
    private static func derived(_ field: NumberField) -> SQLText {
        switch field {
        case .bitsPerSecond: rate("octets", 8_000, duration)
        case .packetsPerSecond: rate("packets", 1_000, duration)
        case .octetsPerPacket: "if(packets = 0, toUInt64(0), intDiv(octets, greatest(packets, 1)))"
        case .sampling:
            """
            if(sampling >= 0 AND sampling < 18446744073709551616.0, toUInt64(floor(toFloat64(sampling) + 0.5)), \
            toUInt64(0))
            """
        default: duration
        }
    }
    /// As `NumberField.rate`: in parts, so that nothing exceeds 64 bits below the largest rate.
    private static func rate(_ count: SQLText, _ factor: UInt64, _ duration: SQLText) -> SQLText {
        RateSQL.rate(count, times: factor, per: duration)
    }
}

/// `count * factor / milliseconds`, cut to a whole number that fits; 0 without milliseconds.
enum RateSQL {
    static func rate(_ count: SQLText, times factor: UInt64, per duration: SQLText) -> SQLText {
        let span: SQLText = "greatest(\(duration), toUInt64(1))"
        return """
            multiIf(\(duration) = 0, toUInt64(0), intDiv(\(count), \(span)) >= \(UInt64.max / factor), \
            \(UInt64.max), intDiv(\(count), \(span)) * \(factor) \
            + intDiv(modulo(\(count), \(span)) * \(factor), \(span)))
            """
    }
}
