import Capture
import FlowModel
import TestKit
import Testing
import WireBytes

@Suite("Writing captures")
struct CaptureWriterTests {
    /// The ones' complement sum over a packet with its checksum in place is 0xFFFF (RFC 1071 §1).
    private func sum(_ octets: [UInt8]) -> UInt32 {
        var total: UInt32 = 0
        for (index, octet) in octets.enumerated() { total += index % 2 == 0 ? UInt32(octet) << 8 : UInt32(octet) }
        while total > 0xFFFF { total = total >> 16 + total & 0xFFFF }
        return total
    }

    @Test("what is written is read back, IPv4 and IPv6, of any size")
    func roundTrip() throws {
        var writer = CaptureWriter(), want: [CapturedDatagram] = []
        for (index, size) in [0, 1, 48, 1_401, CaptureLimit.payloadBytesMax].enumerated() {
            for isV4 in [true, false] {
                let source = isV4 ? IPAddress(v4: 0xC000_0201) : IPAddress(high: 0x2001_0DB8 << 32, low: 1)
                let destination = isV4 ? IPAddress(v4: 0xC000_0202) : IPAddress(high: 0x2001_0DB8 << 32, low: 2)
                let origin = DatagramOrigin(
                    source: source, sourcePort: 1_000, localPort: 2_055,
                    receiveMilliseconds: 1_700_000_000_001 + Int64(index))
                let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
                writer.append(payload, from: origin, to: destination)
                want.append(CapturedDatagram(origin: origin, destination: destination, payload: payload))
            }
        }
        let got = try readAll(writer.bytes)
        #expect(got.datagrams == want)
        #expect(got.skipped.isEmpty)
    }

    @Test("checksums are right, and taking the octets in parts makes the same file")
    func checksums() {
        var whole = CaptureWriter(), parts = CaptureWriter(), taken: [UInt8] = []
        forAll(runs: 50) { generator, seed in
            let origin = DatagramOrigin(
                source: IPAddress(v4: .random(in: 0 ... .max, using: &generator)),
                sourcePort: .random(in: 0 ... .max, using: &generator), localPort: 2_055, receiveMilliseconds: 1)
            let payload = (0..<Int.random(in: 0...99, using: &generator)).map { _ in
                UInt8.random(in: 0 ... .max, using: &generator)
            }
            let before = whole.bytes.count + 16 + 14
            whole.append(payload, from: origin, to: IPAddress(v4: 0xC000_0202))
            parts.append(payload, from: origin, to: IPAddress(v4: 0xC000_0202))
            taken += parts.takeBytes()
            let packet = Array(whole.bytes[before...])
            #expect(sum(Array(packet[..<20])) == 0xFFFF, "SEED=\(seed)")
            let pseudoHeader = Array(packet[12..<20]) + [0, 17] + Array(packet[24..<26])
            #expect(sum(pseudoHeader + packet[20...]) == 0xFFFF, "SEED=\(seed)")
        }
        #expect(taken == whole.bytes)
    }
}
