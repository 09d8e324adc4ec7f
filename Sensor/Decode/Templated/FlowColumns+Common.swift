import FlowModel
import WireBytes

/// The columns that most templates fill, one loop for one or two of them.
extension FlowColumns {
    mutating func fillCommon(_ plan: FlowPlan, _ rows: Range<Int>, _ data: RawSpan, _ context: RecordContext) {
        let stride = plan.recordLength
        fillAddresses(plan, rows, data, stride)
        storeUnsigned(
            &octetDeltaCount, &packetDeltaCount, rows, data, plan.common.octets, plan.common.packets, stride)
        storeUnsigned(
            &sourceTransportPort, &destinationTransportPort, rows, data, plan.common.sourcePort,
            plan.common.destinationPort, stride)
        storeUnsigned(
            &protocolIdentifier, &ipClassOfService, rows, data, plan.common.protocolIdentifier,
            plan.common.ipClassOfService, stride)
        storeUnsigned(&tcpControlBits, &vlanId, rows, data, plan.common.tcpControlBits, plan.common.vlan, stride)
        storeUnsigned(
            &ingressInterface, &egressInterface, rows, data, plan.common.ingressInterface,
            plan.common.egressInterface, stride)
        storeUnsigned(
            &bgpSourceAsNumber, &bgpDestinationAsNumber, rows, data, plan.common.sourceAS, plan.common.destinationAS,
            stride)
        storeUnsigned(
            &sourceIPPrefixLength, &destinationIPPrefixLength, rows, data, plan.common.sourcePrefix,
            plan.common.destinationPrefix, stride)
        if plan.common.direction.isThere {
            storeDirection(&flowDirection, rows, data, plan.common.direction.at, stride)
        }
        fillTimes(plan, rows, data, stride, context)
    }

    @inline(__always)
    private mutating func fillAddresses(_ plan: FlowPlan, _ rows: Range<Int>, _ data: RawSpan, _ stride: Int) {
        let hasSource = plan.common.sourceV4.isThere, hasDestination = plan.common.destinationV4.isThere
        if hasSource && hasDestination {
            let at = (plan.common.sourceV4.at, plan.common.destinationV4.at)
            storeV4(&sourceLow, &destinationLow, rows, data, at, stride)
        } else if hasSource {
            storeV4(&sourceLow, rows, data, plan.common.sourceV4.at, stride)
        } else if hasDestination {
            storeV4(&destinationLow, rows, data, plan.common.destinationV4.at, stride)
        }
        if plan.common.nextHopV4.isThere { storeV4(&nextHopLow, rows, data, plan.common.nextHopV4.at, stride) }
        if plan.common.sourceV6.isThere {
            storeV6(&sourceHigh, &sourceLow, rows, data, plan.common.sourceV6.at, stride)
        }
        if plan.common.destinationV6.isThere {
            storeV6(&destinationHigh, &destinationLow, rows, data, plan.common.destinationV6.at, stride)
        }
        if plan.common.nextHopV6.isThere {
            storeV6(&nextHopHigh, &nextHopLow, rows, data, plan.common.nextHopV6.at, stride)
        }
    }

    @inline(__always)
    private mutating func fillTimes(
        _ plan: FlowPlan, _ rows: Range<Int>, _ data: RawSpan, _ stride: Int, _ context: RecordContext
    ) {
        let start = plan.common.startMilliseconds, end = plan.common.endMilliseconds
        if start.isThere && end.isThere {
            storeMilliseconds(
                &flowStartMilliseconds, &flowEndMilliseconds, rows, data, (start.at, end.at), stride)
        } else if start.isThere {
            storeMilliseconds(&flowStartMilliseconds, rows, data, start.at, stride)
        } else if end.isThere {
            storeMilliseconds(&flowEndMilliseconds, rows, data, end.at, stride)
        }
        let first = plan.common.startUptime, last = plan.common.endUptime
        guard first.isThere || last.isThere else { return }
        if first.isThere && last.isThere && context.uptime != nil {
            let at = (first.at, last.at)
            storeUptime(&flowStartMilliseconds, &flowEndMilliseconds, rows, data, at, stride, context)
        } else {
            for op in plan.ops where op.form == .uptime { apply(op, rows, data, at: 0, stride: stride, context) }
        }
    }
}
