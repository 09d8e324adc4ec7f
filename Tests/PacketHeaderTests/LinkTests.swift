import FlowModel
import PacketHeader
import Testing
import WireBytes

@Suite("Link layers, tags and labels") struct LinkTests {
    //= RFC 791 §3.1
    //= RFC 9293 §3.1
    @Test("a plain TCP packet in a frame gives every field") func plain() {
        let packet = read(Packet.ethernet(0x0800, Packet.ipv4(6, Packet.tcp)))
        var keys = PacketKeys()
        (keys.source, keys.destination) = (address("10.0.0.1"), address("10.0.0.2"))
        (keys.totalLength, keys.version, keys.protocolIdentifier) = (40, 4, 6)
        (keys.sourcePort, keys.destinationPort, keys.tcpControlBits) = (40_000, 443, 0x12)
        (keys.trafficClass, keys.hopLimit) = (0xB8, 64)
        #expect(packet.outer == keys && !packet.hasInner && packet.end == .complete)
        #expect(packet.sourceMAC == 0x0211_3200_0002 && packet.destinationMAC == 0x0211_3200_0001)
        #expect(packet.etherType == 0x0800 && packet.vlanCount == 0 && packet.tunnel == .none)
    }

    @Test(
        "C26 any mix of tags leads to the packet; the two outermost numbers are kept",
        arguments: [
            [(0x8100, 5)], [(0x88A8, 100), (0x8100, 200)], [(0x9100, 7), (0x9100, 8), (0x9200, 9)],
            [(0x9300, 1), (0x88A8, 2), (0x8100, 3), (0x8100, 4), (0x9100, 5)],
        ])
    func tags(_ tags: [(Int, Int)]) {
        // Priority and drop eligibility stand above the number.
        let wire = tags.map { (UInt16($0.0), UInt16($0.1) | 0xF000) }
        let packet = read(Packet.ethernet(0x86DD, tags: wire, Packet.ipv6(6, Packet.tcp)))
        #expect(packet.vlan == UInt16(tags[0].1) && packet.vlanCount == UInt8(tags.count))
        #expect(packet.innerVLAN == (tags.count > 1 ? UInt16(tags[1].1) : 0))
        #expect(packet.outer.destinationPort == 443 && packet.etherType == 0x86DD)
    }

    @Test("C26 other vendors' tags and 802.1ah are passed over") func otherTags() {
        let bridged = Octets(Packet.destination + Packet.source).u16(0x893F, 1, 2, 3, 0x0800)
            .raw(Packet.ipv4(6, Packet.tcp)).bytes
        let virtual = Octets(Packet.destination + Packet.source).u16(0x8926, 1, 2, 0x0800)
            .raw(Packet.ipv4(6, Packet.tcp)).bytes
        let backbone = Packet.ethernet(0x88E7, Octets().u32(0x1234).raw(Packet.innerFrame).bytes)
        #expect(read(bridged).outer.destinationPort == 443 && read(virtual).outer.destinationPort == 443)
        let packet = read(backbone)
        #expect(packet.outer.source == address("172.16.0.1") && packet.tunnel == .backboneBridge)
    }

    @Test("C26 LLC and SNAP, PPPoE and PPP lead to IP") func control() {
        let ip = Packet.ipv4(6, Packet.tcp)
        let snap = Octets().u32(0xAAAA_0300).u16(0).u16(0x0800).raw(ip).bytes
        let bridged = Octets().u32(0xAAAA_0300).u16(0xF8, 0x86DD).raw(Packet.ipv6(6, Packet.tcp)).bytes
        let session = Octets().u8(0x11, 0).u16(1, UInt16(ip.count + 2), 0x0021).raw(ip).bytes
        let sessionV6 = Octets().u8(0x11, 0).u16(1, 62, 0x0057).raw(Packet.ipv6(6, Packet.tcp)).bytes
        let found = [
            read(Packet.ethernet(UInt16(snap.count), snap)), read(Packet.ethernet(100, bridged)),
            read(snap, .linkControl), read(Octets().u8(6, 6, 3).raw(ip).bytes, .linkControl),
            read(Packet.ethernet(0x8864, session)), read(Packet.ethernet(0x8864, tags: [(0x8100, 9)], sessionV6)),
            read(Octets().u16(0x0021).raw(ip).bytes, .ppp), read(Octets().u16(0xFF03, 0x0021).raw(ip).bytes, .ppp),
            read(Octets().u16(0xFF03).u8(0x21).raw(ip).bytes, .ppp),
            read(Octets().u16(0x0F00, 0x0800).raw(ip).bytes, .ppp),
            read(Octets().u16(0x0281).u32(Packet.label(9, isBottom: true)).raw(ip).bytes, .ppp),
            read(ip, .ipv4), read(ip, .internet), read(Packet.ipv6(6, Packet.tcp), .internet),
            read(Packet.ipv6(6, Packet.tcp), .ipv6),
        ]
        for (index, packet) in found.enumerated() {
            #expect(packet.outer.destinationPort == 443 && packet.end == .complete, "\(index)")
        }
        #expect(read(Packet.ethernet(0x0806, ip)).end == .unknown)
        #expect(read(Packet.ethernet(60, [0x42, 0x42, 3, 0, 0])).end == .unknown)
    }

