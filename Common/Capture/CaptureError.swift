/// Why a capture cannot be read on. Offsets count octets from the start of the file.
package enum CaptureError: Error, Equatable, Sendable {
    /// The file is neither pcap nor pcapng that this reader knows: nothing was read.
    case notACapture(reason: String)
    /// A length in the file contradicts its format, so the next record cannot be found. What came before is good.
    case damaged(reason: String, offset: Int)
}

extension CaptureError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notACapture(let reason): "not a capture: \(reason)"
        case .damaged(let reason, let offset): "damaged at octet \(offset): \(reason)"
        }
    }
}

/// Why a frame of a capture yields no datagram. The raw value is the name in summaries.
package enum CaptureSkip: String, CaseIterable, Sendable {
    /// The file ends inside a record: the copy was cut. Counted once, at the end.
    case truncated = "capture_truncated"
    /// The capture kept fewer octets of the frame than its datagram has.
    case snapped = "frame_snapped"
    /// A link type that this reader does not know.
    case linkType = "link_type_unknown"
    /// pcapng: the packet names an interface that its section does not describe.
    case unknownInterface = "interface_unknown"
    /// ARP, spanning tree and other frames without an IP packet.
    case notIP = "not_ip"
    /// TCP, ICMP and everything else over IP.
    case notUDP = "not_udp"
    /// A piece of a fragmented datagram: nothing is reassembled.
    case fragment
    /// Header lengths that contradict each other.
    case malformed = "frame_malformed"
}

/// The bounds of this module, so that a hostile file costs no more than its own size.
package enum CaptureLimit {
    /// The largest frame that is read, as in libpcap (MAXIMUM_SNAPLEN).
    package static let frameBytesMax = 262_144
    /// The largest pcapng block that is stepped over.
    package static let blockBytesMax = 16 << 20
    /// Interfaces in one pcapng section; packets of further ones are skipped as `unknownInterface`.
    package static let interfacesMax = 4_096
    /// The largest UDP payload over IPv4.
    package static let payloadBytesMax = 65_507
}
