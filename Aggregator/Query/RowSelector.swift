internal import BatchFormat
internal import FlowModel

/// A filter, prepared for going by columns: each condition looks only at the rows that the ones before it left.
struct RowSelector {
    private let filter: FlowFilter
    private let sources, destinations, either: [NetworkTest]
    private let protocols: [Bool]?

    init(_ filter: FlowFilter) {
        self.filter = filter
        sources = filter.sourceNetworks.map(NetworkTest.init)
        destinations = filter.destinationNetworks.map(NetworkTest.init)
        either = filter.networks.map(NetworkTest.init)
        protocols = filter.protocols.isEmpty ? nil : (0...255).map { filter.protocols.contains(UInt8($0)) }
    }

    /// What must be decoded before `rows` can tell.
    var fields: FieldSet {
        var fields: FieldSet = [.flowStartMilliseconds, .flowEndMilliseconds, .flags]
        if protocols != nil { fields.insert(.protocolIdentifier) }
        if !sources.isEmpty || !either.isEmpty { fields.insert(.sourceIPAddress) }
        if !destinations.isEmpty || !either.isEmpty { fields.insert(.destinationIPAddress) }
        if !filter.sourcePorts.isEmpty || !filter.ports.isEmpty { fields.insert(.sourceTransportPort) }
        if !filter.destinationPorts.isEmpty || !filter.ports.isEmpty { fields.insert(.destinationTransportPort) }
        return fields
    }

    /// The rows that are meant, rising.
    func rows(of columns: FlowColumns) -> [Int] {
        var rows: [Int] = []
        rows.reserveCapacity(columns.count)
        for row in columns.rows
        where columns.flags[row] & RecordFlags.secondary.rawValue == 0
            && columns.flowEndMilliseconds[row] >= filter.from && columns.flowStartMilliseconds[row] < filter.to
        {
            rows.append(row)
        }
        if let protocols { rows.removeAll { !protocols[Int(columns.protocolIdentifier[$0])] } }
        selectPorts(&rows, columns)
        selectNetworks(&rows, columns)
        return rows
    }

    /// Those of them that count: what another observer's record stands for is shown and never summed.
    func countedRows(of columns: FlowColumns) -> [Int] {
        rows(of: columns).filter { columns.flags[$0] & RecordFlags.observedElsewhere.rawValue == 0 }
    }

    private func selectPorts(_ rows: inout [Int], _ columns: FlowColumns) {
        if !filter.sourcePorts.isEmpty {
            rows.removeAll { !Self.any(filter.sourcePorts, columns.sourceTransportPort[$0]) }
        }
        if !filter.destinationPorts.isEmpty {
            rows.removeAll { !Self.any(filter.destinationPorts, columns.destinationTransportPort[$0]) }
        }
        if !filter.ports.isEmpty {
            rows.removeAll { row in
                !Self.any(filter.ports, columns.sourceTransportPort[row])
                    && !Self.any(filter.ports, columns.destinationTransportPort[row])
            }
        }
    }
    private static func any(_ ranges: [ClosedRange<UInt16>], _ port: UInt16) -> Bool {
        ranges.contains { $0.contains(port) }
    }

    private func selectNetworks(_ rows: inout [Int], _ columns: FlowColumns) {
        func source(_ row: Int, _ tests: [NetworkTest]) -> Bool {
            tests.contains { $0.holds(columns.sourceHigh[row], columns.sourceLow[row]) }
        }
        func destination(_ row: Int, _ tests: [NetworkTest]) -> Bool {
            tests.contains { $0.holds(columns.destinationHigh[row], columns.destinationLow[row]) }
        }
        if !sources.isEmpty { rows.removeAll { !source($0, sources) } }
        if !destinations.isEmpty { rows.removeAll { !destination($0, destinations) } }
        if !either.isEmpty { rows.removeAll { !source($0, either) && !destination($0, either) } }
    }
}

/// `IPNetwork.contains` as two masks and a compare.
struct NetworkTest {
    private let high, low, highMask, lowMask: UInt64
    /// A network of IPv6 addresses that is so wide that the mapped IPv4 ones lie in it: they are not meant.
    private let excludesV4: Bool

    init(_ network: IPNetwork) {
        let bits = network.address.isV4 ? network.length + 96 : network.length
        high = network.address.high
        low = network.address.low
        highMask = bits == 0 ? 0 : bits >= 64 ? .max : ~(.max >> UInt64(bits))
        lowMask = bits <= 64 ? 0 : bits >= 128 ? .max : ~(.max >> UInt64(bits - 64))
        excludesV4 = !network.address.isV4
    }
    func holds(_ high: UInt64, _ low: UInt64) -> Bool {
        high & highMask == self.high && low & lowMask == self.low && !(excludesV4 && high == 0 && low >> 32 == 0xFFFF)
    }
}
