internal import BatchFormat
internal import FlowModel

/// Sums by group, for as many groups as the table may hold. A group that is in it is summed exactly from its first
/// record on; what comes when the table is full is summed in `other`.
struct GroupTable {
    private struct Packed: Hashable {
        var sourceHigh: UInt64 = 0, sourceLow: UInt64 = 0, destinationHigh: UInt64 = 0, destinationLow: UInt64 = 0
        var ports: UInt32 = 0, exporter: UInt32 = 0
        var protocolIdentifier: UInt8 = 0
    }
    private let keys: Set<FlowKey>
    private let groupsMax: Int
    private var index: [Packed: Int] = [:]
    private var groups: [Packed] = []
    private var tallies: [Tally] = []
    private var rows: [UInt64] = []
    private var exporters: [ExporterKey] = []
    private var exporterIndex: [ExporterKey: UInt32] = [:]
    private(set) var total = Tally()
    private(set) var other = Tally()

    init(by keys: Set<FlowKey>, groupsMax: Int) {
        self.keys = keys
        self.groupsMax = groupsMax
    }

    var count: Int { groups.count }

    /// What must be decoded for `add`.
    var fields: FieldSet {
        var fields: FieldSet = [.octetDeltaCount, .packetDeltaCount, .deltaFlowCount]
        if keys.contains(.sourceAddress) { fields.insert(.sourceIPAddress) }
        if keys.contains(.destinationAddress) { fields.insert(.destinationIPAddress) }
        if keys.contains(.sourceTransportPort) { fields.insert(.sourceTransportPort) }
        if keys.contains(.destinationTransportPort) { fields.insert(.destinationTransportPort) }
        if keys.contains(.protocolIdentifier) { fields.insert(.protocolIdentifier) }
        if keys.contains(.exporter) { fields.insert(.exporter) }
        return fields
    }

    mutating func add(_ columns: FlowColumns, rows selected: [Int]) {
        let translated = keys.contains(.exporter) ? columns.exporters.map { intern($0) } : []
        for row in selected {
            let tally = Tally(
                flows: UInt64(columns.deltaFlowCount[row]), octets: columns.octetDeltaCount[row],
                packets: columns.packetDeltaCount[row])
            total += tally
            add(tally, to: packed(columns, row, translated))
        }
    }

    private mutating func add(_ tally: Tally, to key: Packed) {
        if let place = index[key] {
            tallies[place] += tally
            rows[place] += 1
        } else if groups.count < groupsMax {
            index[key] = groups.count
            groups.append(key)
            tallies.append(tally)
            rows.append(1)
        } else {
            other += tally
        }
    }

    private func packed(_ columns: FlowColumns, _ row: Int, _ translated: [UInt32]) -> Packed {
        var key = Packed()
        if keys.contains(.sourceAddress) {
            (key.sourceHigh, key.sourceLow) = (columns.sourceHigh[row], columns.sourceLow[row])
        }
        if keys.contains(.destinationAddress) {
            (key.destinationHigh, key.destinationLow) = (columns.destinationHigh[row], columns.destinationLow[row])
        }
        if keys.contains(.sourceTransportPort) { key.ports = UInt32(columns.sourceTransportPort[row]) << 16 }
        if keys.contains(.destinationTransportPort) { key.ports |= UInt32(columns.destinationTransportPort[row]) }
        if keys.contains(.protocolIdentifier) { key.protocolIdentifier = columns.protocolIdentifier[row] }
        if keys.contains(.exporter) { key.exporter = translated[Int(columns.exporter[row])] }
        return key
    }

    private mutating func intern(_ exporter: ExporterKey) -> UInt32 {
        if let known = exporterIndex[exporter] { return known }
        exporterIndex[exporter] = UInt32(exporters.count)
        exporters.append(exporter)
        return UInt32(exporters.count - 1)
    }

    /// The groups with the most, largest first; among equals in the order of their keys, so that an answer is stable.
    func top(_ limit: Int, by measure: FlowMeasure) -> [FlowGroup] {
        groups.indices.sorted { a, b in
            let (left, right) = (measure.value(of: tallies[a]), measure.value(of: tallies[b]))
            return left != right ? left > right : isBefore(groups[a], groups[b])
        }.prefix(limit).map { FlowGroup(key: key(groups[$0]), tally: tallies[$0], rows: rows[$0]) }
    }

    private func isBefore(_ a: Packed, _ b: Packed) -> Bool {
        let left = (a.sourceHigh, a.sourceLow, a.destinationHigh, a.destinationLow)
        let right = (b.sourceHigh, b.sourceLow, b.destinationHigh, b.destinationLow)
        return left != right
            ? left < right
            : (a.ports, a.protocolIdentifier, a.exporter) < (b.ports, b.protocolIdentifier, b.exporter)
    }

    private func key(_ packed: Packed) -> FlowGroupKey {
        var key = FlowGroupKey()
        if keys.contains(.sourceAddress) {
            key.sourceAddress = IPAddress(high: packed.sourceHigh, low: packed.sourceLow)
        }
        if keys.contains(.destinationAddress) {
            key.destinationAddress = IPAddress(high: packed.destinationHigh, low: packed.destinationLow)
        }
        if keys.contains(.sourceTransportPort) { key.sourceTransportPort = UInt16(packed.ports >> 16) }
        if keys.contains(.destinationTransportPort) {
            key.destinationTransportPort = UInt16(truncatingIfNeeded: packed.ports)
        }
        if keys.contains(.protocolIdentifier) { key.protocolIdentifier = packed.protocolIdentifier }
        if keys.contains(.exporter) { key.exporter = exporters[Int(packed.exporter)] }
        return key
    }
}
