import Decode
import FlowModel
import Testing

@Suite("Templates") struct TemplateTests {
    let templateSet = Make.set(2, Make.template(256, Make.basic))
    let dataSet = Make.set(256, Make.basicRecord())

    @Test("C12 a template serves in the datagram that brings it") func inOne() {
        var decoding = Decoding()
        let result = decoding.decode(Make.ipfix([templateSet, dataSet, dataSet]))
        #expect(result.templatesLearned == 1 && result.rows == 0..<2)
        #expect(decoding.record().octetDeltaCount == 1_000 && decoding.record().destinationTransportPort == 443)
        #expect(decoding.record().deltaFlowCount == 1)
    }

    @Test("C1 D10 templates of two domains or two exporters with one number stay apart") func domains() {
        var decoding = Decoding()
        decoding.decode(Make.ipfix([templateSet], domain: 1))
        #expect(decoding.decode(Make.ipfix([dataSet], domain: 2)).setsHeld == 1)
        let stranger = decoding.decode(Make.ipfix([dataSet], domain: 1), source: IPAddress(v4: 9))
        #expect(stranger.setsHeld == 1 && stranger.losses.isEmpty)
        #expect(decoding.decode(Make.ipfix([dataSet], domain: 1)).rows.count == 1)
    }

    @Test("C1 templates of one number from two source ports are each their port's own") func ports() {
        var decoding = Decoding()
        let other: [Field] = [(12, 4), (8, 4), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4)]
        decoding.decode(Make.ipfix([templateSet]), port: 1)
        decoding.decode(Make.ipfix([Make.set(2, Make.template(256, other))]), port: 2)
        decoding.decode(Make.ipfix([dataSet]), port: 1)
        decoding.decode(Make.ipfix([dataSet]), port: 2)
        #expect(decoding.records.map(\.sourceIPAddress) == [address("10.0.0.1"), address("10.0.0.2")])
        #expect(decoding.records.allSatisfy { !$0.flags.contains(.templateBorrowed) })
    }

    @Test("C1 C2 a new source port borrows the exporter's template, marked, only while there is no doubt which")
    func borrowed() {
        var decoding = Decoding()
        decoding.decode(Make.ipfix([templateSet]), port: 1)
        #expect(decoding.decode(Make.ipfix([dataSet]), port: 9).rows.count == 1)
        #expect(decoding.record().flags.contains(.templateBorrowed))
        decoding.decode(Make.ipfix([templateSet]), port: 2)  // the same again: still no doubt
        #expect(decoding.decode(Make.ipfix([dataSet]), port: 9).rows.count == 1)
        decoding.decode(Make.ipfix([Make.set(2, Make.template(256, [(8, 4), (1, 4)]))]), port: 3)
        #expect(decoding.decode(Make.ipfix([dataSet]), port: 9).setsHeld == 1)
    }

    //= RFC 7011 §8.4
    @Test("C3 D5 a redefined template holds from the very next set on and is counted") func redefined() {
        var decoding = Decoding()
        let shorter = Make.set(2, Make.template(256, [(8, 4), (1, 4)]))
        let result = decoding.decode(
            Make.ipfix([templateSet, dataSet, shorter, Make.set(256, Bytes().u32(0x0A00_0009, 77).bytes)]))
        #expect(result.templatesLearned == 2 && result.templatesReplaced == 1)
        #expect(decoding.records.map(\.octetDeltaCount) == [1_000, 77])
        #expect(decoding.decode(Make.ipfix([shorter])).templatesLearned == 0)
    }

    //= RFC 7011 §8.4
    @Test("C4 withdrawals over UDP are counted and change nothing, with their four octets each") func withdrawal() {
        var decoding = Decoding()
        decoding.decode(Make.ipfix([templateSet]))
        let one = Make.set(2, Bytes().u16(256, 0).bytes), all = Make.set(2, Bytes().u16(2, 0).bytes)
        let options = Make.set(3, Bytes().u16(300, 0, 301, 0).bytes)
        let result = decoding.decode(Make.ipfix([one, all, options, dataSet]))
        #expect(result.withdrawalsIgnored == 4 && result.losses.isEmpty && result.rows.count == 1)
    }

    @Test("D4 a template without fields or without length is refused and can't loop") func empty() {
        for sets in [
            [Make.set(0, Bytes().u16(256, 0, 257, 0).bytes)], [Make.set(0, Make.template(256, [(8, 0), (1, 0)]))],
        ] {
            var decoding = Decoding()
            let result = decoding.decode(Make.netflow9(sets + [Make.set(256, [1, 2, 3, 4])]))
            #expect(result.losses == [.badTemplate: 1] && result.setsHeld == 1 && decoding.columns.count == 0)
        }
    }

    @Test("a field of no length among others is passed over") func zeroLengthField() {
        let decoding = Decoding.netflow9([(8, 4), (12, 0), (1, 4)], Bytes().u32(0x0A00_0001, 55).bytes)
        #expect(decoding.record().octetDeltaCount == 55 && decoding.record().destinationIPAddress == .absent)
    }

    @Test("C5 D1 a field longer than its element can be is passed over by its length") func tooLong() {
        let fields: [Field] = [(8, 50), (12, 4), (4, 9), (1, 4)]
        let data = Bytes([UInt8](repeating: 0xEE, count: 50)).u32(0x0A00_0002).raw([UInt8](repeating: 6, count: 9))
            .u32(9)
        let record = Decoding.ipfix(fields, data.bytes).record()
        #expect(record.sourceIPAddress == .absent && record.destinationIPAddress == address("10.0.0.2"))
        #expect(record.protocolIdentifier == 0 && record.octetDeltaCount == 9)
    }

    @Test("D6 field lengths that together exceed 16 bits make a template that no set can match") func overflow() {
        var decoding = Decoding()
        let huge: [Field] = [(8, 4)] + [Field](repeating: (210, 65_000), count: 100)
        let result = decoding.decode(
            Make.ipfix([Make.set(2, Make.template(256, huge)), Make.set(256, Make.basicRecord())]))
        #expect(result.templatesLearned == 1 && decoding.columns.count == 0)
    }

    //= RFC 7011 §3.2
    @Test("C8 elements of unknown enterprises are skipped by their length") func enterprise() {
        var decoding = Decoding()
        let template = Bytes().u16(256, 3).u16(8, 4).u16(0x8000 | 1, 6).u32(99_999).u16(1, 4)
        decoding.decode(
            Make.ipfix([
                Make.set(2, template.bytes),
                Make.set(256, Bytes().u32(0x0A00_0001).u16(1, 2, 3).u32(42).bytes),
            ]))
        #expect(decoding.record().octetDeltaCount == 42)
    }

    @Test("C8 D2 a bad template or a bad set costs nothing that came before or lies beside it") func isolation() {
        var decoding = Decoding()
        let cut = Make.set(2, Bytes().u16(257, 400).u16(8, 4).bytes)
        let result = decoding.decode(
            Make.ipfix([templateSet, cut, Make.set(9, [1, 2, 3, 4]), dataSet, Make.set(999, [1])]))
        #expect(result.losses == [.badTemplate: 1, .badSet: 1] && result.setsHeld == 1 && result.rows.count == 1)
        #expect(result.sequence?.isExact == false)
    }

    //= RFC 7011 §3.3.2
    @Test("C8 D13 a set longer than its message ends it, and what came before stays") func setTooLong() {
        var decoding = Decoding()
        let lying = Bytes().u16(256, 400).raw(Make.basicRecord()).bytes
        let result = decoding.decode(Make.ipfix([templateSet, dataSet, lying]))
        #expect(result.losses == [.badSet: 1] && result.rows.count == 1)
        let short = decoding.decode(Make.ipfix([Bytes().u16(256, 3).raw(Make.basicRecord()).bytes]))
        #expect(short.losses == [.badSet: 1])
    }

    //= RFC 7011 §3.1
    @Test("an IPFIX message ends where its length says, inside a longer datagram") func messageLength() {
        var decoding = Decoding()
        let whole = Make.ipfix([templateSet, dataSet])
        let result = decoding.decode(whole + Make.set(256, Make.basicRecord()))
        #expect(result.rows.count == 1 && result.paddingNotZero == 1)
        let cut = decoding.decode(Make.ipfix([dataSet], length: 4_000))
        #expect(cut.rows.count == 1 && cut.losses == [.badSet: 1] && cut.sequence?.isExact == false)
        #expect(decoding.decode(Make.ipfix([dataSet], length: 15)).losses == [.malformed: 1])
    }

    @Test("a message length that is a little short of its last set costs no record") func messageLengthShort() {
        var decoding = Decoding()
        let whole = Make.ipfix([templateSet, dataSet])
        let result = decoding.decode(Make.ipfix([templateSet, dataSet], length: whole.count - 2))
        #expect(result.rows.count == 1 && result.losses.isEmpty)
    }

    //= RFC 3954 §5.1
    @Test("C7 the count in a NetFlow v9 header is not believed, either way") func count() {
        for count: UInt16 in [0, 1, 2, 65_535] {
            var decoding = Decoding()
            let result = decoding.decode(
                Make.netflow9(
                    [Make.set(0, Make.template(256, Make.basic)), Make.set(256, Make.basicRecord())], count: count))
            #expect(result.rows.count == 1 && result.losses.isEmpty)
            #expect(
                result.sequence == SequenceMark(number: 1, units: 1, isExact: true, uptime: Make.uptime))
        }
    }

    @Test("C6 padding of sets and of template sets is passed over; something else there is counted, not fatal")
    func padding() {
        var decoding = Decoding()
        let padded = Make.set(2, Make.template(256, Make.basic) + [0, 0, 0, 0])
        let zeros = decoding.decode(Make.ipfix([padded, Make.set(256, Make.basicRecord() + [0, 0, 0])]))
        #expect(zeros.losses.isEmpty && zeros.rows.count == 1 && zeros.paddingNotZero == 0)
        let odd = decoding.decode(Make.ipfix([Make.set(256, Make.basicRecord() + [0, 7, 0])]))
        #expect(odd.losses.isEmpty && odd.rows.count == 1 && odd.paddingNotZero == 1)
    }

    @Test("C6 a datagram filled up with zeros ends at the last set") func zeroFilled() {
        var decoding = Decoding()
        let sets = [Make.set(0, Make.template(256, Make.basic)), Make.set(256, Make.basicRecord())]
        let result = decoding.decode(Make.netflow9(sets) + [UInt8](repeating: 0, count: 900))
        #expect(result.losses.isEmpty && result.rows.count == 1)
    }

    @Test("C13 the sequence mark of IPFIX counts data records, options data included") func sequence() {
        var decoding = Decoding()
        let options = Make.set(3, Make.optionsTemplate10(300, scopes: [(149, 4)], options: [(34, 4)]))
        let result = decoding.decode(
            Make.ipfix(
                [templateSet, options, Make.set(300, Bytes().u32(7, 10, 7, 10).bytes), dataSet], sequence: 41))
        #expect(result.optionRecords == 2)
        #expect(result.sequence == SequenceMark(number: 41, units: 3, isExact: true))
    }
}

@Suite("Elements") struct ElementTests {
    @Test("no element is listed twice, and names are IPFIX's") func unique() {
        #expect(Set(Element.all.map(\.id)).count == Element.all.count)
        #expect(Element.all.first { $0.id == 1 }?.name == "octetDeltaCount")
        #expect(Element.all.allSatisfy { $0.widths.upperBound <= 16 && $0.widths.lowerBound >= 1 })
    }

    @Test("a wider integer than its type is read while its value fits, and left out when not") func wide() {
        let fields: [Field] = [(8, 4), (4, 4), (7, 4), (11, 8)]
        let fits = Bytes().u32(0x0A00_0001, 6, 443).u64(53), not = Bytes().u32(0x0A00_0001, 262, 70_000).u64(1 << 40)
        let records = Decoding.netflow9(fields, fits.bytes + not.bytes).records
        #expect(records.map(\.protocolIdentifier) == [6, 0] && records.map(\.sourceTransportPort) == [443, 0])
        #expect(records.map(\.destinationTransportPort) == [53, 0])
    }
}
