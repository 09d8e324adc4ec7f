import FlowModel
import WireBytes

/// Records with variable-length fields: each is laid out by itself, then goes through the same ops as a set of one.
extension DatagramDecoder {
    mutating func decodeVariable(
        _ body: RawSpan, by plan: FlowPlan, _ context: RecordContext, _ rates: SetRates?,
        into columns: inout FlowColumns, _ result: inout DecodeResult
    ) -> Int {
        var offset = 0, records = 0
        while body.byteCount - offset >= plan.shape.recordLength {  // ends: a record has at least 1 octet
            guard let end = layOut(plan.shape.variableLengths, body, at: offset) else {
                // A tail of zeros is padding; anything else is a record whose lengths are wrong.
                if !isZero(body, from: offset) { result.loseMalformed(.badSet) }
                return records
            }
            guard records < work.records else {
                result.lose(.badSet)
                return records
            }
            records += 1
            decodeOne(body, by: plan, context, rates, into: &columns, &result)
            offset = end
        }
        if !isZero(body, from: offset) { result.paddingNotZero += 1 }
        return records
    }

    /// Decodes the record whose places are in `scratch`.
    private mutating func decodeOne(
        _ body: RawSpan, by plan: FlowPlan, _ context: RecordContext, _ rates: SetRates?,
        into columns: inout FlowColumns, _ result: inout DecodeResult
    ) {
        let rows = columns.extend(by: 1), row = rows.lowerBound
        for op in plan.ops {
            if let op = placed(op, at: 0, plan) { columns.apply(op, rows, body, at: 0, stride: 0, context) }
        }
        columns.setCommon(rows, context)
        if let uptimes = plan.uptimes.flatMap({ placed($0, at: 0, plan) }) {
            columns.estimateTimes(uptimes, rows, body, 0, context)
        }
        result.timesClamped += columns.repairTimes(rows, context)
        if !plan.extras.isEmpty {
            columns.extra[row] = columns.addExtras(plan.extras, body, scratch)
            if columns.extra[row] == 0 { result.extrasOmitted += 1 }
        }
        if let rates, columns.samplingInterval[row] == 0 {
            let sampler = Sampler(
                selector: number(plan.sampler.selector, body), sequence: number(plan.sampler.sequence, body),
                lineCard: number(plan.sampler.lineCard, body), ingressInterface: columns.ingressInterface[row])
            columns.samplingInterval[row] = rates.interval(for: sampler)
        }
        if plan.reverse != nil || plan.events != nil {
            finish(row, body, at: 0, by: plan, context, into: &columns, &result)
        }
    }

    /// Finds the place of each field of the record at `start`. Returns where the record ends, nil when it does not
    /// end within `body`.
    private mutating func layOut(_ lengths: [UInt16], _ body: RawSpan, at start: Int) -> Int? {
        scratch.removeAll(keepingCapacity: true)
        var offset = start, isWhole = true
        scratch.append(addingCapacity: lengths.count) { places in
            for length in lengths {
                guard let place = variablePlace(of: length, in: body, at: offset) else {
                    isWhole = false
                    return
                }
                places.append(FieldPlace(offset: place.offset, width: place.width, field: 0))
                offset = place.offset + place.width
            }
        }
        return isWhole ? offset : nil
    }

    private func number(_ place: FieldPlace, _ body: RawSpan) -> UInt64? {
        guard place.exists, (1...8).contains(scratch[place.field].width) else { return nil }
        return body.beInteger(at: scratch[place.field].offset, width: scratch[place.field].width)
    }
}
