import FlowModel

extension FlowColumns {
    /// Appends the first `count` of `samples`. A datagram has few of them, so a sample goes into all columns at once;
    /// those that few samples have are written only when one may have them.
    mutating func append(_ count: Int, of samples: [SampleRow], _ context: SampleContext) {
        let rows = extend(by: count), samples = samples.span.extracting(first: count)
        precondition(rows.upperBound <= memory.capacity, "\(rows) of columns that are not secured")
        var hasRare = false
        for index in samples.indices {
            put(samples[index], rows.lowerBound &+ index, context)
            if samples[index].hasRare { hasRare = true }
        }
        guard hasRare else { return }
        for index in samples.indices where samples[index].hasRare { putRare(samples[index], rows.lowerBound &+ index) }
    }

    /// What most samples have. The row must be within `memory`.
    @inline(__always)
    private func put(_ sample: borrowing SampleRow, _ row: Int, _ context: SampleContext) {
        unsafe memory.sourceHigh.unsafelyUnwrapped[row] = sample.source.high
        unsafe memory.sourceLow.unsafelyUnwrapped[row] = sample.source.low
        unsafe memory.destinationHigh.unsafelyUnwrapped[row] = sample.destination.high
        unsafe memory.destinationLow.unsafelyUnwrapped[row] = sample.destination.low
        unsafe memory.octetDeltaCount.unsafelyUnwrapped[row] = sample.octets
        unsafe memory.packetDeltaCount.unsafelyUnwrapped[row] = 1
        unsafe memory.flowStartMilliseconds.unsafelyUnwrapped[row] = context.receiveMilliseconds
        unsafe memory.flowEndMilliseconds.unsafelyUnwrapped[row] = context.receiveMilliseconds
        unsafe memory.exportMilliseconds.unsafelyUnwrapped[row] = context.receiveMilliseconds
        unsafe memory.receiveMilliseconds.unsafelyUnwrapped[row] = context.receiveMilliseconds
        unsafe memory.exporter.unsafelyUnwrapped[row] = context.exporter
        unsafe memory.deltaFlowCount.unsafelyUnwrapped[row] = 1
        unsafe memory.samplingInterval.unsafelyUnwrapped[row] = sample.interval
        unsafe memory.ingressInterface.unsafelyUnwrapped[row] = sample.ingressInterface
        unsafe memory.egressInterface.unsafelyUnwrapped[row] = sample.egressInterface
        unsafe memory.sourceTransportPort.unsafelyUnwrapped[row] = sample.sourcePort
        unsafe memory.destinationTransportPort.unsafelyUnwrapped[row] = sample.destinationPort
        unsafe memory.tcpControlBits.unsafelyUnwrapped[row] = sample.tcpControlBits
        unsafe memory.vlanId.unsafelyUnwrapped[row] = sample.vlan
        unsafe memory.protocolIdentifier.unsafelyUnwrapped[row] = sample.protocolIdentifier
        unsafe memory.ipClassOfService.unsafelyUnwrapped[row] = sample.trafficClass
        unsafe memory.flowDirection.unsafelyUnwrapped[row] = sample.direction
    }

    /// What few samples have. Written as arrays are, which leaves columns that nobody shares where they are.
    @inline(never)
    private mutating func putRare(_ sample: borrowing SampleRow, _ row: Int) {
        (nextHopHigh[row], nextHopLow[row]) = (sample.nextHop.high, sample.nextHop.low)
        (bgpSourceAsNumber[row], bgpDestinationAsNumber[row]) = (sample.sourceAS, sample.destinationAS)
        (sourceIPPrefixLength[row], destinationIPPrefixLength[row]) = (sample.sourcePrefix, sample.destinationPrefix)
        (extra[row], flags[row]) = (sample.extra, sample.flags)
    }
}
