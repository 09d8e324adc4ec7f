import Capture
import FlowModel
import TestKit
import Testing
import WireBytes

@Suite("Reading captures")
struct CaptureReaderTests {
    private let packet = Frames.v4()

    @Test("pcap is read in both byte orders and both resolutions", arguments: [true, false], [true, false])
    func pcap(isBigEndian: Bool, nanoseconds: Bool) throws {
        let builder = CaptureBuilder(isBigEndian: isBigEndian)
        let got = try readAll(builder.pcap([Frames.ethernet(packet)], nanoseconds: nanoseconds))
        let origin = DatagramOrigin(
            source: IPAddress(v4: 0xC000_0201), sourcePort: 2_055, localPort: 9_995,
            receiveMilliseconds: 1_700_000_000_123)
        let want = CapturedDatagram(origin: origin, destination: IPAddress(v4: 0xC000_0202), payload: Frames.payload)
        #expect(got.datagrams == [want])
        #expect(got.skipped.isEmpty)
    }

    @Test("each link type leads to the packet in it")
    func linkTypes() throws {
        let cooked1: [UInt8] = [UInt8](repeating: 0, count: 14) + [0x08, 0x00]
        let cooked2: [UInt8] = [0x08, 0x00] + [UInt8](repeating: 0, count: 18)
        let cases: [(UInt32, [UInt8])] = [
            (1, Frames.ethernet(packet)), (1, Frames.ethernet(packet, tags: [0x88A8, 0x8100])),
            (1, Frames.ethernet(Frames.v6(), type: 0x86DD, tags: [0x8100, 0x8100, 0x9100])),
            (113, cooked1 + packet), (276, cooked2 + packet), (101, packet), (12, packet), (14, packet), (228, packet),
            (229, Frames.v6()), (0, [2, 0, 0, 0] + packet), (0, [0, 0, 0, 2] + packet), (108, [0, 0, 0, 2] + packet),
            (0, [30, 0, 0, 0] + Frames.v6()), (276, [0x81, 0, 0, 0] + cooked2[4...] + [0, 7, 8, 0] + packet),
        ]
        for (linkType, frame) in cases {
            let got = try readAll(CaptureBuilder().pcap([frame], linkType: linkType))
            #expect(got.datagrams.map(\.payload) == [Frames.payload], "link type \(linkType)")
        }
    }

    @Test("IPv4 options and frame padding are passed over; the total length holds")
    func lengths() throws {
        let padded = Frames.ethernet(packet) + [UInt8](repeating: 0xEE, count: 22)
        let optioned = Frames.ethernet(Frames.v4(options: [1, 1, 1, 1, 1, 1, 1, 0]))
        let got = try readAll(CaptureBuilder().pcap([padded, optioned]))
        #expect(got.datagrams.map(\.payload) == [Frames.payload, Frames.payload])
    }

    @Test("IPv6 extension headers are passed over")
    func extensions() throws {
        let hopByHop: [UInt8] = [60, 0, 1, 4, 0, 0, 0, 0],
            destination: [UInt8] = [44, 1] + [UInt8](repeating: 0, count: 14)
        let atomicFragment: [UInt8] = [51, 0, 0, 0, 0, 0, 0, 1]
        let authentication: [UInt8] = [17, 4] + [UInt8](repeating: 0, count: 22)
        let packet = Frames.v6(hopByHop + destination + atomicFragment + authentication + Frames.udp(), next: 0)
        let got = try readAll(CaptureBuilder().pcap([packet], linkType: 229))
        #expect(got.datagrams.map(\.payload) == [Frames.payload])
        #expect(got.datagrams.first?.origin.source.description == "2001:db8::1")
    }

