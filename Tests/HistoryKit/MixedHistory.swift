internal import BatchFormat
internal import Delivery
package import FlowModel
package import FlowStore
package import Identity
package import Platform

/// Random batches of one tenant in which every column has something: what a store must give back as it was, and few
/// enough different values that filters and groups meet many records.
package struct MixedHistory {
    package private(set) var batches: [StoredBatch] = []
    package private(set) var subjects: [(record: FlowRecord, columns: FlowColumns, row: Int, sensor: SensorIdentity)] =
        []

    /// 2026-11-21T12:00:00Z.
    package static let start: Int64 = 1_795_262_400_000
    package static let minute: Int64 = 60_000, hour: Int64 = 3_600_000

    /// - Parameter sensors: names, of which each batch has one.
    package init(
        using generator: inout SeededGenerator, tenant: TenantID, batchCount: Int = 10,
        sensors: [String] = ["edge-1", "edge-2"]
    ) throws {
        var encoder = BatchEncoder()
        for number in 0..<batchCount {
            var columns = FlowColumns()
            let begin = Self.start + Self.hour * Int64.random(in: 0..<30, using: &generator)
            for _ in 0..<Int.random(in: 1...80, using: &generator) {
                var record = Self.record(from: begin, using: &generator)
                Self.addDetails(to: &record, of: &columns, using: &generator)
                columns.append(record)
            }
            let sensor = SensorIdentity(
                tenant: tenant, site: number % 3 == 0 ? "hq" : "lab", name: sensors[number % sensors.count])
            for row in columns.rows { subjects.append((columns[row], columns, row, sensor)) }
            let starts = columns.flowStartMilliseconds.prefix(columns.count)
            let ends = columns.flowEndMilliseconds.prefix(columns.count)
            batches.append(
                StoredBatch(
                    sensor: sensor,
                    key: BatchKey(epoch: Epoch(high: .max, low: UInt64(number % 2)), sequence: UInt64(number)),
                    logOffset: Int64(number) + 1, receivedMilliseconds: begin + Self.hour,
                    flowStartMin: min(starts.min() ?? begin, ends.min() ?? begin),
                    flowEndMax: max(starts.max() ?? begin, ends.max() ?? begin), rows: columns.count,
                    tally: columns.tally, body: try encoder.encode(columns, fidelity: .full)))
        }
    }

    private static func addDetails(
        to record: inout FlowRecord, of columns: inout FlowColumns, using generator: inout SeededGenerator
    ) {
        func exporter(_ generator: inout SeededGenerator) -> ExporterKey {
            let address =
                Bool.random(using: &generator)
                ? IPAddress(v4: 0xC000_0200 + UInt32.random(in: 0..<3, using: &generator))
                : IPAddress(high: 0x2001_0DB8_0000_00FF, low: 1)
            return ExporterKey(
                address: address, observationDomain: UInt32.random(in: 6...8, using: &generator),
                exportProtocol: Bool.random(using: &generator) ? .ipfix : .netflow9)
        }
        record.exporter = columns.intern(exporter(&generator)) ?? 0
        if Int.random(in: 0..<4, using: &generator) == 0 {
            let names = ["anna", "o'brien\\", "\u{0}\n\t"]
            // userName, and an element of an enterprise.
            record.extra = columns.extras.add([
                ExtraValue(ElementKey(id: 371), Array(names[Int.random(in: 0..<names.count, using: &generator)].utf8)),
                ExtraValue(ElementKey(enterprise: 29_305, id: 1), [0, UInt8.random(in: 0...3, using: &generator)]),
            ])
        }
        if Int.random(in: 0..<6, using: &generator) == 0, let other = columns.intern(exporter(&generator)) {
            record.observers = columns.observerSets.place(of: [other])
        }
        if Int.random(in: 0..<6, using: &generator) == 0 {
            var pair = DistinctPair()
            pair.ports.insert(generator.next())
            pair.peers.insert(generator.next())
            record.sketch = columns.sketches.add(pair)
        }
    }

    private static func record(from begin: Int64, using generator: inout SeededGenerator) -> FlowRecord {
        var record = FlowRecord()
        record.sourceIPAddress = address(using: &generator)
        record.destinationIPAddress = address(using: &generator)
        record.ipNextHopAddress = Bool.random(using: &generator) ? .absent : IPAddress(v4: 0x0A00_00FE)
        record.flowStartMilliseconds = begin + 10_000 * Int64.random(in: 0..<60, using: &generator)
        // None, short, of odd length, longer than an hour, and ends before starts.
        let durations: [Int64] = [0, 30_000, 61_337, 600_000, 3_600_000, 3_600_001, 9_000_000, -5_000]
        let duration = durations[Int.random(in: 0..<durations.count, using: &generator)]
        record.flowEndMilliseconds = record.flowStartMilliseconds + duration
        record.exportMilliseconds = record.flowEndMilliseconds + 1_000
        record.receiveMilliseconds = record.flowEndMilliseconds + (Bool.random(using: &generator) ? 2_000 : 7_300_000)
        record.octetDeltaCount = UInt64.random(in: 40...100_000, using: &generator)
        if Int.random(in: 0..<20, using: &generator) == 0 { record.octetDeltaCount = .max / 3 }
        record.packetDeltaCount = UInt64.random(in: 0...5, using: &generator)
        record.deltaFlowCount = UInt32.random(in: 1...4, using: &generator)
        record.protocolIdentifier = [6, 17, 1, 58][Int.random(in: 0..<4, using: &generator)]
        record.sourceTransportPort = [0, 1_024, 1_025, 443][Int.random(in: 0..<4, using: &generator)]
        record.destinationTransportPort = [0, 22, 53, 443, 8 << 8, 129 << 8][Int.random(in: 0..<6, using: &generator)]
        record.tcpControlBits = [0, 2, 18, 0x1FF][Int.random(in: 0..<4, using: &generator)]
        record.ipClassOfService = [0, 0xB8, 0xFF][Int.random(in: 0..<3, using: &generator)]
        record.ingressInterface = UInt32.random(in: 1...3, using: &generator)
        record.egressInterface = [0, 4, .max][Int.random(in: 0..<3, using: &generator)]
        record.bgpSourceAsNumber = [0, 64_500, .max][Int.random(in: 0..<3, using: &generator)]
        record.bgpDestinationAsNumber = UInt32.random(in: 64_500...64_501, using: &generator)
        record.sourceIPPrefixLength = UInt8.random(in: 0...2, using: &generator) * 12
        record.vlanId = UInt16.random(in: 9...11, using: &generator)
        record.flowDirection = [0, 1, 255][Int.random(in: 0..<3, using: &generator)]
        record.samplingInterval = [0, 1, 99.5, 1_000][Int.random(in: 0..<4, using: &generator)]
        let flags: [RecordFlags] = [[], [], [], .secondary, .observedElsewhere, .denied, [.held, .timesClamped]]
        record.flags = flags[Int.random(in: 0..<flags.count, using: &generator)]
        return record
    }
    private static func address(using generator: inout SeededGenerator) -> IPAddress {
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: .absent
        case 1: IPAddress(v4: 0)
        case 2: IPAddress(v4: 0x0A00_0000 | UInt32.random(in: 0..<4, using: &generator) << 8)
        default:
            IPAddress(
                high: 0x2001_0DB8_0000_0000 | UInt64.random(in: 0..<3, using: &generator),
                low: [0, 1, .max][Int.random(in: 0..<3, using: &generator)])
        }
    }
}
