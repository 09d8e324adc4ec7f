import FlowModel
import WireBytes

/// A plan applied to the records of a set, a column at a time.
extension FlowColumns {
    /// Appends the records of fixed length that `data` holds; a rest shorter than a record is padding.
    mutating func fill(
        _ data: RawSpan, by plan: FlowPlan, in context: RecordContext, _ result: inout DecodeResult
    ) -> Range<Int> {
        let stride = plan.shape.recordLength
        let records = RecordRows(data, stride: stride, reach: plan.common.reach, addedTo: &self)
        let rows = records.rows
        fillCommon(plan, records, data, context)
        if plan.hasRareOps {
            for op in plan.rareOps { apply(op, rows, data, at: 0, stride: stride, context) }
        }
        setCommon(records, context)
        if let uptimes = plan.uptimes { estimateTimes(uptimes, rows, data, stride, context) }
        result.timesClamped += repairTimes(rows, context)
        if !plan.extras.isEmpty, !rows.isEmpty {
            let first = addExtras(plan.extras, rows.count, data, at: 0, stride: stride)
            if first > 0 {
                placeExtras(records, from: first, by: UInt32(truncatingIfNeeded: plan.extras.step))
            } else {
                result.extrasOmitted += rows.count
            }
        }
        return rows
    }

    /// Applies `op` to `rows`, whose first record begins at `start` of `data`.
    mutating func apply(
        _ op: FieldOp, _ rows: Range<Int>, _ data: RawSpan, at start: Int, stride: Int, _ context: RecordContext
    ) {
        let field = (start &+ op.place.offset, op.place.width)
        switch op.form {
        case .unsigned: applyUnsigned(op, rows, data, field, stride)
        case .moreBits: joinBits(op, rows, data, field, stride)
        case .address: applyAddress(op, rows, data, field, start, stride)
        case .intervalAndSpace, .sizeAndPopulation: applyRatio(op, rows, data, start, stride)
        default: applyTime(op, rows, data, start, stride, context)
        }
    }

    private mutating func applyUnsigned(
        _ op: FieldOp, _ rows: Range<Int>, _ data: RawSpan, _ field: (Int, Int), _ stride: Int
    ) {
        let (at, width) = field
        switch op.target {
        case .octets: storeUnsigned(&octetDeltaCount, rows, data, at, width, stride)
        case .packets: storeUnsigned(&packetDeltaCount, rows, data, at, width, stride)
        case .sourcePort: storeUnsigned(&sourceTransportPort, rows, data, at, width, stride)
        case .destinationPort: storeUnsigned(&destinationTransportPort, rows, data, at, width, stride)
        case .protocolIdentifier: storeUnsigned(&protocolIdentifier, rows, data, at, width, stride)
        case .tcpControlBits: storeUnsigned(&tcpControlBits, rows, data, at, width, stride)
        case .ipClassOfService: storeUnsigned(&ipClassOfService, rows, data, at, width, stride)
        case .ingressInterface: storeUnsigned(&ingressInterface, rows, data, at, width, stride)
        case .egressInterface: storeUnsigned(&egressInterface, rows, data, at, width, stride)
        case .sourceAS: storeUnsigned(&bgpSourceAsNumber, rows, data, at, width, stride)
        case .destinationAS: storeUnsigned(&bgpDestinationAsNumber, rows, data, at, width, stride)
        case .vlan: storeUnsigned(&vlanId, rows, data, at, width, stride)
        case .sourcePrefixV4, .destinationPrefixV4, .sourcePrefixV6, .destinationPrefixV6:
            applyPrefixLength(op, rows, data, at, stride)
        case .direction:
            storeDirection(&flowDirection, rows, data, at, stride)
        case .sampling:
            storeEach(&samplingInterval, rows, data, at, stride) { Float($0.beInteger(at: $1, width: width)) }
        case .icmpPairV4, .icmpPairV6, .icmpTypeV4, .icmpCodeV4, .icmpTypeV6, .icmpCodeV6:
            applyICMP(op.target, rows, data, at, width, stride)
        default: break  // Addresses and times have forms of their own.
        }
    }

    private mutating func applyPrefixLength(
        _ op: FieldOp, _ rows: Range<Int>, _ data: RawSpan, _ at: Int, _ stride: Int
    ) {
        let isSource = op.target == .sourcePrefixV4 || op.target == .sourcePrefixV6
        guard op.isOverlay else {
            if isSource { return storeUnsigned(&sourceIPPrefixLength, rows, data, at, 1, stride) }
            return storeUnsigned(&destinationIPPrefixLength, rows, data, at, 1, stride)
        }
        var offset = at
        for row in rows {
            let length = data.u8(at: offset)
            offset &+= stride
            if isSource, !IPAddress(high: sourceHigh[row], low: sourceLow[row]).isV4 {
                sourceIPPrefixLength[row] = length
            } else if !isSource, !IPAddress(high: destinationHigh[row], low: destinationLow[row]).isV4 {
                destinationIPPrefixLength[row] = length
            }
        }
    }

    /// TCP flags that a template has in two parts.
    private mutating func joinBits(
        _ op: FieldOp, _ rows: Range<Int>, _ data: RawSpan, _ field: (Int, Int), _ stride: Int
    ) {
        var bits = tcpControlBits.mutableSpan, offset = field.0
        for row in rows {
            bits[row] |= UInt16(truncatingIfNeeded: data.beInteger(at: offset, width: field.1))
            offset &+= stride
        }
    }

    private mutating func applyRatio(_ op: FieldOp, _ rows: Range<Int>, _ data: RawSpan, _ start: Int, _ stride: Int) {
        let (widthA, widthB) = (op.place.width, op.second.width)
        let distance = op.second.offset &- op.place.offset
        let form = op.form
        storeEach(&samplingInterval, rows, data, start &+ op.place.offset, stride) { data, at in
            SamplingRatio.rate(
                form, data.beInteger(at: at, width: widthA), data.beInteger(at: at &+ distance, width: widthB))
        }
    }

    /// What is the same in all records of a set.
    mutating func setCommon(_ rows: Range<Int>, _ context: RecordContext) {
        storeConstant(&exporter, rows, context.exporter)
        storeConstant(&deltaFlowCount, rows, 1)
        storeConstant(&exportMilliseconds, rows, context.exportMilliseconds)
        storeConstant(&receiveMilliseconds, rows, context.receiveMilliseconds)
        if context.isBorrowed { storeConstant(&flags, rows, RecordFlags.templateBorrowed.rawValue) }
    }

    mutating func setSampling(_ interval: Float, _ rows: Range<Int>) {
        storeConstant(&samplingInterval, rows, interval)
    }
}
