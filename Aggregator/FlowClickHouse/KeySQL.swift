internal import FlowModel
internal import Identity
internal import QueryEngine

/// What records are grouped by, in SQL: for each key some columns `k0`, `k1` …, in the order of equal groups, and the
/// key back from their values.
struct KeySQL: Sendable {
    /// Each once, in the order in which equal groups are sorted.
    let keys: [FlowKey]
    private let columns: [[SQLText]]

    /// Nil for keys that only a table of ours knows, such as countries.
    init?(_ keys: [FlowKey]) {
        guard !keys.contains(where: \.needsPlaces) else { return nil }
        self.keys = FlowKey.ordered(keys)
        columns = self.keys.map(Self.columns)
    }
    /// Keys by the columns of a rollup instead of a record's.
    init(_ keys: [FlowKey], in rollup: RollupTable) {
        self.keys = FlowKey.ordered(keys)
        columns = self.keys.map { key in
            key == .service ? ["protocol", "service_port"] : Self.columns(of: key)
        }
    }
    var isEmpty: Bool { keys.isEmpty }
    var count: Int { columns.reduce(0) { $0 + $1.count } }
    private func name(_ number: Int, _ letter: String = "k") -> SQLName {
        SQLName("\(letter)\(number)") ?? SQLName(ours: "k")
    }
    /// `source_high AS k0, source_low AS k1`.
    func definitions(_ letter: String = "k") -> SQLText {
        columns.flatMap { $0 }.enumerated().map { "\($1) AS \(name($0, letter))" as SQLText }.joined(", ")
    }
    func names(_ letter: String = "k") -> SQLText {
        (0..<count).map { "\(name($0, letter))" as SQLText }.joined(", ")
    }
    /// Each kept where `condition` holds, else as nothing; named `g0`, `g1` …
    func masked(by condition: SQLText) -> SQLText {
        let all = columns.flatMap { $0 }, texts = isText
        return all.indices.map { number -> SQLText in
            let nothing: SQLText = texts[number] ? "''" : "0"
            return "if(\(condition), \(name(number)), \(nothing)) AS \(name(number, "g"))"
        }.joined(", ")
    }
    private var isText: [Bool] {
        keys.flatMap { key -> [Bool] in
            switch key {
            case .site: [true]
            case .sensor: [true, true]
            default: Array(repeating: false, count: Self.columns(of: key).count)
            }
        }
    }
    /// The group's columns as values.
    func values(_ cells: ArraySlice<Cell>) throws(ClickHouseFault) -> SQLText {
        var values: [SQLText] = []
        for (cell, isText) in zip(cells, isText) {
            if isText {
                values.append("\(text: cell.text)")
            } else if let number = UInt64(cell.text) {
                values.append("\(number)")
            } else {
                values.append("\(try cell.signed())")
            }
        }
        return values.count == 1 ? values[0] : "(\(values.joined(", ")))"
    }
    func tuple(_ letter: String = "k") -> SQLText { count == 1 ? names(letter) : "(\(names(letter)))" }

    static let servicePort: SQLText = """
        multiIf(protocol IN (1, 58), destination_port, source_port = 0 OR destination_port = 0, \
        bitOr(source_port, destination_port), least(source_port, destination_port))
        """

    /// ⌊time ÷ period⌋. (18.16 gives a remainder of 16 bits, with a sign, where the divisor has 16.)
    static func quotient(_ time: SQLText, _ period: Int64) -> SQLText {
        "intDiv(\(time), toInt64(\(period))) - (modulo(\(time), toInt64(\(period))) < 0)"
    }
    private static func columns(of key: FlowKey) -> [SQLText] {
        switch key {
        case .sourceAddress: ["source_high", "source_low"]
        case .destinationAddress: ["destination_high", "destination_low"]
        case .nextHop: ["next_hop_high", "next_hop_low"]
        case .sourceNetwork(let v4, let v6): network("source_high", "source_low", v4, v6)
        case .destinationNetwork(let v4, let v6): network("destination_high", "destination_low", v4, v6)
        case .sourceTransportPort: ["source_port"]
        case .destinationTransportPort: ["destination_port"]
        case .protocolIdentifier: ["protocol"]
        case .service: ["protocol", servicePort]
        case .sourceAS: ["source_as"]
        case .destinationAS: ["destination_as"]
        case .ingressInterface: ["ingress"]
        case .egressInterface: ["egress"]
        case .exporter: ["exporter_high", "exporter_low", "exporter_domain", "exporter_protocol"]
        case .site: ["site"]
        case .sensor: ["site", "sensor"]
        case .tcpControlBits: ["tcp_bits"]
        case .codePoint: ["bitShiftRight(class_of_service, 2)"]
        case .vlan: ["vlan"]
        // "Not in the record", 255, comes first.
        case .direction: ["toUInt8(direction + 1)"]
        case .family:
            [
                """
                multiIf(source_high = 0 AND bitShiftRight(source_low, 32) = 65535, 4, \
                source_high = 0 AND source_low = 0, 0, 6)
                """
            ]
        case .time(let period):
            [quotient("flow_end", max(period, 1))]
        case .sourceCountry, .destinationCountry, .sourceSystem, .destinationSystem: []
        }
    }
    private static func network(_ high: SQLText, _ low: SQLText, _ v4: Int, _ v6: Int) -> [SQLText] {
        let v4 = min(max(v4, 0), 32), v6 = min(max(v6, 0), 128)
        let highMask: UInt64 = v6 == 0 ? 0 : v6 >= 64 ? .max : ~(.max >> UInt64(v6))
        let lowMask: UInt64 = v6 <= 64 ? 0 : v6 >= 128 ? .max : ~(.max >> UInt64(v6 - 64))
        let v4Mask: UInt64 = (v4 == 0 ? 0 : UInt64(UInt32.max << UInt32(32 - v4))) | ~UInt64(UInt32.max)
        return [
            "bitAnd(\(high), \(highMask))",
            """
            if(\(high) = 0 AND bitShiftRight(\(low), 32) = 65535, bitAnd(\(low), \(v4Mask)), bitAnd(\(low), \(lowMask)))
            """,
        ]
    }

