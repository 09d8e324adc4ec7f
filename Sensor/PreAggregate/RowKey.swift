internal import FlowModel

/// What makes two records of a conversation the same flow: everything but counters, times and what follows from the
/// addresses (AS numbers, prefix lengths, next hop).
struct RowKey {
    private let exporterAndSampling: UInt64, interfaces: UInt64, rest: UInt64

    /// Rows that differ in these are never one: summed ports stand for many, a secondary row is not counted, and a
    /// refused connection is no traffic.
    static let distinguishing: RecordFlags = [.portsSummed, .secondary, .denied, .observedElsewhere]

    @inline(__always)
    init(
        exporter: UInt32, sampling: Float, ingress: UInt32, egress: UInt32, vlan: UInt16, tos: UInt8, direction: UInt8,
        flags: UInt8
    ) {
        exporterAndSampling = UInt64(exporter) << 32 | UInt64(sampling.bitPattern)
        interfaces = UInt64(ingress) << 32 | UInt64(egress)
        rest =
            UInt64(vlan) << 24 | UInt64(tos) << 16 | UInt64(direction) << 8
            | UInt64(flags & Self.distinguishing.rawValue)
    }
    /// - Parameter conversation: the row's `ConversationHash`, which brings the seed.
    @inline(__always)
    func hash(_ conversation: UInt64) -> UInt64 {
        let a = ConversationHash.fold(exporterAndSampling ^ conversation, interfaces ^ 0xA076_1D64_78BD_642F)
        return ConversationHash.fold(a ^ rest ^ 0x5895_65E3_9D4B_1F2B, conversation ^ 0xC2B2_AE3D_27D4_EB4F)
    }
}

extension FlowColumns {
    /// Whether two rows are the same flow. Rows with further elements are when these are alike, octet for octet.
    @inline(__always)
    func isSameKey(_ a: Int, _ b: Int) -> Bool {
        sourceLow[a] == sourceLow[b] && destinationLow[a] == destinationLow[b]
            && sourceTransportPort[a] == sourceTransportPort[b]
            && destinationTransportPort[a] == destinationTransportPort[b]
            && protocolIdentifier[a] == protocolIdentifier[b] && sourceHigh[a] == sourceHigh[b]
            && destinationHigh[a] == destinationHigh[b] && exporter[a] == exporter[b]
            && ingressInterface[a] == ingressInterface[b] && egressInterface[a] == egressInterface[b]
            && samplingInterval[a].bitPattern == samplingInterval[b].bitPattern && vlanId[a] == vlanId[b]
            && ipClassOfService[a] == ipClassOfService[b] && flowDirection[a] == flowDirection[b]
            && (flags[a] ^ flags[b]) & RowKey.distinguishing.rawValue == 0
            && (extra[a] == extra[b] || extras.isEqual(extra[a], extra[b]))
    }

    /// Adds row `from` to row `to` of the same key; false, and nothing changed, when a counter would overflow.
    @inline(__always)
    mutating func add(_ from: Int, to: Int) -> Bool {
        let octets = octetDeltaCount[to].addingReportingOverflow(octetDeltaCount[from])
        let packets = packetDeltaCount[to].addingReportingOverflow(packetDeltaCount[from])
        let flows = deltaFlowCount[to].addingReportingOverflow(deltaFlowCount[from])
        if octets.overflow || packets.overflow || flows.overflow { return false }
        octetDeltaCount[to] = octets.partialValue
        packetDeltaCount[to] = packets.partialValue
        deltaFlowCount[to] = flows.partialValue
        flowStartMilliseconds[to] = min(flowStartMilliseconds[to], flowStartMilliseconds[from])
        flowEndMilliseconds[to] = max(flowEndMilliseconds[to], flowEndMilliseconds[from])
        exportMilliseconds[to] = max(exportMilliseconds[to], exportMilliseconds[from])
        receiveMilliseconds[to] = min(receiveMilliseconds[to], receiveMilliseconds[from])
        tcpControlBits[to] |= tcpControlBits[from]
        flags[to] |= flags[from]
        return true
    }
}

extension FlowColumns {
    /// Writes the key hash of each of `rows` to `hashes`, the first row's to place 0.
    func hashKeys(_ rows: Range<Int>, _ conversations: [UInt64], into hashes: inout [UInt64]) {
        let exporter = self.exporter.span, sampling = samplingInterval.span, ingress = ingressInterface.span
        let egress = egressInterface.span, vlan = vlanId.span, tos = ipClassOfService.span
        let direction = flowDirection.span, flags = self.flags.span, extra = self.extra.span
        let conversations = conversations.span
        var hashes = hashes.mutableSpan
        for row in rows {
            let key = RowKey(
                exporter: exporter[row], sampling: sampling[row], ingress: ingress[row], egress: egress[row],
                vlan: vlan[row], tos: tos[row], direction: direction[row], flags: flags[row])
            var hash = key.hash(conversations[row])
            if extra[row] != 0 { hash ^= extras.hash(at: extra[row]) }
            hashes[row &- rows.lowerBound] = hash
        }
    }
}
