package import FlowModel
internal import PacketHeader

/// Meters packets into flow records, as an exporter of its own would: a flow ends after silence, a record is written
/// now and then for one that goes on. For sites whose routers export nothing.
///
/// A flow is what has the same addresses, ports, protocol, class of service, VLAN and direction; of tunnels the outer
/// header. `octetDeltaCount` counts the IP packet's octets, as IPFIX has it. Nothing is sampled.
/// Invariants: each packet with an IP header is in exactly one record's counters; at most `flowsMax` flows are open,
/// and when there is one more, the oldest end early, which loses nothing. A value: no clock, no I/O; time comes with
/// packets.
/// Not here: the interface (`PacketRing`), what becomes of records (`SensorPipeline`).
package struct FlowMeter: Sendable {
    package struct Limits: Sendable, Equatable {
        package var flowsMax = 65_536
        /// A flow without a packet for so long is over.
        package var idleMilliseconds: Int64 = 15_000
        /// A flow that goes on is reported this often.
        package var activeMilliseconds: Int64 = 60_000
        package init() {}
    }
    private struct Key: Hashable {
        let sourceHigh: UInt64, sourceLow: UInt64, destinationHigh: UInt64, destinationLow: UInt64
        /// Ports, protocol, class: 16 + 16 + 8 + 8 bits; VLAN and direction.
        let transport: UInt64, link: UInt32
    }
    private struct Flow {
        let key: Key
        var octets: UInt64, packets: UInt64
        var start: Int64, end: Int64
        var tcpControlBits: UInt16
    }

    private let limits: Limits
    private let exporter: ExporterKey
    private let interface: UInt32
    private var reader = PacketReader()
    private var open: [Key: Int] = [:]
    private var flows: [Flow] = []
    private var nextSweep = Int64.min
    private static let sweepMilliseconds: Int64 = 1_000

    /// Packets without an IP header: counted, not metered.
    package private(set) var packetsWithoutIP: UInt64 = 0

    /// - Parameters:
    ///   - exporter: whom the records are to name.
    ///   - interface: the interface's index, the records' ingress or egress interface.
    package init(exporter: ExporterKey, interface: UInt32, limits: Limits = Limits()) {
        (self.exporter, self.interface, self.limits) = (exporter, interface, limits)
    }

    package var openFlows: Int { flows.count }

    /// Takes one packet.
    /// - Parameters:
    ///   - frame: from the Ethernet header on, cut off anywhere.
    ///   - length: its octets on the link.
    ///   - vlan: a tag that is no longer in the frame; 0 none.
    ///   - columns: gets the records of flows that had to make room, if any.
    package mutating func take(
        _ frame: RawSpan, length: Int, vlan: UInt16, isOutgoing: Bool, atMilliseconds now: Int64,
        into columns: inout FlowColumns
    ) {
        reader.read(frame, link: .ethernet)
        let outer = reader.summary.outer
        guard outer.version != 0 else {
            packetsWithoutIP &+= 1
            return
        }
        let tag = vlan != 0 ? vlan : reader.summary.vlan
        let key = Key(
            sourceHigh: outer.source.high, sourceLow: outer.source.low, destinationHigh: outer.destination.high,
            destinationLow: outer.destination.low,
            transport: UInt64(outer.sourcePort) << 32 | UInt64(outer.destinationPort) << 16
                | UInt64(outer.protocolIdentifier) << 8 | UInt64(outer.trafficClass),
            link: UInt32(tag) << 1 | (isOutgoing ? 1 : 0))
        // With segmentation offload the header's own length may be 0; the link's is then all there is.
        let octets = outer.totalLength > 0 ? UInt64(outer.totalLength) : UInt64(max(length - 14, 0))
        if let index = open[key] {
            flows[index].octets &+= octets
            flows[index].packets &+= 1
            flows[index].start = min(flows[index].start, now)
            flows[index].end = max(flows[index].end, now)
            flows[index].tcpControlBits |= outer.tcpControlBits
            return
        }
        if flows.count >= limits.flowsMax { makeRoom(into: &columns, atMilliseconds: now) }
        open[key] = flows.count
        flows.append(
            Flow(key: key, octets: octets, packets: 1, start: now, end: now, tcpControlBits: outer.tcpControlBits))
    }

    /// Ends what is over, at most once a second; `.max` ends all.
    package mutating func sweep(atMilliseconds now: Int64, into columns: inout FlowColumns) {
        guard now >= nextSweep || now < nextSweep &- 2 &* Self.sweepMilliseconds else { return }
        nextSweep = now.addingReportingOverflow(Self.sweepMilliseconds).partialValue
        let limits = self.limits
        end(atMilliseconds: now == .max ? nil : now, into: &columns) { flow in
            // Before its start: the clock was set back, and the flow's times are another clock's.
            now &- flow.end >= limits.idleMilliseconds || now &- flow.start >= limits.activeMilliseconds
                || now < flow.start &- limits.idleMilliseconds
        }
    }
    private mutating func makeRoom(into columns: inout FlowColumns, atMilliseconds now: Int64) {
        // The older half: in order of their starts, so that a flood of new flows does not sweep each time.
        let middle = flows.map(\.start).sorted()[flows.count / 2]
        end(atMilliseconds: now, into: &columns) { $0.start <= middle }
    }
    /// Nil for the time stands for the end of all.
    private mutating func end(
        atMilliseconds now: Int64?, into columns: inout FlowColumns, where isOver: (Flow) -> Bool
    ) {
        var kept: [Flow] = []
        kept.reserveCapacity(flows.count)
        for flow in flows {
            if now == nil || isOver(flow) {
                if !write(flow, atMilliseconds: now ?? flow.end, into: &columns) { kept.append(flow) }
            } else {
                kept.append(flow)
            }
        }
        guard kept.count < flows.count else { return }
        flows = kept
        open.removeAll(keepingCapacity: true)
        for (index, flow) in flows.enumerated() { open[flow.key] = index }
    }
    private func write(_ flow: Flow, atMilliseconds now: Int64, into columns: inout FlowColumns) -> Bool {
        guard let number = columns.intern(exporter) else { return false }
        let key = flow.key
        var record = FlowRecord()
        record.exporter = number
        record.sourceIPAddress = IPAddress(high: key.sourceHigh, low: key.sourceLow)
        record.destinationIPAddress = IPAddress(high: key.destinationHigh, low: key.destinationLow)
        record.sourceTransportPort = UInt16(truncatingIfNeeded: key.transport >> 32)
        record.destinationTransportPort = UInt16(truncatingIfNeeded: key.transport >> 16)
        record.protocolIdentifier = UInt8(truncatingIfNeeded: key.transport >> 8)
        record.ipClassOfService = UInt8(truncatingIfNeeded: key.transport)
        record.vlanId = UInt16(truncatingIfNeeded: key.link >> 1)
        record.flowDirection = UInt8(key.link & 1)
        if key.link & 1 == 0 { record.ingressInterface = interface } else { record.egressInterface = interface }
        (record.octetDeltaCount, record.packetDeltaCount) = (flow.octets, flow.packets)
        (record.flowStartMilliseconds, record.flowEndMilliseconds) = (flow.start, flow.end)
        (record.exportMilliseconds, record.receiveMilliseconds) = (now, now)
        (record.tcpControlBits, record.samplingInterval) = (flow.tcpControlBits, 1)
        columns.append(record)
        return true
    }
}
