import Decode
import FlowModel
import Testing

@Suite("NetFlow v5") struct NetFlow5Tests {
    @Test("every field of a record arrives in its column") func fields() {
        var decoding = Decoding()
        let result = decoding.decode(Make.netflow5(records: 2))
        #expect(result.rows == 0..<2 && result.losses.isEmpty)
        #expect(
            result.exporter
                == ExporterKey(address: Decoding.exporter, observationDomain: 0x0102, exportProtocol: .netflow5))
        #expect(result.sequence == SequenceMark(number: 99, units: 2, isExact: true))
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
            [0, 7, 0, 1], [0, 1, 0, 1], [0xFF, 0xFF, 0, 0], [0, 0, 0, 4], Array("GET / HTTP".utf8),
        ] {
            #expect(decoding.decode(bytes).losses == [.badVersion: 1])
        }
        #expect(decoding.decode([]).losses == [.datagramTruncated: 1])
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
        let rolled = UInt64(100) << 32  // 2036: the seconds begin again
        #expect(times([(156, 8)], Bytes().u64(rolled)).0 == (100 + (1 << 32) - 2_208_988_800) * 1_000)
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
