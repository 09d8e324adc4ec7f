import FlowModel
import WireBytes

/// Datagrams field by field, right or wrong as wanted.
struct WireBuilder {
    var bytes: [UInt8] = []
    init(_ bytes: [UInt8] = []) { self.bytes = bytes }

    func u8(_ values: UInt8...) -> WireBuilder { WireBuilder(bytes + values) }
    func u16(_ values: UInt16...) -> WireBuilder { WireBuilder(values.reduce(into: bytes) { $0.appendBE($1) }) }
    func u32(_ values: UInt32...) -> WireBuilder { WireBuilder(values.reduce(into: bytes) { $0.appendBE($1) }) }
    func u64(_ values: UInt64...) -> WireBuilder { WireBuilder(values.reduce(into: bytes) { $0.appendBE($1) }) }
    func raw(_ more: [UInt8]) -> WireBuilder { WireBuilder(bytes + more) }
    func zeros(_ count: Int) -> WireBuilder { WireBuilder(bytes + [UInt8](repeating: 0, count: count)) }
}

typealias WireField = (id: UInt16, length: UInt16)

/// NetFlow v9 or IPFIX messages.
struct TemplatedWire {
    let isIPFIX: Bool
    /// Addresses, ports, protocol, octets, packets: 21 octets.
    static let basic: [WireField] = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4)]
    static let record = WireBuilder().u32(0x0A00_0001, 0x0A00_0002).u16(40_000, 443).u8(6).u32(1_000, 10).bytes

    var templateSet: UInt16 { isIPFIX ? 2 : 0 }
    var optionsSet: UInt16 { isIPFIX ? 3 : 1 }

    func message(_ sets: [[UInt8]], count: UInt16 = 1, length: UInt16? = nil, domain: UInt32 = 7) -> [UInt8] {
        let body = sets.flatMap { $0 }
        if !isIPFIX {
            return WireBuilder().u16(9, count).u32(10_000_000, 1_700_000_000, 1, domain).raw(body).bytes
        }
        let length = length ?? UInt16(truncatingIfNeeded: body.count + 16)
        return WireBuilder().u16(10, length).u32(1_700_000_000, 1, domain).raw(body).bytes
    }
    func set(_ id: UInt16, _ body: [UInt8], length: UInt16? = nil) -> [UInt8] {
        WireBuilder().u16(id, length ?? UInt16(truncatingIfNeeded: body.count + 4)).raw(body).bytes
    }
    func template(_ id: UInt16, _ fields: [WireField], count: UInt16? = nil) -> [UInt8] {
        let head = WireBuilder().u16(id, count ?? UInt16(fields.count))
        return set(templateSet, fields.reduce(head) { $0.u16($1.id, $1.length) }.bytes)
    }
    /// `scopes` and `options` in the header's own units, which are octets in NetFlow v9 and fields in IPFIX.
    func options(_ id: UInt16, _ fields: [WireField], _ first: UInt16, _ second: UInt16) -> [UInt8] {
        set(optionsSet, fields.reduce(WireBuilder().u16(id, first, second)) { $0.u16($1.id, $1.length) }.bytes)
    }
    func options(_ id: UInt16, scopes: [WireField], options: [WireField]) -> [UInt8] {
        let (scope, option) = (UInt16(scopes.count), UInt16(options.count))
        return isIPFIX
            ? self.options(id, scopes + options, scope + option, scope)
            : self.options(id, scopes + options, 4 * scope, 4 * option)
    }
}

/// sFlow v5 datagrams and sampled packets.
enum SampledWire {
    static func datagram(_ samples: [[UInt8]], count: UInt32? = nil) -> [UInt8] {
        WireBuilder().u32(5, 1, 0x0A09_0807, 3, 77, 5_000, count ?? UInt32(samples.count))
            .raw(samples.flatMap { $0 }).bytes
    }
    static func element(_ format: UInt32, _ body: [UInt8], length: UInt32? = nil) -> [UInt8] {
        WireBuilder().u32(format, length ?? UInt32(body.count)).raw(body).bytes
    }
    static func flow(_ records: [[UInt8]], count: UInt32? = nil) -> [UInt8] {
        element(
            1,
            WireBuilder().u32(1, 9, 400, 800, 0, 3, 4, count ?? UInt32(records.count)).raw(records.flatMap { $0 }).bytes
        )
    }
    static func header(_ packet: [UInt8], length: UInt32? = nil, frame: UInt32 = 1_518) -> [UInt8] {
        element(
            1,
            WireBuilder().u32(1, frame, 4, length ?? UInt32(packet.count)).raw(packet).zeros((4 - packet.count % 4) % 4)
                .bytes)
    }
    static func ethernet(_ type: UInt16, tags: Int = 0, _ payload: [UInt8]) -> [UInt8] {
        let tagged = (0..<tags).reduce(WireBuilder([UInt8](repeating: 0xAA, count: 12))) { bytes, tag in
            bytes.u16([0x8100, 0x88A8, 0x9100][tag % 3], UInt16(tag))
        }
        return tagged.u16(type).raw(payload).bytes
    }
    static func ipv4(_ number: UInt8, _ payload: [UInt8], words: UInt8 = 5, length: UInt16? = nil) -> [UInt8] {
        WireBuilder().u8(0x40 | words, 0).u16(length ?? UInt16(20 + payload.count), 1, 0).u8(64, number).u16(0)
            .u32(0x0A00_0001, 0x0A00_0002).raw(payload).bytes
    }
    static func ipv6(_ number: UInt8, _ payload: [UInt8]) -> [UInt8] {
        WireBuilder().u32(0x6000_0000).u16(UInt16(payload.count)).u8(number, 64).u64(1, 2, 3, 4).raw(payload).bytes
    }
    static let tcp = WireBuilder().u16(40_000, 443).u32(1, 2).u8(0x50, 0x12).u16(1_000).u32(0).bytes
    static func vxlan(_ frame: [UInt8]) -> [UInt8] {
        WireBuilder().u16(55_000, 4_789, UInt16(16 + frame.count), 0).u32(0x0800_0000, 0x0012_3400).raw(frame).bytes
    }
    static func gre(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] { WireBuilder().u16(0, type).raw(payload).bytes }
    static func mpls(_ labels: Int, bottom: Bool = true, _ payload: [UInt8]) -> [UInt8] {
        (0..<labels).reduce(WireBuilder()) {
            $0.u32(UInt32($1 + 16) << 12 | (bottom && $1 == labels - 1 ? 0x100 : 0) | 64)
        }.raw(payload).bytes
    }
}
