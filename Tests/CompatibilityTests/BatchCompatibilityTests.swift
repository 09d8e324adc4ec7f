import BatchFormat
import FlowModel
import TestKit
import Testing
import WireBytes

/// Bodies that released versions have written: they lie in spools, logs and archives, so they open for ever.
@Suite("Batches of every released format open")
struct BatchCompatibilityTests {
    /// The rows of `batch-v1.weir`, told by arithmetic so that nothing but this file has to agree with it.
    private static func v1Row(_ index: Int) -> FlowRecord {
        var record = FlowRecord()
        let n = UInt64(index), isV6 = index % 4 == 3
        record.sourceIPAddress =
            isV6 ? IPAddress(high: 0x2001_0DB8_0000_0000, low: n) : IPAddress(v4: 0x0A00_0001 + UInt32(index))
        record.destinationIPAddress =
            isV6 ? IPAddress(high: 0x2001_0DB8_0001_0000, low: 1) : IPAddress(v4: 0xC633_6401 + UInt32(index % 3))
        record.ipNextHopAddress = index % 2 == 0 ? IPAddress(v4: 0xC000_0201) : .absent
        record.octetDeltaCount = 40 + n * n * 1_000
        record.packetDeltaCount = 1 + n
        record.deltaFlowCount = 1 + UInt32(index % 2)
        record.flowStartMilliseconds = 1_700_000_000_000 + Int64(index) * 250 - Int64(index % 5) * 10_000
        record.flowEndMilliseconds = record.flowStartMilliseconds + Int64(index) * 33
        record.exportMilliseconds = 1_700_000_060_000
        record.receiveMilliseconds = 1_700_000_060_010 + Int64(index / 8)
        record.protocolIdentifier = [6, 17, 6, 58][index % 4]
        record.sourceTransportPort = isV6 ? 0 : 49_152 &+ UInt16(index) &* 17
        record.destinationTransportPort = isV6 ? 0x8000 : [443, 53, 22][index % 3]
        record.tcpControlBits = record.protocolIdentifier == 6 ? 0x1B : 0
        record.ipClassOfService = UInt8(index % 2) * 0xB8
        record.ingressInterface = 3
        record.egressInterface = UInt32(index % 2)
        record.bgpSourceAsNumber = 64_512
        record.bgpDestinationAsNumber = 65_000 + UInt32(index % 3)
        record.sourceIPPrefixLength = isV6 ? 64 : 24
        record.destinationIPPrefixLength = isV6 ? 48 : 24
        record.vlanId = 100
        record.flowDirection = [0, 1, 255][index % 3]
        record.samplingInterval = index < 16 ? 1 : 1_000
        record.flags = index % 7 == 0 ? [.timesEstimated] : []
        record.exporter = UInt32(index % 2)
        return record
    }
    private static let v1Exporters = [
        ExporterKey(address: IPAddress(v4: 0xC000_0201), observationDomain: 7, exportProtocol: .ipfix),
        ExporterKey(
            address: IPAddress(high: 0x2001_0DB8_0000_0000, low: 0xFE), observationDomain: 0,
            exportProtocol: .netflow9),
    ]

    @Test("version 1: every field of every row, and the head") func version1() throws {
        let body = try Corpus.bytes("batch-v1.weir")
        #expect(body.count < 2_048)
        var columns = FlowColumns(), decoder = BatchDecoder()
        try body.withBytes { bytes throws(BatchError) in try decoder.decode(bytes, into: &columns) }
        #expect(columns.count == 32 && columns.exporters == Self.v1Exporters)
        for row in columns.rows { #expect(columns[row] == Self.v1Row(row), "row \(row)") }
        let head = try body.withBytes { bytes throws(BatchError) in try BatchSummary(bytes) }
        #expect(head.fidelity == .service && head.rows == 32 && head.tally == columns.tally)
        #expect(head.flowStartMin == 1_699_999_961_000 && head.receiveMax == 1_700_000_060_013)
    }

    /// The columns of `batch-v2.weir` and `batch-v3.weir`: those rows five times over, the second half the other way
    /// round, some with elements of their own, other observers and counts of distinct values.
    static func v2Columns() throws -> FlowColumns {
        var columns = FlowColumns()
        for key in v1Exporters { _ = columns.intern(key) }
        let end = ElementKey(id: 136), label = ElementKey(enterprise: 6_876, id: 880)
        for index in 0..<160 {
            var record = v1Row(index % 32)
            record.receiveMilliseconds += Int64(index / 8)
            if index >= 80 {
                swap(&record.sourceIPAddress, &record.destinationIPAddress)
                swap(&record.sourceTransportPort, &record.destinationTransportPort)
                swap(&record.bgpSourceAsNumber, &record.bgpDestinationAsNumber)
                swap(&record.sourceIPPrefixLength, &record.destinationIPPrefixLength)
                swap(&record.ingressInterface, &record.egressInterface)
            }
            if index % 3 == 0 {
                let shape = columns.extras.shape([ExtraField(end, length: 1)])
                if let shape { record.extra = columns.extras.add(shape) { $0.append(UInt8(index % 7)) } }
            } else if index % 16 == 1 {
                record.extra = columns.extras.add([ExtraValue(label, [UInt8](repeating: 9, count: index % 5))])
            }
            if index % 10 == 0 { record.observers = columns.observerSets.place(of: [UInt32(index / 10 % 2)]) }
            if index % 40 == 0 {
                var pair = DistinctPair()
                for port in 0..<UInt64(index / 8) { pair.ports.insert(port) }
                record.sketch = columns.sketches.add(pair)
            }
            columns.append(record)
        }
        return columns
    }

    @Test(
        "versions 2 and 3: every field of every row, what columns do not hold, and the head",
        arguments: [("batch-v2.weir", 2), ("batch-v3.weir", 3)] as [(String, UInt8)])
    func sharing(name: String, version: UInt8) throws {
        let body = try Corpus.bytes(name)
        #expect(body.count < 8_192 && body[4] == version)
        var columns = FlowColumns(), decoder = BatchDecoder()
        try body.withBytes { bytes throws(BatchError) in try decoder.decode(bytes, into: &columns) }
        let expected = try Self.v2Columns()
        #expect(columns == expected && columns.sketches.pairs.count == 4)
        let head = try body.withBytes { bytes throws(BatchError) in try BatchSummary(bytes) }
        #expect(head.fidelity == .full && head.rows == 160 && head.tally == expected.tally)
    }

    @Test("what this version writes of those rows reads back the same") func rewritten() throws {
        var columns = FlowColumns()
        for key in Self.v1Exporters { _ = columns.intern(key) }
        for index in 0..<32 { columns.append(Self.v1Row(index)) }
        var encoder = BatchEncoder(), back = FlowColumns(), decoder = BatchDecoder()
        let body = try encoder.encode(columns, fidelity: .service)
        try body.withBytes { bytes throws(BatchError) in try decoder.decode(bytes, into: &back) }
        #expect(back == columns)
    }
}
