import FlowModel
import WireBytes

/// The columns that most templates fill, one loop for one or two of them.
extension FlowColumns {
    mutating func fillCommon(
        _ plan: FlowPlan, _ records: borrowing RecordRows, _ data: RawSpan, _ context: RecordContext
    ) {
        fillAddresses(plan.common, records)
        let common = plan.common
        unsafe records.gather(
            common.octets, into: memory.octetDeltaCount, common.packets, into: memory.packetDeltaCount)
        unsafe records.gather(
            common.sourcePort, into: memory.sourceTransportPort, common.destinationPort,
            into: memory.destinationTransportPort)
        unsafe records.gather(
            common.protocolIdentifier, into: memory.protocolIdentifier, common.ipClassOfService,
            into: memory.ipClassOfService)
        unsafe records.gather(common.tcpControlBits, into: memory.tcpControlBits)
        unsafe records.gather(common.vlan, into: memory.vlanId)
        unsafe records.gather(
            common.ingressInterface, into: memory.ingressInterface, common.egressInterface, into: memory.egressInterface
        )
        unsafe records.gather(
            common.sourceAS, into: memory.bgpSourceAsNumber, common.destinationAS, into: memory.bgpDestinationAsNumber)
        unsafe records.gather(
            common.sourcePrefix, into: memory.sourceIPPrefixLength, common.destinationPrefix,
            into: memory.destinationIPPrefixLength)
        unsafe records.gather(common.direction, into: memory.flowDirection, plus: FlowColumns.directionBase)
        fillTimes(plan, records, data, context)
    }

    /// What is the same in all records of a set.
    @inline(__always)
    mutating func setCommon(_ records: borrowing RecordRows, _ context: RecordContext) {
        unsafe records.fill(
            memory.exporter, context.exporter, memory.deltaFlowCount, 1, memory.exportMilliseconds,
            context.exportMilliseconds, memory.receiveMilliseconds, context.receiveMilliseconds)
        if context.isBorrowed { storeConstant(&flags, records.rows, RecordFlags.templateBorrowed.rawValue) }
    }

    /// The rows' further elements are at `first`, `first + step` and so on.
    @inline(__always)
    mutating func placeExtras(_ records: borrowing RecordRows, from first: UInt32, by step: UInt32) {
        unsafe records.number(memory.extra, from: first, by: step)
    }

    @inline(__always)
    private mutating func fillAddresses(_ common: CommonPlaces, _ records: borrowing RecordRows) {
        let prefix = IPAddress.mappedPrefix
        if common.sourceV4.isThere && common.destinationV4.isThere {
            unsafe records.gatherAddresses(
                common.sourceV4, into: memory.sourceLow, common.destinationV4, into: memory.destinationLow,
                prefix: prefix)
        } else {
            unsafe records.gatherAddresses(common.sourceV4, into: memory.sourceLow, prefix: prefix)
            unsafe records.gatherAddresses(common.destinationV4, into: memory.destinationLow, prefix: prefix)
        }
        unsafe records.gatherAddresses(common.nextHopV4, into: memory.nextHopLow, prefix: prefix)
        unsafe records.gatherAddresses(common.sourceV6, high: memory.sourceHigh, low: memory.sourceLow)
        unsafe records.gatherAddresses(common.destinationV6, high: memory.destinationHigh, low: memory.destinationLow)
        unsafe records.gatherAddresses(common.nextHopV6, high: memory.nextHopHigh, low: memory.nextHopLow)
    }

    @inline(__always)
    private mutating func fillTimes(
        _ plan: FlowPlan, _ records: borrowing RecordRows, _ data: RawSpan, _ context: RecordContext
    ) {
        let start = plan.common.startMilliseconds, end = plan.common.endMilliseconds
        if start.isThere && end.isThere {
            unsafe records.gatherTimes(start, into: memory.flowStartMilliseconds, end, into: memory.flowEndMilliseconds)
        } else if start.isThere || end.isThere {
            applyEach(plan, .milliseconds, records.rows, data, context)
        }
        let first = plan.common.startUptime, last = plan.common.endUptime
        guard first.isThere || last.isThere else { return }
        if first.isThere && last.isThere, let uptime = context.uptime {
            unsafe records.gatherUptimes(
                first, into: memory.flowStartMilliseconds, last, into: memory.flowEndMilliseconds,
                moment: context.exportMilliseconds, uptime: uptime)
        } else {
            applyEach(plan, .uptime, records.rows, data, context)
        }
    }

    /// Times of one form, one at a time.
    @inline(never)
    private mutating func applyEach(
        _ plan: FlowPlan, _ form: Form, _ rows: Range<Int>, _ data: RawSpan, _ context: RecordContext
    ) {
        for op in plan.ops where op.form == form {
            apply(op, rows, data, at: 0, stride: plan.shape.recordLength, context)
        }
    }
}
