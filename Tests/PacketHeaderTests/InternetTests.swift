import FlowModel
import PacketHeader
import Testing
import WireBytes

@Suite("IP headers and transports") struct InternetTests {
    //= RFC 791 §3.1
    @Test("C27 a later fragment has no ports, the first has") func fragments() {
        let first = read(Packet.ipv4(17, fragment: 0x2000, Packet.udp(53, 4_000)), .ipv4)
        #expect(first.outer.fragment == .first && first.outer.sourcePort == 53)
        let later = read(Packet.ipv4(17, fragment: 0x00B9, Packet.udp(53, 4_000)), .ipv4)
        #expect(later.outer.fragment == .later && later.outer.sourcePort == 0 && later.outer.protocolIdentifier == 17)
        let last = read(Packet.ipv4(47, fragment: 0x0001, Packet.innerIPv4), .ipv4)
        #expect(last.outer.fragment == .later && !last.hasInner && last.end == .complete)
    }

    //= RFC 8200 §3
    //= RFC 8200 §4
    @Test("C27 extension headers of each kind lead to the transport; a later fragment has none") func extensions() {
        let hop = Octets().u8(60, 0).u16(0).u32(0), destination = Octets().u8(43, 1).u16(0).u32(0, 0, 0)
        let route = Octets().u8(51, 0, 0, 0).u32(0), authentication = Octets().u8(44, 1).u16(0).u32(0)
        let fragment = Octets().u8(6, 0).u16(1).u32(9)
        let chain = [hop, destination, route, authentication.u32(0), fragment].flatMap(\.bytes)
        let packet = read(Packet.ipv6(0, chain.dropLast(0) + Packet.tcp), .ipv6)
        #expect(packet.outer.destinationPort == 443 && packet.outer.protocolIdentifier == 6)
        #expect(packet.outer.fragment == .first && packet.outer.trafficClass == 0xB8 && packet.outer.hopLimit == 63)
        let later = read(Packet.ipv6(44, Octets().u8(6, 0).u16(8).u32(9).raw(Packet.tcp).bytes), .ipv6)
        #expect(
            later.outer.fragment == .later && later.outer.destinationPort == 0 && later.outer.protocolIdentifier == 6)
        let whole = read(Packet.ipv6(44, Octets().u8(6, 0).u16(0).u32(9).raw(Packet.tcp).bytes), .ipv6)
        #expect(whole.outer.fragment == .whole && whole.outer.destinationPort == 443)
    }

    @Test("C27 an extension header that leads beyond the packet ends it") func overRead() {
        let long = read(Packet.ipv6(60, Octets().u8(6, 255).u16(0).u32(0).raw(Packet.tcp).bytes), .ipv6)
        #expect(
            long.end == .truncated && long.outer.destinationPort == 0 && long.outer.source == address("2001:db8::1"))
        let endless = read(Packet.ipv6(0, [UInt8](repeating: 0, count: 400)), .ipv6)
        #expect(endless.end == .tooDeep && endless.outer.destinationPort == 0)
    }

    @Test("D13 a frame's padding is not the packet's, and a length below the header's is none") func lengths() {
        var short = Packet.ipv4(17, [0, 53])
        short += [9, 9, 9, 9, 9, 9]
        #expect(read(Packet.ethernet(0x0800, short)).outer.sourcePort == 0)
        #expect(read(Packet.ethernet(0x0800, short)).end == .truncated)
        var lying = Packet.ipv4(6, Packet.tcp)
        (lying[2], lying[3]) = (0, 10)
        #expect(read(lying, .ipv4).outer.destinationPort == 0 && read(lying, .ipv4).end == .unknown)
        (lying[2], lying[3]) = (0, 0)  // segmentation offload
        #expect(read(lying, .ipv4).outer.destinationPort == 443)
        lying[0] = 0x44
        #expect(read(lying, .ipv4).outer.source == address("10.0.0.1") && read(lying, .ipv4).end == .unknown)
        var v6 = Packet.ipv6(17, Packet.udp(53, 1))
        v6[5] = 3
        #expect(read(v6, .ipv6).outer.sourcePort == 0)
    }

    @Test("C28 ICMP and ICMPv6 have type and code; SCTP, DCCP and UDP-Lite have ports; others nothing")
    func transports() {
        #expect(read(Packet.ipv4(1, [3, 1, 0, 0]), .ipv4).outer.destinationPort == 0x0301)
        #expect(read(Packet.ipv6(58, [135, 0, 0, 0]), .ipv6).outer.destinationPort == 0x8700)
        for number: UInt8 in [33, 132, 136] {
            #expect(read(Packet.ipv4(number, Packet.udp(5, 6)), .ipv4).outer.destinationPort == 6)
        }
        let esp = read(Packet.ipv4(50, Packet.udp(5, 6)), .ipv4)
        #expect(esp.outer.destinationPort == 0 && esp.end == .complete)
    }

    @Test("D9 a packet cut off at any octet gives what came before the cut") func cuts() {
        let frame = Packet.ethernet(0x0800, tags: [(0x8100, 5)], Packet.ipv4(6, Packet.tcp))
        for length in 0...frame.count {
            let packet = read(Array(frame.prefix(length)))
            #expect((packet.sourceMAC != 0) == (length >= 12), "\(length)")
            #expect((packet.vlan == 5) == (length >= 16), "\(length)")
            #expect((packet.outer.source != .absent) == (length >= 38), "\(length)")
            #expect((packet.outer.destinationPort == 443) == (length >= 42), "\(length)")
            #expect((packet.outer.tcpControlBits == 0x12) == (length >= 52), "\(length)")
            #expect((packet.end == .truncated) == (length < 52), "\(length)")
        }
    }
}
