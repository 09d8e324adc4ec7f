import Decode
import FlowModel

/// sFlow datagrams made by hand.
enum SFlow {
    static func datagram(
        _ samples: [[UInt8]], count: UInt32? = nil, agentV6: String? = nil, agent: UInt32 = 0x0A09_0807
    ) -> [UInt8] {
        let head = Bytes().u32(5)
        let agent = agentV6.map { head.u32(2).v6($0) } ?? head.u32(1, agent)
        return agent.u32(3, 77, 5_000, count ?? UInt32(samples.count)).raw(samples.flatMap { $0 }).bytes
    }
    static func sample(_ format: UInt32, _ body: [UInt8]) -> [UInt8] {
        Bytes().u32(format, UInt32(body.count)).raw(body).bytes
    }
    static func flow(
        _ records: [[UInt8]], rate: UInt32 = 400, input: UInt32 = 3, output: UInt32 = 4, sequence: UInt32 = 1,
        source: UInt32 = 9, pool: UInt32 = 0, drops: UInt32 = 0
    ) -> [UInt8] {
        let head = Bytes().u32(sequence, source, rate, pool, drops, input, output, UInt32(records.count))
        return sample(1, head.raw(records.flatMap { $0 }).bytes)
    }
    static func expanded(_ records: [[UInt8]]) -> [UInt8] {
        sample(
            3,
            Bytes().u32(1, 0, 9, 800, 0, 0, 0, 70_000, 2, 5, UInt32(records.count)).raw(records.flatMap { $0 }).bytes)
    }
    static func header(_ packet: [UInt8], frameLength: UInt32 = 1_518, protocolNumber: UInt32 = 1) -> [UInt8] {
        let padding = [UInt8](repeating: 0, count: (4 - packet.count % 4) % 4)
        return sample(
            1, Bytes().u32(protocolNumber, frameLength, 4, UInt32(packet.count)).raw(packet + padding).bytes)
    }
    static func ethernet(_ type: UInt16, tags: [UInt16] = [], _ payload: [UInt8]) -> [UInt8] {
        var bytes = Bytes([UInt8](repeating: 0xAA, count: 12))
        for (index, tag) in tags.enumerated() { bytes = bytes.u16([0x88A8, 0x8100, 0x9100][index % 3], tag) }
        return bytes.u16(type).raw(payload).bytes
    }
    static func ipv4(_ number: UInt8, fragment: UInt16 = 0, _ payload: [UInt8]) -> [UInt8] {
        Bytes().u8(0x45, 0xB8).u16(UInt16(20 + payload.count), 1, fragment).u8(64, number).u16(0)
            .u32(0x0A00_0001, 0x0A00_0002).raw(payload).bytes
    }
    static func ipv6(_ next: UInt8, _ payload: [UInt8]) -> [UInt8] {
        Bytes().u32(0x6B80_0000).u16(UInt16(payload.count)).u8(next, 64).v6("2001:db8::1").v6("2001:db8::2")
            .raw(payload).bytes
    }
    static func udp(_ port: UInt16, _ payload: [UInt8]) -> [UInt8] {
        Bytes().u16(55_000, port, UInt16(8 + payload.count), 0).raw(payload).bytes
    }
    /// A packet of 172.16.0.1 port 40000 to 172.16.0.2 port 443.
    static let innerIPv4 = Bytes().u8(0x45, 0).u16(40, 1, 0).u8(63, 6).u16(0).u32(0xAC10_0001, 0xAC10_0002).raw(tcp)
        .bytes
    static let vxlan = ethernet(
        0x0800, ipv4(17, udp(4_789, Bytes().u32(0x0800_0000, 0x12_3456 << 8).raw(ethernet(0x0800, innerIPv4)).bytes)))

    static let tcp = Bytes().u16(40_000, 443).u32(1, 2).u8(0x50, 0x12).u16(1_000).u32(0).bytes

    static func record(_ packet: [UInt8], protocolNumber: UInt32 = 1) -> FlowRecord {
        var decoding = Decoding()
        decoding.decode(datagram([flow([header(packet, protocolNumber: protocolNumber)])]))
        return decoding.record()
    }
}
