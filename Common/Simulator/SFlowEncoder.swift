internal import FlowModel

/// What an sFlow agent counts beside its samples.
struct SampleCounters: Sendable {
    /// Numbers of flow and counter samples (one source), and packets that could have been sampled.
    var flowSequence: UInt32 = 0, counterSequence: UInt32 = 0, pool: UInt32 = 0
    var countersDueAt: Int64 = .min
    /// Octets and packets that entered and left, by interface 0...15.
    var interfaces = [(octetsIn: UInt64, packetsIn: UInt64, octetsOut: UInt64, packetsOut: UInt64)](
        repeating: (0, 0, 0, 0), count: 16)
    private(set) var tagged = 0.0, tunneled = 0.0, hasRouting = false

    mutating func configure(_ mix: Mix?, _ knobs: SimulationKnobs) {
        (tagged, hasRouting) = (mix?.tagged ?? 0, mix?.hasRouting ?? false)
        tunneled = knobs.tunnels ?? mix?.tunneled ?? 0
    }
    mutating func count(_ flow: FlowRecord) {
        let input = Int(flow.ingressInterface & 15), output = Int(flow.egressInterface & 15)
        interfaces[input].octetsIn &+= flow.octetDeltaCount
        interfaces[input].packetsIn &+= flow.packetDeltaCount
        interfaces[output].octetsOut &+= flow.octetDeltaCount
        interfaces[output].packetsOut &+= flow.packetDeltaCount
    }
}

/// sFlow v5 (sflow.org, "sFlow Version 5") and v4 (RFC 3176's successor, `sflow_version_4.txt`): samples of packets
/// with their first octets, and interfaces' counters every 20 seconds.
///
///     v5 | 5 :4 | 1 :4 | agent :4 | sub-agent :4 | sequence :4 | uptime :4 | samples :4 | { type, length :8 | … } …
///     v4 | 4 :4 | 1 :4 | agent :4 |               sequence :4 | uptime :4 | samples :4 | { type :4 | … } …
extension ExportEncoder {
    private var isVersion5: Bool { exportProtocol == .sflow5 }
    private static let countersEveryMilliseconds: Int64 = 20_000
    /// What the largest sample takes beside the packet's octets.
    private static let sampleBytesMax = 160

    /// Samples the packets of a flow: one in so many, the rest by chance.
    mutating func appendSamples(of seen: Sighting, _ now: Int64, into batch: inout DatagramBatch) {
        let flow = seen.flow
        samples.count(flow)
        let count = Int(clamping: dice.sampled(flow.packetDeltaCount, interval: samplingInterval))
        guard count > 0 else {
            omitted.unsampled += 1
            return
        }
        let octets = flow.octetDeltaCount / max(flow.packetDeltaCount, 1)
        for index in 0..<count {
            begin(.v4, now)
            samples.pool &+= samplingInterval
            samples.flowSequence &+= 1
            // Of a flow sampled whole, the first packet opens and the last closes it; else any packet may be any.
            let isWhole = samplingInterval == 1
            let flags = PacketHeaders.flags(
                of: flow, index: isWhole ? index : dice.below(Int(clamping: flow.packetDeltaCount)),
                count: isWhole ? count : Int(clamping: flow.packetDeltaCount))
            let frameBytes = appendSample(flow, octets, flags)
            open[0].tally.records += 1
            open[0].tally.packets += 1
            open[0].tally.octets += UInt64(frameBytes)
            open[0].tally.repeats += seen.isRepeat ? 1 : 0
            if open[0].body.count > Self.payloadBytesMax - 28 - Self.sampleBytesMax - knobs.headerBytesMax {
                flush(.v4, now, into: &batch)
            }
        }
    }

    private mutating func wrapping(of flow: FlowRecord) -> PacketHeaders.Wrapping {
        if dice.happens(samples.tunneled) { return [.vxlan, .gre, .mpls][dice.below(3)] }
        guard flow.vlanId != 0 else { return .plain }
        return dice.below(8) == 0 ? .qinq : .vlan
    }
    private mutating func extra(of flow: FlowRecord) -> PacketHeaders.Extra {
        if flow.sourceIPAddress.isV4 { return dice.happens(knobs.fragments) ? .fragment : .none }
        return dice.happens(knobs.extensionHeaders) ? .extensionHeaders : .none
    }

