import FlowModel
import PacketHeader
import WireBytes

/// What a sample says that no column holds: read in a second pass, over those samples only that have such things.
struct SampleDetails {
    private(set) var present = SampleElementSet(rawValue: 0)
    private var packet = PacketSummary()
    /// The sampled header, as a range of the sample.
    private var headerAt = 0, headerEnd = 0
    private var segment: UInt64 = 0
    private var innerVLAN: UInt16 = 0, postVLAN: UInt16 = 0
    /// Labels told by a record of the router's, where the header has none.
    private var labelsAt = 0, labelCount = 0
    private var status: UInt8 = 0
    private var natSource = IPAddress.absent, natDestination = IPAddress.absent
    private var natSourcePort: UInt16 = 0, natDestinationPort: UInt16 = 0
    private var nextAS: UInt32 = 0, previousAS: UInt32 = 0, pseudowire: UInt32 = 0
    private var user = 0..<0, host = 0..<0, target = 0..<0
    /// Where each of the tunnel structures begins in the sample.
    private var tunnelsAt = InlineArray<8, Int>(repeating: 0)

    init() {}

    private mutating func set(_ element: SampleElement) { present.insert(SampleElementSet(element)) }

    /// - Parameter range: where the header lies in the sample.
    mutating func take(_ packet: PacketSummary, at range: Range<Int>) {
        self.packet = packet
        (headerAt, headerEnd) = (range.lowerBound, range.upperBound)
        if packet.hasInner { takeInner(packet.inner) }
        if packet.segmentTunnel != .none { takeSegment(packet.segment, of: packet.segmentTunnel) }
        if packet.innerVLAN != 0 { takeInnerVLAN(packet.innerVLAN) }
        if packet.labelCount > 0 { takeLabels(Int(packet.labelCount)) }
        if packet.sourceMAC != 0 || packet.destinationMAC != 0 {
            set(.sourceMacAddress)
            set(.destinationMacAddress)
        }
        if packet.outer.version != 0 {
            set(.ipTTL)
            set(.ipTotalLength)
        }
    }
    private mutating func takeInner(_ inner: PacketKeys) {
        set(.tenantProtocol)
        set(inner.version == 4 ? .tenantSourceIPv4 : .tenantSourceIPv6)
        set(inner.version == 4 ? .tenantDestIPv4 : .tenantDestIPv6)
        set(.tenantSourcePort)
        set(.tenantDestPort)
    }
    /// As IANA describes element 351, with the kind of overlay in the first octet: 1 VXLAN, 2 NVGRE, 0 any other.
    private mutating func takeSegment(_ number: UInt32, of tunnel: PacketTunnel) {
        let kind: UInt64 = tunnel == .vxlan ? 1 : tunnel == .nvgre ? 2 : 0
        segment = kind << 56 | UInt64(number & 0xFF_FFFF)
        set(.layer2SegmentId)
    }
    private mutating func takeInnerVLAN(_ number: UInt16) {
        innerVLAN = number
        set(.dot1qCustomerVlanId)
    }
    private mutating func takeLabels(_ count: Int) {
        labelCount = min(count, PacketSummary.labelsMax)
        for index in 0..<labelCount {
            present.rawValue |= 1 << UInt64(SampleElement.label1.rawValue + UInt8(index))
        }
    }
    mutating func take(discardReason reason: UInt32) {
        status = SFlow5.forwardingStatus(discardReason: reason)
        set(.forwardingStatus)
    }
    mutating func take(_ gateway: SampledGateway) {
        guard gateway.hasNeighbours else { return }
        (nextAS, previousAS) = (gateway.destinationPeerAS, gateway.sourcePeerAS)
        if nextAS != 0 { set(.bgpNextAdjacentAsNumber) }
        if previousAS != 0 { set(.bgpPrevAdjacentAsNumber) }
    }
    mutating func take(user range: Range<Int>) {
        user = range
        if !range.isEmpty { set(.userName) }
    }
    mutating func take(host: Range<Int>, target: Range<Int>) {
        (self.host, self.target) = (host, target)
        if !host.isEmpty { set(.httpRequestHost) }
        if !target.isEmpty { set(.httpRequestTarget) }
    }
    mutating func take(postVLAN number: UInt32, from: UInt32) {
        guard number != 0, number != from, number < 4_096 else { return }
        postVLAN = UInt16(number)
        set(.postVlanId)
    }

