import Decode
import FlowModel
import Testing

/// What the second record of `Make.netflow5` and of the older ones below tells, but for what only some of them have.
private var commonRecord: FlowRecord {
    var want = FlowRecord()
    want.sourceIPAddress = address("10.0.0.2")
    want.destinationIPAddress = address("10.0.0.2")
    want.ipNextHopAddress = address("10.0.0.254")
    (want.ingressInterface, want.egressInterface) = (3, 4)
    (want.packetDeltaCount, want.octetDeltaCount) = (10, 1_500)
    want.exportMilliseconds = Make.exportMilliseconds + 500
    want.flowStartMilliseconds = want.exportMilliseconds - 5_000
    want.flowEndMilliseconds = want.exportMilliseconds - 1_000
    want.receiveMilliseconds = Decoding.received
    (want.sourceTransportPort, want.destinationTransportPort) = (1_234, 53)
    (want.tcpControlBits, want.protocolIdentifier, want.ipClassOfService) = (0x1B, 17, 0xB8)
    return want
}

@Suite("NetFlow v5") struct NetFlow5Tests {
    @Test("every field of a record arrives in its column") func fields() {
        var decoding = Decoding()
        let result = decoding.decode(Make.netflow5(records: 2))
        #expect(result.rows == 0..<2 && result.losses.isEmpty)
        #expect(
            result.exporter
                == ExporterKey(address: Decoding.exporter, observationDomain: 0x0102, exportProtocol: .netflow5))
        #expect(result.sequence == SequenceMark(number: 99, units: 2, isExact: true, uptime: Make.uptime))
        var want = commonRecord
        (want.bgpSourceAsNumber, want.bgpDestinationAsNumber) = (65_001, 65_002)
        (want.sourceIPPrefixLength, want.destinationIPPrefixLength) = (24, 16)
        #expect(decoding.record(1) == want)
    }

    @Test("C11 the sampling interval is the low 14 bits of its field, and 0 stays unknown") func sampling() {
        var decoding = Decoding()
        decoding.decode(Make.netflow5(records: 1, sampling: 0x4000 | 1_000))
        decoding.decode(Make.netflow5(records: 1, sampling: 0x4000))
        #expect(decoding.records.map(\.samplingInterval) == [1_000, 0])
    }

    @Test("C28 ICMP type and code are where v5 has them, in the destination port") func icmp() {
        var bytes = Make.netflow5(records: 1)
        bytes[24 + 38] = 1
        bytes.replaceSubrange((24 + 34)..<(24 + 36), with: [3, 1])
        var decoding = Decoding()
        decoding.decode(bytes)
        #expect(decoding.record().destinationTransportPort == 3 << 8 | 1)
    }

    @Test("D12 a count above the records present keeps those and counts one bad set") func countTooLarge() {
        var decoding = Decoding()
        let result = decoding.decode(Make.netflow5(records: 2, count: 30))
        #expect(decoding.records.count == 2 && result.losses == [.badSet: 1])
    }

    @Test("D12 a count below the records present is believed") func countTooSmall() {
        var decoding = Decoding()
        let result = decoding.decode(Make.netflow5(records: 3, count: 1))
        #expect(decoding.records.count == 1 && result.losses.isEmpty)
    }

    @Test("D13 a header without one whole record is refused by name") func cut() {
        var decoding = Decoding()
        let result = decoding.decode(Array(Make.netflow5(records: 1).dropLast()))
        #expect(result.losses == [.malformed: 1] && decoding.columns.count == 0)
        #expect(decoding.decode(Array(Make.netflow5(records: 1).prefix(23))).losses == [.datagramTruncated: 1])
    }

    @Test("another version is refused by name, whatever follows") func version() {
        var decoding = Decoding()
        for bytes: [UInt8] in [
            [0, 8, 0, 1], [0, 2, 0, 1], [0xFF, 0xFF, 0, 0], [0, 0, 0, 6], [0, 0, 0, 3], Array("GET / HTTP".utf8),
        ] {
            #expect(decoding.decode(bytes).losses == [.badVersion: 1])
        }
        #expect(decoding.decode([]).losses == [.datagramTruncated: 1])
    }
}

