import Decode
import FlowModel
import Testing

@Suite("sFlow v5") struct SFlowTests {
    @Test("C25 a sampled packet is one record with its frame's length and its sampling rate beside it") func packet() {
        var decoding = Decoding()
        let frame = SFlow.ethernet(0x0800, tags: [0x6064], SFlow.ipv4(6, SFlow.tcp))
        let result = decoding.decode(SFlow.datagram([SFlow.flow([SFlow.header(frame)])]))
        #expect(
            result.losses.isEmpty && result.sequence == SequenceMark(number: 77, units: 1, isExact: true, uptime: 5_000)
        )
        #expect(
            result.exporter
                == ExporterKey(address: address("10.9.8.7"), observationDomain: 3, exportProtocol: .sflow5))
        var want = FlowRecord()
        want.sourceIPAddress = address("10.0.0.1")
        want.destinationIPAddress = address("10.0.0.2")
        (want.octetDeltaCount, want.packetDeltaCount, want.samplingInterval) = (1_518, 1, 400)
        (want.sourceTransportPort, want.destinationTransportPort) = (40_000, 443)
        (want.protocolIdentifier, want.tcpControlBits, want.ipClassOfService, want.vlanId) = (6, 0x12, 0xB8, 100)
        (want.ingressInterface, want.egressInterface) = (3, 4)
        (want.flowStartMilliseconds, want.flowEndMilliseconds) = (Decoding.received, Decoding.received)
        (want.exportMilliseconds, want.receiveMilliseconds) = (Decoding.received, Decoding.received)
        #expect(decoding.record() == want)
    }

    @Test("C25 expanded samples and an IPv6 agent are read; discards and several outputs are no interface")
    func expanded() {
        var decoding = Decoding()
        let header = SFlow.header(SFlow.ethernet(0x0800, SFlow.ipv4(6, SFlow.tcp)))
        decoding.decode(SFlow.datagram([SFlow.expanded([header])], agentV6: "2001:db8::5"))
        #expect(decoding.record().ingressInterface == 70_000 && decoding.record().egressInterface == 0)
        #expect(decoding.record().samplingInterval == 800 && decoding.record().destinationTransportPort == 443)
        #expect(decoding.columns.exporters.first?.address == address("2001:db8::5"))
        decoding.decode(SFlow.datagram([SFlow.flow([header], input: 0x3FFF_FFFF, output: 0x4000_0102)]))
        #expect(decoding.record(1).ingressInterface == 0 && decoding.record(1).egressInterface == 0)
    }

    @Test("C25 switch, router and gateway records add VLAN, next hop, masks and AS numbers") func extended() {
        var decoding = Decoding()
        let records = [
            SFlow.header(SFlow.ethernet(0x0800, SFlow.ipv4(6, SFlow.tcp))),
            SFlow.sample(1001, Bytes().u32(300, 0, 301, 0).bytes),
            SFlow.sample(1002, Bytes().u32(1, 0x0A00_00FE, 24, 16).bytes),
            SFlow.sample(
                1003, Bytes().u32(1, 0x0A00_00FD, 65_000, 65_001, 65_002, 1, 2, 2, 65_003, 65_004, 0, 0).bytes),
        ]
        decoding.decode(SFlow.datagram([SFlow.flow(records)]))
        let record = decoding.record()
        #expect(record.vlanId == 300 && record.ipNextHopAddress == address("10.0.0.254"))
        #expect([record.sourceIPPrefixLength, record.destinationIPPrefixLength] == [24, 16])
        #expect([record.bgpSourceAsNumber, record.bgpDestinationAsNumber] == [65_001, 65_004])
    }

    @Test("sampled IPv4 and IPv6 records serve where no header was sampled") func addresses() {
        var decoding = Decoding()
        let four = SFlow.sample(3, Bytes().u32(500, 17, 0x0A00_0001, 0x0A00_0002, 53, 4_000, 0, 8).bytes)
        let six = SFlow.sample(4, Bytes().u32(700, 6).v6("2001:db8::1").v6("2001:db8::2").u32(80, 4_001, 2, 0).bytes)
        decoding.decode(SFlow.datagram([SFlow.flow([four]), SFlow.flow([six])]))
        #expect(decoding.records.map(\.octetDeltaCount) == [500, 700])
        #expect(decoding.records.map(\.sourceTransportPort) == [53, 80])
        #expect(decoding.record(1).destinationIPAddress == address("2001:db8::2"))
    }

    @Test("samples of unknown formats, and counters of none that is known, are skipped and counted") func unknown() {
        var decoding = Decoding()
        let result = decoding.decode(
            SFlow.datagram([
                SFlow.sample(2, [UInt8](repeating: 1, count: 88)), SFlow.sample(4_413 << 12 | 1, [1, 2, 3, 4]),
            ]))
        #expect(result.samplesSkipped == 2 && result.losses.isEmpty && decoding.columns.count == 0)
    }

    //= RFC 791 §3.1
    @Test("C27 a later fragment has no ports, the first has") func fragments() {
        let later = SFlow.record(SFlow.ethernet(0x0800, SFlow.ipv4(17, fragment: 0x00B9, [1, 2, 3, 4])))
        #expect(later.destinationTransportPort == 0 && later.protocolIdentifier == 17)
        let first = SFlow.record(SFlow.ethernet(0x0800, SFlow.ipv4(17, fragment: 0x2000, [0, 53, 1, 0])))
        #expect(first.sourceTransportPort == 53)
    }

    //= RFC 8200 §4
    @Test("C27 IPv6 extension headers lead to the transport; a later fragment has none") func extensions() {
        let options: [UInt8] = [44, 0, 0, 0, 0, 0, 0, 0], first: [UInt8] = [6, 0, 0, 1, 0, 0, 0, 9]
        let whole = SFlow.record(SFlow.ethernet(0x86DD, SFlow.ipv6(0, options + first + SFlow.tcp)))
        #expect(whole.protocolIdentifier == 6 && whole.destinationTransportPort == 443 && whole.tcpControlBits == 0x12)
        #expect(whole.ipClassOfService == 0xB8 && whole.sourceIPAddress == address("2001:db8::1"))
        let rest: [UInt8] = [6, 0, 0, 8, 0, 0, 0, 9]
        let later = SFlow.record(SFlow.ethernet(0x86DD, SFlow.ipv6(44, rest + SFlow.tcp)))
        #expect(later.protocolIdentifier == 6 && later.destinationTransportPort == 0)
        let endless = SFlow.ipv6(0, [UInt8](repeating: 0, count: 400))
        #expect(SFlow.record(SFlow.ethernet(0x86DD, endless)).destinationTransportPort == 0)
    }

    @Test("C26 MPLS, PPPoE, SNAP and bare IP lead to the outermost IP header; ARP leaves counters only") func layers() {
        let ip = SFlow.ipv4(1, [3, 1, 0, 0])
        let mpls = Bytes().u32(0x0001_0040, 0x0001_0140).raw(ip).bytes
        let pppoe = Bytes().u8(0x11, 0).u16(1, UInt16(ip.count), 0x0021).raw(ip).bytes
        let snap = Bytes().u32(0xAAAA_0300).u8(0).u8(0).u16(0x0800).raw(ip).bytes
        let found = [
            SFlow.record(SFlow.ethernet(0x8847, mpls)), SFlow.record(SFlow.ethernet(0x8864, pppoe)),
            SFlow.record(SFlow.ethernet(100, snap)), SFlow.record(ip, protocolNumber: 11),
            SFlow.record(mpls, protocolNumber: 13),
        ]
        #expect(found.allSatisfy { $0.sourceIPAddress == address("10.0.0.1") })
        #expect(found.allSatisfy { $0.destinationTransportPort == 0x0301 })
        let arp = SFlow.record(SFlow.ethernet(0x0806, ip))
        #expect(arp.sourceIPAddress == .absent && arp.octetDeltaCount == 1_518 && arp.packetDeltaCount == 1)
    }

    @Test("D9 a header cut off anywhere gives what came before the cut") func truncated() {
        let frame = SFlow.ethernet(0x0800, tags: [5], SFlow.ipv4(6, SFlow.tcp))
        for length in 0...frame.count {
            let record = SFlow.record(Array(frame.prefix(length)))
            #expect(record.octetDeltaCount == 1_518)
            #expect((record.sourceIPAddress != .absent) == (length >= 38), "\(length)")
            #expect((record.destinationTransportPort == 443) == (length >= 42), "\(length)")
            #expect((record.tcpControlBits == 0x12) == (length >= 52), "\(length)")
        }
    }

    @Test("D7 D16 counts of samples, records, path segments and tags are never trusted") func counts() {
        var decoding = Decoding()
        let header = SFlow.header(SFlow.ethernet(0x0800, SFlow.ipv4(6, SFlow.tcp)))
        let many = decoding.decode(SFlow.datagram([SFlow.flow([header])], count: .max))
        #expect(many.losses == [.badSet: 1] && many.rows.count == 1)
        let gateway = SFlow.sample(1003, Bytes().u32(1, 1, 65_000, 65_001, 65_002, .max, 2, .max, 65_003).bytes)
        #expect(decoding.decode(SFlow.datagram([SFlow.flow([header, gateway])])).rows.count == 1)
        let tags = SFlow.ethernet(0x0800, tags: [UInt16](repeating: 1, count: 100), [])
        #expect(decoding.decode(SFlow.datagram([SFlow.flow([SFlow.header(tags)])])).rows.count == 1)
        var endless = SFlow.flow([header])
        endless.replaceSubrange(36..<40, with: [0xFF, 0xFF, 0xFF, 0xFF])
        #expect(decoding.decode(SFlow.datagram([endless])).rows.count == 1)
    }

    @Test("D8 a sample or record longer than what encloses it is refused by name, the ones before stay") func lengths()
    {
        var decoding = Decoding()
        let good = SFlow.flow([SFlow.header(SFlow.ethernet(0x0800, SFlow.ipv4(6, SFlow.tcp)))])
        let result = decoding.decode(SFlow.datagram([good, Bytes().u32(1, 4_000, 1, 2).bytes]))
        #expect(result.losses == [.badSet: 1] && result.rows.count == 1)
        let empty = decoding.decode(SFlow.datagram([SFlow.sample(1, [1, 2, 3, 4]), SFlow.flow([]), good]))
        #expect(empty.losses == [.sampleUndecodable: 2] && empty.rows.count == 1)
        #expect(decoding.decode(Bytes().u32(5, 9, 1, 1).bytes).losses == [.malformed: 1])
        #expect(decoding.decode(Bytes().u32(5, 1, 1, 1).bytes).losses == [.datagramTruncated: 1])
    }

    @Test("as many samples as a datagram can hold are rows in their order, each with what is its own and no more")
    func many() {
        var decoding = Decoding(), samples: [[UInt8]] = []
        for number in 1...500 as ClosedRange<UInt32> {
            let header = SFlow.header(SFlow.ethernet(0x0800, SFlow.ipv4(6, SFlow.tcp)), frameLength: number)
            let router = SFlow.sample(1002, Bytes().u32(1, 0x0A00_00FE, 24, 16).bytes)
            let length = SFlow.sample(2, Bytes().u32(number, 0, 0, 0, 0, 0).bytes)
            switch number % 5 {
            case 0: samples.append(SFlow.flow([header, router]))
            case 1: samples.append(SFlow.flow([header]))
            case 2: samples.append(SFlow.flow([length], input: 0, output: 0))
            default: samples.append(SFlow.flow([]))  // a sample's least octets, and no row
            }
        }
        let result = decoding.decode(SFlow.datagram(samples))
        #expect(result.losses == [.sampleUndecodable: 200] && result.rows.count == 300)
        for (record, number) in zip(decoding.records, (1...500).filter { $0 % 5 < 3 }) {
            #expect(record.octetDeltaCount == UInt64(number) && record.packetDeltaCount == 1)
            #expect(record.destinationTransportPort == (number % 5 == 2 ? 0 : 443), "\(number)")
            #expect(record.ingressInterface == (number % 5 == 2 ? 0 : 3), "\(number)")
            #expect(record.ipNextHopAddress == (number % 5 == 0 ? address("10.0.0.254") : .absent), "\(number)")
            #expect(record.sourceIPPrefixLength == (number % 5 == 0 ? 24 : 0), "\(number)")
        }
        // Nothing of it is left for the next one.
        decoding.decode(SFlow.datagram([SFlow.flow([SFlow.sample(2, Bytes().u32(9, 0, 0, 0, 0, 0).bytes)])]))
        #expect(decoding.record(300).octetDeltaCount == 9 && decoding.record(300).protocolIdentifier == 0)
        let full = decoding.decode(SFlow.datagram([[UInt8]](repeating: SFlow.flow([]), count: 1_600)))
        #expect(full.losses == [.sampleUndecodable: 1_600] && full.rows.isEmpty)
    }
}
