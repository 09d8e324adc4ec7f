import FlowModel
import WireBytes

/// Link layers, tags and labels.
extension PacketReader {
    ///     | destination :6 | source :6 | type :2 |
    @inline(__always)
    mutating func readEthernet(_ packet: RawSpan) {
        guard has(12) else { return }
        if isOutside {
            let header = rest(packet)
            guard header.byteCount >= 12 else { return stop(.truncated) }  // never: what is read below fits
            let first = header.be64(at: 0)
            summary.destinationMAC = first >> 16
            summary.sourceMAC = (first & 0xFFFF) << 32 | UInt64(header.be32(at: 8))
        }
        at &+= 12
        readType(packet)
    }
    /// A type :2 here, and what it stands for behind it.
    @inline(__always)
    mutating func readType(_ packet: RawSpan) {
        guard has(2) else { return }
        type = packet.be16(at: at)
        at &+= 2
        if isOutside { summary.etherType = type }
        switch type {
        case 0x0800: next = .ipv4
        case 0x86DD: next = .ipv6
        default: next = .etherType
        }
    }

    mutating func readTyped(_ packet: RawSpan) {
        switch type {
        case 0x0800: next = .ipv4
        case 0x86DD: next = .ipv6
        case 0x8100, 0x88A8, 0x9100, 0x9200, 0x9300: readTag(packet)
        case 0x8847, 0x8848: next = .mpls
        case 0x8864: skip(6, to: .ppp)  // | version, type :1 | code :1 | session :2 | length :2 |
        case 0x6558: next = .ethernet  // transparent bridging
        case 0x88E7:  // IEEE 802.1ah: | instance :4 |, then the customer's frame
            enter(.backboneBridge)
            skip(4, to: .ethernet)
        case 0x893F: readTagOfOtherKind(packet, length: 6)  // IEEE 802.1BR
        case 0x8926: readTagOfOtherKind(packet, length: 4)  // Cisco's VN-Tag
        case 0x894F: readServiceHeader(packet)
        case 0x88BE: readERSPAN(packet, headerBytes: 8)
        case 0x22EB: readERSPAN(packet, headerBytes: 12)
        case 0..<1_536: next = .linkControl  // a length
        default: stop(.unknown)
        }
    }

    ///     | priority :3 bits, drop :1 bit, VLAN :12 bits | type :2 |
    private mutating func readTag(_ packet: RawSpan) {
        guard has(2) else { return }
        let vlan = packet.be16(at: at) & 0x0FFF
        at &+= 2
        if !isOutside || summary.vlanCount == 1 {
            if summary.innerVLAN == 0 { summary.innerVLAN = vlan }
        } else if summary.vlanCount == 0 {
            summary.vlan = vlan
        }
        if isOutside { summary.vlanCount &+= 1 }
        readType(packet)
    }
    private mutating func readTagOfOtherKind(_ packet: RawSpan, length: Int) {
        guard has(length) else { return }
        at &+= length
        readType(packet)
    }

    ///     | destination SAP :1 | source SAP :1 | control :1 |, then with SNAP | organization :3 | type :2 |
    mutating func readLinkControl(_ packet: RawSpan) {
        guard has(3) else { return }
        let access = packet.be16(at: at)
        guard access == 0xAAAA, packet.u8(at: at &+ 2) == 0x03 else {
            if access == 0x0606 { return skip(3, to: .internet) }
            return stop(.unknown)
        }
        guard has(8) else { return }
        let organization = packet.be16(at: at &+ 3), lowOctet = packet.u8(at: at &+ 5)
        // Ethernet types, by themselves or bridged from Ethernet by way of 802.2 (0000F8).
        guard organization == 0, lowOctet == 0 || lowOctet == 0xF8 else { return stop(.unknown) }
        at &+= 6
        readType(packet)
    }

    /// Labels of four octets until one has the bottom-of-stack bit (RFC 3032 §2.1).
    mutating func readMPLS(_ packet: RawSpan) {
        let isFirst = summary.labelCount == 0
        if isFirst { summary.labelsAt = UInt32(truncatingIfNeeded: at) }
        var isBottom = false
        for _ in 0..<PacketSummary.layersMax where !isBottom {
            guard has(4) else { return }
            isBottom = packet.u8(at: at &+ 2) & 1 == 1
            at &+= 4
            if isFirst, summary.labelCount < PacketSummary.labelsMax { summary.labelCount &+= 1 }
        }
        guard isBottom else { return stop(.tooDeep) }
        readUnderLabels(packet)
    }

