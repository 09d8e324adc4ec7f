import FlowModel
import WireBytes

/// Records with variable-length fields: each is laid out by itself, then goes through the same ops as a set of one.
extension DatagramDecoder {
    mutating func decodeVariable(
        _ body: RawSpan, by plan: FlowPlan, _ context: RecordContext, _ place: TemplateStore.Place,
        into columns: inout FlowColumns, _ result: inout DecodeResult
    ) -> Int {
        var offset = 0, records = 0
        let rates = ratesToApply(plan, place)
        while body.byteCount - offset >= plan.recordLength {  // ends: a record has at least 1 octet
            guard let end = layOut(plan.variableLengths, body, at: offset) else {
                // A tail of zeros is padding; anything else is a record whose lengths are wrong.
                if !isZero(body, from: offset) { result.lose(.badSet) }
                return records
            }
            records += 1
            let row = columns.extend(by: 1)
            apply(plan.ops, row, body, context, into: &columns)
            columns.setCommon(row, context)
            if let uptimes = plan.uptimes.flatMap(placed) { columns.estimateTimes(uptimes, row, body, 0, context) }
            columns.repairTimes(row)
            if !plan.reverseOps.isEmpty {
                let ops = plan.reverseOps.compactMap(placed)
                columns.addReverse(of: row.lowerBound, ops, body, at: 0, context, &result)
            }
            if let rates {
                let selector = selector(of: plan, body)
                for row in row.lowerBound..<columns.count { columns.resolveSampling(row, selector, rates) }
            }
            offset = end
        }
        if !isZero(body, from: offset) { result.paddingNotZero += 1 }
        return records
    }

    /// Finds the place of each field of the record at `start`. Returns where the record ends, nil when it does not
    /// end within `body`.
    private mutating func layOut(_ lengths: [UInt16], _ body: RawSpan, at start: Int) -> Int? {
        scratch.removeAll(keepingCapacity: true)
        var offset = start
        for length in lengths {
            guard let place = variablePlace(of: length, in: body, at: offset) else { return nil }
            scratch.append(FieldPlace(offset: place.offset, width: place.width, field: 0))
            offset = place.offset + place.width
        }
        return offset
    }

    private func apply(
        _ ops: [FieldOp], _ row: Range<Int>, _ body: RawSpan, _ context: RecordContext,
        into columns: inout FlowColumns
    ) {
        for op in ops {
            if let op = placed(op) { columns.apply(op, row, body, at: 0, stride: 0, context) }
        }
    }

    /// `op` with the places it has in the record at hand; nil when a length there doesn't fit the element.
    private func placed(_ op: FieldOp) -> FieldOp? {
        var placed = op
        placed.place = scratch[op.place.field]
        guard op.widths.contains(placed.place.width) else { return nil }
        if op.second.field >= 0 {
            placed.second = scratch[op.second.field]
            let widths = op.form == .uptime ? 8...8 : op.form == .address ? 1...1 : op.widths
            guard widths.contains(placed.second.width) else { return nil }
        }
        return placed
    }

    private func selector(of plan: FlowPlan, _ body: RawSpan) -> UInt64? {
        guard plan.selector.field >= 0 else { return nil }
        let place = scratch[plan.selector.field]
        guard (1...8).contains(place.width) else { return nil }
        return body.beInteger(at: place.offset, width: place.width)
    }
}
