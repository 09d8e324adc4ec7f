import WireBytes

/// Datagrams made to cost much: where the search for the costliest begins. Each is what comes before, and the datagram
/// whose cost counts, of at most `octetsMax` octets.
package struct WorstPacket: Sendable {
    package var name: String
    package var before: [[UInt8]]
    package var packet: [UInt8]

    /// The UDP payload of an Ethernet frame.
    package static let octetsMax = 1_472

    init(_ name: String, _ packet: [UInt8]) { self.init(name, [], packet) }
    init(_ name: String, _ before: [[UInt8]], _ packet: [UInt8]) {
        (self.name, self.before, self.packet) = (name, before, Array(packet.prefix(Self.octetsMax)))
    }

    package static var all: [WorstPacket] {
        records + plans + holds + optionsRecords + samples
            + FuzzSeeds.all.filter { [.ipfix, .netflow9, .sflow, .netflow].contains($0.target) }.compactMap { seed in
                seed.bytes.count > 3 ? WorstPacket(seed.name, Array(seed.bytes.dropFirst(3))) : nil
            }
    }
    private static let wires = [TemplatedWire(isIPFIX: true), TemplatedWire(isIPFIX: false)]
    private static func numbers(_ count: Int) -> [UInt16] { (0..<count).map { 256 + UInt16($0) } }

    /// As many records as fit, of few octets, of many fields, of varying length.
    private static var records: [WorstPacket] {
        wires.flatMap { wire -> [WorstPacket] in
            func data(_ name: String, _ fields: [WireField], _ octet: UInt8 = 0) -> WorstPacket {
                let set = wire.set(256, [UInt8](repeating: octet, count: 1_440))
                return WorstPacket(name, [wire.message([wire.template(256, fields)])], wire.message([set]))
            }
            // Connections that updates told of before, each in its turn ended.
            func connections(_ event: UInt8) -> [UInt8] {
                wire.message([
                    wire.set(256, (0..<200).flatMap { [6, event, 0, UInt8($0), 9, 9] as [UInt8] })
                ])
            }
            let nsel = wire.message([wire.template(256, [(4, 1), (233, 1), (148, 2), (231, 1), (232, 1)])])
            let wide = (0..<90).map { (UInt16($0 + 400), UInt16(16)) }
            return [
                data("one octet", [(4, 1)]), data("one extra octet", [(400, 1)]),
                data("one varying field", [(82, 65_535)]),
                data("eight octets, eight fields", (0..<8).map { (400 + $0, 1) }),
                data("eight varying fields", (0..<8).map { (400 + $0, 65_535) }),
                data("sixty varying fields", (0..<60).map { (400 + $0, 65_535) }, 1), data("wide", wide),
                data("columns and extras of one octet", [(8, 4), (27, 16), (4, 1), (400, 1), (401, 1), (402, 1)]),
                data("repeated elements", (0..<300).map { _ in (1, 1) }),
                data("times", [(152, 8), (153, 8), (154, 8), (155, 8)], 0xFF),
                data("uptimes", [(22, 4), (21, 4)], 0xFF),
                data("firewall", [(233, 1), (148, 4), (231, 2), (232, 2)], 3),
                data("firewall ends", [(8, 1), (233, 1), (148, 2), (231, 1), (232, 1)], 2),
                WorstPacket("firewall updates", [nsel], connections(5)),
                WorstPacket("firewall ends after updates", [nsel, connections(5)], connections(2)),
                data("sampler", [(8, 4), (302, 4), (305, 1), (306, 1), (48, 1)], 1),
                data("no length but one", (0..<200).map { (400 + $0, $0 == 0 ? 8 : 0) }),
            ]
        }
    }

    /// Layouts to work out: new ones used at once, redefinitions in turn, one of very many fields.
    private static var plans: [WorstPacket] {
        wires.flatMap { wire -> [WorstPacket] in
            func pairs(_ count: Int, _ fields: Int) -> [UInt8] {
                wire.message(
                    numbers(count).flatMap { id in
                        [
                            wire.template(id, (0..<fields).map { (400 + UInt16($0) + id, 1) }),
                            wire.set(id, [UInt8](repeating: 1, count: fields)),
                        ]
                    })
            }
            let inTurn = (0..<60).flatMap { index in
                [wire.template(256, [(400 + UInt16(index), 1)]), wire.set(256, [1])]
            }
            let long = (0..<340).map { (UInt16($0 + 400), UInt16(1)) }
            let full = (0..<8).map { part in
                wire.message((0..<128).map { wire.template(UInt16(1_000 + part * 128 + $0), [(8, 4)]) })
            }
            return [
                WorstPacket("new layouts of one field, used", pairs(60, 1)),
                WorstPacket("new layouts of ten fields, used", pairs(20, 10)),
                WorstPacket("one in place of another", inTurn.reduce(wire.message([]), +)),
                WorstPacket(
                    "long layout, used",
                    wire.message([wire.template(256, long), wire.set(256, [UInt8](repeating: 1, count: 60))])),
                WorstPacket(
                    "long layout, first use", [wire.message([wire.template(256, long)])],
                    wire.message([wire.set(256, [UInt8](repeating: 1, count: 1_400))])),
                WorstPacket("new templates", wire.message(numbers(110).map { wire.template($0, [(8, 4)]) })),
                WorstPacket(
                    "new templates without room", full, wire.message(numbers(110).map { wire.template($0, [(8, 4)]) })),
                WorstPacket(
                    "options templates",
                    wire.message(numbers(70).map { wire.options($0, scopes: [(1, 4)], options: [(34, 4)]) })),
            ]
        }
    }

    /// Sets that wait: many small ones, more than may, and those that a template frees.
    private static var holds: [WorstPacket] {
        wires.flatMap { wire -> [WorstPacket] in
            let tiny = wire.message((0..<360).map { wire.set(300 + UInt16($0), []) })
            let small = wire.message((0..<170).map { _ in wire.set(300, [1, 2, 3, 4]) })
            let waiting = (0..<700).map { _ in wire.message([wire.set(300, [UInt8](repeating: 1, count: 1_400))]) }
            let freed = wire.message([wire.template(300, [(8, 4), (12, 4)])])
            return [
                WorstPacket("sets that wait", tiny),
                WorstPacket("sets that wait, full", [[UInt8]](repeating: small, count: 8), small),
                WorstPacket("sets that wait, large ones before", waiting, small),
                WorstPacket("one datagram's sets freed", [small], freed), WorstPacket("all sets freed", waiting, freed),
            ]
        }
    }

    private static var optionsRecords: [WorstPacket] {
        wires.flatMap { wire -> [WorstPacket] in
            func rates(_ name: String, _ scopes: [WireField], _ options: [WireField], _ size: Int) -> WorstPacket {
                let count = 1_400 / size
                let records = (0..<count).flatMap { number in
                    (0..<size).map { UInt8(truncatingIfNeeded: number >> (8 * min(size - 1 - $0, 7))) }
                }
                let teach = wire.message([wire.options(256, scopes: scopes, options: options)])
                return WorstPacket(name, [teach], wire.message([wire.set(256, records)]))
            }
            return [
                rates("rates of interfaces", [(wire.isIPFIX ? 10 : 2, 4)], [(34, 1)], 5),
                rates("rates of selectors", [(wire.isIPFIX ? 144 : 1, 1)], [(302, 2), (34, 1)], 4),
                rates("rates of the system", [(wire.isIPFIX ? 130 : 1, 1)], [(34, 1)], 2),
                rates("selectors of sequences", [(301, 2)], [(302, 1), (302, 1)], 4),
                rates("varying options", [(wire.isIPFIX ? 144 : 1, 1)], [(82, 65_535), (34, 1)], 3),
                rates("options of no use", [(wire.isIPFIX ? 144 : 1, 1)], [(82, 65_535)], 2),
            ]
        }
    }

    private static var samples: [WorstPacket] {
        let tcp = SampledWire.ipv4(6, SampledWire.tcp)
        func many(_ name: String, _ sample: [UInt8]) -> WorstPacket {
            WorstPacket(name, SampledWire.datagram((0..<max(1_444 / max(sample.count, 1), 1)).map { _ in sample }))
        }
        func flow(_ packet: [UInt8]) -> [UInt8] { SampledWire.flow([SampledWire.header(packet)]) }
        let details: [[UInt8]] = [
            SampledWire.element(1_003, WireBuilder().u32(1, 1, 1, 2, 3, 1, 2, 2, 4, 5, 0, 0).bytes),
            SampledWire.element(1_007, WireBuilder().u32(1, 1, 1, 2).bytes),
            SampledWire.element(1_004, WireBuilder().u32(1, 4, 1, 1, 0).bytes),
        ]
        let counters = SampledWire.element(
            2, WireBuilder().u32(1, 9, 1).raw(SampledWire.element(1, WireBuilder().zeros(88).bytes)).bytes)
        return [
            many("samples of nothing", SampledWire.flow([])), many("samples without header", flow([])),
            many("small samples", flow(SampledWire.ethernet(0x0800, tcp))),
            many(
                "tunnels in tunnels",
                flow(SampledWire.ethernet(0x0800, (0..<3).reduce(tcp) { inner, _ in SampledWire.ipv4(4, inner) }))),
            many(
                "virtual networks",
                flow(
                    SampledWire.ethernet(
                        0x0800, SampledWire.ipv4(17, SampledWire.vxlan(SampledWire.ethernet(0x0800, tcp)))))),
            many("labels", flow(SampledWire.ethernet(0x8847, SampledWire.mpls(10, tcp)))),
            many("tags", flow(SampledWire.ethernet(0x0800, tags: 30, tcp))),
            many("details", SampledWire.flow([SampledWire.header(SampledWire.ethernet(0x0800, tcp))] + details)),
            many("counters", counters),
            many("counters of nothing", SampledWire.element(2, WireBuilder().u32(1, 9, 1, 99, 0).bytes)),
            many("discards", SampledWire.element(5, WireBuilder().u32(1, 0, 9, 0, 1, 2, 99, 0).bytes)),
            many("unknown samples", SampledWire.element(77, [])),
        ]
    }
}
