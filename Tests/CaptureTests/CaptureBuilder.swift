import Capture
import FlowModel
import WireBytes

/// Captures made by hand, octet by octet, independent of `CaptureWriter`.
struct CaptureBuilder {
    var isBigEndian = true

    func u16(_ value: UInt16) -> [UInt8] {
        var out: [UInt8] = []
        if isBigEndian { out.appendBE(value) } else { out.appendLE(value) }
        return out
    }
    func u32(_ value: UInt32) -> [UInt8] {
        var out: [UInt8] = []
        if isBigEndian { out.appendBE(value) } else { out.appendLE(value) }
        return out
    }

    /// A pcap of `frames`, the first at 1700000000.123456 s (or .123456789), each a second later.
    func pcap(_ frames: [[UInt8]], linkType: UInt32 = 1, nanoseconds: Bool = false) -> [UInt8] {
        var out = u32(nanoseconds ? 0xA1B2_3C4D : 0xA1B2_C3D4)
        for part in [u16(2), u16(4), u32(0), u32(0), u32(65_535), u32(linkType)] { out += part }
        for (index, frame) in frames.enumerated() {
            out += u32(1_700_000_000 + UInt32(index)) + u32(nanoseconds ? 123_456_789 : 123_456)
            for part in [u32(UInt32(frame.count)), u32(UInt32(frame.count)), frame] { out += part }
        }
        return out
    }

    func block(_ type: UInt32, _ body: [UInt8]) -> [UInt8] {
        let padded = body + [UInt8](repeating: 0, count: (4 - body.count % 4) % 4)
        let length = u32(UInt32(12 + padded.count))
        return u32(type) + length + padded + length
    }
    var sectionHeader: [UInt8] {
        let magic = u32(0x1A2B_3C4D), version = u16(1) + u16(0)
        return block(0x0A0D_0D0A, magic + version + [UInt8](repeating: 0xFF, count: 8))
    }
    func interface(linkType: UInt16, options: [(UInt16, [UInt8])] = [], snapLength: UInt32 = 0) -> [UInt8] {
        var body = u16(linkType) + u16(0) + u32(snapLength)
        for (code, value) in options {
            body += u16(code) + u16(UInt16(value.count)) + value
            body += [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
        }
        return block(1, body)
    }
    func enhanced(_ frame: [UInt8], interface: UInt32 = 0, ticks: UInt64) -> [UInt8] {
        let time = u32(UInt32(ticks >> 32)) + u32(UInt32(truncatingIfNeeded: ticks))
        let length = u32(UInt32(frame.count))
        return block(6, [u32(interface), time, length, length, frame].flatMap(\.self))
    }
}

/// Packets and frames for them.
enum Frames {
    static let payload = Array("weir".utf8)
    static let macs: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]

    static func udp(_ payload: [UInt8] = payload) -> [UInt8] {
        var out: [UInt8] = []
        out.appendBE(2_055 as UInt16)
        out.appendBE(9_995 as UInt16)
        out.appendBE(UInt16(8 + payload.count))
        out.appendBE(0 as UInt16)
        return out + payload
    }
    /// From 192.0.2.1 to 192.0.2.2.
    static func v4(
        _ body: [UInt8] = udp(), protocolNumber: UInt8 = 17, options: [UInt8] = [], fragment: UInt16 = 0
    ) -> [UInt8] {
        var out: [UInt8] = [0x40 | UInt8(5 + options.count / 4), 0]
        out.appendBE(UInt16(20 + options.count + body.count))
        out += [0, 0]
        out.appendBE(fragment)
        out += [64, protocolNumber, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]
        return out + options + body
    }
    /// From 2001:db8::1 to 2001:db8::2.
    static func v6(_ body: [UInt8] = udp(), next: UInt8 = 17) -> [UInt8] {
        var out: [UInt8] = [0x60, 0, 0, 0]
        out.appendBE(UInt16(body.count))
        out += [next, 64]
        for low: UInt64 in [1, 2] {
            out.appendBE(0x2001_0DB8_0000_0000 as UInt64)
            out.appendBE(low)
        }
        return out + body
    }
    static func ethernet(_ packet: [UInt8], type: UInt16 = 0x0800, tags: [UInt16] = []) -> [UInt8] {
        var out = macs
        for tag in tags {
            out.appendBE(tag)
            out.appendBE(42 as UInt16)
        }
        out.appendBE(type)
        return out + packet
    }
}

/// All datagrams of a capture, and what was skipped.
func readAll(_ bytes: [UInt8]) throws -> (datagrams: [CapturedDatagram], skipped: [CaptureSkip: Int]) {
    var reader = try CaptureReader(bytes: bytes), datagrams: [CapturedDatagram] = []
    while let datagram = try reader.nextDatagram() { datagrams.append(datagram) }
    return (datagrams, reader.skipped)
}
