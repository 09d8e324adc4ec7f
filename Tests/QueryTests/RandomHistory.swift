import BatchFormat
import Delivery
import FlowModel
import FlowStore
import Identity
import Platform
import TestKit
import Testing

/// Random batches of one tenant, and the same records in plain sight for a brute-force answer.
struct RandomHistory {
    struct Known {
        let record: FlowRecord
        let exporter: ExporterKey
        let sensor: String
        let position: (end: Int64, offset: Int64, row: Int)
    }
    var batches: [StoredBatch] = []
    var records: [Known] = []

    static let start: Int64 = 1_795_262_400_000
    static let hour: Int64 = 3_600_000

    init(using generator: inout SeededGenerator, tenant: TenantID, batchCount: Int = 12) throws {
        var encoder = BatchEncoder()
        for number in 0..<batchCount {
            var columns = FlowColumns()
            let begin =
                Self.start + 30_000 * Int64.random(in: 0..<40, using: &generator)
                + 24 * Self.hour * Int64.random(in: 0..<2, using: &generator)
            let sensor = SensorIdentity(tenant: tenant, site: "hq", name: "edge-\(number % 3)")
            for _ in 0..<Int.random(in: 0...60, using: &generator) {
                var record = Self.record(from: begin, using: &generator)
                let exporter = ExporterKey(
                    address: IPAddress(v4: 0xC000_0200 + UInt32.random(in: 0..<3, using: &generator)),
                    observationDomain: 7, exportProtocol: .ipfix)
                let index = columns.intern(exporter)
                record.exporter = try #require(index)
                columns.append(record)
            }
            let offset = Int64(number) + 1
            for row in columns.rows {
                let record = columns[row]
                records.append(
                    Known(
                        record: record, exporter: columns.exporterKey(ofRow: row), sensor: sensor.name,
                        position: (record.flowEndMilliseconds, offset, row)))
            }
            let times = columns.rows.flatMap {
                [columns.flowStartMilliseconds[$0], columns.flowEndMilliseconds[$0]]
            }
            batches.append(
                StoredBatch(
                    sensor: sensor, key: BatchKey(epoch: Epoch(high: 1, low: 1), sequence: UInt64(number)),
                    logOffset: offset, receivedMilliseconds: begin, flowStartMin: times.min() ?? begin,
                    flowEndMax: times.max() ?? begin, rows: columns.count, tally: columns.tally,
                    body: try encoder.encode(columns, fidelity: .full)))
        }
    }

    /// A batch of one-second flows with these ends; octets are 1000 times the offset, plus the row.
    static func batch(
        tenant: TenantID, offset: Int64, ends: [Int64], flags: [RecordFlags] = [],
        _ change: (inout FlowColumns) -> Void = { _ in }
    ) throws -> StoredBatch {
        var encoder = BatchEncoder(), columns = FlowColumns()
        _ = columns.intern(ExporterKey(address: IPAddress(v4: 1), observationDomain: 0, exportProtocol: .ipfix))
        for (row, end) in ends.enumerated() {
            var record = FlowRecord()
            record.flowStartMilliseconds = end - 1_000
            record.flowEndMilliseconds = end
            record.octetDeltaCount = UInt64(offset) * 1_000 + UInt64(row)
            if flags.indices.contains(row) { record.flags = flags[row] }
            columns.append(record)
        }
        change(&columns)
        return StoredBatch(
            sensor: SensorIdentity(tenant: tenant, site: "hq", name: "edge-1"),
            key: BatchKey(epoch: Epoch(high: 1, low: 1), sequence: UInt64(offset)), logOffset: offset,
            receivedMilliseconds: start, flowStartMin: (ends.min() ?? start) - 1_000, flowEndMax: ends.max() ?? start,
            rows: columns.count, tally: columns.tally, body: try encoder.encode(columns, fidelity: .full))
    }

