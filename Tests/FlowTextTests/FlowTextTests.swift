import FlowModel
import FlowText
import Foundation
import TestKit
import Testing

@Suite("Flow records as text")
struct FlowTextTests {
    private let writer = FlowTextWriter()

    private func columns(
        _ record: FlowRecord, exporter: IPAddress = IPAddress(v4: 0xC000_0201)
    ) -> FlowColumns {
        var columns = FlowColumns(), record = record
        let key = ExporterKey(address: exporter, observationDomain: 7, exportProtocol: .ipfix)
        record.exporter = columns.intern(key) ?? 0
        columns.append(record)
        return columns
    }
    private func text(_ write: (inout [UInt8]) -> Void) -> String {
        var out: [UInt8] = []
        write(&out)
        return String(decoding: out, as: UTF8.self)
    }
    private func ndjson(_ record: FlowRecord) -> String {
        let columns = columns(record)
        return text { writer.ndjson(columns, row: 0, into: &$0) }
    }

    private var full: FlowRecord {
        var record = FlowRecord()
        record.sourceIPAddress = IPAddress(v4: 0x0A00_0001)
        record.destinationIPAddress = IPAddress(v4: 0xC633_64FF)
        record.ipNextHopAddress = IPAddress(v4: 0x0A00_00FE)
        (record.octetDeltaCount, record.packetDeltaCount) = (.max, 3)
        record.deltaFlowCount = 2
        (record.flowStartMilliseconds, record.flowEndMilliseconds) = (1_700_000_000_123, 1_700_000_012_468)
        (record.exportMilliseconds, record.receiveMilliseconds) = (1_700_000_013_000, 1_700_000_013_001)
        (record.sourceTransportPort, record.destinationTransportPort) = (50_000, 443)
        record.protocolIdentifier = IPProtocol.tcp
        (record.tcpControlBits, record.ipClassOfService) = (0x1B, 8)
        (record.ingressInterface, record.egressInterface) = (1, 2)
        (record.bgpSourceAsNumber, record.bgpDestinationAsNumber) = (64_496, 64_497)
        (record.sourceIPPrefixLength, record.destinationIPPrefixLength) = (24, 8)
        (record.vlanId, record.flowDirection, record.samplingInterval) = (100, 1, 1_000)
        return record
    }

    @Test("NDJSON has IPFIX's names in their fixed order")
    func everyField() {
        #expect(
            ndjson(full)
                == #"{"flowStartMilliseconds":1700000000123,"flowEndMilliseconds":1700000012468,"#
                + #""exporterIPv4Address":"192.0.2.1","observationDomainId":7,"exportProtocol":"ipfix","#
                + #""sourceIPv4Address":"10.0.0.1","destinationIPv4Address":"198.51.100.255","#
                + #""sourceTransportPort":50000,"destinationTransportPort":443,"protocolIdentifier":6,"#
                + #""tcpControlBits":27,"ipClassOfService":8,"octetDeltaCount":18446744073709551615,"#
                + #""packetDeltaCount":3,"deltaFlowCount":2,"ingressInterface":1,"egressInterface":2,"#
                + #""bgpSourceAsNumber":64496,"bgpDestinationAsNumber":64497,"sourceIPv4PrefixLength":24,"#
                + #""destinationIPv4PrefixLength":8,"ipNextHopIPv4Address":"10.0.0.254","vlanId":100,"#
                + #""flowDirection":1,"samplingInterval":1000,"exportTimeMilliseconds":1700000013000,"#
                + #""collectionTimeMilliseconds":1700000013001}"# + "\n")
    }

    @Test("what is not in the record is left out")
    func emptyRecord() {
        #expect(
            ndjson(FlowRecord())
                == #"{"flowStartMilliseconds":0,"flowEndMilliseconds":0,"exporterIPv4Address":"192.0.2.1","#
                + #""observationDomainId":7,"exportProtocol":"ipfix","protocolIdentifier":0,"octetDeltaCount":0,"#
                + #""packetDeltaCount":0}"# + "\n")
    }

    @Test("ports are for protocols with ports; ICMP has its type and code")
    func portsAndICMP() {
        var record = FlowRecord()
        record.protocolIdentifier = IPProtocol.udp
        #expect(ndjson(record).contains(#""sourceTransportPort":0,"destinationTransportPort":0"#))
        record.flags = .portsSummed
        #expect(!ndjson(record).contains("TransportPort"))
        record.destinationTransportPort = 0x0800
        record.protocolIdentifier = IPProtocol.icmp
        #expect(ndjson(record).contains(#""icmpTypeCodeIPv4":2048"#) && !ndjson(record).contains("Transport"))
        record.protocolIdentifier = IPProtocol.icmpv6
        #expect(ndjson(record).contains(#""icmpTypeCodeIPv6":2048"#))
        record.sourceIPAddress = IPAddress(high: 0x2001_0DB8 << 32, low: 1)
        #expect(ndjson(record).contains(#""sourceIPv6Address":"2001:db8::1""#))
    }

