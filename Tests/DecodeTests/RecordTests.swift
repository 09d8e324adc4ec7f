import Decode
import FlowModel
import Testing

@Suite("Records") struct RecordTests {
    private func octetsAndPackets(_ fields: [Field], _ data: Bytes) -> [UInt64] {
        let record = Decoding.ipfix([(8, 4)] + fields, [10, 0, 0, 1] + data.bytes).record()
        return [record.octetDeltaCount, record.packetDeltaCount]
    }

    @Test("C19 delta counters are preferred to totals, totals to what leaves, that to the initiator's") func counters()
    {
        #expect(octetsAndPackets([(85, 4), (86, 4), (1, 4), (2, 4)], Bytes().u32(9, 9, 1, 2)) == [1, 2])
        #expect(octetsAndPackets([(23, 4), (24, 4), (85, 4), (86, 4)], Bytes().u32(9, 9, 1, 2)) == [1, 2])
        #expect(octetsAndPackets([(23, 4), (24, 4)], Bytes().u32(1, 2)) == [1, 2])
        #expect(octetsAndPackets([(232, 4), (231, 4), (299, 4), (298, 4)], Bytes().u32(9, 1, 9, 2)) == [1, 2])
    }

    @Test("C19 counters of any width are read whole") func widths() {
        #expect(octetsAndPackets([(1, 3), (2, 1)], Bytes([1, 0, 2, 7])) == [65_538, 7])
        #expect(octetsAndPackets([(1, 8), (2, 5)], Bytes().u64(1 << 40).raw([1, 0, 0, 0, 0])) == [1 << 40, 1 << 32])
        let odd = octetsAndPackets([(1, 6), (2, 7)], Bytes([0, 1, 0, 0, 0, 0]).raw([1, 0, 0, 0, 0, 0, 0]))
        #expect(odd == [1 << 32, 1 << 48])
    }

    //= RFC 7011 §8
    @Test("C22 of a repeated element the first feeds the column") func repeated() {
        #expect(octetsAndPackets([(1, 4), (2, 4), (1, 4)], Bytes().u32(1, 2, 9)) == [1, 2])
    }

    @Test("C23 with both IP versions in a template ipVersion decides, or else which address is not zero")
    func families() {
        let fields: [Field] = [(60, 1), (8, 4), (12, 4), (27, 16), (28, 16), (9, 1), (29, 1)]
        let four = Bytes().u8(4).u32(0x0A00_0001, 0x0A00_0002).v6("2001:db8::1").v6("2001:db8::2").u8(24, 64)
        let six = Bytes().u8(6).u32(0x0A00_0001, 0x0A00_0002).v6("2001:db8::1").v6("2001:db8::2").u8(24, 64)
        let records = Decoding.ipfix(fields, four.bytes + six.bytes).records
        #expect(records.map(\.sourceIPAddress) == [address("10.0.0.1"), address("2001:db8::1")])
        #expect(records.map(\.destinationIPAddress) == [address("10.0.0.2"), address("2001:db8::2")])
        #expect(records.map(\.sourceIPPrefixLength) == [24, 64])
        let unsaid = Bytes().u32(0x0A00_0001).v6("::").u32(0).v6("2001:db8::9").bytes
        let chosen = Decoding.ipfix([(8, 4), (27, 16)], unsaid).records.map(\.sourceIPAddress)
        #expect(chosen == [address("10.0.0.1"), address("2001:db8::9")])
    }

    @Test("IPv6 records have their addresses, prefix lengths and next hop") func ipv6() {
        let fields: [Field] = [(27, 16), (28, 16), (62, 16), (29, 1), (30, 1), (61, 1), (58, 2), (10, 4), (14, 2)]
        let data = Bytes().v6("2001:db8::1").v6("2001:db8::2").v6("fe80::1").u8(48, 56, 1).u16(100).u32(70_000).u16(4)
        let record = Decoding.netflow9(fields, data.bytes).record()
        #expect(record.sourceIPAddress == address("2001:db8::1"))
        #expect(record.destinationIPAddress == address("2001:db8::2"))
        #expect(record.ipNextHopAddress == address("fe80::1"))
        #expect([record.sourceIPPrefixLength, record.destinationIPPrefixLength] == [48, 56])
        #expect(record.flowDirection == 1 && record.vlanId == 100)
        #expect(record.ingressInterface == 70_000 && record.egressInterface == 4)
    }

    @Test("a direction that isn't in the record is 255, and ingress is 0") func direction() {
        #expect(Decoding.ipfix(Make.basic, Make.basicRecord()).record().flowDirection == 255)
        #expect(Decoding.ipfix([(8, 4), (61, 1)], [10, 0, 0, 1, 0]).record().flowDirection == 0)
    }

