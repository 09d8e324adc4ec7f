/// sFlow and sampled packets: each a fault that some collector had.
enum SampledSeeds {
    static var all: [FuzzSeed] { datagrams + packets }

    private static let packet = SampledWire.ethernet(0x0800, SampledWire.ipv4(6, SampledWire.tcp))
    static let usual = SampledWire.datagram([SampledWire.flow([SampledWire.header(packet)])])

    private static var datagrams: [FuzzSeed] {
        func seed(_ name: String, _ samples: [[UInt8]], count: UInt32? = nil) -> FuzzSeed {
            FuzzSeed(name, .sflow, FuzzSeeds.run([SampledWire.datagram(samples, count: count)]))
        }
        func record(_ format: UInt32, _ words: [UInt32]) -> [UInt8] {
            SampledWire.flow([SampledWire.element(format, words.reduce(WireBuilder()) { $0.u32($1) }.bytes)])
        }
        let header = SampledWire.header(packet), flow = SampledWire.flow([header])
        let counters = SampledWire.element(
            2, WireBuilder().u32(1, 9, 1).raw(SampledWire.element(1, WireBuilder().zeros(88).bytes)).bytes)
        let version4 = WireBuilder().u32(4, 1, 0x0A00_0001, 1, 5_000, 1).u32(1, 1, 9, 400, 800, 0, 3, 4)
            .u32(1, 1, 1_518, UInt32(packet.count)).raw(packet).zeros(2).u32(0)
        return [
            seed("usual", [flow, counters]), FuzzSeed("version-4", .sflow, FuzzSeeds.run([version4.bytes])),
            seed("D7-samples-beyond-belief", [flow], count: 0xFFFF_FFFF),
            seed("D7-records-beyond-belief", [SampledWire.flow([header], count: 0x7FFF_FFFF)]),
            seed("D7-length-beyond-belief", [SampledWire.element(1, [], length: 0xFFFF_FFFC)]),
            seed("D8-gateway-path", [record(1_003, [1, 1, 65_000, 65_001, 65_002, 0xFFFF_FFFF, 2, 0xFFFF_FFFF, 1])]),
            seed("D8-communities", [record(1_003, [1, 1, 1, 2, 3, 1, 2, 1, 65_003, 0xFFFF_FFFF, 1, 2])]),
            seed("D8-labels", [record(1_006, [1, 1, 0x4000_0000, 1, 0x4000_0000, 1])]),
            seed("D8-vlans", [record(1_012, [0xFFFF_FFFF, 1])]),
            seed("D9-header-longer-than-record", [SampledWire.flow([SampledWire.header(packet, length: 4_000)])]),
            seed("D9-header-of-nothing", [SampledWire.flow([SampledWire.header([])])]),
            seed("D9-frame-of-nothing", [SampledWire.flow([SampledWire.header(packet, frame: 0)])]),
            seed("D13-sample-one-word-short", [Array(flow.dropLast(4))]),
            seed("D16-many-samples", (0..<24).map { _ in flow }),
            seed("D16-many-empty-records", [SampledWire.flow((0..<150).map { _ in SampledWire.element(99, []) })]),
        ]
    }

    private static var packets: [FuzzSeed] {
        let tcp = SampledWire.ipv4(6, SampledWire.tcp)
        let named: [(String, [UInt8])] = [
            ("tcp", packet), ("tags", SampledWire.ethernet(0x0800, tags: 2, tcp)),
            ("D8-tags-without-end", SampledWire.ethernet(0x8100, tags: 60, [])),
            ("D8-labels-without-end", SampledWire.ethernet(0x8847, SampledWire.mpls(60, bottom: false, []))),
            ("labels", SampledWire.ethernet(0x8847, SampledWire.mpls(3, tcp))),
            ("D9-header-longer-than-packet", SampledWire.ethernet(0x0800, SampledWire.ipv4(6, [], words: 15))),
            (
                "D9-header-shorter-than-one",
                SampledWire.ethernet(0x0800, SampledWire.ipv4(6, SampledWire.tcp, words: 1))
            ),
            ("D9-cut-in-tcp", Array(packet.dropLast(8))), ("D9-link-alone", SampledWire.ethernet(0x0800, [])),
            (
                "D9-length-shorter-than-header",
                SampledWire.ethernet(0x0800, SampledWire.ipv4(6, SampledWire.tcp, length: 4))
            ),
            (
                "D9-extensions",
                SampledWire.ethernet(
                    0x86DD,
                    SampledWire.ipv6(0, WireBuilder().u8(43, 0).zeros(6).u8(44, 255).zeros(6).u8(6, 0).u16(8).bytes))
            ),
            ("vxlan", SampledWire.ethernet(0x0800, SampledWire.ipv4(17, SampledWire.vxlan(packet)))),
            (
                "D16-tunnels-in-tunnels",
                SampledWire.ethernet(
                    0x0800,
                    (0..<20).reduce(tcp) { inner, _ in SampledWire.ipv4(47, SampledWire.gre(0x0800, inner)) })
            ),
            (
                "D16-ip-in-ip",
                SampledWire.ethernet(0x0800, (0..<30).reduce(tcp) { inner, _ in SampledWire.ipv4(4, inner) })
            ),
        ]
        return named.map { FuzzSeed($0.0, .packet, [0] + $0.1) }
    }
}
