import FlowModel
import WireBytes

/// One sFlow flow sample, compact or expanded, and the records in it that describe the packet.
extension FlowRecord {
    ///     compact  | sequence :4 | source :4 | rate :4 | pool :4 | drops :4 | input :4 | output :4 | count :4 | …
    ///     expanded | sequence :4 | source :8 | rate :4 | pool :4 | drops :4 | input :8 | output :8 | count :4 | …
    /// Returns false when the sample is cut off or has no record that describes a packet.
    mutating func read(flowSample sample: RawSpan, isExpanded: Bool) -> Bool {
        let headerBytes = isExpanded ? 44 : 32
        guard sample.byteCount >= headerBytes else { return false }
        samplingInterval = Float(sample.be32(at: isExpanded ? 12 : 8))
        if isExpanded {
            ingressInterface = Self.interface(format: sample.be32(at: 24), sample.be32(at: 28))
            egressInterface = Self.interface(format: sample.be32(at: 32), sample.be32(at: 36))
        } else {
            let (input, output) = (sample.be32(at: 20), sample.be32(at: 24))
            ingressInterface = Self.interface(format: input >> 30, input & 0x3FFF_FFFF)
            egressInterface = Self.interface(format: output >> 30, output & 0x3FFF_FFFF)
        }
        var offset = headerBytes
        var found = PacketSource.none
        for _ in 0..<sample.be32(at: headerBytes - 4) {  // ends: each turn adds at least 8
            guard sample.byteCount - offset >= 8 else { break }
            let format = sample.be32(at: offset), length = Int(sample.be32(at: offset + 4))
            guard length <= sample.byteCount - offset - 8 else { break }
            read(flowRecord: format, sample.extracting((offset + 8)..<(offset + 8 + length)), &found)
            offset += 8 + length
        }
        packetDeltaCount = 1
        return found != .none
    }

    /// What has described the packet so far, the least telling first: a better source overrules a lesser one.
    enum PacketSource: Int { case none, ethernet, addresses, header }

    /// Format 0 is an ifIndex, of which 0x3FFFFFFF stands for the device itself; 1 is a discarded packet, 2 several
    /// interfaces: no ifIndex there.
    private static func interface(format: UInt32, _ value: UInt32) -> UInt32 {
        format == 0 && value != 0x3FFF_FFFF ? value : 0
    }

    private mutating func read(flowRecord format: UInt32, _ body: RawSpan, _ found: inout PacketSource) {
        switch format {
        case 1: readSampledHeader(body, &found)
        case 2: readEthernet(body, &found)
        case 3: readAddresses(body, isV6: false, &found)
        case 4: readAddresses(body, isV6: true, &found)
        case 1001: readSwitch(body)
        case 1002: readRouter(body)
        case 1003: readGateway(body)
        default: break
        }
    }

    ///     | protocol :4 | frameLength :4 | stripped :4 | headerLength :4 | header |
    private mutating func readSampledHeader(_ body: RawSpan, _ found: inout PacketSource) {
        guard body.byteCount >= 16, found != .header else { return }
        octetDeltaCount = UInt64(body.be32(at: 4))
        found = .header
        let length = min(Int(body.be32(at: 12)), body.byteCount - 16)
        let header = body.extracting(16..<(16 + length))
        switch body.be32(at: 0) {
        case 1: readEthernetFrame(header)
        case 11: readIPv4(header, at: 0)
        case 12: readIPv6(header, at: 0)
        case 13: readMPLS(header, at: 0)
        default: break  // The packet counts, though what it was isn't known.
        }
    }

    ///     | length :4 | source MAC :8 | destination MAC :8 | type :4 |
    private mutating func readEthernet(_ body: RawSpan, _ found: inout PacketSource) {
        guard body.byteCount >= 24, found == .none else { return }
        octetDeltaCount = UInt64(body.be32(at: 0))
        found = .ethernet
    }

    ///     | length :4 | protocol :4 | source | destination | source port :4 | destination port :4 | TCP flags :4
    ///     | class :4 |
    private mutating func readAddresses(_ body: RawSpan, isV6: Bool, _ found: inout PacketSource) {
        let width = isV6 ? 16 : 4, portsAt = 8 + 2 * width
        guard body.byteCount >= portsAt + 16, found.rawValue < PacketSource.addresses.rawValue else { return }
        octetDeltaCount = UInt64(body.be32(at: 0))
        protocolIdentifier = UInt8(truncatingIfNeeded: body.be32(at: 4))
        sourceIPAddress = Self.address(body, at: 8, isV6: isV6)
        destinationIPAddress = Self.address(body, at: 8 + width, isV6: isV6)
        sourceTransportPort = UInt16(truncatingIfNeeded: body.be32(at: portsAt))
        destinationTransportPort = UInt16(truncatingIfNeeded: body.be32(at: portsAt + 4))
        tcpControlBits = UInt16(truncatingIfNeeded: body.be32(at: portsAt + 8)) & 0x0FFF
        ipClassOfService = UInt8(truncatingIfNeeded: body.be32(at: portsAt + 12))
        found = .addresses
    }
    static func address(_ data: RawSpan, at offset: Int, isV6: Bool) -> IPAddress {
        isV6
            ? IPAddress(high: data.be64(at: offset), low: data.be64(at: offset + 8))
            : IPAddress(v4: data.be32(at: offset))
    }

    ///     | source VLAN :4 | source priority :4 | destination VLAN :4 | destination priority :4 |
    private mutating func readSwitch(_ body: RawSpan) {
        guard body.byteCount >= 16, vlanId == 0 else { return }
        let vlan = body.be32(at: 0)
        if vlan < 4_096 { vlanId = UInt16(vlan) }
    }

    ///     | next hop | source mask bits :4 | destination mask bits :4 |
    private mutating func readRouter(_ body: RawSpan) {
        guard let (address, end) = SFlow5.address(body, at: 0), body.byteCount - end >= 8 else { return }
        ipNextHopAddress = address
        sourceIPPrefixLength = UInt8(truncatingIfNeeded: min(body.be32(at: end), 128))
        destinationIPPrefixLength = UInt8(truncatingIfNeeded: min(body.be32(at: end + 4), 128))
    }

    ///     | next hop | own AS :4 | source AS :4 | source peer AS :4 | segments :4 | { type :4 | count :4 | AS :4 … }
    /// The destination's AS is the last of the path; with an empty path it is not known here.
    private mutating func readGateway(_ body: RawSpan) {
        guard let (address, end) = SFlow5.address(body, at: 0), body.byteCount - end >= 16 else { return }
        if ipNextHopAddress.isAbsent { ipNextHopAddress = address }
        bgpSourceAsNumber = body.be32(at: end + 4)
        var offset = end + 16
        for _ in 0..<body.be32(at: end + 12) {  // ends: each turn adds at least 8
            guard body.byteCount - offset >= 8 else { return }
            let numbers = Int(body.be32(at: offset + 4))
            guard numbers <= (body.byteCount - offset - 8) / 4 else { return }
            offset += 8 + 4 * numbers
            if numbers > 0 { bgpDestinationAsNumber = body.be32(at: offset - 4) }
        }
    }
}