    private func icmp(_ fields: [Field], _ data: Bytes) -> UInt16 {
        Decoding.netflow9([(8, 4)] + fields, [10, 0, 0, 1] + data.bytes).record().destinationTransportPort
    }
    @Test("C28 ICMP type and code come from their elements for ICMP records and from none other") func icmpElements() {
        #expect(icmp([(4, 1), (11, 2), (32, 2)], Bytes().u8(1).u16(0, 0x0301)) == 0x0301)
        #expect(icmp([(4, 1), (11, 2), (32, 2)], Bytes().u8(6).u16(443, 0x0301)) == 443)
        #expect(icmp([(4, 1), (11, 2), (32, 2)], Bytes().u8(1).u16(0x0301, 0)) == 0x0301)
        #expect(icmp([(4, 1), (139, 2)], Bytes().u8(58).u16(0x8000)) == 0x8000)
        #expect(icmp([(4, 1), (176, 1), (177, 1)], Bytes().u8(1, 3, 4)) == 0x0304)
        #expect(icmp([(4, 1), (178, 1), (179, 1)], Bytes().u8(58, 129, 0)) == 0x8100)
        #expect(icmp([(176, 1), (177, 1)], Bytes().u8(3, 4)) == 0x0304)
    }

    //= RFC 5103 §6.1
    @Test("C21 a biflow's reverse side becomes a record with its ends exchanged") func biflow() {
        var decoding = Decoding()
        let template = Bytes().u16(256, 11).u16(8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 6, 1, 1, 4, 2, 4)
            .u16(0x8001, 4).u32(29_305).u16(0x8002, 4).u32(29_305).u16(0x8006, 1).u32(29_305)
        let head = Bytes().u32(0x0A00_0001, 0x0A00_0002).u16(40_000, 443).u8(6)
        let data = head.u8(2).u32(100, 1, 900, 3).u8(0x12).bytes + head.u8(2).u32(50, 2, 0, 0).u8(0).bytes
        let result = decoding.decode(Make.ipfix([Make.set(2, template.bytes), Make.set(256, data)]))
        #expect(result.rows.count == 3 && result.reverseSidesEmpty == 1)
        #expect(result.sequence?.units == 2)
        let reverse = decoding.record(2)
        #expect(reverse.sourceIPAddress == address("10.0.0.2") && reverse.destinationTransportPort == 40_000)
        #expect(reverse.octetDeltaCount == 900 && reverse.packetDeltaCount == 3 && reverse.tcpControlBits == 0x12)
        #expect(reverse.deltaFlowCount == 1 && reverse.exportMilliseconds == Make.exportMilliseconds)
        #expect(decoding.record(0).octetDeltaCount == 100 && decoding.record(0).tcpControlBits == 2)
    }

    //= RFC 7011 §7
    @Test("D11 variable-length fields with one- and three-octet lengths are stepped over, to the very end")
    func variable() {
        let fields: [Field] = [(8, 4), (82, 65_535), (1, 4), (83, 65_535)]
        let long = [UInt8](repeating: 0x41, count: 300)
        let first = Bytes().u32(0x0A00_0001).u8(3).raw([1, 2, 3]).u32(11).u8(0)
        let second = Bytes().u32(0x0A00_0002).u8(255).u16(300).raw(long).u32(22).u8(1, 9)
        let records = Decoding.ipfix(fields, first.bytes + second.bytes).records
        #expect(records.map(\.octetDeltaCount) == [11, 22])
        #expect(records.map(\.sourceIPAddress) == [address("10.0.0.1"), address("10.0.0.2")])
    }

    @Test("D11 a variable length that points behind the set ends it and is counted") func variableCut() {
        var decoding = Decoding()
        let template = Make.set(2, Make.template(256, [(8, 4), (82, 65_535)]))
        let good = Bytes().u32(0x0A00_0001).u8(1, 1), bad = Bytes().u32(0x0A00_0002).u8(200, 1)
        let result = decoding.decode(Make.ipfix([template, Make.set(256, good.bytes + bad.bytes)]))
        #expect(result.losses == [.badSet: 1] && result.rows.count == 1)
        let cut = decoding.decode(Make.ipfix([Make.set(256, good.bytes + Bytes().u32(1).u8(255).bytes)]))
        #expect(cut.losses == [.badSet: 1] && cut.rows.count == 1)
    }

    @Test("D11 a counter of variable length is read when its length fits and left out when not") func variableCounter()
    {
        let fields: [Field] = [(8, 4), (1, 65_535)]
        let data = Bytes().u32(0x0A00_0001).u8(3, 1, 0, 0).u32(0x0A00_0002).u8(9).raw([UInt8](repeating: 1, count: 9))
        #expect(Decoding.ipfix(fields, data.bytes).records.map(\.octetDeltaCount) == [65_536, 0])
    }

    @Test("a second datagram's records follow the first's and carry their own exporter") func appended() {
        var decoding = Decoding()
        let sets = [Make.set(2, Make.template(256, Make.basic)), Make.set(256, Make.basicRecord())]
        decoding.decode(Make.ipfix(sets))
        let result = decoding.decode(Make.ipfix(sets), source: address("2001:db8::77"))
        #expect(result.rows == 1..<2 && decoding.columns.exporterKey(ofRow: 1).address == address("2001:db8::77"))
        #expect(decoding.columns.tally == Tally(flows: 2, octets: 2_000, packets: 20))
    }
}