    /// Reads one flow record, which lies at `range` of `sample`.
    mutating func read(flowRecord format: UInt32, _ range: Range<Int>, of sample: RawSpan, _ row: inout SampleRow) {
        let body = sample.extracting(range)
        switch format {
        case 1:
            guard headerEnd == 0, body.byteCount >= 16, let link = SFlow5.link(of: body.be32(at: 0)) else { return }
            let header = SFlow5.header(body), at = range.lowerBound + 16
            take(PacketSummary(header, link: link), at: at..<(at + header.byteCount))
        case 1001 where body.byteCount >= 16: take(postVLAN: body.be32(at: 8), from: body.be32(at: 0))
        case 1003: if let gateway = SampledGateway(body) { take(gateway) }
        case 1004: readUser(body, at: range.lowerBound)
        case 1005: readURL(body, at: range.lowerBound)
        case 1006: readLabels(body, at: range.lowerBound, &row)
        case 1007: readTranslation(body)
        case 1009: readVirtualCircuit(body)
        case 1012: readStrippedTags(body, &row)
        case 1020 where body.byteCount >= 8: takePorts(body.be32(at: 0), body.be32(at: 4))
        case SampleElement.tunnelStructures: takeTunnel(Int(format - 1021), range)
        case 1029 where body.byteCount >= 4, 1030 where body.byteCount >= 4:
            if !present.contains(SampleElementSet(.layer2SegmentId)) { takeSegment(body.be32(at: 0), of: .vxlan) }
        default: break
        }
    }

    private mutating func takeTunnel(_ index: Int, _ range: Range<Int>) {
        guard range.count >= SampleElement.tunnelOctets[index] else { return }
        tunnelsAt[index] = range.lowerBound
        present.formUnion(SampleElement.ofTunnels[index])
    }

    ///     | source charset :4 | source user | destination charset :4 | destination user |
    private mutating func readUser(_ body: RawSpan, at start: Int) {
        guard let name = SFlow5.string(body, at: 4) else { return }
        take(user: (start + name.range.lowerBound)..<(start + name.range.upperBound))
    }
    ///     | direction :4 | URL | host |
    private mutating func readURL(_ body: RawSpan, at start: Int) {
        guard let url = SFlow5.string(body, at: 4) else { return }
        let name = SFlow5.string(body, at: url.end)?.range ?? 0..<0
        take(
            host: name.isEmpty ? name : (start + name.lowerBound)..<(start + name.upperBound),
            target: (start + url.range.lowerBound)..<(start + url.range.upperBound))
    }
    ///     | next hop | labels in :4 | label :4 … | labels out :4 | label :4 … |
    private mutating func readLabels(_ body: RawSpan, at start: Int, _ row: inout SampleRow) {
        guard let (hop, end) = SFlow5.address(body, at: 0), body.byteCount - end >= 4 else { return }
        if row.nextHop.isAbsent { row.nextHop = hop }
        let count = Int(body.be32(at: end))
        guard count > 0, count <= (body.byteCount - end - 4) / 4, labelCount == 0 else { return }
        labelsAt = start + end + 4
        takeLabels(count)
    }
    ///     | source | destination |, both after the translation
    private mutating func readTranslation(_ body: RawSpan) {
        guard let (source, middle) = SFlow5.address(body, at: 0),
            let (destination, _) = SFlow5.address(body, at: middle)
        else { return }
        (natSource, natDestination) = (source, destination)
        if !source.isAbsent { set(source.isV4 ? .postNATSourceIPv4Address : .postNATSourceIPv6Address) }
        if !destination.isAbsent {
            set(destination.isV4 ? .postNATDestinationIPv4Address : .postNATDestinationIPv6Address)
        }
    }
    private mutating func takePorts(_ source: UInt32, _ destination: UInt32) {
        (natSourcePort, natDestinationPort) = (
            UInt16(truncatingIfNeeded: source), UInt16(truncatingIfNeeded: destination)
        )
        set(.postNAPTSourceTransportPort)
        set(.postNAPTDestinationTransportPort)
    }
    ///     | name | circuit :4 | label's class :4 |
    private mutating func readVirtualCircuit(_ body: RawSpan) {
        guard let name = SFlow5.string(body, at: 0), body.byteCount - name.end >= 4 else { return }
        pseudowire = body.be32(at: name.end)
        set(.pseudoWireId)
    }
    /// | count :4 | { type :2 | tag :2 } … |: tags that were stripped before the header was taken, the outermost first.
    private mutating func readStrippedTags(_ body: RawSpan, _ row: inout SampleRow) {
        guard let end = SFlow4.end(ofWords: body, at: 0), end >= 8 else { return }
        let inHeader = packet.vlan
        row.vlan = body.be16(at: 6) & 0x0FFF
        if end >= 12 {
            takeInnerVLAN(body.be16(at: 10) & 0x0FFF)
        } else if inHeader != 0 {
            takeInnerVLAN(inHeader)
        }
    }

