import Decode
import FlowModel
import Testing

@Suite("Sampling by scope") struct SamplingScopeTests {
    private static let data9 = [Make.set(0, Make.template(256, Make.basic)), Make.set(256, Make.basicRecord())]
    private static let data10 = [Make.set(2, Make.template(256, Make.basic)), Make.set(256, Make.basicRecord())]

    //= RFC 3954 §6.1
    @Test("C10 a rate for the whole system serves its other domains too, unless domains contradict each other")
    func system() {
        var decoding = Decoding()
        func tell(_ rate: UInt32, domain: UInt32) {
            let template = Make.optionsTemplate9(300, scopes: [(1, 4)], options: [(34, 4), (35, 1)])
            let record = Bytes().u32(0, rate).u8(2).bytes
            decoding.decode(Make.netflow9([Make.set(1, template), Make.set(300, record)], domain: domain))
        }
        tell(1_000, domain: 1)
        decoding.decode(Make.netflow9(Self.data9, domain: 1))
        decoding.decode(Make.netflow9(Self.data9, domain: 2))
        decoding.decode(Make.netflow9(Self.data9, domain: 2), source: IPAddress(v4: 9))
        #expect(decoding.records.map(\.samplingInterval) == [1_000, 1_000, 0])
        tell(50, domain: 3)
        decoding.decode(Make.netflow9(Self.data9, domain: 3))
        decoding.decode(Make.netflow9(Self.data9, domain: 2))
        #expect(decoding.records.suffix(2).map(\.samplingInterval) == [50, 0])
    }

    @Test("C10 a line card's rate is for the records that name it, an interface's stands before it") func lineCards() {
        var decoding = Decoding()
        decoding.decode(
            Make.ipfix([
                Make.set(3, Make.optionsTemplate10(300, scopes: [(141, 4)], options: [(34, 4)])),
                Make.set(300, Bytes().u32(3, 500, 4, 600).bytes),
                Make.set(3, Make.optionsTemplate10(301, scopes: [(10, 4)], options: [(34, 4)])),
                Make.set(301, Bytes().u32(77, 20).bytes),
                Make.set(2, Make.template(256, Make.basic + [(141, 4), (10, 4)])),
                Make.set(
                    256,
                    Bytes(Make.basicRecord()).u32(3, 1).raw(Make.basicRecord()).u32(4, 1).raw(Make.basicRecord())
                        .u32(3, 77).raw(Make.basicRecord()).u32(5, 1).bytes),
            ]))
        #expect(decoding.records.map(\.samplingInterval) == [500, 600, 20, 0])
    }

    //= RFC 5476 §6.5.1
    @Test("C10 a sequence of selectors has the product of their rates") func sequences() {
        var decoding = Decoding()
        decoding.decode(
            Make.ipfix([
                Make.set(3, Make.optionsTemplate10(300, scopes: [(302, 4)], options: [(305, 4), (306, 4)])),
                Make.set(300, Bytes().u32(1, 1, 9, 2, 1, 4).bytes),
                Make.set(3, Make.optionsTemplate10(301, scopes: [(301, 4)], options: [(138, 4), (302, 4), (302, 4)])),
                Make.set(301, Bytes().u32(8, 0, 1, 2, 9, 0, 1, 3).bytes),
                Make.set(2, Make.template(256, Make.basic + [(301, 4)])),
                Make.set(256, Bytes(Make.basicRecord()).u32(8).raw(Make.basicRecord()).u32(9).bytes),
            ]))
        #expect(decoding.records.map(\.samplingInterval) == [50, 0])
    }

