import Decode
import FlowModel
import Testing

@Suite("Sampling and options") struct OptionsTests {
    private func inRecord(_ fields: [Field], _ data: Bytes) -> Float {
        Decoding.ipfix([(8, 4)] + fields, [10, 0, 0, 1] + data.bytes).record().samplingInterval
    }

    //= RFC 5477 §8.2
    @Test("C11 a rate in the record is read in all its forms, pairs as a ratio") func forms() {
        #expect(inRecord([(34, 4)], Bytes().u32(512)) == 512)
        #expect(inRecord([(50, 2)], Bytes().u16(64)) == 64)
        #expect(inRecord([(305, 4), (306, 4)], Bytes().u32(1, 999)) == 1_000)
        #expect(inRecord([(305, 4), (306, 4)], Bytes().u32(2, 1)) == 1.5)
        #expect(inRecord([(309, 4), (310, 4)], Bytes().u32(5, 100)) == 20)
        #expect(inRecord([(309, 4), (310, 4)], Bytes().u32(0, 100)) == 0)
        #expect(inRecord([], Bytes()) == 0)
    }

    //= RFC 3954 §6.1
    @Test("C10 a NetFlow v9 sampler's rate reaches the records that name it; number 0 is none, an unknown one unknown")
    func samplers9() {
        var decoding = Decoding()
        let result = decoding.decode(
            Make.netflow9([
                Make.set(1, Make.optionsTemplate9(300, scopes: [(1, 4)], options: [(48, 1), (49, 1), (50, 4)])),
                Make.set(
                    300,
                    Bytes().u32(0).u8(1, 2).u32(100).u32(0).u8(2, 2).u32(200).bytes + [0, 0]),
                Make.set(0, Make.template(256, Make.basic + [(48, 1)])),
                Make.set(256, (0...3).flatMap { Make.basicRecord() + [$0] }),
            ]))
        #expect(result.optionRecords == 2 && result.rows.count == 4 && result.losses.isEmpty)
        #expect(decoding.records.map(\.samplingInterval) == [1, 100, 200, 0])
    }

    @Test("C10 a rate for the whole domain reaches records without one, and not those of another domain")
    func domainWide() {
        var decoding = Decoding()
        let options = [
            Make.set(3, Make.optionsTemplate10(300, scopes: [(149, 4)], options: [(34, 4), (35, 1)])),
            Make.set(300, Bytes().u32(1, 1_000).u8(2).bytes),
        ]
        let data = [Make.set(2, Make.template(256, Make.basic)), Make.set(256, Make.basicRecord())]
        decoding.decode(Make.ipfix(options, domain: 1))
        decoding.decode(Make.ipfix(data, domain: 1))
        decoding.decode(Make.ipfix(data, domain: 2))
        #expect(decoding.records.map(\.samplingInterval) == [1_000, 0])
    }

    //= RFC 7011 §3.4.2.2
    @Test("C10 an IPFIX selector's rate comes by its number, and serves unnamed records while it is the only one")
    func selectors() {
        var decoding = Decoding()
        let options = Make.set(
            3, Make.optionsTemplate10(300, scopes: [(302, 4)], options: [(304, 2), (305, 4), (306, 4)]))
        let named = Make.set(2, Make.template(256, Make.basic + [(302, 4)]))
        let unnamed = Make.set(2, Make.template(257, Make.basic))
        func rate(_ id: UInt32, _ interval: UInt32, _ space: UInt32) -> [UInt8] {
            Make.set(300, Bytes().u32(id).u16(1).u32(interval, space).bytes)
        }
        let data = [Make.set(256, Bytes(Make.basicRecord()).u32(5).bytes), Make.set(257, Make.basicRecord())]
        decoding.decode(Make.ipfix([options, rate(5, 1, 9), named, unnamed] + data))
        decoding.decode(Make.ipfix([rate(6, 1, 99)] + data))
        #expect(decoding.records.map(\.samplingInterval) == [10, 10, 10, 0])
    }

    @Test("C10 an interface's rate is for the records that came in by it") func interfaces() {
        var decoding = Decoding()
        decoding.decode(
            Make.netflow9([
                Make.set(1, Make.optionsTemplate9(300, scopes: [(2, 4)], options: [(34, 4)])),
                Make.set(300, Bytes().u32(11, 50).bytes),
                Make.set(0, Make.template(256, Make.basic + [(10, 2)])),
                Make.set(256, Bytes(Make.basicRecord()).u16(11).raw(Make.basicRecord()).u16(12).bytes),
            ]))
        #expect(decoding.records.map(\.samplingInterval) == [50, 0])
    }

    @Test("C10 a record's own rate stands before any told in options") func ownFirst() {
        var decoding = Decoding()
        decoding.decode(
            Make.ipfix([
                Make.set(3, Make.optionsTemplate10(300, scopes: [(149, 4)], options: [(34, 4)])),
                Make.set(300, Bytes().u32(7, 1_000).bytes),
                Make.set(2, Make.template(256, Make.basic + [(34, 4)])),
                Make.set(256, Bytes(Make.basicRecord()).u32(10).raw(Make.basicRecord()).u32(0).bytes),
            ]))
        #expect(decoding.records.map(\.samplingInterval) == [10, 1_000])
    }

    @Test("D3 options templates with impossible lengths are refused, and the next set is read") func impossible() {
        let data = [Make.set(0, Make.template(256, Make.basic)), Make.set(256, Make.basicRecord())]
        let bad: [[UInt8]] = [
            Bytes().u16(300, 3, 4).u16(1, 4, 34, 4).bytes, Bytes().u16(300, 4, 6).u16(1, 4, 34, 4).bytes,
            Bytes().u16(300, 4, 65_532).u16(1, 4, 34, 4).bytes, Bytes().u16(300, 0, 0).u16(1, 4).bytes,
            Bytes().u16(255, 4, 4).u16(1, 4, 34, 4).bytes, Bytes().u16(300, 4).bytes,
        ]
        for body in bad {
            var decoding = Decoding()
            let result = decoding.decode(Make.netflow9([Make.set(1, body)] + data))
            #expect(result.losses == [.badTemplate: 1] && result.rows.count == 1, "\(body)")
        }
        var decoding = Decoding()
        let result = decoding.decode(Make.ipfix([Make.set(3, Bytes().u16(300, 1, 2).u16(302, 4).bytes)]))
        #expect(result.losses == [.badTemplate: 1])
    }

    @Test("options records with variable-length fields are read and counted") func variable() {
        var decoding = Decoding()
        let result = decoding.decode(
            Make.ipfix([
                Make.set(3, Make.optionsTemplate10(300, scopes: [(302, 4)], options: [(335, 65_535), (34, 4)])),
                Make.set(300, Bytes().u32(5).u8(3).raw(Array("abc".utf8)).u32(128).bytes),
                Make.set(2, Make.template(256, Make.basic + [(302, 4)])),
                Make.set(256, Bytes(Make.basicRecord()).u32(5).bytes),
            ]))
        #expect(result.optionRecords == 1 && decoding.record().samplingInterval == 128)
    }
}
