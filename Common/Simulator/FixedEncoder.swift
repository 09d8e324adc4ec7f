internal import FlowModel

/// NetFlow v1, v5 and v7: records of fixed layout behind a header that counts them (Cisco, "NetFlow Export Datagram
/// Format").
///
///     header v1 | 1 :2 | count :2 | uptime :4 | seconds :4 | nanoseconds :4 |
///     header v5 | 5 :2 | as v1 … | sequence :4 | engine type :1 | engine :1 | sampling mode, interval :2 |
///     header v7 | 7 :2 | as v1 … | sequence :4 | 0 :4 |
extension ExportEncoder {
    private var recordsMax: UInt64 {
        switch exportProtocol {
        case .netflow1: 24
        case .netflow7: 27
        default: 30
        }
    }

    mutating func appendFixed(_ seen: Sighting, _ now: Int64, into batch: inout DatagramBatch) {
        begin(.v4, now)
        let flow = seen.flow
        if exportProtocol == .netflow1 {
            appendVersion1(flow)
        } else {
            appendVersion5(flow)
        }
        note(seen, in: .v4)
        if open[0].tally.records >= recordsMax { flush(.v4, now, into: &batch) }
    }

    /// What all three have in common: addresses to times.
    private mutating func appendHead(_ flow: FlowRecord) {
        open[0].body.put32(flow.sourceIPAddress.v4)
        open[0].body.put32(flow.destinationIPAddress.v4)
        open[0].body.put32(0)
        open[0].body.put16(UInt16(truncatingIfNeeded: flow.ingressInterface))
        open[0].body.put16(UInt16(truncatingIfNeeded: flow.egressInterface))
        open[0].body.put32(UInt32(clamping: flow.packetDeltaCount))
        open[0].body.put32(UInt32(clamping: flow.octetDeltaCount))
        open[0].body.put32(uptime(flow.flowStartMilliseconds))
        open[0].body.put32(uptime(flow.flowEndMilliseconds))
        open[0].body.put16(flow.sourceTransportPort)
        open[0].body.put16(flow.destinationTransportPort)
    }
    private mutating func appendVersion1(_ flow: FlowRecord) {
        appendHead(flow)
        open[0].body.put16(0)
        open[0].body.append(flow.protocolIdentifier)
        open[0].body.append(flow.ipClassOfService)
        open[0].body.append(UInt8(truncatingIfNeeded: flow.tcpControlBits))
        open[0].body.put(0, width: 3)
        open[0].body.put64(0)
    }
    /// v5 and v7 differ in what v7 adds: the router that was bypassed.
    private mutating func appendVersion5(_ flow: FlowRecord) {
        appendHead(flow)
        open[0].body.append(0)
        open[0].body.append(UInt8(truncatingIfNeeded: flow.tcpControlBits))
        open[0].body.append(flow.protocolIdentifier)
        open[0].body.append(flow.ipClassOfService)
        open[0].body.put16(UInt16(truncatingIfNeeded: flow.bgpSourceAsNumber))
        open[0].body.put16(UInt16(truncatingIfNeeded: flow.bgpDestinationAsNumber))
        open[0].body.append(flow.sourceIPPrefixLength)
        open[0].body.append(flow.destinationIPPrefixLength)
        open[0].body.put16(0)
        if exportProtocol == .netflow7 { open[0].body.put32(identity.agent.v4) }
    }

    mutating func writeFixedHeader(_ message: OpenMessage, _ now: Int64, into out: inout [UInt8]) {
        let clock = clock(now)
        out.put16(exportProtocol == .netflow1 ? 1 : exportProtocol == .netflow7 ? 7 : 5)
        out.put16(UInt16(message.tally.records))
        out.put32(uptime(clock))
        out.put32(UInt32(truncatingIfNeeded: clock / 1_000))
        out.put32(UInt32(truncatingIfNeeded: clock % 1_000 * 1_000_000))
        guard exportProtocol != .netflow1 else { return }
        out.put32(sequence)
        sequence &+= UInt32(message.tally.records)
        guard exportProtocol == .netflow5 else { return out.put32(0) }
        out.put16(UInt16(truncatingIfNeeded: identity.domain))
        // Two bits of mode (2: at random), 14 of interval.
        let says = samplingInterval > 1 && !knobs.samplingUnknown
        out.put16(says ? 2 << 14 | UInt16(min(samplingInterval, 0x3FFF)) : 0)
    }
}