/// NetFlow v1 and v7 as old routers and switches send them.
@Suite("NetFlow v1 and v7") struct OldNetFlowTests {
    private static func header(_ version: UInt16, _ count: UInt16) -> Bytes {
        Bytes().u16(version, count).u32(Make.uptime, Make.exportSeconds, 500_000_000)
    }
    private static func start(_ index: UInt32 = 0) -> Bytes {
        Bytes().u32(0x0A00_0001 + index, 0x0A00_0002, 0x0A00_00FE).u16(3, 4).u32(10, 1_500)
            .u32(Make.uptime - 5_000, Make.uptime - 1_000).u16(1_234, 53)
    }
    private static func netflow1(records: UInt32, longer: Bool = false) -> [UInt8] {
        (0..<records).reduce(header(1, UInt16(records))) { bytes, index in
            let record = bytes.raw(start(index).u16(0).u8(17, 0xB8, 0x1B, 0).u16(0).u32(0).bytes)
            return longer ? record.u32(0) : record
        }.bytes
    }
    private static func netflow7(records: UInt32) -> [UInt8] {
        (0..<records).reduce(header(7, UInt16(records)).u32(99, 0)) { bytes, index in
            bytes.raw(start(index).u8(0, 0x1B, 17, 0xB8).u16(65_001, 65_002).u8(24, 16).u16(0).u32(0xC0A8_0101).bytes)
        }.bytes
    }
    @Test("v1: every field arrives in its column, in records of 48 octets and of 52; there is no sequence") func first()
    {
        for longer in [false, true] {
            var decoding = Decoding()
            let result = decoding.decode(Self.netflow1(records: 3, longer: longer))
            #expect(result.rows == 0..<3 && result.losses.isEmpty && result.sequence == nil, "\(longer)")
            #expect(decoding.record(1) == commonRecord, "\(longer)")
            #expect(decoding.columns.exporters.map(\.exportProtocol) == [.netflow1])
        }
    }

    @Test("v7: every field arrives in its column, the bypassed router beside them") func seventh() {
        var decoding = Decoding()
        let result = decoding.decode(Self.netflow7(records: 2))
        #expect(result.sequence == SequenceMark(number: 99, units: 2, isExact: true, uptime: Make.uptime))
        #expect(
            result.exporter
                == ExporterKey(address: Decoding.exporter, observationDomain: 0, exportProtocol: .netflow7))
        var want = commonRecord
        (want.bgpSourceAsNumber, want.bgpDestinationAsNumber) = (65_001, 65_002)
        (want.sourceIPPrefixLength, want.destinationIPPrefixLength) = (24, 16)
        let record = decoding.record(1)
        want.extra = record.extra
        #expect(record == want && result.losses.isEmpty)
        let router = ElementKey(id: 43)
        #expect(decoding.columns.extras.value(of: router, at: record.extra) == [192, 168, 1, 1])
    }

    @Test("C7 D12 D13 a count that the length doesn't bear is one bad set; a cut header or record is refused")
    func counts() {
        for (whole, header, record) in [(Self.netflow1(records: 2), 16, 48), (Self.netflow7(records: 2), 24, 52)] {
            var decoding = Decoding(), lying = whole
            lying[3] = 30
            let result = decoding.decode(lying)
            #expect(result.losses == [.badSet: 1] && result.rows.count == 2)
            for length in 0..<whole.count {
                var cut = Decoding()
                let result = cut.decode(Array(whole.prefix(length)))
                #expect(result.rows.count == max(0, length - header) / record, "\(length)")
                #expect(!result.losses.isEmpty, "\(length)")
            }
        }
    }
}

@Suite("Times") struct TimeTests {
    static let fields9: [Field] = Make.basic + [(22, 4), (21, 4)]

    func uptimes(_ first: UInt32, _ last: UInt32, uptime: UInt32) -> FlowRecord {
        Decoding.netflow9(
            Self.fields9, Bytes(Make.basicRecord()).u32(first, last).bytes, uptime: uptime
        ).record()
    }

    @Test("C15 times before the export are that much before it") func past() {
        let record = uptimes(9_999_000, 9_999_900, uptime: 10_000_000)
        #expect(record.flowStartMilliseconds == Make.exportMilliseconds - 1_000)
        #expect(record.flowEndMilliseconds == Make.exportMilliseconds - 100)
        #expect(!record.flags.contains(.timesEstimated))
    }

    @Test("C15 a first-switched time after the export's uptime is slightly in the future, not 49 days ago")
    func future() {
        let record = uptimes(10_000_200, 10_000_300, uptime: 10_000_000)
        #expect(record.flowStartMilliseconds == Make.exportMilliseconds + 200)
        #expect(record.flowEndMilliseconds == Make.exportMilliseconds + 300)
    }

