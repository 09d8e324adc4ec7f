import Decode
import FlowModel
import Testing

/// RFC 3176's datagrams made by hand: no lengths around samples and records.
@Suite("sFlow v2 and v4") struct SFlow4Tests {
    private static func datagram(_ samples: [[UInt8]], version: UInt32 = 4, count: UInt32? = nil) -> [UInt8] {
        Bytes().u32(version, 1, 0x0A09_0807, 77, 5_000, count ?? UInt32(samples.count)).raw(samples.flatMap { $0 })
            .bytes
    }
    private static func flow(_ packet: [UInt8], _ extended: [[UInt8]] = [], output: UInt32 = 4) -> [UInt8] {
        Bytes().u32(1, 6, 9, 400, 0, 0, 3, output).raw(packet).u32(UInt32(extended.count)).raw(extended.flatMap { $0 })
            .bytes
    }
    private static func header(_ packet: [UInt8]) -> [UInt8] {
        let padding = [UInt8](repeating: 0, count: (4 - packet.count % 4) % 4)
        return Bytes().u32(1, 1, 1_518, UInt32(packet.count)).raw(packet + padding).bytes
    }
    private static let plain = header(SFlow.ethernet(0x0800, tags: [100], SFlow.ipv4(6, SFlow.tcp)))
    private static let extended: [[UInt8]] = [
        Bytes().u32(1, 300, 0, 301, 0).bytes, Bytes().u32(2, 1, 0x0A00_00FE, 24, 16).bytes,
        Bytes().u32(3, 65_000, 65_001, 65_002, 1, 2, 2, 65_003, 65_004, 1, 99, 100).bytes,
        Bytes().u32(4, 5).raw(Array("alice".utf8) + [0, 0, 0]).u32(0).bytes,
        Bytes().u32(5, 1, 2).raw([47, 97, 0, 0]).bytes,
    ]

    @Test("a flow sample with all extended data fills the same columns as v5's") func whole() {
        var decoding = Decoding()
        let result = decoding.decode(Self.datagram([Self.flow(Self.plain, Self.extended), Self.flow(Self.plain)]))
        #expect(result.losses.isEmpty && result.rows.count == 2)
        #expect(
            result.exporter
                == ExporterKey(address: address("10.9.8.7"), observationDomain: 0, exportProtocol: .sflow4))
        #expect(result.sequence == SequenceMark(number: 77, units: 1, isExact: true, uptime: 5_000))
        let record = decoding.record()
        #expect(record.sourceIPAddress == address("10.0.0.1") && record.destinationTransportPort == 443)
        #expect(record.octetDeltaCount == 1_518 && record.packetDeltaCount == 1 && record.samplingInterval == 400)
        #expect(record.vlanId == 100 && [record.ingressInterface, record.egressInterface] == [3, 4])
        #expect(record.ipNextHopAddress == address("10.0.0.254"))
        #expect([record.sourceIPPrefixLength, record.destinationIPPrefixLength] == [24, 16])
        #expect([record.bgpSourceAsNumber, record.bgpDestinationAsNumber] == [65_001, 65_004])
        let user = decoding.columns.extras.value(of: ElementKey(id: 371), at: record.extra)
        let url = decoding.columns.extras.value(of: ElementKey(id: 461), at: record.extra)
        #expect(user == Array("alice".utf8) && url == [47, 97])
        #expect(decoding.record(1).ipNextHopAddress == .absent && decoding.record(1).extra == 0)
    }

    @Test("addresses without a header, several outputs and version 2's path are read") func forms() {
        let four = Bytes().u32(2, 500, 17, 0x0A00_0001, 0x0A00_0002, 53, 4_000, 0, 8).bytes
        let six = Bytes().u32(3, 700, 6).v6("2001:db8::1").v6("2001:db8::2").u32(80, 4_001, 2, 0).bytes
        var decoding = Decoding()
        decoding.decode(Self.datagram([Self.flow(four, output: 0x8000_0007), Self.flow(six)]))
        #expect(decoding.records.map(\.octetDeltaCount) == [500, 700])
        #expect(decoding.records.map(\.egressInterface) == [0, 4])
        #expect(decoding.record(1).sourceIPAddress == address("2001:db8::1"))
        let path = Bytes().u32(3, 65_000, 65_001, 65_002, 2, 65_003, 65_004).bytes
        let result = decoding.decode(Self.datagram([Self.flow(Self.plain, [path]), Self.flow(Self.plain)], version: 2))
        #expect(result.rows.count == 2 && result.losses.isEmpty)
        #expect(decoding.record(2).bgpSourceAsNumber == 65_001 && decoding.record(2).bgpDestinationAsNumber == 65_004)
    }

    @Test("C26 tunnels are followed as in v5") func tunnel() {
        var decoding = Decoding()
        decoding.decode(Self.datagram([Self.flow(Self.header(SFlow.vxlan))]))
        let tenant = ElementKey(enterprise: 6_876, id: 881)
        #expect(decoding.columns.extras.value(of: tenant, at: decoding.record().extra) == [172, 16, 0, 1])
    }

    @Test(
        "each kind of counters has its own length; interfaces' are kept",
        arguments: [
            (1, 88), (2, 140), (3, 160), (4, 88), (5, 168), (6, 88), (7, 28),
        ])
    func counters(_ kind: UInt32, _ octets: Int) {
        let body = Array(
            (SFlowCounterTests.generic + SFlowCounterTests.ethernet + [UInt8](repeating: 0, count: 99)).prefix(octets))
        let sample = Bytes().u32(2, 5, 7, 20, kind).raw(body).bytes
        var decoding = Decoding()
        let result = decoding.decode(Self.datagram([sample, Self.flow(Self.plain)]))
        #expect(result.rows.count == 1 && result.losses.isEmpty)
        #expect(result.counterSamples.first?.interface?.ifInOctets == (kind == 7 ? nil : 1 << 40))
        #expect(result.counterSamples.first?.ethernet?.fcsErrors == (kind == 2 ? 200 : nil))
        #expect(result.samplesSkipped == (kind == 7 ? 1 : 0))
    }

    @Test("D7 D9 D13 what can't be told apart ends the datagram by name; the samples before it stay") func hostile() {
        let good = Self.flow(Self.plain, Self.extended)
        var decoding = Decoding()
        let unknown = decoding.decode(Self.datagram([good, Bytes().u32(9, 1, 2, 3).bytes, good]))
        #expect(unknown.rows.count == 1 && unknown.losses == [.badSet: 1])
        #expect(decoding.decode(Self.datagram([good], count: .max)).losses == [.badSet: 1])
        #expect(decoding.decode(Bytes().u32(4, 9, 1, 1).bytes).losses == [.malformed: 1])
        #expect(decoding.decode(Bytes().u32(4, 1, 1, 1).bytes).losses == [.datagramTruncated: 1])
        let whole = Self.datagram([good, Bytes().u32(2, 5, 7, 20, 1).raw(SFlowCounterTests.generic).bytes])
        for length in 0..<whole.count {
            let result = decoding.decode(Array(whole.prefix(length)))
            #expect(!result.losses.isEmpty && result.rows.count <= 1, "\(length)")
        }
        for at in whole.indices {
            var bytes = whole
            for value: UInt8 in [0, 2, 0x7F, 0xFF] {
                bytes[at] = value
                #expect(decoding.decode(bytes).rows.count <= 2, "\(at) \(value)")
            }
        }
    }
}