    // MARK: Back

    /// The key whose columns are the first `count` of `cells`.
    func key(_ cells: ArraySlice<Cell>, of tenant: TenantID) throws(ClickHouseFault) -> FlowGroupKey {
        var key = FlowGroupKey(), at = cells.startIndex
        for (flowKey, columns) in zip(keys, columns) {
            guard at + columns.count <= cells.endIndex else { throw .garbled("a row is too short") }
            let own = Array(cells[at..<(at + columns.count)])
            if flowKey == .sensor {
                key.sensor = SensorIdentity(tenant: tenant, site: own[0].text, name: own[1].text)
            } else {
                try Self.set(&key, flowKey, own)
            }
            at += columns.count
        }
        return key
    }
    private static func set(
        _ key: inout FlowGroupKey, _ flowKey: FlowKey, _ cells: [Cell]
    ) throws(ClickHouseFault) {
        func address() throws(ClickHouseFault) -> IPAddress {
            IPAddress(high: try cells[0].number(), low: try cells[1].number())
        }
        switch flowKey {
        case .sourceAddress: key.sourceAddress = try address()
        case .destinationAddress: key.destinationAddress = try address()
        case .nextHop: key.nextHop = try address()
        case .sourceNetwork(let v4, let v6):
            let address = try address()
            key.sourceNetwork = IPNetwork(address, length: min(max(address.isV4 ? v4 : v6, 0), 128))
        case .destinationNetwork(let v4, let v6):
            let address = try address()
            key.destinationNetwork = IPNetwork(address, length: min(max(address.isV4 ? v4 : v6, 0), 128))
        case .service:
            key.service = FlowService(
                protocolIdentifier: UInt8(truncatingIfNeeded: try cells[0].number()),
                port: UInt16(truncatingIfNeeded: try cells[1].number()))
        case .exporter:
            guard let number = ExportProtocol(rawValue: UInt8(truncatingIfNeeded: try cells[3].number())) else {
                throw .garbled("an exporter's protocol \(cells[3].text)")
            }
            key.exporter = ExporterKey(
                address: try address(), observationDomain: UInt32(truncatingIfNeeded: try cells[2].number()),
                exportProtocol: number)
        case .site: key.site = cells[0].text
        case .time(let period):
            let (time, overflows) = try cells[0].signed().multipliedReportingOverflow(by: max(period, 1))
            key.time = overflows ? (try cells[0].signed() < 0 ? .min : .max) : time
        default: try setNumber(&key, flowKey, cells)
        }
    }
    private static func setNumber(
        _ key: inout FlowGroupKey, _ flowKey: FlowKey, _ cells: [Cell]
    ) throws(ClickHouseFault) {
        let number = try cells[0].number(), word = UInt32(truncatingIfNeeded: number)
        switch flowKey {
        case .sourceTransportPort: key.sourceTransportPort = UInt16(truncatingIfNeeded: number)
        case .destinationTransportPort: key.destinationTransportPort = UInt16(truncatingIfNeeded: number)
        case .protocolIdentifier: key.protocolIdentifier = UInt8(truncatingIfNeeded: number)
        case .sourceAS: key.sourceAS = word
        case .destinationAS: key.destinationAS = word
        case .ingressInterface: key.ingressInterface = word
        case .egressInterface: key.egressInterface = word
        case .tcpControlBits: key.tcpControlBits = UInt16(truncatingIfNeeded: number)
        case .codePoint: key.codePoint = UInt8(truncatingIfNeeded: number)
        case .vlan: key.vlan = UInt16(truncatingIfNeeded: number)
        case .direction: key.direction = UInt8(truncatingIfNeeded: number) &- 1
        case .family: key.family = UInt8(truncatingIfNeeded: number)
        default: return
        }
    }
}