    @Test(
        "a sampling interval is a JSON number, or absent",
        arguments: [
            (Float(0), nil), (1, "1"), (0.5, "0.5"), (1_333.25, "1333.25"), (.nan, nil), (.infinity, nil), (-1, nil),
            (16_777_216, "16777216"),
        ] as [(Float, String?)])
    func sampling(_ interval: Float, _ want: String?) {
        var record = FlowRecord()
        record.samplingInterval = interval
        let found = ndjson(record).firstMatch(of: /"samplingInterval":([^,}]+)/).map { String($0.output.1) }
        #expect(found == want)
    }

    @Test("any record is one line of valid JSON with the record's own values, and a CSV line as wide as its header")
    func anyRecord() throws {
        let header = text { writer.csvHeader(into: &$0) }
        try forAll(runs: 300) { generator, seed in
            var record = FlowRecord()
            record.sourceIPAddress = IPAddress(high: generator.next(), low: generator.next())
            record.octetDeltaCount = generator.next() >> 12
            record.flowStartMilliseconds = Int64(bitPattern: generator.next())
            record.flowEndMilliseconds = Int64(bitPattern: generator.next())
            record.protocolIdentifier = UInt8.random(in: 0 ... .max, using: &generator)
            record.samplingInterval = Float(bitPattern: UInt32.random(in: 0 ... .max, using: &generator))
            record.flowDirection = UInt8.random(in: 0 ... .max, using: &generator)
            let line = ndjson(record)
            #expect(line.hasSuffix("}\n") && line.filter { $0 == "\n" }.count == 1, "SEED=\(seed)")
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect(object?["octetDeltaCount"] as? UInt64 == record.octetDeltaCount, "SEED=\(seed)")
            #expect(line.hasPrefix("{\"flowStartMilliseconds\":\(record.flowStartMilliseconds),"), "SEED=\(seed)")
            let columns = columns(record)
            let csv = text { writer.csv(columns, row: 0, into: &$0) }
            let isAsWide =
                csv.split(separator: ",", omittingEmptySubsequences: false).count
                == header.split(separator: ",").count
            #expect(isAsWide, "SEED=\(seed)")
            let row = text { writer.table(columns, row: 0, into: &$0) }
            #expect(row.hasSuffix("\n"), "SEED=\(seed)")
        }
    }

    @Test("CSV has one fixed header and empty cells for what is absent")
    func csv() {
        let full = columns(full), empty = columns(FlowRecord())
        #expect(
            text { writer.csv(full, row: 0, into: &$0) }
                == "1700000000123,1700000012468,192.0.2.1,7,ipfix,10.0.0.1,198.51.100.255,50000,443,,6,27,8,"
                + "18446744073709551615,3,2,1,2,64496,64497,24,8,10.0.0.254,100,1,1000,1700000013000,1700000013001\n")
        #expect(
            text { writer.csv(empty, row: 0, into: &$0) }
                == "0,0,192.0.2.1,7,ipfix,,,,,,0,0,0,0,0,1,0,0,0,0,0,0,,0,,,0,0\n")
        #expect(text { writer.csvHeader(into: &$0) }.hasPrefix("flowStartMilliseconds,flowEndMilliseconds,exporterIP"))
    }

    @Test("the table is aligned and fits 120 columns for IPv4")
    func table() {
        var record = full
        record.octetDeltaCount = 123_456
        let columns = columns(record)
        let header = text { writer.tableHeader(into: &$0) }, row = text { writer.table(columns, row: 0, into: &$0) }
        #expect(
            row == "2023-11-14 22:13:20.123   12.345 tcp   10.0.0.1:50000        198.51.100.255:443    .AP.SF       3"
                + "     123456 192.0.2.1\n")
        #expect(header.utf8.count <= 121 && row.utf8.count <= 121)
        for title in ["SOURCE", "DESTINATION", "FLAGS"] { #expect(header.contains(title)) }
        #expect(header.range(of: "SOURCE")?.lowerBound.utf16Offset(in: header) == 39)
    }

    @Test(
        "dates are right at the edges of months, leap years and centuries",
        arguments: [
            (0, "1970-01-01 00:00:00.000"), (951_782_399_999, "2000-02-28 23:59:59.999"),
            (951_782_400_000, "2000-02-29 00:00:00.000"), (4_107_542_400_000, "2100-03-01 00:00:00.000"),
            (1_767_225_599_999, "2025-12-31 23:59:59.999"), (253_402_300_799_999, "9999-12-31 23:59:59.999"),
            (-1, "-1"), (253_402_300_800_000, "253402300800000"),
        ] as [(Int64, String)])
    func dates(_ milliseconds: Int64, _ want: String) {
        var record = FlowRecord()
        record.flowStartMilliseconds = milliseconds
        record.flowEndMilliseconds = milliseconds
        let columns = columns(record)
        #expect(text { writer.table(columns, row: 0, into: &$0) }.hasPrefix(want + " "))
    }
}
