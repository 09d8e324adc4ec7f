import FlowModel
import PacketHeader
import Testing
import WireBytes

@Suite("Tunnels") struct TunnelTests {
    struct Sample: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let packet: [UInt8], tunnel: PacketTunnel
        var segment: UInt32 = 0, key: UInt32 = 0

        init(_ name: String, _ packet: [UInt8], _ tunnel: PacketTunnel, segment: UInt32 = 0, key: UInt32 = 0) {
            (testDescription, self.packet, self.tunnel, self.segment, self.key) = (name, packet, tunnel, segment, key)
        }
    }
    static func udp(_ port: UInt16, _ payload: Octets) -> [UInt8] {
        Packet.ethernet(0x0800, Packet.ipv4(17, Packet.udp(55_000, port, payload.bytes)))
    }
    static func gre(_ header: Octets, _ payload: [UInt8]) -> [UInt8] {
        Packet.ethernet(0x0800, Packet.ipv4(47, header.raw(payload).bytes))
    }
    static let vxlan = Octets().u32(0x0800_0000, 0x12_3456 << 8)

    //= RFC 7348 §5
    //= RFC 8926 §3.4
    //= RFC 2784 §2
    //= RFC 2890 §2
    //= RFC 7637 §3.2
    //= RFC 2637 §4.1
    //= RFC 8300 §2.2
    static let all: [Sample] = [
        Sample("VXLAN", udp(4_789, vxlan.raw(Packet.innerFrame)), .vxlan, segment: 0x12_3456),
        Sample("VXLAN on Linux' old port", udp(8_472, vxlan.raw(Packet.innerFrame)), .vxlan, segment: 0x12_3456),
        Sample(
            "VXLAN with tags inside",
            udp(4_789, vxlan.raw(Packet.ethernet(0x0800, tags: [(0x8100, 1)], Packet.innerIPv4))), .vxlan,
            segment: 0x12_3456),
        Sample(
            "VXLAN-GPE, IPv4", udp(4_790, Octets().u32(0x0C00_0001, 7 << 8).raw(Packet.innerIPv4)), .vxlan, segment: 7),
        Sample(
            "VXLAN-GPE, service header, frame",
            udp(
                4_790,
                Octets().u32(0x0C00_0004, 7 << 8).u16(0x0FC6).u8(1, 3).u32(0, 0, 0, 0, 0).raw(Packet.innerFrame)),
            .vxlan,
            segment: 7),
        Sample(
            "Geneve with options",
            udp(6_081, Octets().u8(2, 0).u16(0x6558).u32(0xABCDEF << 8).u32(1, 2).raw(Packet.innerFrame)), .geneve,
            segment: 0xABCDEF),
        Sample(
            "Geneve with IPv4", udp(6_081, Octets().u8(0, 0).u16(0x0800).u32(5 << 8).raw(Packet.innerIPv4)), .geneve,
            segment: 5),
        Sample(
            "GTP-U with an extension header",
            udp(
                2_152,
                Octets().u8(0x34, 255).u16(60).u32(0xDEAD_BEEF).u16(0).u8(0, 0x85, 1, 0, 0, 0).raw(Packet.innerIPv4)),
            .gtp, key: 0xDEAD_BEEF),
        Sample("GTP-U", udp(2_152, Octets().u8(0x30, 255).u16(40).u32(9).raw(Packet.innerIPv4)), .gtp, key: 9),
        Sample("GRE", gre(Octets().u16(0, 0x0800), Packet.innerIPv4), .gre),
        Sample(
            "GRE with checksum, key and sequence", gre(Octets().u16(0xB000, 0x0800).u32(0, 77, 1), Packet.innerIPv4),
            .gre,
            key: 77),
        Sample("GRE bridging", gre(Octets().u16(0, 0x6558), Packet.innerFrame), .gre),
        Sample(
            "GRE with labels",
            gre(Octets().u16(0, 0x8847).u32(Packet.label(3), Packet.label(4, isBottom: true)), Packet.innerIPv4), .gre),
        Sample(
            "GRE in UDP", udp(4_754, Octets().u16(0, 0x0800).raw(Packet.innerIPv4)), .gre),
        Sample("NVGRE", gre(Octets().u16(0x2000, 0x6558).u32(0x00AB_CD07), Packet.innerFrame), .nvgre, segment: 0xABCD),
        Sample("ERSPAN I", gre(Octets().u16(0, 0x88BE), Packet.innerFrame), .erspan),
        Sample(
            "ERSPAN II", gre(Octets().u16(0x1000, 0x88BE).u32(1, 0x1005_0123, 0), Packet.innerFrame), .erspan,
            key: 0x123),
        Sample(
            "ERSPAN III", gre(Octets().u16(0x1000, 0x22EB).u32(1, 0x2005_0123, 0, 0), Packet.innerFrame), .erspan,
            key: 0x123),
        Sample(
            "ERSPAN III with a platform header",
            gre(Octets().u16(0x1000, 0x22EB).u32(1, 0x2005_0123, 0, 1, 0, 0), Packet.innerFrame), .erspan, key: 0x123),
        Sample(
            "PPTP", gre(Octets().u16(0x3001, 0x880B, 42, 6).u32(1).u16(0xFF03, 0x0021), Packet.innerIPv4), .pptp, key: 6
        ),
        Sample(
            "PPTP with an acknowledgment",
            gre(Octets().u16(0x3081, 0x880B, 42, 6).u32(1, 1).u8(0x21), Packet.innerIPv4),
            .pptp, key: 6),
        Sample("IPv4 in IPv4", Packet.ethernet(0x0800, Packet.ipv4(4, Packet.innerIPv4)), .ipInIP),
        Sample("IPv4 in IPv6", Packet.ethernet(0x86DD, Packet.ipv6(4, Packet.innerIPv4)), .ipInIP),
        Sample(
            "segment routing",
            Packet.ethernet(
                0x86DD,
                Packet.ipv6(43, Octets().u8(4, 2, 4, 0).u32(0).address("2001:db8:1::1").raw(Packet.innerIPv4).bytes)),
            .srv6),
        Sample(
            "segment routing with a frame",
            Packet.ethernet(
                0x86DD,
                Packet.ipv6(
                    43, Octets().u8(143, 2, 4, 0).u32(0).address("2001:db8:1::1").raw(Packet.innerFrame).bytes)),
            .srv6),
        Sample("EtherIP", Packet.ethernet(0x0800, Packet.ipv4(97, [0x30, 0] + Packet.innerFrame)), .ethernetInIP),
        Sample(
            "labels in IP",
            Packet.ethernet(
                0x0800, Packet.ipv4(137, Octets().u32(Packet.label(3, isBottom: true)).raw(Packet.innerIPv4).bytes)),
            .mplsInIP),
        Sample(
            "labels in UDP", udp(6_635, Octets().u32(Packet.label(3, isBottom: true)).raw(Packet.innerIPv4)),
            .mplsInIP),
    ]

    @Test(
        "C26 the outer header stays and the inner one is beside it, with the tunnel's kind and number", arguments: all)
    func tunnels(_ sample: Sample) {
        let packet = read(sample.packet)
        #expect([address("10.0.0.1"), address("2001:db8::1")].contains(packet.outer.source))
        #expect(packet.tunnel == sample.tunnel && packet.tunnelKey == sample.key && packet.segment == sample.segment)
        #expect(packet.inner.source == address("172.16.0.1") && packet.inner.destination == address("172.16.0.2"))
        #expect(packet.inner.sourcePort == 40_000 && packet.inner.destinationPort == 443)
        #expect(packet.inner.protocolIdentifier == 6 && packet.inner.tcpControlBits == 0x12)
        #expect(packet.end == .complete && packet.vlan == 0 && packet.sourceMAC == 0x0211_3200_0002)
    }

    @Test("D9 D13 each tunnel cut off at any octet keeps the outer header and traps on nothing", arguments: all)
    func cuts(_ sample: Sample) {
        let whole = read(sample.packet)
        for length in 0...sample.packet.count {
            let packet = read(Array(sample.packet.prefix(length)))
            #expect(packet.outer.source == .absent || packet.outer.source == whole.outer.source, "\(length)")
            #expect(packet.inner.source == .absent || packet.inner.source == whole.inner.source, "\(length)")
            #expect(packet.outer.destinationPort == 0 || packet.outer.destinationPort == whole.outer.destinationPort)
        }
    }

    @Test("C26 6in4 keeps both families; the innermost of several tunnels is the inner one") func nested() {
        let six = read(Packet.ethernet(0x0800, Packet.ipv4(41, Packet.innerIPv6)))
        #expect(six.outer.version == 4 && six.inner.version == 6 && six.inner.source == address("fd00::1"))
        let inner = Packet.ethernet(
            0x0800,
            Packet.ipv4(47, from: "10.1.0.1", to: "10.1.0.2", Octets().u16(0, 0x0800).raw(Packet.innerIPv4).bytes))
        let nested = read(Self.udp(4_789, Self.vxlan.raw(inner)))
        #expect(nested.outer.source == address("10.0.0.1") && nested.inner.source == address("172.16.0.1"))
        #expect(nested.tunnel == .vxlan && nested.tunnelDepth == 2 && nested.segment == 0x12_3456)
    }

    @Test("D16 packets inside packets are followed to a depth, and what was read until there stays") func depth() {
        var packet = Packet.innerIPv4
        for index in 1...40 { packet = Packet.ipv4(4, from: "10.2.0.\(index)", to: "10.3.0.1", packet) }
        let found = read(packet, .ipv4)
        #expect(found.end == .tooDeep && found.outer.source == address("10.2.0.40"))
        #expect(found.inner.source == address("10.2.0.37") && found.inner.destinationPort == 0)
    }

    @Test("what only looks like a tunnel is not one") func lookalikes() {
        #expect(!read(Self.udp(4_789, Octets().u32(0, 0).raw(Packet.innerFrame))).hasInner)
        #expect(!read(Self.udp(6_081, Octets().u32(0x4000_0800, 0).raw(Packet.innerIPv4))).hasInner)
        #expect(!read(Self.udp(2_152, Octets().u32(0x3001_0000, 0).raw(Packet.innerIPv4))).hasInner)
        #expect(!read(Self.gre(Octets().u16(0x4000, 0x0800), Packet.innerIPv4)).hasInner)
        #expect(!read(Self.gre(Octets().u16(0x2001, 0x880B, 4, 6).u32(1), Packet.innerIPv4)).hasInner)
        #expect(!read(Packet.ethernet(0x88BE, Packet.innerFrame)).hasInner)
        #expect(read(Self.udp(4_789, Octets())).outer.destinationPort == 4_789)
    }
}