    @Test("C11 time-based sampling is a ratio too, and a probability its inverse") func otherForms() {
        func rate(_ options: [Field], _ values: Bytes) -> Float {
            var decoding = Decoding()
            decoding.decode(
                Make.ipfix(
                    [
                        Make.set(3, Make.optionsTemplate10(300, scopes: [(149, 4)], options: options)),
                        Make.set(300, Bytes().u32(7).raw(values.bytes).bytes),
                    ] + Self.data10))
            return decoding.record().samplingInterval
        }
        #expect(rate([(307, 4), (308, 4)], Bytes().u32(10, 90)) == 10)
        #expect(rate([(311, 8)], Bytes().u64((0.25).bitPattern)) == 4)
        #expect(rate([(311, 8)], Bytes().u64(Double.nan.bitPattern)) == 0)
        #expect(rate([(309, 4), (310, 4)], Bytes().u32(2, 100)) == 50)
        #expect(rate([(50, 4)], Bytes().u32(64)) == 64)
    }

    @Test("C10 what the operator set stands behind what the exporter tells, the longest prefix first") func overrides()
    {
        var settings = DecodeSettings()
        settings.samplingOverrides = [
            IPNetwork(IPAddress(v4: 0x0A00_0000), length: 8): 100,
            IPNetwork(IPAddress(v4: 0x0A01_0000), length: 16): 200,
        ]
        settings.samplingDefault = 7
        var decoding = Decoding(settings: settings)
        for host: UInt32 in [0x0A00_0001, 0x0A01_0001, 0x0B00_0001] {
            decoding.decode(Make.ipfix(Self.data10), source: IPAddress(v4: host))
            decoding.decode(Make.netflow5(records: 1), source: IPAddress(v4: host))
        }
        decoding.decode(Make.ipfix(Self.data10), source: address("2001:db8::1"))
        #expect(decoding.records.map(\.samplingInterval) == [100, 100, 200, 200, 7, 7, 7])
        decoding.decode(Make.netflow5(records: 1, sampling: 0x4000 | 32), source: IPAddress(v4: 0x0A00_0001))
        #expect(decoding.records.last?.samplingInterval == 32)
    }

    @Test("C10 a rate told later is there for rows that came before it, and a change of it is counted") func late() {
        var decoding = Decoding()
        decoding.decode(Make.ipfix(Self.data10))
        let key = decoding.columns.exporterKey(ofRow: 0)
        #expect(decoding.record().samplingInterval == 0)
        #expect(decoding.decoder.lateSampling(for: key, ingressInterface: 0) == 0)
        func tell(_ rate: UInt32) -> DecodeResult {
            decoding.decode(
                Make.ipfix([
                    Make.set(3, Make.optionsTemplate10(300, scopes: [(149, 4)], options: [(34, 4)])),
                    Make.set(300, Bytes().u32(7, rate).bytes),
                ]))
        }
        let first = tell(1_000), again = tell(1_000), other = tell(2_000)
        #expect([first, again, other].map(\.ratesLearned) == [1, 0, 0])
        #expect([first, again, other].map(\.ratesChanged) == [0, 0, 1])
        #expect(decoding.decoder.lateSampling(for: key, ingressInterface: 0) == 2_000)
        let stranger = ExporterKey(address: IPAddress(v4: 1), observationDomain: 1, exportProtocol: .ipfix)
        #expect(decoding.decoder.lateSampling(for: stranger, ingressInterface: 0) == 0)
    }

    @Test("C29 samplers beyond the limit are passed over") func limited() {
        var limits = DecodeLimits()
        limits.samplersPerExporterMax = 2
        var decoding = Decoding(limits: limits)
        let result = decoding.decode(
            Make.ipfix([
                Make.set(3, Make.optionsTemplate10(300, scopes: [(302, 4)], options: [(34, 4)])),
                Make.set(300, Bytes().u32(1, 10, 2, 20, 3, 30).bytes),
                Make.set(2, Make.template(256, Make.basic + [(302, 4)])),
                Make.set(256, Bytes(Make.basicRecord()).u32(2).raw(Make.basicRecord()).u32(3).bytes),
            ]))
        #expect(result.ratesLearned == 2 && decoding.records.map(\.samplingInterval) == [20, 0])
    }
}
