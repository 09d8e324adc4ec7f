import Decode
import FlowModel
import Testing

@Suite("sFlow counters") struct SFlowCounterTests {
    static let generic = Bytes().u32(7, 6).u64(10_000_000_000).u32(1, 3).u64(1 << 40).u32(11, 12, 13, 14, 15, 16)
        .u64(1 << 41).u32(21, 22, 23, 24, 25, 1).bytes
    static let ethernet = (1...13 as ClosedRange<UInt32>).reduce(Bytes()) { $0.u32($1 * 100) }.bytes
    static let processor = Bytes().u32(1_250, 1_000, 900).u64(1 << 33, 1 << 32).bytes

    static func counters(_ records: [[UInt8]], isExpanded: Bool = false) -> [UInt8] {
        let head = isExpanded ? Bytes().u32(5, 0, 7) : Bytes().u32(5, 7)
        return SFlow.sample(
            isExpanded ? 4 : 2, head.u32(UInt32(records.count)).raw(records.flatMap { $0 }).bytes)
    }
    static let all = [SFlow.sample(1, generic), SFlow.sample(2, ethernet), SFlow.sample(1001, processor)]

    @Test(
        "C25 counter samples, compact and expanded, are kept as interface, Ethernet and processor counters",
        arguments: [false, true])
    func kept(_ isExpanded: Bool) throws {
        var decoding = Decoding()
        let result = decoding.decode(SFlow.datagram([Self.counters(Self.all, isExpanded: isExpanded)]))
        #expect(result.rows.isEmpty && result.losses.isEmpty && result.samplesSkipped == 0)
        let sample = try #require(result.counterSamples.first), interface = try #require(sample.interface)
        #expect(result.counterSamples.count == 1 && sample.sequence == 5 && sample.sourceIndex == 7)
        #expect(interface.ifIndex == 7 && interface.ifType == 6 && interface.ifSpeed == 10_000_000_000)
        #expect(interface.isAdminUp && interface.isOperUp && interface.isPromiscuous && interface.ifDirection == 1)
        #expect(interface.ifInOctets == 1 << 40 && interface.ifOutOctets == 1 << 41)
        #expect([interface.ifInUcastPkts, interface.ifInMulticastPkts, interface.ifInBroadcastPkts] == [11, 12, 13])
        #expect([interface.ifInDiscards, interface.ifInErrors, interface.ifInUnknownProtos] == [14, 15, 16])
        #expect(
            [interface.ifOutUcastPkts, interface.ifOutMulticastPkts, interface.ifOutBroadcastPkts] == [21, 22, 23])
        #expect([interface.ifOutDiscards, interface.ifOutErrors] == [24, 25])
        #expect(sample.ethernet?.alignmentErrors == 100 && sample.ethernet?.symbolErrors == 1_300)
        #expect(sample.ethernet?.fcsErrors == 200 && sample.ethernet?.frameTooLongs == 1_100)
        #expect(sample.processor?.cpu5s == 1_250 && sample.processor?.totalMemory == 1 << 33)
    }

    @Test("D7 counters cut short are left out, a count without its records is not believed") func short() {
        var decoding = Decoding()
        let cut = SFlow.sample(1, Array(Self.generic.dropLast()))
        let one = decoding.decode(SFlow.datagram([Self.counters([cut, SFlow.sample(2, Self.ethernet)])]))
        #expect(one.counterSamples.first?.interface == nil && one.counterSamples.first?.ethernet != nil)
        let none = decoding.decode(SFlow.datagram([Self.counters([cut]), SFlow.sample(2, [0, 0, 0, 1])]))
        #expect(none.counterSamples.isEmpty && none.samplesSkipped == 2)
        var lying = Self.counters(Self.all)
        lying.replaceSubrange(16..<20, with: [0xFF, 0xFF, 0xFF, 0xFF])
        #expect(decoding.decode(SFlow.datagram([lying])).counterSamples.first?.processor != nil)
    }

    @Test("C29 the latest counters of each interface are kept, at most so many; only silent ones give way") func book()
        throws
    {
        var decoding = Decoding(), book = InterfaceCounterBook(limit: 2)
        let exporter = ExporterKey(address: address("10.9.8.7"), observationDomain: 3, exportProtocol: .sflow5)
        func sample(_ ifIndex: UInt32) -> [CounterSample] {
            let generic = Bytes().u32(ifIndex).raw(Array(Self.generic.dropFirst(4))).bytes
            return decoding.decode(SFlow.datagram([Self.counters([SFlow.sample(1, generic)])])).counterSamples
        }
        book.note(sample(1), from: exporter, at: 1_000)
        book.note(sample(2), from: exporter, at: 2_000)
        book.note(sample(1), from: exporter, at: 500_000)
        book.note(sample(3), from: exporter, at: 500_001)
        #expect(book.entries.count == 2 && book.refused == 1)
        #expect(book.entries[InterfaceCounterBook.Key(exporter: exporter, ifIndex: 1)]?.receiveMilliseconds == 500_000)
        book.note(sample(3), from: exporter, at: 700_000)
        #expect(Set(book.entries.keys.map(\.ifIndex)) == [1, 3] && book.refused == 1)
    }
}
