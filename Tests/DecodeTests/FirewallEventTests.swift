import Decode
import FlowModel
import Testing

@Suite("Firewall events") struct FirewallEventTests {
    /// As a Cisco ASA has it: flowId, the 5-tuple, event, extended event, initiator's and responder's octets.
    private static let fields: [Field] = [
        (148, 4), (8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (233, 1), (33_002, 2), (231, 4), (232, 4),
    ]
    private func record(_ event: UInt8, _ forth: UInt32, _ back: UInt32, flow: UInt32 = 1) -> [UInt8] {
        Bytes().u32(flow, 0x0A00_0001, 0x0A00_0002).u16(40_000, 443).u8(6, event).u16(0).u32(forth, back).bytes
    }
    private func message(_ records: [UInt8]...) -> [UInt8] {
        Make.netflow9([
            Make.set(0, Make.template(256, Self.fields)), Make.set(256, records.flatMap { $0 }),
        ])
    }
    private func octets(_ decoding: Decoding, from source: String) -> [UInt64] {
        decoding.records.filter { $0.sourceIPAddress == address(source) }.map(\.octetDeltaCount)
    }

    @Test("C20 updates count as they are, and the end's total counts without what updates told") func updates() {
        var decoding = Decoding()
        decoding.decode(message(record(1, 50, 60)))
        decoding.decode(message(record(5, 100, 1_000)))
        decoding.decode(message(record(5, 20, 200)))
        decoding.decode(message(record(2, 130, 1_250)))
        #expect(octets(decoding, from: "10.0.0.1") == [0, 100, 20, 10])
        #expect(octets(decoding, from: "10.0.0.2") == [1_000, 200, 50])
        #expect(decoding.columns.tally.octets == 130 + 1_250)
    }

    @Test("C20 a connection without updates has its total at its end, and its number may be used again")
    func noUpdates() {
        var decoding = Decoding()
        decoding.decode(message(record(2, 130, 1_250), record(5, 7, 0), record(2, 10, 0)))
        #expect(octets(decoding, from: "10.0.0.1") == [130, 7, 3])
        #expect(octets(decoding, from: "10.0.0.2") == [1_250])
        decoding.decode(message(record(2, 10, 0)))
        #expect(octets(decoding, from: "10.0.0.1").last == 10)
    }

    @Test("C20 what was denied is evidence: a record with a flag and without counters") func denied() {
        var decoding = Decoding()
        let result = decoding.decode(message(record(3, 60, 0)))
        #expect(result.rows.count == 1 && result.reverseSidesEmpty == 1)
        #expect(decoding.record().flags.contains(.denied) && decoding.record().octetDeltaCount == 0)
        let extras = decoding.columns.extras.values(at: decoding.record().extra).map(\.element.id)
        #expect(extras == [148, 233, 33_002])
    }

    @Test("C20 a firewall with delta counters is taken at its word") func deltas() {
        let fields: [Field] = [(8, 4), (12, 4), (233, 1), (1, 4)]
        let data = Bytes().u32(0x0A00_0001, 0x0A00_0002).u8(5).u32(10).u32(0x0A00_0001, 0x0A00_0002).u8(2).u32(15)
            .u32(0x0A00_0001, 0x0A00_0002).u8(3).u32(0)
        let decoding = Decoding.netflow9(fields, data.bytes)
        #expect(decoding.records.map(\.octetDeltaCount) == [10, 15, 0])
        #expect(decoding.records.map { $0.flags.contains(.denied) } == [false, false, true])
    }

    @Test("C20 translation events are kept as records without counters, with their elements") func translations() {
        let fields: [Field] = [(323, 8), (8, 4), (225, 4), (7, 2), (227, 2), (230, 1)]
        let data = Bytes().u64(UInt64(Make.exportMilliseconds) - 50).u32(0x0A00_0001, 0xC633_6401).u16(1_024, 2_048)
            .u8(4)
        let decoding = Decoding.netflow9(fields, data.bytes)
        #expect(decoding.record().flowStartMilliseconds == Make.exportMilliseconds - 50)
        #expect(decoding.columns.tally == Tally(flows: 1, octets: 0, packets: 0))
        let values = decoding.columns.extras.values(at: decoding.record().extra)
        #expect(values.map(\.element.id) == [225, 227, 230] && values.last?.octets == [4])
    }

    @Test("C29 connections beyond the limits are counted, and one exporter can't take the others' room") func limits() {
        var limits = DecodeLimits()
        limits.eventFlowsPerExporterMax = 2
        limits.eventFlowsMax = 3
        var decoding = Decoding(limits: limits)
        let many = (UInt32(1)...4).flatMap { record(5, 1, 0, flow: $0) }
        #expect(decoding.decode(message(many)).eventFlowsForgotten == 2)
        #expect(decoding.decode(message(many), source: IPAddress(v4: 9)).eventFlowsForgotten == 3)
        // The end of a known one gives its place on; long silence gives all on.
        decoding.decode(message(record(2, 1, 0, flow: 1)))
        #expect(decoding.decode(message(record(5, 1, 0, flow: 7))).eventFlowsForgotten == 0)
        for hours: Int64 in [3, 6] {
            decoding.decode(message(record(5, 1, 0, flow: 50)), at: Decoding.received + hours * 3_600_000)
        }
        let later = decoding.decode(message(record(5, 1, 0, flow: 51)), at: Decoding.received + 7 * 3_600_000)
        #expect(later.eventFlowsForgotten == 0)
    }
}