    /// Returns the frame's length, FCS included, as the sample tells it.
    private mutating func appendSample(_ flow: FlowRecord, _ octets: UInt64, _ flags: UInt8) -> Int {
        let start = open[0].body.count, wrapping = wrapping(of: flow), extra = extra(of: flow)
        let isExpanded = knobs.expanded && isVersion5
        open[0].body.put32(isExpanded ? 3 : 1)
        if isVersion5 { open[0].body.put32(0) }  // its length, set below
        open[0].body.put32(samples.flowSequence)
        if isExpanded { open[0].body.put32(0) }
        open[0].body.put32(flow.ingressInterface)  // the source: the interface that met the packet
        for word in [samplingInterval, samples.pool, 0] { open[0].body.put32(word) }
        for interface in [flow.ingressInterface, flow.egressInterface] {
            if isExpanded { open[0].body.put32(0) }
            open[0].body.put32(interface)
        }
        let hasSwitch = wrapping == .vlan || wrapping == .qinq, hasRouter = samples.hasRouting
        let extensions = (hasSwitch ? 1 : 0) + (hasRouter ? 1 : 0) as UInt32
        if isVersion5 { open[0].body.put32(1 + extensions) }
        let frameBytes = appendHeader(flow, octets, flags, wrapping, extra)
        if !isVersion5 { open[0].body.put32(extensions) }
        if hasSwitch { appendSwitch(flow) }
        if hasRouter { appendRouter(flow) }
        if isVersion5 { open[0].body.set16(UInt16(open[0].body.count - start - 8), at: start + 6) }
        return frameBytes
    }
    /// The packet's first octets (v5: flow record 1; v4: packet data type 1).
    private mutating func appendHeader(
        _ flow: FlowRecord, _ octets: UInt64, _ flags: UInt8, _ wrapping: PacketHeaders.Wrapping,
        _ extra: PacketHeaders.Extra
    ) -> Int {
        let start = open[0].body.count
        open[0].body.put32(1)
        if isVersion5 { open[0].body.put32(0) }
        open[0].body.put32(1)  // Ethernet
        let lengthAt = open[0].body.count
        open[0].body.put32(0)
        if isVersion5 { open[0].body.put32(4) }  // the FCS was taken off
        let keptAt = open[0].body.count
        open[0].body.put32(0)
        let frameBytes =
            PacketHeaders.append(
                flow, octets: octets, flags: flags, wrapping: wrapping, extra: extra, to: &open[0].body) + 4
        let kept = min(open[0].body.count - keptAt - 4, knobs.headerBytesMax)
        open[0].body.removeLast(open[0].body.count - keptAt - 4 - kept)
        open[0].body += [UInt8](repeating: 0, count: (4 - kept % 4) % 4)
        open[0].body.set16(UInt16(frameBytes), at: lengthAt + 2)
        open[0].body.set16(UInt16(kept), at: keptAt + 2)
        if isVersion5 { open[0].body.set16(UInt16(open[0].body.count - start - 8), at: start + 6) }
        return frameBytes
    }
    private mutating func appendSwitch(_ flow: FlowRecord) {
        open[0].body.put32(isVersion5 ? 1_001 : 1)
        if isVersion5 { open[0].body.put32(16) }
        for word in [UInt32(flow.vlanId), 0, UInt32(flow.vlanId), 0] { open[0].body.put32(word) }
    }
    private mutating func appendRouter(_ flow: FlowRecord) {
        open[0].body.put32(isVersion5 ? 1_002 : 2)
        if isVersion5 { open[0].body.put32(16) }
        open[0].body.put32(1)
        open[0].body.put32(0xC000_02C8)  // the next hop, 192.0.2.200
        open[0].body.put32(UInt32(flow.sourceIPPrefixLength))
        open[0].body.put32(UInt32(flow.destinationIPPrefixLength))
    }

    // MARK: Counters

    /// Every 20 seconds, what has passed each of interfaces 1, 2, 5 and 10 (RFC 2233's generic counters).
    mutating func countInterfaces(_ now: Int64, into batch: inout DatagramBatch) {
        guard exportProtocol == .sflow4 || exportProtocol == .sflow5 else { return }
        if samples.countersDueAt == .min { samples.countersDueAt = now + Self.countersEveryMilliseconds }
        guard now >= samples.countersDueAt else { return }
        samples.countersDueAt = now + Self.countersEveryMilliseconds
        if open[0].isOpen { flush(.v4, now, into: &batch) }
        for interface in [1, 2, 5, 10] as [UInt32] {
            begin(.v4, now)
            appendCounters(interface)
            open[0].tally.counterSamples += 1
        }
        flush(.v4, now, into: &batch)
    }
    private mutating func appendCounters(_ interface: UInt32) {
        let counters = samples.interfaces[Int(interface & 15)]
        samples.counterSequence &+= 1
        open[0].body.put32(2)
        if isVersion5 { open[0].body.put32(12 + 8 + 88) }
        open[0].body.put32(samples.counterSequence)
        open[0].body.put32(interface)
        // v5: one record, of type 1 and 88 octets. v4: the interval, then type 1.
        for word in isVersion5 ? [1, 1, 88] : [20, 1] as [UInt32] { open[0].body.put32(word) }
        open[0].body.put32(interface)
        open[0].body.put32(6)  // ethernetCsmacd
        open[0].body.put64(10_000_000_000)
        for word in [1, 3] as [UInt32] { open[0].body.put32(word) }  // full duplex; up and to be up
        open[0].body.put64(counters.octetsIn)
        // Unicast, multicast, broadcast, discarded, faulty, unknown protocols.
        for word in [UInt32(truncatingIfNeeded: counters.packetsIn), 0, 0, 0, 0, 0] { open[0].body.put32(word) }
        open[0].body.put64(counters.octetsOut)
        // Unicast, multicast, broadcast, discarded, faulty; not promiscuous.
        for word in [UInt32(truncatingIfNeeded: counters.packetsOut), 0, 0, 0, 0, 2] { open[0].body.put32(word) }
    }

    mutating func writeSFlowHeader(_ message: OpenMessage, _ now: Int64, into out: inout [UInt8]) {
        out.put32(isVersion5 ? 5 : 4)
        out.put32(1)
        out.put32(identity.agent.v4)
        if isVersion5 { out.put32(identity.domain) }
        out.put32(sequence)
        sequence &+= 1
        out.put32(uptime(clock(now)))
        out.put32(UInt32(message.tally.records + message.tally.counterSamples))
    }
}