    @Test("C15 D14 a flow that began before the uptime's wrap began just before the export") func wrap() {
        let record = uptimes(UInt32.max - 999, 500, uptime: 1_000)
        #expect(record.flowStartMilliseconds == Make.exportMilliseconds - 2_000)
        #expect(record.flowEndMilliseconds == Make.exportMilliseconds - 500)
    }

    private func times(_ fields: [Field], _ data: Bytes) -> (Int64, Int64, Bool) {
        let record = Decoding.ipfix(Make.basic + fields, Make.basicRecord() + data.bytes).record()
        return (
            record.flowStartMilliseconds, record.flowEndMilliseconds, record.flags.contains(.timesEstimated)
        )
    }

    @Test("C16 seconds, milliseconds and microseconds before the export are read as what they are") func forms() {
        let base = Make.exportMilliseconds
        #expect(
            times([(150, 4), (151, 4)], Bytes().u32(1_699_999_990, 1_699_999_999)) == (
                base - 10_000, base - 1_000, false
            ))
        #expect(times([(152, 8), (153, 8)], Bytes().u64(UInt64(base - 7), UInt64(base))) == (base - 7, base, false))
        #expect(times([(158, 4), (159, 4)], Bytes().u32(2_000_000, 1_000)) == (base - 2_000, base - 1, false))
    }

    //= RFC 7011 §6.1.9
    //= RFC 7011 §6.1.10
    @Test("C16 microsecond and nanosecond types are NTP's 64-bit time") func ntp() {
        // 1.5 s after 1 700 000 000; the low 11 bits of a microseconds field mean nothing.
        let seconds = UInt64(1_700_000_001 + 2_208_988_800) << 32
        let half = seconds | 0x8000_0000, noisy = half | 0x7FF
        let base = Make.exportMilliseconds + 1_500
        #expect(times([(154, 8), (155, 8)], Bytes().u64(noisy, half)) == (base, base, false))
        #expect(times([(156, 8), (157, 8)], Bytes().u64(half, half)) == (base, base, false))
    }

    @Test("C16 IPFIX uptimes count from systemInitTimeMilliseconds in the record or in options") func initTime() {
        let base = Make.exportMilliseconds
        let data = Bytes().u64(UInt64(base - 60_000)).u32(1_000, 2_000)
        #expect(times([(160, 8), (22, 4), (21, 4)], data) == (base - 59_000, base - 58_000, false))
        var decoding = Decoding()
        decoding.decode(
            Make.ipfix([
                Make.set(3, Make.optionsTemplate10(300, scopes: [(149, 4)], options: [(160, 8)])),
                Make.set(300, Bytes().u32(7).u64(UInt64(base - 60_000)).bytes),
                Make.set(2, Make.template(256, Make.basic + [(22, 4), (21, 4)])),
                Make.set(256, Bytes(Make.basicRecord()).u32(1_000, 2_000).bytes),
            ]))
        #expect(decoding.record().flowStartMilliseconds == base - 59_000)
    }

    @Test("uptimes without a start of the exporter give the flow's length: it ends with the export, marked")
    func noInit() {
        let base = Make.exportMilliseconds
        #expect(times([(22, 4), (21, 4)], Bytes().u32(1_000, 3_500)) == (base - 2_500, base, true))
        #expect(times([(22, 4), (21, 4)], Bytes().u32(3_500, 1_000)) == (base, base, true))
        #expect(times([(22, 4), (21, 4)], Bytes().u32(.max, 1)) == (base - 2, base, true))
        #expect(times([(22, 4)], Bytes().u32(1_000)) == (base, base, true))
        #expect(times([(82, 65_535), (22, 4), (21, 4)], Bytes().u8(0).u32(1, 9)) == (base - 8, base, true))
    }

    @Test("a record without times has the export time for both, marked; one with one has it for both") func missing() {
        let base = Make.exportMilliseconds
        #expect(times([], Bytes()) == (base, base, true))
        #expect(times([(152, 8)], Bytes().u64(UInt64(base - 5))) == (base - 5, base - 5, false))
        #expect(times([(153, 8)], Bytes().u64(UInt64(base - 5))) == (base - 5, base - 5, false))
        #expect(times([(323, 8)], Bytes().u64(UInt64(base - 9))) == (base - 9, base - 9, false))
    }

    @Test("D14 a time in the year 457400 or before 1970 is none") func absurd() {
        let base = Make.exportMilliseconds
        #expect(times([(152, 8), (153, 8)], Bytes().u64(UInt64(base) * 8_500, UInt64(base))) == (base, base, false))
        #expect(times([(152, 8), (153, 8)], Bytes().u64(.max, .max)) == (base, base, true))
    }
}
