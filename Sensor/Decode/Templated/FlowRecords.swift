import FlowModel
import WireBytes

/// What becomes of the data records of one set.
extension DatagramDecoder {
    /// Returns how many records the set had; of a record's two sides only the first is one.
    mutating func decodeFlows(
        _ body: RawSpan, by plan: FlowPlan, _ context: RecordContext, _ place: TemplateStore.Place,
        into columns: inout FlowColumns, _ result: inout DecodeResult
    ) -> Int {
        let rates = result.exporter.flatMap { samplings.rates(for: $0, now: context.receiveMilliseconds) }
        guard plan.variableLengths.isEmpty else {
            return decodeVariable(body, by: plan, context, rates, into: &columns, &result)
        }
        let stride = plan.recordLength
        let rows = columns.fill(body, by: plan, in: context, &result)
        if !isZero(body, from: rows.count * stride) { result.paddingNotZero += 1 }
        if let rates { columns.resolveSampling(rows, body, plan, rates) }
        if plan.reverse != nil || plan.events != nil {
            for row in rows {
                let start = (row - rows.lowerBound) * stride
                finish(row, body, at: start, by: plan, context, into: &columns, &result)
            }
        }
        return rows.count
    }

    /// Where the field is in `body`: in records of variable length as `scratch` has it, in the others by `start`.
    @inline(__always)
    func located(_ place: FieldPlace, at start: Int, _ plan: FlowPlan) -> FieldPlace {
        guard plan.variableLengths.isEmpty else { return scratch[place.field] }
        return FieldPlace(offset: start &+ place.offset, width: place.width, field: place.field)
    }

    /// `op` with the places it has in the record at hand; nil when a length there doesn't fit the element.
    func placed(_ op: FieldOp, at start: Int, _ plan: FlowPlan) -> FieldOp? {
        var placed = op
        placed.place = located(op.place, at: start, plan)
        guard op.widths.contains(placed.place.width) else { return nil }
        if op.second.exists {
            placed.second = located(op.second, at: start, plan)
            let widths = op.form == .uptime ? 8...8 : op.form == .address ? 1...1 : op.widths
            guard widths.contains(placed.second.width) else { return nil }
        }
        return placed
    }
}

extension FlowColumns {
    /// Gives the records of fixed length in `body` the rates told in options, where they have none of their own.
    mutating func resolveSampling(_ rows: Range<Int>, _ body: RawSpan, _ plan: FlowPlan, _ rates: SetRates) {
        if plan.sampler.isNone, let rate = rates.common {
            var intervals = samplingInterval.mutableSpan
            for row in rows where intervals[row] == 0 { intervals[row] = rate }
            return
        }
        for row in rows where samplingInterval[row] == 0 {
            let start = (row - rows.lowerBound) * plan.recordLength
            func number(_ place: FieldPlace) -> UInt64? {
                place.exists ? body.beInteger(at: start + place.offset, width: place.width) : nil
            }
            let sampler = Sampler(
                selector: number(plan.sampler.selector), sequence: number(plan.sampler.sequence),
                lineCard: number(plan.sampler.lineCard), ingressInterface: ingressInterface[row])
            samplingInterval[row] = rates.interval(for: sampler)
        }
    }
}
