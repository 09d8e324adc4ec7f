import Decode
import FlowModel
import Testing

/// Structures 1021 to 1028: the heads of tunnels that the sampled header doesn't have; and records that are not read.
@Suite("sFlow, tunnels told beside the header") struct SFlowTunnelTests {
    private let plain = SFlow.header(SFlow.ethernet(0x0800, SFlow.ipv4(6, SFlow.tcp)))
    private func element(_ structure: UInt16, _ field: UInt16) -> ElementKey {
        ElementKey(enterprise: 14_706, id: 16 * structure + field)
    }
    private func decode(_ records: [[UInt8]]) -> (result: DecodeResult, values: [ElementKey: [UInt8]], FlowRecord) {
        var decoding = Decoding()
        let result = decoding.decode(SFlow.datagram([SFlow.flow(records)]))
        let record = decoding.record(), values = decoding.columns.extras.values(at: record.extra)
        return (result, Dictionary(values.map { ($0.element, $0.octets) }) { first, _ in first }, record)
    }
    private let link = Bytes().u32(99).u8(1, 2, 3, 4, 5, 6, 0, 0).u8(7, 8, 9, 10, 11, 12, 0, 0).u32(0x0800).bytes
    private let ipv4 = Bytes().u32(99, 47, 0xC000_0201, 0xC000_0202, 1_111, 2_222, 0x10, 0).bytes
    private let ipv6 = Bytes().u32(99, 17).v6("2001:db8::1").v6("2001:db8::2").u32(3_333, 4_789, 0, 0).bytes

    @Test("C26 each structure's fields are elements of their own, and the packet stays the header's")
    func fields() {
        let (result, values, record) = decode([
            plain, SFlow.sample(1021, link), SFlow.sample(1022, link), SFlow.sample(1023, ipv4),
            SFlow.sample(1024, ipv4), SFlow.sample(1025, ipv6), SFlow.sample(1026, ipv6),
            SFlow.sample(1027, Bytes().u32(50).bytes), SFlow.sample(1028, Bytes().u32(54).bytes),
        ])
        #expect(result.losses.isEmpty && result.recordsSkipped.isEmpty && values.count == 26)
        #expect(record.sourceIPAddress == address("10.0.0.1") && record.protocolIdentifier == 6)
        for structure in [1021, 1022] as [UInt16] {
            #expect(values[element(structure, 0)] == [1, 2, 3, 4, 5, 6], "\(structure)")
            #expect(values[element(structure, 1)] == [7, 8, 9, 10, 11, 12], "\(structure)")
        }
        for structure in [1023, 1024] as [UInt16] {
            let got = (0..<5).map { values[element(structure, $0)] ?? [] }
            #expect(got == [[47], [192, 0, 2, 1], [192, 0, 2, 2], [4, 87], [8, 174]], "\(structure)")
        }
        for structure in [1025, 1026] as [UInt16] {
            let got = (0..<5).map { values[element(structure, $0)] ?? [] }
            #expect(got.map(\.count) == [1, 16, 16, 2, 2] && got[0] == [17] && got[4] == [0x12, 0xB5], "\(structure)")
            #expect(got[1].last == 1 && got[2].last == 2, "\(structure)")
        }
        #expect(values[element(1027, 0)] == [0, 0, 0, 50] && values[element(1028, 0)] == [0, 0, 0, 54])
    }

    @Test("a structure that is cut short tells nothing, and the sample stays") func cut() {
        for (format, body) in [(1021, link), (1023, ipv4), (1026, ipv6), (1027, [0, 0, 0, 1])] {
            let (result, values, record) = decode([plain, SFlow.sample(UInt32(format), Array(body.dropLast(4)))])
            #expect(values.isEmpty && result.losses.isEmpty && record.protocolIdentifier == 6, "\(format)")
        }
    }

    @Test("records that are not read are counted by what they are, none of them silently; a repeat counts nothing")
    func skipped() {
        let known: [UInt32] = [1008, 1010, 1014, 1019, 1037, 1042, 2100, 2103, 2206, 2202, 2209]
        let formats = known + [3_999, 4_096 * 9 + 1]
        let datagram = SFlow.datagram([SFlow.flow([plain] + formats.map { SFlow.sample($0, [0, 0, 0, 0]) })])
        var decoding = Decoding()
        let result = decoding.decode(datagram)
        #expect(result.rows.count == 1)
        #expect(
            result.recordsSkipped == [
                .mplsTunnel: 1, .mplsForwardingClass: 1, .wireless: 1, .queue: 1, .accessList: 1, .dropReason: 1,
                .socket: 2, .http: 1, .application: 1, .tcpState: 1, .other: 1, .ofMaker: 1,
            ])
        #expect(decoding.decode(datagram, isRepeat: true).recordsSkipped.isEmpty)
    }

    @Test("a sample of an application's request describes no packet: it is lost by name, and so are its records")
    func application() {
        let socket = Bytes().u32(6, 0x0A00_0001, 0x0A00_0002, 80, 40_000).bytes
        let (result, _, _) = decode([SFlow.sample(2100, socket), SFlow.sample(2206, [])])
        #expect(result.rows.isEmpty && result.losses == [.sampleUndecodable: 1])
        #expect(result.recordsSkipped == [.socket: 1, .http: 1])
    }

    @Test("every format has one name, and what is read is not among them") func names() {
        for format in (UInt32(1)...4).map({ $0 }) + Array(1001...1007) + Array(1020...1030) {
            var decoding = Decoding()
            let result = decoding.decode(SFlow.datagram([SFlow.flow([plain, SFlow.sample(format, [])])]))
            #expect(result.recordsSkipped.isEmpty, "\(format)")
        }
        #expect(Set(SFlowRecord.allCases.map(\.rawValue)).count == SFlowRecord.allCases.count)
    }
}