    /// Few distinct values, so that filters and groups meet many records; times in half minutes, so that ties happen,
    /// within batches and between them.
    private static func record(from begin: Int64, using generator: inout SeededGenerator) -> FlowRecord {
        var record = FlowRecord()
        record.sourceIPAddress = address(using: &generator)
        record.destinationIPAddress = address(using: &generator)
        record.flowStartMilliseconds = begin + 30_000 * Int64.random(in: 0..<20, using: &generator)
        record.flowEndMilliseconds = record.flowStartMilliseconds + 30_000 * Int64.random(in: 0..<3, using: &generator)
        record.exportMilliseconds = record.flowEndMilliseconds
        record.receiveMilliseconds = record.flowEndMilliseconds
        record.octetDeltaCount = UInt64.random(in: 40...100_000, using: &generator)
        record.packetDeltaCount = UInt64.random(in: 1...100, using: &generator)
        record.deltaFlowCount = UInt32.random(in: 1...4, using: &generator)
        record.protocolIdentifier = [6, 17, 1][Int.random(in: 0..<3, using: &generator)]
        record.sourceTransportPort = UInt16.random(in: 1_024..<1_030, using: &generator)
        record.destinationTransportPort = [22, 53, 443, 1_025][Int.random(in: 0..<4, using: &generator)]
        if Int.random(in: 0..<10, using: &generator) == 0 { record.flags = .secondary }
        return record
    }
    private static func address(using generator: inout SeededGenerator) -> IPAddress {
        Bool.random(using: &generator)
            ? IPAddress(v4: 0x0A00_0000 | UInt32.random(in: 0..<4, using: &generator) << 8)
            : IPAddress(
                high: 0x2001_0DB8_0000_0000 | UInt64.random(in: 0..<3, using: &generator),
                low: UInt64.random(in: 0..<3, using: &generator))
    }

    /// Any mixture of conditions.
    static func filter(using generator: inout SeededGenerator) -> FlowFilterParts {
        func maybe<Value>(_ values: @autoclosure () -> [Value], _ generator: inout SeededGenerator) -> [Value] {
            Int.random(in: 0..<4, using: &generator) == 0 ? values() : []
        }
        var parts = FlowFilterParts()
        if Bool.random(using: &generator) {
            parts.from = start + 30_000 * Int64.random(in: 0..<60, using: &generator)
            parts.to = parts.from + Int64.random(in: 1..<(25 * hour), using: &generator)
        }
        let networks = [
            IPNetwork(IPAddress(v4: 0x0A00_0000), length: 22), IPNetwork(IPAddress(v4: 0x0A00_0100), length: 24),
            IPNetwork(IPAddress(v4: 0x0A00_0200), length: 32), IPNetwork(IPAddress(v4: 0), length: 0),
            IPNetwork(IPAddress(high: 0x2001_0DB8_0000_0000, low: 0), length: 64), IPNetwork(.absent, length: 0),
            IPNetwork(IPAddress(high: 0x2001_0DB8_0000_0001, low: 2), length: 128),
        ]
        func some(_ generator: inout SeededGenerator) -> [IPNetwork] {
            (0..<Int.random(in: 1...2, using: &generator)).map { _ in
                networks[Int.random(in: 0..<networks.count, using: &generator)]
            }
        }
        if Int.random(in: 0..<4, using: &generator) == 0 { parts.sources = some(&generator) }
        if Int.random(in: 0..<4, using: &generator) == 0 { parts.destinations = some(&generator) }
        if Int.random(in: 0..<4, using: &generator) == 0 { parts.either = some(&generator) }
        parts.sourcePorts = maybe([1_025...1_027], &generator)
        parts.destinationPorts = maybe([22...22, 400...500], &generator)
        parts.ports = maybe([1_025...1_025], &generator)
        parts.protocols = maybe([6, 1], &generator)
        return parts
    }
}

struct FlowFilterParts {
    var from = Int64.min, to = Int64.max
    var sources: [IPNetwork] = [], destinations: [IPNetwork] = [], either: [IPNetwork] = []
    var sourcePorts: [ClosedRange<UInt16>] = [], destinationPorts: [ClosedRange<UInt16>] = []
    var ports: [ClosedRange<UInt16>] = []
    var protocols: [UInt8] = []

    /// What the filter means, said in another way than the product says it.
    func holds(_ record: FlowRecord) -> Bool {
        if record.flags.contains(.secondary) { return false }
        if record.flowEndMilliseconds < from || record.flowStartMilliseconds >= to { return false }
        let source = record.sourceIPAddress, destination = record.destinationIPAddress
        if !sources.isEmpty, !sources.contains(where: { $0.contains(source) }) { return false }
        if !destinations.isEmpty, !destinations.contains(where: { $0.contains(destination) }) { return false }
        if !either.isEmpty, !either.contains(where: { $0.contains(source) || $0.contains(destination) }) {
            return false
        }
        let sourcePort = record.sourceTransportPort, destinationPort = record.destinationTransportPort
        if !sourcePorts.isEmpty, !sourcePorts.contains(where: { $0 ~= sourcePort }) { return false }
        if !destinationPorts.isEmpty, !destinationPorts.contains(where: { $0 ~= destinationPort }) { return false }
        if !ports.isEmpty, !ports.contains(where: { $0 ~= sourcePort || $0 ~= destinationPort }) { return false }
        return protocols.isEmpty || protocols.contains(record.protocolIdentifier)
    }
}