    /// Appends the value of `element` as an entry has it.
    func append(_ element: SampleElement, of sample: RawSpan, to octets: inout [UInt8]) {
        switch element {
        case .layer2SegmentId: octets.appendBE(segment)
        case .tenantProtocol: octets.append(packet.inner.protocolIdentifier)
        case .tenantSourceIPv4: octets.appendBE(packet.inner.source.v4)
        case .tenantDestIPv4: octets.appendBE(packet.inner.destination.v4)
        case .tenantSourceIPv6: octets.append(packet.inner.source)
        case .tenantDestIPv6: octets.append(packet.inner.destination)
        case .tenantSourcePort: octets.appendBE(packet.inner.sourcePort)
        case .tenantDestPort: octets.appendBE(packet.inner.destinationPort)
        case .dot1qCustomerVlanId: octets.appendBE(innerVLAN)
        case .postVlanId: octets.appendBE(postVLAN)
        case .forwardingStatus: octets.append(status)
        case .postNATSourceIPv4Address: octets.appendBE(natSource.v4)
        case .postNATDestinationIPv4Address: octets.appendBE(natDestination.v4)
        case .postNATSourceIPv6Address: octets.append(natSource)
        case .postNATDestinationIPv6Address: octets.append(natDestination)
        case .postNAPTSourceTransportPort: octets.appendBE(natSourcePort)
        case .postNAPTDestinationTransportPort: octets.appendBE(natDestinationPort)
        case .bgpNextAdjacentAsNumber: octets.appendBE(nextAS)
        case .bgpPrevAdjacentAsNumber: octets.appendBE(previousAS)
        case .pseudoWireId: octets.appendBE(pseudowire)
        case .sourceMacAddress: octets.appendMAC(packet.sourceMAC)
        case .destinationMacAddress: octets.appendMAC(packet.destinationMAC)
        case .ipTTL: octets.append(packet.outer.hopLimit)
        case .ipTotalLength: octets.appendBE(packet.outer.totalLength)
        case .userName: octets.appendText(sample, user)
        case .httpRequestHost: octets.appendText(sample, host)
        case .httpRequestTarget: octets.appendText(sample, target)
        case .label1, .label2, .label3, .label4, .label5, .label6, .label7, .label8, .label9, .label10:
            octets.appendLabel(label(Int(element.rawValue - SampleElement.label1.rawValue), of: sample))
        default: appendTunnel(element, of: sample, to: &octets)
        }
    }
    private func appendTunnel(_ element: SampleElement, of sample: RawSpan, to octets: inout [UInt8]) {
        guard let place = element.tunnelPlace else { return }
        let start = tunnelsAt[Int(place.structure - 1021)] + place.offset
        octets += sample.extracting(start..<(start + Int(place.length))).copied()
    }
    private func label(_ index: Int, of sample: RawSpan) -> UInt32 {
        guard labelsAt > 0 else {
            return packet.labelStackSection(index, of: sample.extracting(headerAt..<headerEnd))
        }
        return sample.be32(at: labelsAt + 4 * index) >> 8
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ address: IPAddress) {
        appendBE(address.high)
        appendBE(address.low)
    }
    fileprivate mutating func appendMAC(_ address: UInt64) {
        appendBE(UInt16(truncatingIfNeeded: address >> 32))
        appendBE(UInt32(truncatingIfNeeded: address))
    }
    fileprivate mutating func appendLabel(_ section: UInt32) {
        append(UInt8(truncatingIfNeeded: section >> 16))
        appendBE(UInt16(truncatingIfNeeded: section))
    }
    fileprivate mutating func appendText(_ sample: RawSpan, _ range: Range<Int>) {
        appendValue(sample.extracting(range).copied())
    }
}