    @Test("what yields no datagram is counted by its reason")
    func skips() throws {
        let v6Fragment: [UInt8] = [17, 0, 0, 9, 0, 0, 0, 1]
        var long = Frames.udp()
        long[5] = 200
        let frames = [
            Frames.ethernet([], type: 0x0806), Frames.ethernet(Frames.v4(protocolNumber: 6)),
            Frames.ethernet(Frames.v4(fragment: 0x2000)), Frames.ethernet(Frames.v4(fragment: 185)),
            Frames.ethernet(Frames.v6(v6Fragment + Frames.udp(), next: 44), type: 0x86DD),
            Array(Frames.ethernet(packet).dropLast(2)), Frames.ethernet(Frames.v4(long)), Frames.ethernet([0x4F]),
            Frames.ethernet([0x15] + packet.dropFirst()), Frames.ethernet(packet),
        ]
        let got = try readAll(CaptureBuilder().pcap(frames))
        #expect(got.datagrams.count == 1)
        #expect(got.skipped == [.notIP: 1, .notUDP: 1, .fragment: 3, .snapped: 2, .malformed: 2])
        #expect(try readAll(CaptureBuilder().pcap([packet], linkType: 147)).skipped == [.linkType: 1])
    }

    @Test("a file that is no capture is refused with the reason")
    func notACapture() {
        for bytes in [[], [1, 2, 3], Array("{\"a\":1}".utf8), [0xA1, 0xB2, 0xC3, 0xD4, 0, 2]] as [[UInt8]] {
            #expect(throws: CaptureError.self) { try CaptureReader(bytes: bytes) }
        }
        #expect(throws: CaptureError.notACapture(reason: "pcap version 3 is not 2")) {
            var bytes = CaptureBuilder().pcap([])
            bytes[5] = 3
            _ = try CaptureReader(bytes: bytes)
        }
        #expect("\(CaptureError.notACapture(reason: "x"))" == "not a capture: x")
    }

    @Test("a cut file yields what is whole and says that it was cut, at every length")
    func truncation() throws {
        let whole = CaptureBuilder().pcap([Frames.ethernet(packet), Frames.ethernet(packet)])
        let recordBytes = (whole.count - 24) / 2
        for length in 24..<whole.count {
            let got = try readAll(Array(whole[..<length]))
            #expect(got.datagrams.count == (length - 24) / recordBytes)
            let isCut = (length - 24) % recordBytes != 0
            #expect(got.skipped == (isCut ? [.truncated: 1] : [:]), "\(length) octets")
        }
    }

    @Test("a frame length beyond reason ends the reading with an error, once")
    func damaged() throws {
        var bytes = CaptureBuilder().pcap([Frames.ethernet(packet), Frames.ethernet(packet)])
        let second = 24 + (bytes.count - 24) / 2
        bytes[second + 8] = 0x7F
        var reader = try CaptureReader(bytes: bytes)
        _ = try reader.nextDatagram()
        #expect(throws: CaptureError.self) { try reader.nextDatagram() }
        let after = try reader.nextDatagram()
        #expect(after == nil)
        #expect(reader.frames == 1)
    }

    @Test("any octets whatever: no trap, and the frame count is bounded by the size")
    func hostile() {
        let seeds = [
            CaptureBuilder().pcap([Frames.ethernet(packet, tags: [0x8100]), Frames.ethernet(Frames.v6(), type: 0x86DD)]
            ),
            CaptureBuilder(isBigEndian: false).sectionHeader
                + CaptureBuilder(isBigEndian: false).interface(linkType: 1, options: [(9, [9])])
                + CaptureBuilder(isBigEndian: false).enhanced(Frames.ethernet(packet), ticks: 5),
        ]
        forAll(runs: 2_000) { generator, seed in
            var bytes = seeds[Int(seed % 2)]
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let index = Int.random(in: 4..<bytes.count, using: &generator)
                bytes[index] =
                    [0, 0xFF, 0x7F, .random(in: 0...255, using: &generator)].randomElement(using: &generator) ?? 0
            }
            guard var reader = try? CaptureReader(bytes: bytes) else { return }
            while (try? reader.nextReference()) != nil {}
            #expect(reader.frames <= bytes.count / 16, "SEED=\(seed)")
        }
    }
}
