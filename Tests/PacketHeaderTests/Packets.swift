import FlowModel
import PacketHeader
import WireBytes

/// Packets made by hand, layer by layer.
struct Octets {
    var bytes: [UInt8] = []
    init(_ bytes: [UInt8] = []) { self.bytes = bytes }
    func u8(_ values: UInt8...) -> Octets { Octets(bytes + values) }
    func u16(_ values: UInt16...) -> Octets { Octets(values.reduce(into: bytes) { $0.appendBE($1) }) }
    func u32(_ values: UInt32...) -> Octets { Octets(values.reduce(into: bytes) { $0.appendBE($1) }) }
    func raw(_ more: [UInt8]) -> Octets { Octets(bytes + more) }
    func address(_ text: String) -> Octets {
        let address = IPAddress(text) ?? .absent
        if address.isV4 { return u32(address.v4) }
        return u32(
            UInt32(truncatingIfNeeded: address.high >> 32), UInt32(truncatingIfNeeded: address.high),
            UInt32(truncatingIfNeeded: address.low >> 32), UInt32(truncatingIfNeeded: address.low))
    }
}

enum Packet {
    static let destination: [UInt8] = [0x02, 0x11, 0x32, 0, 0, 1], source: [UInt8] = [0x02, 0x11, 0x32, 0, 0, 2]

    static func ethernet(_ type: UInt16, tags: [(UInt16, UInt16)] = [], _ payload: [UInt8]) -> [UInt8] {
        let head = tags.reduce(Octets(destination + source)) { $0.u16($1.0, $1.1) }
        return head.u16(type).raw(payload).bytes
    }
    static func ipv4(
        _ number: UInt8, from: String = "10.0.0.1", to: String = "10.0.0.2", fragment: UInt16 = 0, _ payload: [UInt8]
    ) -> [UInt8] {
        Octets().u8(0x45, 0xB8).u16(UInt16(20 + payload.count), 1, fragment).u8(64, number).u16(0)
            .address(from).address(to).raw(payload).bytes
    }
    static func ipv6(
        _ next: UInt8, from: String = "2001:db8::1", to: String = "2001:db8::2", _ payload: [UInt8]
    ) -> [UInt8] {
        Octets().u32(0x6B80_0000).u16(UInt16(payload.count)).u8(next, 63).address(from).address(to).raw(payload).bytes
    }
    static func udp(_ from: UInt16, _ to: UInt16, _ payload: [UInt8] = []) -> [UInt8] {
        Octets().u16(from, to, UInt16(8 + payload.count), 0).raw(payload).bytes
    }
    static let tcp = Octets().u16(40_000, 443).u32(1, 2).u8(0x50, 0x12).u16(1_000).u32(0).bytes

    /// What every tunnel test hides: 172.16.0.1 > 172.16.0.2, TCP 40000 > 443.
    static let innerIPv4 = ipv4(6, from: "172.16.0.1", to: "172.16.0.2", tcp)
    static let innerIPv6 = ipv6(6, from: "fd00::1", to: "fd00::2", tcp)
    static let innerFrame = ethernet(0x0800, innerIPv4)

    static func label(_ label: UInt32, isBottom: Bool = false) -> UInt32 {
        label << 12 | (isBottom ? 0x100 : 0) | 64
    }
}

func read(_ packet: [UInt8], _ link: PacketLink = .ethernet) -> PacketSummary {
    packet.withBytes { PacketSummary($0, link: link) }
}
func address(_ text: String) -> IPAddress { IPAddress(text) ?? .absent }
