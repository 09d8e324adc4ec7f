import FlowModel
import PacketHeader
import WireBytes

/// What stands at the head of a flow sample, in any of its forms.
struct FlowSampleHead {
    var sequence: UInt32
    /// 0 an interface, 1 a VLAN, 2 a physical entity; and its number.
    var sourceType: UInt32, sourceIndex: UInt32
    var rate: UInt32 = 1, pool: UInt32 = 0, drops: UInt32
    var input: SampleInterface, output: SampleInterface
    /// Why the packet was discarded, when the sample is about a discarded one.
    var discardReason: UInt32?
    var recordCount: UInt32
    /// Where the records begin.
    var bodyAt: Int
    /// That all forms have at least.
    static let octetsMin = 32

    ///     compact  | sequence :4 | source :4 | rate :4 | pool :4 | drops :4 | input :4 | output :4 | count :4 | …
    ///     expanded | sequence :4 | source :8 | rate :4 | pool :4 | drops :4 | input :8 | output :8 | count :4 | …
    @inline(__always)
    init?(_ sample: RawSpan, isExpanded: Bool) {
        sequence = 0
        guard sample.byteCount >= (isExpanded ? 44 : 32) else { return nil }
        sequence = sample.be32(at: 0)
        if isExpanded {
            (sourceType, sourceIndex) = (sample.be32(at: 4), sample.be32(at: 8))
            (rate, pool, drops) = (sample.be32(at: 12), sample.be32(at: 16), sample.be32(at: 20))
            input = SampleInterface(format: sample.be32(at: 24), sample.be32(at: 28))
            output = SampleInterface(format: sample.be32(at: 32), sample.be32(at: 36))
            (recordCount, bodyAt) = (sample.be32(at: 40), 44)
        } else {
            let source = sample.be32(at: 4)
            (sourceType, sourceIndex) = (source >> 24, source & 0xFF_FFFF)
            (rate, pool, drops) = (sample.be32(at: 8), sample.be32(at: 12), sample.be32(at: 16))
            input = SampleInterface(packed: sample.be32(at: 20))
            output = SampleInterface(packed: sample.be32(at: 24))
            (recordCount, bodyAt) = (sample.be32(at: 28), 32)
        }
        if output.format == .discarded { discardReason = output.value }
    }

    /// A discarded packet, of which all are reported as far as the agent's limit allows:
    ///     | sequence :4 | source :8 | drops :4 | input :4 | output :4 | reason :4 | count :4 | …
    init?(discarded sample: RawSpan) {
        guard sample.byteCount >= 32 else { return nil }
        sequence = sample.be32(at: 0)
        (sourceType, sourceIndex) = (sample.be32(at: 4), sample.be32(at: 8))
        drops = sample.be32(at: 12)
        input = SampleInterface(format: 0, sample.be32(at: 16))
        output = SampleInterface(format: 0, sample.be32(at: 20))
        discardReason = sample.be32(at: 24)
        (recordCount, bodyAt) = (sample.be32(at: 28), 32)
    }

    /// Begins a row with its share.
    @inline(__always)
    func begin(_ row: inout SampleRow) {
        row.reset()
        row.interval = Float(rate)
        (row.ingressInterface, row.egressInterface) = (input.index, output.index)
        row.setDirection(sourceType: sourceType, sourceIndex)
        if discardReason != nil { row.hasDetails = true }
    }
}

/// An interface as a sample names it.
struct SampleInterface {
    enum Format: UInt32 { case single, discarded, multiple, unknown }
    var format: Format
    /// An ifIndex, a reason for the discard, or how many interfaces.
    var value: UInt32

    @inline(__always)
    init(format: UInt32, _ value: UInt32) {
        self.format = Format(rawValue: min(format, 3)) ?? .unknown
        self.value = value
    }
    @inline(__always)
    init(packed: UInt32) { self.init(format: packed >> 30, packed & 0x3FFF_FFFF) }

    /// The ifIndex; 0 when there is none, or when it is the device itself (0x3FFFFFFF).
    @inline(__always)
    var index: UInt32 { format == .single && value != 0x3FFF_FFFF ? value : 0 }
}

extension SampleRow {
    /// Begins anew with a flow sample: its head, and its records as far as they are there. Lengths are bounded by the
    /// sample, the count is the sender's word. What is left is a span whose first octets are next, so that one look at
    /// its length holds for all that is read.
    @inline(__always)
    mutating func read(_ head: FlowSampleHead, _ sample: RawSpan, _ reader: inout PacketReader) {
        head.begin(&self)
        var rest = sample.extracting(head.bodyAt..<sample.byteCount)
        for _ in 0..<head.recordCount {  // ends: each turn takes at least 8
            guard rest.byteCount >= 8 else { return }
            let format = rest.be32(at: 0), length = Int(rest.be32(at: 4))
            guard length <= rest.byteCount &- 8 else { return }
            read(flowRecord: format, rest.extracting(8..<(8 &+ length)), &reader)
            rest = rest.extracting((8 &+ length)..<rest.byteCount)
        }
    }

