internal import FlowModel

/// What is summed or joined over the rows of an entry.
struct FlowSums: BitwiseCopyable {
    var octets: UInt64, packets: UInt64
    var flowStart: Int64, flowEnd: Int64, export: Int64, receive: Int64
    var flows: UInt32
    var tcpControlBits: UInt16
    var flags: UInt8

    @inline(__always)
    init(_ columns: FlowColumns, _ row: Int) {
        octets = columns.octetDeltaCount[row]
        packets = columns.packetDeltaCount[row]
        flowStart = columns.flowStartMilliseconds[row]
        flowEnd = columns.flowEndMilliseconds[row]
        export = columns.exportMilliseconds[row]
        receive = columns.receiveMilliseconds[row]
        flows = columns.deltaFlowCount[row]
        tcpControlBits = columns.tcpControlBits[row]
        flags = columns.flags[row]
    }

    /// Adds a row; false, and nothing changed, when a counter would overflow.
    @inline(__always)
    mutating func add(_ columns: FlowColumns, _ row: Int) -> Bool {
        let octets = self.octets.addingReportingOverflow(columns.octetDeltaCount[row])
        let packets = self.packets.addingReportingOverflow(columns.packetDeltaCount[row])
        let flows = self.flows.addingReportingOverflow(columns.deltaFlowCount[row])
        if octets.overflow || packets.overflow || flows.overflow { return false }
        self.octets = octets.partialValue
        self.packets = packets.partialValue
        self.flows = flows.partialValue
        flowStart = min(flowStart, columns.flowStartMilliseconds[row])
        flowEnd = max(flowEnd, columns.flowEndMilliseconds[row])
        export = max(export, columns.exportMilliseconds[row])
        receive = min(receive, columns.receiveMilliseconds[row])
        tcpControlBits |= columns.tcpControlBits[row]
        flags |= columns.flags[row]
        return true
    }
}

/// What follows from a record's addresses and is not worth telling apart: the first row's stands for all.
struct FirstSeen: BitwiseCopyable {
    var nextHopHigh: UInt64, nextHopLow: UInt64
    var sourceAS: UInt32, destinationAS: UInt32
    var sourcePrefix: UInt8, destinationPrefix: UInt8

    @inline(__always)
    init(_ columns: FlowColumns, _ row: Int) {
        nextHopHigh = columns.nextHopHigh[row]
        nextHopLow = columns.nextHopLow[row]
        sourceAS = columns.bgpSourceAsNumber[row]
        destinationAS = columns.bgpDestinationAsNumber[row]
        sourcePrefix = columns.sourceIPPrefixLength[row]
        destinationPrefix = columns.destinationIPPrefixLength[row]
    }
}

/// Entries into columns, an array at a time.
func write(_ keys: [FlowKey], into columns: inout FlowColumns, at first: Int, _ exporters: [UInt32]) {
    for (index, key) in keys.enumerated() {
        let row = first + index
        columns.sourceHigh[row] = key.sourceHigh
        columns.sourceLow[row] = key.sourceLow
        columns.destinationHigh[row] = key.destinationHigh
        columns.destinationLow[row] = key.destinationLow
        columns.sourceTransportPort[row] = UInt16(truncatingIfNeeded: key.transport >> 48)
        columns.destinationTransportPort[row] = UInt16(truncatingIfNeeded: key.transport >> 32)
        columns.vlanId[row] = UInt16(truncatingIfNeeded: key.transport >> 16)
        columns.protocolIdentifier[row] = UInt8(truncatingIfNeeded: key.transport >> 8)
        columns.ipClassOfService[row] = UInt8(truncatingIfNeeded: key.transport)
        columns.ingressInterface[row] = UInt32(truncatingIfNeeded: key.interfaces >> 32)
        columns.egressInterface[row] = UInt32(truncatingIfNeeded: key.interfaces)
        columns.exporter[row] = exporters[Int(key.exporterAndSampling >> 32)]
        columns.samplingInterval[row] = Float(bitPattern: UInt32(truncatingIfNeeded: key.exporterAndSampling))
        columns.flowDirection[row] = UInt8(truncatingIfNeeded: key.directionAndFlags >> 8)
        columns.flags[row] = UInt8(truncatingIfNeeded: key.directionAndFlags)
    }
}
/// Follows the keys: their flags are already there.
func write(_ sums: [FlowSums], into columns: inout FlowColumns, at first: Int) {
    for (index, sum) in sums.enumerated() {
        let row = first + index
        columns.octetDeltaCount[row] = sum.octets
        columns.packetDeltaCount[row] = sum.packets
        columns.flowStartMilliseconds[row] = sum.flowStart
        columns.flowEndMilliseconds[row] = sum.flowEnd
        columns.exportMilliseconds[row] = sum.export
        columns.receiveMilliseconds[row] = sum.receive
        columns.deltaFlowCount[row] = sum.flows
        columns.tcpControlBits[row] = sum.tcpControlBits
        columns.flags[row] |= sum.flags
    }
}
func write(_ firsts: [FirstSeen], into columns: inout FlowColumns, at first: Int) {
    for (index, seen) in firsts.enumerated() {
        let row = first + index
        columns.nextHopHigh[row] = seen.nextHopHigh
        columns.nextHopLow[row] = seen.nextHopLow
        columns.bgpSourceAsNumber[row] = seen.sourceAS
        columns.bgpDestinationAsNumber[row] = seen.destinationAS
        columns.sourceIPPrefixLength[row] = seen.sourcePrefix
        columns.destinationIPPrefixLength[row] = seen.destinationPrefix
    }
}
