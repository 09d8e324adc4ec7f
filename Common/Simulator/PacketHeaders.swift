internal import FlowModel

/// Packets as they are on the wire, headers only: for meters such as softflowd that make flows of packets, and for
/// sFlow's samples.
enum PacketHeaders {
    /// How a packet is wrapped, from the link on.
    enum Wrapping: Sendable { case plain, vlan, qinq, mpls, vxlan, gre }
    /// What stands between the network's header and the transport's.
    enum Extra: Sendable { case none, fragment, extensionHeaders }

    /// Appends Ethernet, IPv4 or IPv6, TCP, UDP or ICMP headers of one packet of `flow`; `octets` is the packet's
    /// length at the IP layer.
    /// - Returns: the frame's length on the link without its FCS.
    @discardableResult
    static func append(
        _ flow: FlowRecord, octets: UInt64, flags: UInt8, wrapping: Wrapping = .plain, extra: Extra = .none,
        to out: inout [UInt8]
    ) -> Int {
        let isV4 = flow.sourceIPAddress.isV4, type: UInt16 = isV4 ? 0x0800 : 0x86DD
        let length = Int(clamping: min(max(octets, isV4 ? 40 : 60), 9_000))
        appendEthernet(to: &out)
        switch wrapping {
        case .plain: out.put16(type)
        case .vlan:
            for word in [0x8100, flow.vlanId, type] as [UInt16] { out.put16(word) }
        case .qinq:
            for word in [0x88A8, 100, 0x8100, flow.vlanId, type] as [UInt16] { out.put16(word) }
        case .mpls:
            out.put16(0x8847)
            out.put32(16_001 << 12 | 64)
            out.put32(24_005 << 12 | 0x100 | 63)  // bottom of the stack
        case .vxlan:
            appendTunnel(IPProtocol.udp, flow, length: length + 50, to: &out)
            for word in [51_000, 4_789, UInt16(length + 30), 0] as [UInt16] { out.put16(word) }
            out.put32(0x0800_0000)
            out.put32(5_001 << 8)
            appendEthernet(to: &out)
            out.put16(type)
        case .gre:
            appendTunnel(47, flow, length: length + 24, to: &out)
            out.put16(0)
            out.put16(type)
        }
        appendPacket(flow, length, flags, extra, to: &out)
        return length + overhead(wrapping)
    }
    private static func overhead(_ wrapping: Wrapping) -> Int {
        switch wrapping {
        case .plain: 14
        case .vlan: 18
        case .qinq, .mpls: 22
        case .vxlan: 14 + 50
        case .gre: 14 + 24
        }
    }

    private static func appendEthernet(to out: inout [UInt8]) {
        out.put(0x0200_0000_0001, width: 6)
        out.put(0x0200_0000_0002, width: 6)
    }
    /// An outer IPv4 header between two tunnel ends, 10.255.0.1 and on.
    private static func appendTunnel(_ protocolNumber: UInt8, _ flow: FlowRecord, length: Int, to out: inout [UInt8]) {
        out.put16(0x0800)
        appendIPv4(
            length, protocolNumber, fragment: 0x4000, source: 0x0AFF_0001 + UInt32(flow.sourceIPAddress.low & 7),
            destination: 0x0AFF_0009 + UInt32(flow.destinationIPAddress.low & 7), tos: 0, to: &out)
    }
    private static func appendIPv4(
        _ length: Int, _ protocolNumber: UInt8, fragment: UInt16, source: UInt32, destination: UInt32, tos: UInt8,
        to out: inout [UInt8]
    ) {
        let start = out.count
        out.append(0x45)
        out.append(tos)
        out.put16(UInt16(truncatingIfNeeded: length))
        out.put16(0)
        out.put16(fragment)
        out.append(64)
        out.append(protocolNumber)
        out.put16(0)
        out.put32(source)
        out.put32(destination)
        var sum: UInt32 = 0
        for at in stride(from: start, to: start + 20, by: 2) { sum += UInt32(out[at]) << 8 | UInt32(out[at + 1]) }
        while sum > 0xFFFF { sum = sum >> 16 + sum & 0xFFFF }
        out.set16(~UInt16(sum), at: start + 10)
    }

    private static func appendPacket(
        _ flow: FlowRecord, _ length: Int, _ flags: UInt8, _ extra: Extra, to out: inout [UInt8]
    ) {
        let isV4 = flow.sourceIPAddress.isV4, isFragment = isV4 && extra == .fragment
        let hasOptions = !isV4 && extra == .extensionHeaders
        if isV4 {
            appendIPv4(
                length, flow.protocolIdentifier, fragment: isFragment ? 185 : 0x4000, source: flow.sourceIPAddress.v4,
                destination: flow.destinationIPAddress.v4, tos: flow.ipClassOfService, to: &out)
        } else {
            out.put32(0x6000_0000)
            out.put16(UInt16(truncatingIfNeeded: length - 40))
            out.append(hasOptions ? 0 : flow.protocolIdentifier)
            out.append(64)
            out.put(flow.sourceIPAddress)
            out.put(flow.destinationIPAddress)
        }
        if hasOptions {
            // Hop-by-hop options, then destination options: padding of 8 octets each.
            out.put64(60 << 56 | 0x0001_0400_0000_00)
            out.put64(UInt64(flow.protocolIdentifier) << 56 | 0x0001_0400_0000_00)
        }
        // A later fragment has no transport header: what stands there is the middle of something.
        if isFragment { return out.put(0x5A5A_5A5A_5A5A_5A5A, width: 8) }
        appendTransport(flow, length - (isV4 ? 20 : 40), flags, to: &out)
    }
    private static func appendTransport(_ flow: FlowRecord, _ length: Int, _ flags: UInt8, to out: inout [UInt8]) {
        if IPProtocol.isICMP(flow.protocolIdentifier) {
            out.put16(flow.destinationTransportPort)
            out.put16(0)
            return out.put32(0x0001_0001)
        }
        out.put16(flow.sourceTransportPort)
        out.put16(flow.destinationTransportPort)
        guard flow.protocolIdentifier == IPProtocol.tcp else {
            out.put16(UInt16(truncatingIfNeeded: length))
            return out.put16(0)
        }
        out.put32(1)
        out.put32(1)
        out.append(0x50)
        out.append(flags)
        out.put16(0x2000)
        out.put32(0)
    }

    /// The flags of packet `index` of `count`: first SYN, last FIN where the flow has them.
    static func flags(of flow: FlowRecord, index: Int, count: Int) -> UInt8 {
        let all = UInt8(truncatingIfNeeded: flow.tcpControlBits), syn = UInt8(TCPFlag.syn), fin = UInt8(TCPFlag.fin)
        if count == 1 { return all }
        if index == 0 { return all & ~fin }
        return index == count - 1 ? all & ~syn : all & ~(syn | fin)
    }
}
