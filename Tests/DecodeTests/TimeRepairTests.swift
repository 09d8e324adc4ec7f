import Decode
import FlowModel
import Testing

@Suite("Times that can't be") struct TimeRepairTests {
    private static let export = Make.exportMilliseconds
    private func decoded(_ start: UInt64, _ end: UInt64) -> (FlowRecord, Int) {
        var decoding = Decoding()
        let data = Make.set(256, Bytes().u32(0x0A00_0001).u64(start, end).bytes)
        let result = decoding.decode(
            Make.ipfix([Make.set(2, Make.template(256, [(8, 4), (152, 8), (153, 8)])), data]))
        return (decoding.record(), result.timesClamped)
    }

    @Test("C15 an end before the start, and a span that no flow has, are clamped, flagged and counted") func spans() {
        let now = UInt64(Self.export)
        let (turned, one) = decoded(now - 1_000, now - 3_000)
        #expect(
            turned.flowStartMilliseconds == Self.export - 3_000 && turned.flowEndMilliseconds == Self.export - 3_000)
        #expect(turned.flags == .timesClamped && one == 1)
        let (wrapped, two) = decoded(now - 4_294_967_238, now)  // 49.7 days
        #expect(wrapped.flowEndMilliseconds - wrapped.flowStartMilliseconds == 7 * 86_400_000)
        #expect(wrapped.flags == .timesClamped && two == 1)
        let (sound, none) = decoded(now - 3_600_000, now)
        #expect(sound.flags.isEmpty && none == 0 && sound.flowStartMilliseconds == Self.export - 3_600_000)
    }

    @Test("C17 a time more than a day after both clocks is clamped to the export") func future() {
        let now = UInt64(Self.export)
        let (record, count) = decoded(now - 1_000, now + 2 * 86_400_000)
        #expect(record.flowEndMilliseconds == Self.export && record.flowStartMilliseconds == Self.export - 1_000)
        #expect(record.flags == .timesClamped && count == 1)
        let (skewed, none) = decoded(now, now + 3_600_000)
        #expect(skewed.flowEndMilliseconds == Self.export + 3_600_000 && none == 0 && skewed.flags.isEmpty)
    }

    @Test("D14 a year beyond 9999 is no time: the other one stands in, or the export, and the record says so")
    func absurd() {
        let year457400: UInt64 = 14_372_000_000_000_000
        let (one, count) = decoded(year457400, UInt64(Self.export))
        #expect(one.flowStartMilliseconds == Self.export && one.flags == .timesClamped && count == 1)
        let (both, _) = decoded(year457400, .max)
        #expect(both.flowStartMilliseconds == Self.export && both.flags == [.timesClamped, .timesEstimated])
        let (missing, none) = decoded(0, 0)
        #expect(missing.flags == .timesEstimated && none == 0)
    }

    @Test("C15 first and last across the wrap of the uptime, and just after the header, are near the export")
    func wrap() {
        let fields: [Field] = [(8, 4), (22, 4), (21, 4)]
        func record(_ first: UInt32, _ last: UInt32, uptime: UInt32) -> FlowRecord {
            Decoding.netflow9(fields, Bytes().u32(1, first, last).bytes, uptime: uptime).record()
        }
        let across = record(.max - 4_999, 1_000, uptime: 2_000)
        #expect(across.flowStartMilliseconds == Self.export - 7_000)
        #expect(across.flowEndMilliseconds == Self.export - 1_000 && across.flags.isEmpty)
        let ahead = record(10_050, 10_100, uptime: 10_000)
        #expect(ahead.flowStartMilliseconds == Self.export + 50 && ahead.flowEndMilliseconds == Self.export + 100)
        #expect(ahead.flags.isEmpty)
    }

    //= RFC 7011 §6.1.10
    @Test("C16 NTP's seconds begin again in 2036, and times go on") func nextEra() {
        var decoding = Decoding()
        let now: Int64 = ((1 << 32) + 200 - 2_208_988_800) * 1_000
        let data = Make.set(256, Bytes().u32(0x0A00_0001).u64(UInt64(100) << 32, UInt64(150) << 32).bytes)
        decoding.decode(Make.ipfix([Make.set(2, Make.template(256, [(8, 4), (156, 8), (157, 8)])), data]), at: now)
        #expect(decoding.record().flowStartMilliseconds == now - 100_000)
        #expect(decoding.record().flowEndMilliseconds == now - 50_000 && decoding.record().flags.isEmpty)
    }
}
