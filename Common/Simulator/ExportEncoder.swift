package import FlowModel
internal import WireBytes

/// Writes flow records as an exporter's datagrams, with templates and sequence numbers as an exporter keeps them.
package struct ExportEncoder: Sendable {
    /// Octets of payload that a datagram may have: what fits an Ethernet frame.
    static let payloadBytesMax = 1_400

    private let exportProtocol: ExportProtocol
    private let bootMilliseconds: Int64
    private let samplingInterval: UInt32
    private var sequence: UInt32 = 0
    private var datagramsSinceTemplates = 0

    /// - Parameters:
    ///   - bootMilliseconds: when the exporter started; its uptime counts from there.
    ///   - samplingInterval: sFlow only: one packet in so many is sent, 1 for all.
    package init(_ exportProtocol: ExportProtocol, bootMilliseconds: Int64, samplingInterval: UInt32 = 1) {
        self.exportProtocol = exportProtocol
        self.bootMilliseconds = bootMilliseconds
        self.samplingInterval = max(samplingInterval, 1)
    }

    /// The datagrams that carry `flows`, sent at `exportMilliseconds`. NetFlow v5 carries IPv4 only: other records
    /// are left out.
    package mutating func datagrams(for flows: [FlowRecord], exportMilliseconds: Int64) -> [[UInt8]] {
        switch exportProtocol {
        case .netflow5: return netFlow5(flows.filter { $0.sourceIPAddress.isV4 }, exportMilliseconds)
        case .netflow9, .ipfix: return templated(flows, exportMilliseconds)
        case .sflow5: return sFlow5(flows, exportMilliseconds)
        }
    }

    private func uptime(at milliseconds: Int64) -> UInt32 {
        UInt32(truncatingIfNeeded: milliseconds - bootMilliseconds)
    }

    // MARK: NetFlow v5

    private mutating func netFlow5(_ flows: [FlowRecord], _ now: Int64) -> [[UInt8]] {
        chunks(flows, of: 30).map { part in
            var out: [UInt8] = []
            out.appendBE(5 as UInt16)
            out.appendBE(UInt16(part.count))
            out.appendBE(uptime(at: now))
            out.appendBE(UInt32(truncatingIfNeeded: now / 1_000))
            out.appendBE(UInt32(truncatingIfNeeded: now % 1_000 * 1_000_000))
            out.appendBE(sequence)
            out.appendBE(0 as UInt32)  // engine 0/0, no sampling
            sequence &+= UInt32(part.count)
            for flow in part { netFlow5Record(flow, into: &out) }
            return out
        }
    }
    private func netFlow5Record(_ flow: FlowRecord, into out: inout [UInt8]) {
        for address in [flow.sourceIPAddress, flow.destinationIPAddress, IPAddress(v4: 0)] { out.appendBE(address.v4) }
        for port in [flow.ingressInterface, flow.egressInterface] { out.appendBE(UInt16(truncatingIfNeeded: port)) }
        for count in [flow.packetDeltaCount, flow.octetDeltaCount] { out.appendBE(UInt32(truncatingIfNeeded: count)) }
        for time in [flow.flowStartMilliseconds, flow.flowEndMilliseconds] { out.appendBE(uptime(at: time)) }
        out.appendBE(flow.sourceTransportPort)
        out.appendBE(flow.destinationTransportPort)
        out += [0, UInt8(truncatingIfNeeded: flow.tcpControlBits), flow.protocolIdentifier, flow.ipClassOfService]
        for number in [flow.bgpSourceAsNumber, flow.bgpDestinationAsNumber] {
            out.appendBE(UInt16(truncatingIfNeeded: number))
        }
        out += [flow.sourceIPPrefixLength, flow.destinationIPPrefixLength, 0, 0]
    }

    // MARK: NetFlow v9 and IPFIX

    private mutating func templated(_ flows: [FlowRecord], _ now: Int64) -> [[UInt8]] {
        var datagrams: [[UInt8]] = []
        for family in [ExportTemplate.v4, .v6] {
            let mine = flows.filter { $0.sourceIPAddress.isV4 == family.isV4 }
            for part in chunks(mine, of: (Self.payloadBytesMax - 200) / family.recordBytes(exportProtocol)) {
                datagrams.append(message(part, family, now))
            }
        }
        return datagrams
    }

    private mutating func message(_ flows: [FlowRecord], _ template: ExportTemplate, _ now: Int64) -> [UInt8] {
        let isIPFIX = exportProtocol == .ipfix
        var sets: [UInt8] = [], records = flows.count
        if datagramsSinceTemplates % 20 == 0 {
            for each in [ExportTemplate.v4, .v6] { sets += each.templateSet(exportProtocol) }
            records += 2
        }
        datagramsSinceTemplates += 1
        sets += template.dataSet(flows, exportProtocol) { uptime(at: $0) }
        var out: [UInt8] = []
        out.appendBE((isIPFIX ? 10 : 9) as UInt16)
        out.appendBE(UInt16(isIPFIX ? 16 + sets.count : records))
        // The header tells its own time in whole seconds, so its uptime is that of the second's beginning: else all
        // of its records would be off by the rest.
        if !isIPFIX { out.appendBE(uptime(at: now / 1_000 * 1_000)) }
        out.appendBE(UInt32(truncatingIfNeeded: now / 1_000))
        out.appendBE(sequence)
        out.appendBE(1 as UInt32)  // observation domain, source ID
        sequence &+= isIPFIX ? UInt32(flows.count) : 1  // RFC 7011 §3.1 counts records, RFC 3954 §5.1 packets
        return out + sets
    }

    // MARK: sFlow v5

    private mutating func sFlow5(_ flows: [FlowRecord], _ now: Int64) -> [[UInt8]] {
        var samples: [[UInt8]] = []
        for flow in flows {
            // One packet in `samplingInterval`, counted over the flow; the remainder falls to the flow's own serial.
            let packets = flow.packetDeltaCount, interval = UInt64(samplingInterval)
            let count = packets / interval + (UInt64(flow.sourceTransportPort) % interval < packets % interval ? 1 : 0)
            let octetsEach = packets == 0 ? 0 : flow.octetDeltaCount / packets
            for _ in 0..<count {
                samples.append(SFlowSample.bytes(of: flow, octets: octetsEach, interval: samplingInterval))
            }
        }
        return chunks(samples, of: 8).map { part in
            var out: [UInt8] = []
            out.appendBE(5 as UInt32)
            out.appendBE(1 as UInt32)  // agent address is IPv4
            out.appendBE(0xC000_02FE as UInt32)
            out.appendBE(0 as UInt32)
            out.appendBE(sequence)
            out.appendBE(uptime(at: now))
            out.appendBE(UInt32(part.count))
            sequence &+= 1
            for sample in part { out += sample }
            return out
        }
    }

    private func chunks<Element>(_ items: [Element], of size: Int) -> [[Element]] {
        stride(from: 0, to: items.count, by: max(size, 1)).map {
            Array(items[$0..<min($0 + max(size, 1), items.count)])
        }
    }
}