    @Test("cooked captures and 802.11 data frames lead to IP") func others() {
        let ip = Packet.ipv4(6, Packet.tcp), snap = Octets().u32(0xAAAA_0300).u16(0, 0x0800).raw(ip).bytes
        let cooked = Octets().u16(0, 1, 6).raw(Packet.source).u16(0, 0x8100, 7, 0x0800).raw(ip).bytes
        let cooked2 = Octets().u16(0x0800, 0).u32(2).u16(1).u8(4, 6).raw(Packet.source).u16(0).raw(ip).bytes
        #expect(read(cooked, .linuxCooked).outer.destinationPort == 443 && read(cooked, .linuxCooked).vlan == 7)
        #expect(read(cooked, .linuxCooked).sourceMAC == 0x0211_3200_0002)
        #expect(read(cooked2, .linuxCooked2).outer.destinationPort == 443)
        #expect(read(cooked2, .linuxCooked2).sourceMAC == 0x0211_3200_0002)
        let access = [UInt8](repeating: 0xEE, count: 6)
        let up = Octets().u16(0x0801, 0).raw(access + Packet.source + Packet.destination).u16(0).raw(snap).bytes
        let quality = Octets().u16(0x8802, 0).raw(Packet.destination + access + Packet.source).u16(0, 0).raw(snap).bytes
        let relayed = Octets().u16(0x0803, 0).raw(access + access + Packet.destination).u16(0).raw(Packet.source + snap)
            .bytes
        let aggregate = Octets().u16(0x8802, 0).raw(Packet.destination + access + Packet.source).u16(0, 0x8000)
            .raw(Packet.destination + Packet.source).u16(UInt16(snap.count)).raw(snap).bytes
        for (index, frame) in [up, quality, relayed, aggregate].enumerated() {
            let packet = read(frame, .wireless)
            #expect(packet.outer.destinationPort == 443, "\(index)")
            #expect(packet.sourceMAC == 0x0211_3200_0002 && packet.destinationMAC == 0x0211_3200_0001, "\(index)")
        }
        var protected = up
        protected[1] |= 0x40
        #expect(read(protected, .wireless).end == .unknown)
        #expect(read(Octets().u16(0x8000).raw([UInt8](repeating: 0, count: 60)).bytes, .wireless).end == .unknown)
    }

    //= RFC 4928 §3
    @Test("C26 a label stack leads to IP, or to a frame with and without a control word") func labels() {
        let stack = Octets().u32(Packet.label(16), Packet.label(17), Packet.label(18, isBottom: true))
        let ip = Packet.ipv4(6, Packet.tcp)
        let wire = Packet.ethernet(0x8847, stack.raw(ip).bytes), packet = read(wire)
        #expect(packet.outer.destinationPort == 443 && packet.labelCount == 3 && packet.tunnel == .none)
        let sections = wire.withBytes { bytes in (0..<4).map { packet.labelStackSection($0, of: bytes) } }
        #expect(sections == [16 << 4, 17 << 4, 18 << 4 | 1, 0])
        #expect(read(stack.raw(Packet.ipv6(6, Packet.tcp)).bytes, .mpls).outer.version == 6)
        for pseudowire in [stack.u32(0), stack] {
            let packet = read(
                Packet.ethernet(0x8848, pseudowire.raw(Packet.ethernet(0x0800, tags: [(0x8100, 44)], ip)).bytes))
            #expect(packet.outer.destinationPort == 443 && packet.tunnel == .pseudowire)
            #expect(packet.sourceMAC == 0x0211_3200_0002 && packet.vlan == 0 && packet.innerVLAN == 44)
        }
        // A frame whose first address begins with 4 or 6 is a frame all the same.
        for first: UInt8 in [0x40, 0x60] {
            var frame = Packet.ethernet(0x0800, ip)
            frame[0] = first
            #expect(read(stack.raw(frame).bytes, .mpls).outer.destinationPort == 443, "\(first)")
        }
        #expect(read(stack.u32(0x1000_0021).raw(ip).bytes, .mpls).end == .unknown)
    }

    @Test("D8 a label stack or a run of tags without an end stops by a limit") func endless() {
        let labels = Octets((0..<200).reduce(into: [UInt8]()) { bytes, _ in bytes.appendBE(UInt32(0x0001_0040)) })
        let packet = read(labels.bytes, .mpls)
        #expect(packet.labelCount == 10 && packet.end == .tooDeep)
        let tags = [(UInt16, UInt16)](repeating: (0x8100, 1), count: 300)
        #expect(read(Packet.ethernet(0x0800, tags: tags, [])).end == .tooDeep)
    }
}
