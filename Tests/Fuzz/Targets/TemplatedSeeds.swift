/// NetFlow and IPFIX: each a fault that some collector had.
enum TemplatedSeeds {
    static var all: [FuzzSeed] { (netflow + templated(isIPFIX: false) + templated(isIPFIX: true)) }

    static func usual(isIPFIX: Bool) -> [UInt8] {
        let wire = TemplatedWire(isIPFIX: isIPFIX)
        return wire.message([
            wire.options(300, scopes: [(1, 4)], options: [(48, 1), (34, 4)]),
            wire.set(300, WireBuilder().u32(0).u8(1).u32(100).bytes),
            wire.template(256, TemplatedWire.basic + [(95, 4)]),
            wire.set(256, (0..<3).flatMap { _ in TemplatedWire.record + [3, 0, 0, 80] }),
        ])
    }

    private static var netflow: [FuzzSeed] {
        func fixed(_ version: UInt16, _ count: UInt16, header: Int, records: Int, of size: Int) -> [UInt8] {
            WireBuilder().u16(version, count).u32(10_000_000, 1_700_000_000, 0).zeros(header - 16)
                .zeros(records * size).bytes
        }
        var wrapped = WireBuilder().u16(5, 1).u32(1_000, 1_700_000_000, 0, 1, 0).u32(1, 2, 3, 4, 5, 6)
        wrapped = wrapped.u32(0xFFFF_F000, 0x7FFF_FFFF).zeros(16)
        return [
            FuzzSeed("netflow5", .netflow, FuzzSeeds.run([fixed(5, 3, header: 24, records: 3, of: 48)])),
            FuzzSeed("netflow1", .netflow, FuzzSeeds.run([fixed(1, 2, header: 16, records: 2, of: 52)])),
            FuzzSeed("netflow7", .netflow, FuzzSeeds.run([fixed(7, 2, header: 24, records: 2, of: 52)])),
            FuzzSeed("D12-count-too-large", .netflow, FuzzSeeds.run([fixed(5, 30, header: 24, records: 1, of: 48)])),
            FuzzSeed("D12-count-0", .netflow, FuzzSeeds.run([fixed(5, 0, header: 24, records: 2, of: 48)])),
            FuzzSeed(
                "D13-one-octet-short", .netflow,
                FuzzSeeds.run([Array(fixed(5, 1, header: 24, records: 1, of: 48).dropLast())])),
            FuzzSeed("D14-uptime-wrapped", .netflow, FuzzSeeds.run([wrapped.bytes])),
        ]
    }

    private static func templated(isIPFIX: Bool) -> [FuzzSeed] {
        let wire = TemplatedWire(isIPFIX: isIPFIX), target: FuzzTarget = isIPFIX ? .ipfix : .netflow9
        func seed(_ name: String, _ messages: [[[UInt8]]], control: FuzzControl = []) -> FuzzSeed {
            FuzzSeed(name, target, FuzzSeeds.run(messages.map { wire.message($0) }, control: control))
        }
        return lengths(wire, seed) + lives(wire, seed) + [
            FuzzSeed("usual", target, FuzzSeeds.run([usual(isIPFIX: isIPFIX)])),
            FuzzSeed(
                "D12-length-and-count-lie", target,
                FuzzSeeds.run([
                    wire.message([wire.template(256, TemplatedWire.basic)], count: 0, length: 65_535),
                    wire.message([wire.set(256, TemplatedWire.record)], count: 65_535, length: 17),
                ])),
            seed(
                "D14-times",
                [
                    [
                        wire.template(256, TemplatedWire.basic + [(22, 4), (21, 4), (152, 8), (153, 8), (154, 8)]),
                        wire.set(
                            256,
                            WireBuilder(TemplatedWire.record).u32(.max, 1).u64(.max, 1, .max).raw(TemplatedWire.record)
                                .u32(1, .max).u64(1 << 63, 14_400_000_000_000_000, 0).bytes),
                    ]
                ]),
            seed(
                "D16-many-tiny-records",
                [
                    [wire.template(256, [(4, 1)]), wire.set(256, [UInt8](repeating: 6, count: 1_400))]
                ]),
            seed("D16-many-empty-sets", [(0..<340).map { _ in wire.set(400, []) }]),
        ]
    }

