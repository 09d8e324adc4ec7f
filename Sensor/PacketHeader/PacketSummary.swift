package import FlowModel
import WireBytes

/// What the start of a packet says, from the link layer through any mix of tags, labels and tunnels to the ports.
///
/// Invariants: reading is a pure function of the octets, allocates nothing, ends after at most `layersMax` layers and
/// `internetHeadersMax` IP headers, and is safe when the packet is cut off at any octet: what was read until then
/// stays. The first IP header is the `outer` one and is never replaced; the last one that a tunnel led to is `inner`.
/// Not here: payloads, reassembly of fragments, checksums.
package struct PacketSummary: Equatable, Sendable, BitwiseCopyable {
    /// More layers than this are not followed.
    package static let layersMax = 32
    /// More IP headers inside each other than this are not followed.
    package static let internetHeadersMax = 4
    /// Label stack entries counted, as many as IPFIX has elements for (70…79); a stack may be longer.
    package static let labelsMax = 10

    /// The first IP header; all zero when the packet has none.
    package var outer = PacketKeys()
    /// The innermost IP header that a tunnel led to; all zero when there is none.
    package var inner = PacketKeys()
    /// Of the first link header, in the low 48 bits.
    package var sourceMAC: UInt64 = 0, destinationMAC: UInt64 = 0
    /// What the first link header's tags lead to, or the last tag's own type when the packet ends there.
    package var etherType: UInt16 = 0
    /// The outermost VLAN tag's number, and the next one's or that of a frame inside a tunnel; 0 none.
    package var vlan: UInt16 = 0, innerVLAN: UInt16 = 0
    /// VLAN tags in front of the first IP header.
    package var vlanCount: UInt8 = 0
    /// Entries of the first label stack, at most `labelsMax`, and where they begin in the packet.
    package var labelCount: UInt8 = 0
    package var labelsAt: UInt32 = 0
    /// What the outermost IP header (or label stack) carries another packet in.
    package var tunnel = PacketTunnel.none
    /// Tunnels entered.
    package var tunnelDepth: UInt8 = 0
    /// The first overlay network that the packet is in: which kind of tunnel named it, and its number (24 bits).
    package var segmentTunnel = PacketTunnel.none
    package var segment: UInt32 = 0
    /// The first other number that a tunnel has: GRE key, GTP tunnel endpoint, ERSPAN session; 0 none.
    package var tunnelKey: UInt32 = 0
    /// Why reading ended.
    package var end = PacketEnd.complete

    /// Whether a tunnel led to another IP header.
    package var hasInner: Bool { inner.version != 0 }

    /// Reads `packet`, whose first octet is the first of `link`'s header.
    package init(_ packet: RawSpan, link: PacketLink) {
        var reader = PacketReader()
        reader.read(packet, link: link)
        self = reader.summary
    }
    /// Of no packet.
    package init() {}

    @inline(__always)
    mutating func reset() {
        outer.reset()
        if inner.version != 0 { inner.reset() }
        (sourceMAC, destinationMAC) = (0, 0)
        (etherType, vlan, innerVLAN, vlanCount) = (0, 0, 0, 0)
        (labelCount, labelsAt) = (0, 0)
        (tunnel, tunnelDepth, segmentTunnel, segment, tunnelKey) = (.none, 0, .none, 0, 0)
        end = .complete
    }

    /// Entry `index` (from 0, below `labelCount`) of the label stack in the same `packet`, as three octets: label,
    /// traffic class, bottom of stack; as IPFIX has it.
    package func labelStackSection(_ index: Int, of packet: RawSpan) -> UInt32 {
        let at = Int(labelsAt) + 4 * index
        guard index >= 0, index < Int(labelCount), at <= packet.byteCount - 4 else { return 0 }
        return packet.be32(at: at) >> 8
    }
}

/// One IP header and the transport header behind it.
package struct PacketKeys: Equatable, Sendable, BitwiseCopyable {
    package var source = IPAddress.absent, destination = IPAddress.absent
    /// The header's own length and all that follows, in octets; for IPv4 as it states it, 0 with segmentation offload.
    package var totalLength: UInt32 = 0
    package var sourcePort: UInt16 = 0
    /// For ICMP and ICMPv6: type << 8 | code.
    package var destinationPort: UInt16 = 0
    /// The 12 low bits of the fourth word (RFC 9293 §3.1).
    package var tcpControlBits: UInt16 = 0
    /// Of IPv6 the one behind the extension headers.
    package var protocolIdentifier: UInt8 = 0
    package var trafficClass: UInt8 = 0
    /// IPv4's time to live, IPv6's hop limit.
    package var hopLimit: UInt8 = 0
    /// 4, 6, or 0 when there is no such header.
    package var version: UInt8 = 0
    package var fragment = PacketFragment.whole

    package init() {}
    /// Of an IP header, without ports.
    @inline(__always)
    init(
        version: UInt8, _ source: IPAddress, _ destination: IPAddress, totalLength: UInt32, trafficClass: UInt8,
        hopLimit: UInt8, _ protocolIdentifier: UInt8, _ fragment: PacketFragment
    ) {
        (self.source, self.destination, self.totalLength) = (source, destination, totalLength)
        (self.trafficClass, self.hopLimit, self.protocolIdentifier) = (trafficClass, hopLimit, protocolIdentifier)
        (self.version, self.fragment) = (version, fragment)
    }

    @inline(__always)
    mutating func reset() {
        (source, destination) = (IPAddress(high: 0, low: 0), IPAddress(high: 0, low: 0))
        (totalLength, sourcePort, destinationPort, tcpControlBits) = (0, 0, 0, 0)
        (protocolIdentifier, trafficClass, hopLimit, version, fragment) = (0, 0, 0, 0, .whole)
    }
}

/// Which piece of a packet this is. Only a whole packet and a first fragment have ports.
package enum PacketFragment: UInt8, Sendable, BitwiseCopyable { case whole, first, later }

/// What carries a packet inside another one.
package enum PacketTunnel: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    case none, pseudowire, backboneBridge, ipInIP, mplsInIP, ethernetInIP, srv6, gre, nvgre, erspan, pptp, vxlan,
        geneve,
        gtp
}

/// Why reading a packet ended.
package enum PacketEnd: UInt8, Sendable, BitwiseCopyable {
    /// At a transport header, or at a protocol that has none.
    case complete
    /// The octets ended, or a length said so.
    case truncated
    /// At a layer that isn't known, or that breaks its own rules.
    case unknown
    /// `layersMax` or `internetHeadersMax` was reached.
    case tooDeep
}

/// The header that a packet's first octet belongs to.
package enum PacketLink: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    case ethernet, ipv4, ipv6
    /// IPv4 or IPv6, told by the version.
    case internet
    case mpls
    /// With or without address and control octets (RFC 1662), or Cisco's HDLC.
    case ppp
    /// LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2.
    case linuxCooked, linuxCooked2
    /// A data frame of IEEE 802.11, without radio header; and one frame of an aggregate (A-MSDU).
    case wireless, wirelessSubframe
    /// IEEE 802.2 (LLC), as in ATM's AAL5 (RFC 2684).
    case linkControl
}
