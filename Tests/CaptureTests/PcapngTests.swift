import Capture
import FlowModel
import Testing
import WireBytes

@Suite("Reading pcapng")
struct PcapngTests {
    private let frame = Frames.ethernet(Frames.v4())
    private func times(_ bytes: [UInt8]) throws -> [Int64] {
        try readAll(bytes).datagrams.map(\.origin.receiveMilliseconds)
    }

    @Test("sections of both byte orders, each with its own interfaces")
    func sections() throws {
        var bytes: [UInt8] = []
        for builder in [CaptureBuilder(isBigEndian: true), CaptureBuilder(isBigEndian: false)] {
            bytes += builder.sectionHeader + builder.block(0x0BAD, [1, 2, 3]) + builder.interface(linkType: 101)
            bytes += builder.interface(linkType: 1)
            bytes += builder.enhanced(Frames.v4(), interface: 0, ticks: 1_700_000_000_123_456)
            bytes += builder.enhanced(frame, interface: 1, ticks: 1_700_000_001_123_456)
            bytes += builder.enhanced(frame, interface: 2, ticks: 0)
        }
        let got = try readAll(bytes)
        #expect(
            got.datagrams.map(\.origin.receiveMilliseconds) == [
                1_700_000_000_123, 1_700_000_001_123, 1_700_000_000_123, 1_700_000_001_123,
            ])
        #expect(got.skipped == [.unknownInterface: 2])
    }

    @Test("an interface's own clock: resolution in powers of ten and two, and offset")
    func clocks() throws {
        let builder = CaptureBuilder(isBigEndian: false)
        let cases: [([(UInt16, [UInt8])], UInt64, Int64)] = [
            ([], 1_700_000_000_123_456, 1_700_000_000_123), ([(9, [9])], 1_700_000_000_123_456_789, 1_700_000_000_123),
            ([(9, [3])], 1_700_000_000_123, 1_700_000_000_123), ([(9, [0])], 1_700_000_000, 1_700_000_000_000),
            ([(9, [0x80 | 10])], 1_700_000_000 << 10 | 512, 1_700_000_000_500),
            ([(9, [0x80 | 32])], 1_700_000_000 << 32 | 1 << 31, 1_700_000_000_500),
            ([(9, [0xFF])], .max, 0), ([(9, [0x7F])], .max, 0),
            ([(2, [65, 66, 67]), (9, [6]), (14, [100, 0, 0, 0, 0, 0, 0, 0])], 5_000_000, 105_000),
        ]
        for (options, ticks, want) in cases {
            let bytes =
                builder.sectionHeader + builder.interface(linkType: 1, options: options)
                + builder.enhanced(frame, ticks: ticks)
            let got = try times(bytes)
            #expect(got == [want], "\(options)")
        }
    }

    @Test("simple packets take the time of the one before, obsolete ones have their own")
    func otherPackets() throws {
        let builder = CaptureBuilder()
        let length = builder.u32(UInt32(frame.count))
        let simple = builder.block(3, length + frame)
        let obsolete = builder.block(
            2, builder.u16(0) + builder.u16(0) + builder.u32(0) + builder.u32(7_000_000) + length + length + frame)
        let got = try times(
            builder.sectionHeader + builder.interface(linkType: 1) + simple + obsolete + simple)
        #expect(got == [0, 7_000, 7_000])
    }

    @Test("a simple packet ends at the snap length, and is then not whole")
    func snapped() throws {
        let builder = CaptureBuilder()
        let bytes =
            builder.sectionHeader + builder.interface(linkType: 1, snapLength: 40)
            + builder.block(3, builder.u32(UInt32(frame.count)) + frame.prefix(40))
        let got = try readAll(bytes)
        #expect(got.skipped == [.snapped: 1])
    }

    @Test("lengths that contradict each other end the reading with an error; a cut file is only cut")
    func damage() throws {
        let builder = CaptureBuilder()
        let head = builder.sectionHeader + builder.interface(linkType: 1), packet = builder.enhanced(frame, ticks: 1)
        for cut in 1..<packet.count {
            let got = try readAll(head + packet + packet.prefix(cut))
            #expect(got.datagrams.count == 1)
            #expect(got.skipped == [.truncated: 1])
        }
        for (offset, value) in [(4, 0x7F), (7, 3), (packet.count - 1, 1)] as [(Int, UInt8)] {
            var bad = packet
            bad[offset] = value
            var reader = try CaptureReader(bytes: head + bad + packet)
            #expect(throws: CaptureError.self) { try reader.nextDatagram() }
        }
        var inner = packet  // a captured length beyond its block: only this frame is lost
        inner[8 + 12] = 1
        let got = try readAll(head + inner + packet)
        #expect(got.skipped == [.malformed: 1])
        #expect(got.datagrams.count == 1)
    }
}
