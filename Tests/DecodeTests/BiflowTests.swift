import Decode
import FlowModel
import Testing

@Suite("Biflows") struct BiflowTests {
    private static let pen: UInt32 = 29_305
    private func template(_ fields: [(id: UInt16, length: UInt16, reverse: Bool)]) -> [UInt8] {
        fields.reduce(Bytes().u16(256, UInt16(fields.count))) { bytes, field in
            field.reverse
                ? bytes.u16(0x8000 | field.id, field.length).u32(Self.pen) : bytes.u16(field.id, field.length)
        }.bytes
    }
    private func extras(_ decoding: Decoding, _ row: Int) -> [UInt16: [UInt8]] {
        let values = decoding.columns.extras.values(at: decoding.record(row).extra)
        return Dictionary(values.map { ($0.element.id, $0.octets) }) { first, _ in first }
    }

    //= RFC 5103 §6.1
    @Test("C21 the reverse of any element goes with the reverse side, under the element's own number") func anyElement()
    {
        var decoding = Decoding()
        let fields: [(id: UInt16, length: UInt16, reverse: Bool)] = [
            (8, 4, false), (12, 4, false), (1, 4, false), (1, 4, true), (152, 8, false), (153, 8, false),
            (152, 8, true), (153, 8, true), (6, 1, false), (6, 1, true), (58, 2, true), (136, 1, false),
            (225, 4, false), (225, 4, true), (239, 1, false),
        ]
        let base: UInt64 = 1_700_000_000_000
        let data = Bytes().u32(0x0A00_0001, 0x0A00_0002, 100, 900).u64(base - 5_000, base - 1_000)
            .u64(base - 4_000, base - 2_000).u8(2, 0x12).u16(77).u8(3).u32(1, 2).u8(1)
        decoding.decode(Make.ipfix([Make.set(2, template(fields)), Make.set(256, data.bytes)]))
        #expect(decoding.columns.count == 2)
        let (forth, back) = (decoding.record(0), decoding.record(1))
        #expect([forth.octetDeltaCount, back.octetDeltaCount] == [100, 900])
        #expect(back.flowStartMilliseconds == Int64(base) - 4_000 && back.flowEndMilliseconds == Int64(base) - 2_000)
        #expect([forth.tcpControlBits, back.tcpControlBits] == [2, 0x12] && [forth.vlanId, back.vlanId] == [0, 77])
        #expect(extras(decoding, 0) == [136: [3], 225: [0, 0, 0, 1], 239: [1]])
        // What is not of one direction is of both; the direction itself is the opposite.
        #expect(extras(decoding, 1) == [136: [3], 225: [0, 0, 0, 2], 239: [2]])
    }

    @Test("C21 reverse elements without reverse counters stay with the record they came in") func noCounters() {
        var decoding = Decoding()
        let fields: [(id: UInt16, length: UInt16, reverse: Bool)] = [(8, 4, false), (1, 4, false), (225, 4, true)]
        decoding.decode(Make.ipfix([Make.set(2, template(fields)), Make.set(256, Bytes().u32(1, 2, 3).bytes)]))
        let values = decoding.columns.extras.values(at: decoding.record().extra)
        #expect(decoding.columns.count == 1)
        #expect(values == [ExtraValue(ElementKey(enterprise: Self.pen, id: 225), [0, 0, 0, 3])])
    }

    @Test("C21 in records of variable length the reverse side is read by its own lengths") func variable() {
        var decoding = Decoding()
        let fields: [(id: UInt16, length: UInt16, reverse: Bool)] = [
            (8, 4, false), (12, 4, false), (82, 65_535, false), (1, 4, false), (1, 65_535, true), (82, 65_535, true),
        ]
        let data = Bytes().u32(0x0A00_0001, 0x0A00_0002).u8(1, 65).u32(10).u8(2, 1, 0).u8(2, 66, 67)
        let result = decoding.decode(Make.ipfix([Make.set(2, template(fields)), Make.set(256, data.bytes)]))
        #expect(result.rows.count == 2 && result.sequence?.units == 1)
        #expect(decoding.record(1).octetDeltaCount == 256)
        #expect(extras(decoding, 0) == [82: [65]] && extras(decoding, 1) == [82: [66, 67]])
    }

    @Test("C19 an initiator's and a responder's counters make a record each, and silence makes none") func responder() {
        let fields: [Field] = [(8, 4), (12, 4), (231, 4), (232, 4), (298, 4), (299, 4)]
        let data = Bytes().u32(0x0A00_0001, 0x0A00_0002, 10, 20, 1, 2, 0x0A00_0003, 0x0A00_0004, 5, 0, 1, 0)
        let decoding = Decoding.ipfix(fields, data.bytes)
        #expect(decoding.records.map(\.octetDeltaCount) == [10, 5, 20])
        #expect(decoding.records.map(\.packetDeltaCount) == [1, 1, 2])
        #expect(decoding.record(2).sourceIPAddress == address("10.0.0.2"))
    }
}