    private static func lengths(
        _ wire: TemplatedWire, _ seed: (String, [[[UInt8]]], FuzzControl) -> FuzzSeed
    ) -> [FuzzSeed] {
        let wide: [WireField] = [(8, 50), (12, 0), (27, 3), (1, 9), (4, 200), (210, 65_534), (210, 65_534)]
        let variable: [WireField] = [(8, 4), (82, 65_535), (1, 65_535), (371, 65_535)]
        return [
            seed(
                "D1-lengths-no-type-has",
                [[wire.template(256, wide), wire.set(256, [UInt8](repeating: 1, count: 1_000))]], []),
            seed(
                "D2-record-cut",
                [[wire.template(256, TemplatedWire.basic), wire.set(256, TemplatedWire.record + [1, 2, 3])]], []),
            seed(
                "D3-options-lengths",
                [[wire.options(256, [(1, 4), (34, 4)], 3, 5), wire.options(257, [(1, 4)], 65_532, 65_532)]], []),
            seed("D3-options-without-scope", [[wire.options(256, [(34, 4)], 1, 0), wire.set(256, [0, 0, 0, 9])]], []),
            seed("D4-no-octets", [[wire.template(256, [(8, 0), (12, 0)]), wire.set(256, TemplatedWire.record)]], []),
            seed("D4-no-fields", [[wire.template(256, []), wire.set(256, TemplatedWire.record)]], []),
            seed("D4-set-of-no-length", [[wire.set(256, [], length: 0), wire.set(257, [], length: 3)]], []),
            seed(
                "D6-lengths-overflow",
                [
                    [
                        wire.template(256, [WireField](repeating: (95, 65_530), count: 40)),
                        wire.set(256, TemplatedWire.record),
                    ]
                ], []),
            seed("D6-count-overflows", [[wire.template(256, TemplatedWire.basic, count: 65_535)]], []),
            seed(
                "D11-variable-at-the-end",
                [
                    [
                        wire.template(256, variable),
                        wire.set(
                            256,
                            WireBuilder().u32(1).u8(2, 65, 66, 3, 1, 2, 3, 0).u32(1).u8(255, 0, 2, 1, 1, 0).u32(9).u8(
                                255
                            ).bytes),
                        wire.set(256, WireBuilder().u32(1).u8(255, 255, 255).bytes),
                        wire.set(256, WireBuilder().u32(1).u8(254).bytes),
                    ]
                ], []),
            seed(
                "D13-set-beyond-the-end",
                [
                    [wire.set(256, TemplatedWire.record, length: 26)],
                    [wire.template(256, TemplatedWire.basic), [1, 0]],
                ], []),
        ]
    }

    private static func lives(
        _ wire: TemplatedWire, _ seed: (String, [[[UInt8]]], FuzzControl) -> FuzzSeed
    ) -> [FuzzSeed] {
        let basic = wire.template(256, TemplatedWire.basic), data = wire.set(256, TemplatedWire.record)
        let other = wire.template(256, [(27, 16), (28, 16), (1, 8)])
        let withdrawal = wire.set(wire.templateSet, WireBuilder().u16(256, 0).bytes)
        return [
            seed("D5-replaced-between-sets", [[basic, data, other, data, data, basic, data], [other], [data]], []),
            seed("D5-withdrawn-over-a-session", [[basic, data], [withdrawal, data], [basic]], .session),
            seed("D5-withdrawn-over-datagrams", [[basic, data], [withdrawal, data]], []),
            seed("D10-data-before-its-template", [[data, data], [data], [basic], [other], [data]], []),
            seed("D10-other-port", [[basic], [data]], [.otherPort, .isRepeat]),
        ]
    }
}
