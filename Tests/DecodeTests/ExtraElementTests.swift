import Decode
import FlowModel
import Testing

@Suite("Elements without a column") struct ExtraElementTests {
    private func extras(_ decoding: Decoding, _ row: Int = 0) -> [ExtraValue] {
        decoding.columns.extras.values(at: decoding.record(row).extra)
    }
    private func value(_ id: UInt16, _ octets: [UInt8], enterprise: UInt32 = 0) -> ExtraValue {
        ExtraValue(ElementKey(enterprise: enterprise, id: id), octets)
    }

    @Test("C8 elements outside the columns stay with their record as they came, padding does not") func kept() {
        let fields: [Field] = [(95, 4), (8, 4), (210, 2), (136, 1), (225, 4), (12, 4)]
        let first = Bytes().u32(0x0D00_0001, 0x0A00_0001).u16(0).u8(3).u32(0x0B00_0001, 0x0A00_0002)
        let second = Bytes().u32(0x0D00_0002, 0x0A00_0003).u16(0).u8(1).u32(0x0B00_0002, 0x0A00_0004)
        let decoding = Decoding.ipfix(fields, first.bytes + second.bytes)
        #expect(extras(decoding) == [value(95, [13, 0, 0, 1]), value(136, [3]), value(225, [11, 0, 0, 1])])
        #expect(extras(decoding, 1) == [value(95, [13, 0, 0, 2]), value(136, [1]), value(225, [11, 0, 0, 2])])
        #expect(decoding.record(1).sourceIPAddress == address("10.0.0.3"))
        #expect(Decoding.ipfix(Make.basic, Make.basicRecord()).record().extra == 0)
    }

    @Test("C8 runs of neighbouring fields of any width are copied whole") func runs() {
        for width in UInt16(1)...20 {
            let octets = (0..<UInt8(width)).map { $0 &+ 1 }
            let decoding = Decoding.ipfix([(8, 4), (371, width), (136, 1)], [10, 0, 0, 1] + octets + [9])
            #expect(extras(decoding) == [value(371, octets), value(136, [9])])
        }
    }

    //= RFC 7011 §7
    @Test("C8 variable-length and enterprise elements stay with their record too") func variable() {
        var decoding = Decoding()
        let template = Bytes().u16(256, 3).u16(8, 4, 0x8000 | 22, 65_535).u32(6_871).u16(82, 65_535)
        let data = Bytes().u32(0x0A00_0001).u8(2, 7, 8).u8(0).u32(0x0A00_0002).u8(0).u8(255).u16(2).u8(5, 6)
        decoding.decode(Make.ipfix([Make.set(2, template.bytes), Make.set(256, data.bytes)]))
        #expect(extras(decoding) == [value(22, [7, 8], enterprise: 6_871), value(82, [])])
        #expect(extras(decoding, 1) == [value(22, [], enterprise: 6_871), value(82, [5, 6])])
    }

    //= RFC 7011 §8
    @Test("C22 of repeated elements the first feeds the column, the others stay in their order") func repeated() {
        let data = Bytes().u32(0x0A00_0001).u32(1, 2, 3).u64(1_700_000_000_500, 1_699_999_999_000)
        let decoding = Decoding.ipfix([(8, 4), (1, 4), (1, 4), (1, 4), (323, 8), (323, 8)], data.bytes)
        #expect(decoding.record().octetDeltaCount == 1)
        // Junos: the first time is the event's, the second that of the port block's allocation.
        #expect(decoding.record().flowStartMilliseconds == 1_700_000_000_500)
        let allocation = Bytes().u64(1_699_999_999_000).bytes
        #expect(extras(decoding) == [value(1, [0, 0, 0, 2]), value(1, [0, 0, 0, 3]), value(323, allocation)])
    }

    @Test("C19 of several counters the column takes the nearest, the others stay apart") func counters() {
        let fields: [Field] = [(8, 4), (85, 4), (1, 4), (23, 2), (231, 4), (232, 4), (352, 4)]
        let decoding = Decoding.ipfix(fields, Bytes().u32(1, 2, 3).u16(4).u32(5, 6, 7).bytes)
        #expect(decoding.record().octetDeltaCount == 3 && decoding.columns.count == 1)
        #expect(extras(decoding).map(\.element.id) == [85, 23, 231, 232, 352])
        #expect(Decoding.ipfix([(8, 4), (352, 4)], Bytes().u32(1, 7).bytes).record().octetDeltaCount == 7)
    }

    @Test("a field whose length doesn't fit its column stays as it is") func misfit() {
        let decoding = Decoding.ipfix([(8, 2), (1, 4)], Bytes().u16(9).u32(3).bytes)
        #expect(decoding.record().sourceIPAddress.isAbsent && extras(decoding) == [value(8, [0, 9])])
    }

    @Test("the setting chooses which elements stay") func selection() {
        func kept(_ selection: ExtraSelection) -> [UInt16] {
            var settings = DecodeSettings()
            settings.extras = selection
            var decoding = Decoding(settings: settings)
            let fields: [Field] = [(8, 4), (136, 1), (95, 4)]
            decoding.decode(
                Make.ipfix([
                    Make.set(2, Make.template(256, fields)), Make.set(256, Bytes().u32(1).u8(3).u32(4).bytes),
                ]))
            return extras(decoding).map(\.element.id)
        }
        #expect(kept(.all) == [136, 95])
        #expect(kept(.only([ElementKey(id: 95)])) == [95])
        #expect(kept(.none).isEmpty)
    }

    @Test("C29 when there is no room for more, records go without and are counted") func full() {
        var decoding = Decoding()
        let template = Make.set(2, Make.template(256, [(8, 4), (371, 16_000)]))
        let data = Make.set(256, Bytes().u32(1).raw([UInt8](repeating: 1, count: 16_000)).bytes)
        var omitted = 0
        for _ in 0..<1_060 { omitted += decoding.decode(Make.ipfix([template, data])).extrasOmitted }
        #expect(decoding.columns.count == 1_060 && omitted > 0)
        #expect(decoding.records.filter { $0.extra == 0 }.count == omitted)
        #expect(decoding.columns.extras.octets.count <= ExtraElements.octetsMax)
    }

    @Test("C28 YAF's flags of the first packet and of the rest are the record's flags") func yafFlags() {
        var decoding = Decoding()
        let template = Bytes().u16(256, 4).u16(8, 4, 0x8000 | 14, 1).u32(6_871).u16(0x8000 | 15, 1).u32(6_871)
            .u16(1, 4)
        decoding.decode(
            Make.ipfix([Make.set(2, template.bytes), Make.set(256, Bytes().u32(1).u8(0x02, 0x18).u32(9).bytes)]))
        #expect(decoding.record().tcpControlBits == 0x1A && decoding.record().extra == 0)
    }
}