    @inline(__always)
    private mutating func read(flowRecord format: UInt32, _ body: RawSpan, _ reader: inout PacketReader) {
        switch format {
        case 1: readSampledHeader(body, &reader)
        case 1001: readSwitch(body)
        default: read(rareFlowRecord: format, body)
        }
    }
    @inline(never)
    private mutating func read(rareFlowRecord format: UInt32, _ body: RawSpan) {
        switch format {
        case 2: readEthernet(body)
        case 3: readAddresses(body, isV6: false)
        case 4: readAddresses(body, isV6: true)
        case 1002: readRouter(body)
        case 1003: readGateway(body)
        case 1004...1007, 1009, 1012, 1020...1030: hasDetails = true
        default: hasUnread = true
        }
    }

    ///     | protocol :4 | frameLength :4 | stripped :4 | headerLength :4 | header |
    /// The frame's length counts what was stripped from it before (a check sequence, outer tags).
    @inline(__always)
    private mutating func readSampledHeader(_ body: RawSpan, _ reader: inout PacketReader) {
        guard body.byteCount >= 16, found < .header else { return }
        found = .header
        octets = UInt64(body.be32(at: 4))
        // Without a known link layer it counts, though what it was isn't known.
        guard let link = SFlow5.link(of: body.be32(at: 0)) else { return }
        reader.read(SFlow5.header(body), link: link)
        take(from: &reader)
    }

    ///     | length :4 | source MAC :8 | destination MAC :8 | type :4 |
    mutating func readEthernet(_ body: RawSpan) {
        guard body.byteCount >= 24, found < .ethernet else { return }
        octets = UInt64(body.be32(at: 0))
        found = .ethernet
    }

    ///     | length :4 | protocol :4 | source | destination | source port :4 | destination port :4 | TCP flags :4
    ///     | class :4 |
    mutating func readAddresses(_ body: RawSpan, isV6: Bool) {
        let width = isV6 ? 16 : 4, portsAt = 8 + 2 * width
        guard body.byteCount >= portsAt + 16, found < .addresses else { return }
        octets = UInt64(body.be32(at: 0))
        protocolIdentifier = UInt8(truncatingIfNeeded: body.be32(at: 4))
        source = SFlow5.address(body, at: 8, isV6: isV6)
        destination = SFlow5.address(body, at: 8 + width, isV6: isV6)
        sourcePort = UInt16(truncatingIfNeeded: body.be32(at: portsAt))
        destinationPort = UInt16(truncatingIfNeeded: body.be32(at: portsAt + 4))
        tcpControlBits = UInt16(truncatingIfNeeded: body.be32(at: portsAt + 8)) & 0x0FFF
        trafficClass = UInt8(truncatingIfNeeded: body.be32(at: portsAt + 12))
        found = .addresses
    }

    ///     | source VLAN :4 | source priority :4 | destination VLAN :4 | destination priority :4 |
    @inline(__always)
    mutating func readSwitch(_ body: RawSpan) {
        guard body.byteCount >= 16 else { return }
        let from = body.be32(at: 0), to = body.be32(at: 8)
        if vlan == 0, from < 4_096 { vlan = UInt16(from) }
        if to != from, to != 0, to < 4_096 { hasDetails = true }
    }

    ///     | next hop | source mask bits :4 | destination mask bits :4 |
    mutating func readRouter(_ body: RawSpan) {
        guard let (address, end) = SFlow5.address(body, at: 0), body.byteCount - end >= 8 else { return }
        (nextHop, hasRare) = (address, true)
        sourcePrefix = UInt8(truncatingIfNeeded: min(body.be32(at: end), 128))
        destinationPrefix = UInt8(truncatingIfNeeded: min(body.be32(at: end + 4), 128))
    }

    mutating func readGateway(_ body: RawSpan) {
        guard let gateway = SampledGateway(body) else { return }
        if nextHop.isAbsent { nextHop = gateway.nextHop }
        take(gateway)
    }
    mutating func take(_ gateway: SampledGateway) {
        hasRare = true
        (sourceAS, destinationAS) = (gateway.sourceAS, gateway.destinationAS)
        if gateway.hasNeighbours { hasDetails = true }
    }
}
