internal import FlowModel
internal import Identity
internal import QueryEngine

/// From a block of an answer to rows as questions have them.
extension FlowTable {
    /// - Parameter tenant: whose database was asked.
    /// - Throws: `.garbled`: a column is missing or of another type.
    static func rows(_ block: NativeBlock, of tenant: TenantID) throws(ClickHouseFault) -> RowBlock {
        var columns = FlowColumns(capacity: block.rows)
        _ = columns.extend(by: block.rows)
        try readTimes(block, &columns)
        try readEnds(block, &columns)
        try readNumbers(block, &columns)
        try readExporters(block, &columns)
        try readDetails(block, &columns)
        return RowBlock(columns: columns, sensors: try sensors(block, tenant))
    }
    /// Nil when the question did not name the column.
    private static func words64(_ block: NativeBlock, _ name: String) throws(ClickHouseFault) -> [UInt64]? {
        guard let values = block.columns[name] else { return nil }
        guard case .words64(let words) = values else { throw .garbled("\(name) has another type") }
        return words
    }
    private static func words32(_ block: NativeBlock, _ name: String) throws(ClickHouseFault) -> [UInt32]? {
        guard let values = block.columns[name] else { return nil }
        guard case .words32(let words) = values else { throw .garbled("\(name) has another type") }
        return words
    }
    private static func words16(_ block: NativeBlock, _ name: String) throws(ClickHouseFault) -> [UInt16]? {
        guard let values = block.columns[name] else { return nil }
        guard case .words16(let words) = values else { throw .garbled("\(name) has another type") }
        return words
    }
    private static func words8(_ block: NativeBlock, _ name: String) throws(ClickHouseFault) -> [UInt8]? {
        guard let values = block.columns[name] else { return nil }
        guard case .words8(let words) = values else { throw .garbled("\(name) has another type") }
        return words
    }
    private static func texts(_ block: NativeBlock, _ name: String) throws(ClickHouseFault) -> [[UInt8]]? {
        guard let values = block.columns[name] else { return nil }
        guard case .texts(let texts) = values else { throw .garbled("\(name) has another type") }
        return texts
    }

    private static func readTimes(_ block: NativeBlock, _ columns: inout FlowColumns) throws(ClickHouseFault) {
        func times(_ name: String) throws(ClickHouseFault) -> [Int64]? {
            try words64(block, name).map { $0.map { Int64(bitPattern: $0) } }
        }
        if let times = try times("flow_start") { columns.flowStartMilliseconds = times }
        if let times = try times("flow_end") { columns.flowEndMilliseconds = times }
        if let times = try times("export_time") { columns.exportMilliseconds = times }
        if let times = try times("receive_time") { columns.receiveMilliseconds = times }
    }
    private static func readEnds(_ block: NativeBlock, _ columns: inout FlowColumns) throws(ClickHouseFault) {
        if let words = try words64(block, "source_high") { columns.sourceHigh = words }
        if let words = try words64(block, "source_low") { columns.sourceLow = words }
        if let words = try words64(block, "destination_high") { columns.destinationHigh = words }
        if let words = try words64(block, "destination_low") { columns.destinationLow = words }
        if let words = try words64(block, "next_hop_high") { columns.nextHopHigh = words }
        if let words = try words64(block, "next_hop_low") { columns.nextHopLow = words }
        if let words = try words64(block, "octets") { columns.octetDeltaCount = words }
        if let words = try words64(block, "packets") { columns.packetDeltaCount = words }
        if let words = try words32(block, "flows") { columns.deltaFlowCount = words }
        if let words = try words32(block, "ingress") { columns.ingressInterface = words }
        if let words = try words32(block, "egress") { columns.egressInterface = words }
        if let words = try words32(block, "source_as") { columns.bgpSourceAsNumber = words }
        if let words = try words32(block, "destination_as") { columns.bgpDestinationAsNumber = words }
    }
    private static func readNumbers(_ block: NativeBlock, _ columns: inout FlowColumns) throws(ClickHouseFault) {
        if let words = try words16(block, "source_port") { columns.sourceTransportPort = words }
        if let words = try words16(block, "destination_port") { columns.destinationTransportPort = words }
        if let words = try words16(block, "tcp_bits") { columns.tcpControlBits = words }
        if let words = try words16(block, "vlan") { columns.vlanId = words }
        if let words = try words8(block, "protocol") { columns.protocolIdentifier = words }
        if let words = try words8(block, "class_of_service") { columns.ipClassOfService = words }
        if let words = try words8(block, "source_prefix") { columns.sourceIPPrefixLength = words }
        if let words = try words8(block, "destination_prefix") { columns.destinationIPPrefixLength = words }
        if let words = try words8(block, "direction") {
            columns.flowDirection = words.map { $0 &+ FlowColumns.directionBase }
        }
        if let words = try words8(block, "flags") { columns.flags = words }
        if let words = try words32(block, "sampling") {
            columns.samplingInterval = words.map { Float(bitPattern: $0) }
        }
    }
    private static func readExporters(_ block: NativeBlock, _ columns: inout FlowColumns) throws(ClickHouseFault) {
        guard let high = try words64(block, "exporter_high"), let low = try words64(block, "exporter_low"),
            let domain = try words32(block, "exporter_domain"), let number = try words8(block, "exporter_protocol")
        else {
            // Rows of columns that nobody asked for have an exporter all the same.
            _ = columns.intern(ExporterKey(address: .absent, observationDomain: 0, exportProtocol: .ipfix))
            return
        }
        for row in 0..<block.rows {
            guard let exportProtocol = ExportProtocol(rawValue: number[row]),
                let place = columns.intern(
                    ExporterKey(
                        address: IPAddress(high: high[row], low: low[row]), observationDomain: domain[row],
                        exportProtocol: exportProtocol))
            else { throw .garbled("an exporter's protocol \(number[row])") }
            columns.exporter[row] = place
        }
    }
    private static func readDetails(_ block: NativeBlock, _ columns: inout FlowColumns) throws(ClickHouseFault) {
        for (row, octets) in (try texts(block, "extras") ?? []).enumerated() where !octets.isEmpty {
            FlowDetails.readExtras(octets, row: row, of: &columns)
        }
        for (row, octets) in (try texts(block, "observers") ?? []).enumerated() where !octets.isEmpty {
            FlowDetails.readObservers(octets, row: row, of: &columns)
        }
        for (row, octets) in (try texts(block, "sketch") ?? []).enumerated() where !octets.isEmpty {
            FlowDetails.readSketch(octets, row: row, of: &columns)
        }
    }
    private static func sensors(_ block: NativeBlock, _ tenant: TenantID) throws(ClickHouseFault) -> RowSensors {
        guard let sites = try texts(block, "site"), let names = try texts(block, "sensor") else {
            throw .garbled("no sensors")
        }
        var numbers: [UInt32] = [], known: [[[UInt8]]: UInt32] = [:], all: [SensorIdentity] = []
        for (site, name) in zip(sites, names) {
            if let number = known[[site, name]] {
                numbers.append(number)
                continue
            }
            let number = UInt32(all.count)
            known[[site, name]] = number
            all.append(
                SensorIdentity(
                    tenant: tenant, site: String(decoding: site, as: UTF8.self),
                    name: String(decoding: name, as: UTF8.self)))
            numbers.append(number)
        }
        return .each(numbers, all)
    }
}