    //= RFC 4928 §3
    /// Nothing names what follows the labels. An IP packet begins with its version; a pseudowire with a control word
    /// that begins with 0 (RFC 4385 §3), or with a frame right away.
    private mutating func readUnderLabels(_ packet: RawSpan) {
        guard has(1) else { return }
        switch packet.u8(at: at) >> 4 {
        case 4 where isInternetHeader(packet): next = .ipv4
        case 6 where isInternetHeader(packet): next = .ipv6
        case _ where isFrame(packet, at: at):  // before the next: a tagged frame has a type 4 octets on, too
            enter(.pseudowire)
            next = .ethernet
        case 0 where isFrame(packet, at: at &+ 4):
            enter(.pseudowire)
            skip(4, to: .ethernet)
        default: stop(.unknown)  // 1 is the pseudowire's control channel (RFC 4385 §5)
        }
    }
    /// Whether the header here is one of IP rather than a frame whose first address happens to begin like it.
    private func isInternetHeader(_ packet: RawSpan) -> Bool {
        guard packet.u8(at: at) >> 4 == 4 else { return !isFrame(packet, at: at) }
        guard packet.u8(at: at) & 0x0F >= 5, end &- at >= 4 else { return false }
        let length = Int(packet.be16(at: at &+ 2))
        return length >= 20 || length == 0
    }
    /// Whether a frame of a known type begins at `offset`.
    private func isFrame(_ packet: RawSpan, at offset: Int) -> Bool {
        guard end &- offset >= 14 else { return false }
        switch packet.be16(at: offset &+ 12) {
        case 0x0800, 0x0806, 0x86DD, 0x8100, 0x88A8, 0x9100, 0x8847, 0x8848, 0x8863, 0x8864, 0x88CC, 0x88E7: return true
        default: return false
        }
    }

    /// The protocol in one octet or two (RFC 1661 §2), behind address and control when they are there.
    mutating func readPPP(_ packet: RawSpan) {
        guard has(2) else { return }
        switch packet.be16(at: at) {
        case 0xFF03:
            at &+= 2
            guard has(2) else { return }
        case 0x0F00, 0x8F00:  // Cisco's HDLC
            at &+= 2
            return readType(packet)
        default: break
        }
        let first = packet.u8(at: at), isShort = first & 1 == 1
        let number = isShort ? UInt16(first) : packet.be16(at: at)
        at &+= isShort ? 1 : 2
        switch number {
        case 0x0021: next = .ipv4
        case 0x0057: next = .ipv6
        case 0x0281, 0x0283: next = .mpls
        default: stop(.unknown)
        }
    }

    ///     | packet type :2 | hardware :2 | address length :2 | address :8 | type :2 |
    mutating func readLinuxCooked(_ packet: RawSpan) {
        guard has(14) else { return }
        if packet.be16(at: at &+ 4) == 6 { summary.sourceMAC = packet.be64(at: at &+ 6) >> 16 }
        at &+= 14
        readType(packet)
    }
    ///     | type :2 | reserved :2 | interface :4 | hardware :2 | packet type :1 | address length :1 | address :8 |
    mutating func readLinuxCooked2(_ packet: RawSpan) {
        guard has(20) else { return }
        if packet.u8(at: at &+ 11) == 6 { summary.sourceMAC = packet.be64(at: at &+ 12) >> 16 }
        type = packet.be16(at: at)
        summary.etherType = type
        at &+= 20
        next = .etherType
    }

    /// IEEE 802.11 §9.2:
    ///     | control :2 | duration :2 | addresses :18 | sequence :2 | { address :6 } | { QoS :2 } | { HT :4 } |
    mutating func readWireless(_ packet: RawSpan) {
        guard has(24) else { return }
        let kind = packet.u8(at: at), bits = packet.u8(at: at &+ 1)
        // Data frames that have a body in the clear.
        guard kind & 0x4F == 0x08, bits & 0x40 == 0 else { return stop(.unknown) }
        let isToSystem = bits & 1 != 0, isFromSystem = bits & 2 != 0, hasQoS = kind & 0x80 != 0
        var length = 24
        let fourth = length
        if isToSystem && isFromSystem { length += 6 }
        let qosAt = length
        if hasQoS { length += bits & 0x80 != 0 ? 6 : 2 }
        guard has(length) else { return }
        summary.destinationMAC = mac(packet, isToSystem ? 16 : 4)
        summary.sourceMAC = mac(packet, isFromSystem ? (isToSystem ? fourth : 16) : 10)
        let isAggregate = hasQoS && packet.u8(at: at &+ qosAt) & 0x80 != 0
        at &+= length
        next = isAggregate ? .wirelessSubframe : .linkControl
    }
    ///     | destination :6 | source :6 | length :2 |
    mutating func readWirelessSubframe(_ packet: RawSpan) {
        guard has(14) else { return }
        (summary.destinationMAC, summary.sourceMAC) = (mac(packet, 0), mac(packet, 6))
        at &+= 14
        next = .linkControl
    }
    private func mac(_ packet: RawSpan, _ offset: Int) -> UInt64 { packet.beInteger(at: at &+ offset, width: 6) }
}
