package import FlowModel
internal import WireBytes

/// Packets as they are on the wire, headers only: for meters such as softflowd that make flows of packets, and for
/// sFlow's samples.
enum PacketHeaders {
    /// Ethernet, IPv4 or IPv6, TCP or UDP headers of one packet of `flow`; `octets` is the packet's length at the IP
    /// layer.
    static func bytes(of flow: FlowRecord, octets: UInt64, flags: UInt8) -> [UInt8] {
        let length = UInt16(clamping: max(octets, 40)), isV4 = flow.sourceIPAddress.isV4
        var out: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]
        out.appendBE((isV4 ? 0x0800 : 0x86DD) as UInt16)
        if isV4 {
            out += [0x45, flow.ipClassOfService]
            out.appendBE(length)
            out += [0, 0, 0x40, 0, 64, flow.protocolIdentifier, 0, 0]
            out.appendBE(flow.sourceIPAddress.v4)
            out.appendBE(flow.destinationIPAddress.v4)
        } else {
            out += [0x60, 0, 0, 0]
            out.appendBE(length &- 40)
            out += [flow.protocolIdentifier, 64]
            for address in [flow.sourceIPAddress, flow.destinationIPAddress] {
                out.appendBE(address.high)
                out.appendBE(address.low)
            }
        }
        out.appendBE(flow.sourceTransportPort)
        out.appendBE(flow.destinationTransportPort)
        if flow.protocolIdentifier == IPProtocol.tcp {
            out += [0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0x20, 0, 0, 0, 0, 0]
        } else {
            out.appendBE(length &- (isV4 ? 20 : 40))
            out += [0, 0]
        }
        return out
    }

    /// The flags of packet `index` of `count`: first SYN, last FIN where the flow has them.
    static func flags(of flow: FlowRecord, index: Int, count: Int) -> UInt8 {
        let all = UInt8(truncatingIfNeeded: flow.tcpControlBits), syn = UInt8(TCPFlag.syn), fin = UInt8(TCPFlag.fin)
        if count == 1 { return all }
        if index == 0 { return all & ~fin }
        return index == count - 1 ? all & ~syn : all & ~(syn | fin)
    }
}

/// A pcap of the packets of flows, in the order of time, snapped to their headers.
package struct PacketWriter: Sendable {
    /// What has been written and not been taken.
    package private(set) var bytes: [UInt8] = []
    private var waiting: [(microseconds: Int64, headers: [UInt8], length: Int)] = []

    package init() {
        bytes.appendBE(0xA1B2_C3D4 as UInt32)
        bytes.appendBE(2 as UInt16)
        bytes.appendBE(4 as UInt16)
        bytes.appendBE(0 as UInt64)
        bytes.appendBE(128 as UInt32)
        bytes.appendBE(1 as UInt32)
    }

    /// Adds the packets of `flow`, spread evenly over its time.
    package mutating func append(_ flow: FlowRecord) {
        let count = Int(clamping: min(flow.packetDeltaCount, 1_000_000))
        guard count > 0 else { return }
        let span = (flow.flowEndMilliseconds - flow.flowStartMilliseconds) * 1_000
        let octets = flow.octetDeltaCount / flow.packetDeltaCount
        for index in 0..<count {
            let offset = count == 1 ? 0 : span * Int64(index) / Int64(count - 1)
            let headers = PacketHeaders.bytes(
                of: flow, octets: octets, flags: PacketHeaders.flags(of: flow, index: index, count: count))
            waiting.append((flow.flowStartMilliseconds * 1_000 + offset, headers, Int(clamping: octets) + 14))
        }
    }

    /// Writes what was appended, in order, and hands over all bytes so far.
    package mutating func finish() -> [UInt8] {
        let order = waiting.indices.sorted { (waiting[$0].microseconds, $0) < (waiting[$1].microseconds, $1) }
        for index in order {
            let packet = waiting[index]
            bytes.appendBE(UInt32(truncatingIfNeeded: packet.microseconds / 1_000_000))
            bytes.appendBE(UInt32(truncatingIfNeeded: packet.microseconds % 1_000_000))
            bytes.appendBE(UInt32(packet.headers.count))
            bytes.appendBE(UInt32(clamping: max(packet.length, packet.headers.count)))
            bytes += packet.headers
        }
        waiting = []
        defer { bytes = [] }
        return bytes
    }
}

/// One sFlow v5 flow sample with a raw packet header (sflow_version_5.txt §5).
enum SFlowSample {
    static func bytes(of flow: FlowRecord, octets: UInt64, interval: UInt32) -> [UInt8] {
        var header = PacketHeaders.bytes(
            of: flow, octets: octets, flags: UInt8(truncatingIfNeeded: flow.tcpControlBits))
        let headerLength = header.count
        header += [UInt8](repeating: 0, count: (4 - headerLength % 4) % 4)
        var out: [UInt8] = []
        out.appendBE(1 as UInt32)  // flow_sample
        out.appendBE(UInt32(32 + 8 + 16 + header.count))
        for word in [1, flow.ingressInterface, interval, interval, 0, flow.ingressInterface, flow.egressInterface, 1] {
            out.appendBE(word as UInt32)
        }
        out.appendBE(1 as UInt32)  // raw packet header
        out.appendBE(UInt32(16 + header.count))
        out.appendBE(1 as UInt32)  // Ethernet
        out.appendBE(UInt32(clamping: octets) &+ 18)  // frame with its FCS
        out.appendBE(4 as UInt32)
        out.appendBE(UInt32(headerLength))
        return out + header
    }
}
