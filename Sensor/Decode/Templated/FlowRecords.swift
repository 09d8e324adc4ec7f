import FlowModel
import WireBytes

/// What becomes of the data records of one set.
extension DatagramDecoder {
    /// Returns how many records the set had, of a record's two sides only the first is one; nil when there is no room
    /// for its exporter.
    mutating func decodeFlows(
        _ whole: RawSpan, by plan: FlowPlan, _ message: Message, isBorrowed: Bool, into columns: inout FlowColumns,
        _ result: inout DecodeResult
    ) -> Int? {
        let length = plan.shape.recordLength, weight = plan.shape.recordWeight, isFixed = plan.shape.isFixed
        let body = begin(whole, length, weight: weight, isFixed: isFixed, &result)
        guard let exporter = number(of: message.header.key, in: &columns) else {
            result.losses[.exporterLimit] = 1
            charge(body, body.byteCount / length, weight: weight)
            return nil
        }
        let context = context(of: exporter, message, isBorrowed: isBorrowed)
        let rates = samplings.rates(for: message.header.key, now: context.receiveMilliseconds)
        let records =
            isFixed
            ? decodeUniform(body, by: plan, context, rates, into: &columns, &result)
            : decodeVariable(body, by: plan, context, rates, into: &columns, &result)
        charge(body, isFixed ? records : body.byteCount / length, weight: weight)
        return records
    }

    /// As much of a set as the datagram may still cost.
    @inline(__always) @_lifetime(copy whole)
    mutating func begin(
        _ whole: RawSpan, _ recordLength: Int, weight: Int, isFixed: Bool, _ result: inout DecodeResult
    ) -> RawSpan {
        if weight > 1 { work.records /= weight }
        let octets = work.records &* recordLength
        guard isFixed, octets < whole.byteCount - 3 else { return whole }
        result.lose(.badSet)
        return whole.extracting(0..<octets)
    }
    /// - Parameter records: at most what the set had.
    @inline(__always)
    mutating func charge(_ body: RawSpan, _ records: Int, weight: Int) {
        work.records = max(work.records - records, 0) &* weight
        work.replayOctets -= body.byteCount
    }
    @inline(__always)
    private func context(of exporter: UInt32, _ message: Message, isBorrowed: Bool) -> RecordContext {
        var context = RecordContext(exporter: exporter, receiveMilliseconds: message.origin.receiveMilliseconds)
        context.exportMilliseconds = message.header.exportMilliseconds
        context.uptime = message.header.uptime
        context.systemInitMilliseconds = store.systemInitMilliseconds(at: message.place)
        context.isBorrowed = isBorrowed
        return context
    }

    /// The exporter's number in the columns.
    @inline(__always)
    private mutating func number(of key: ExporterKey, in columns: inout FlowColumns) -> UInt32? {
        if let hint = columnHints[key], hint < columns.exporters.count, columns.exporters[hint] == key {
            return UInt32(truncatingIfNeeded: hint)
        }
        let number = columns.intern(key)
        columnHints[key] = number.map(Int.init)
        return number
    }

    /// Records of one length.
    @inline(__always)
    private mutating func decodeUniform(
        _ body: RawSpan, by plan: FlowPlan, _ context: RecordContext, _ rates: SetRates?,
        into columns: inout FlowColumns, _ result: inout DecodeResult
    ) -> Int {
        let stride = plan.shape.recordLength
        let rows = columns.fill(body, by: plan, in: context, &result)
        let end = rows.count &* stride
        if end < body.byteCount, !isZero(body, from: end) { result.paddingNotZero += 1 }
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
        guard plan.shape.isFixed else { return scratch[place.field] }
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
            let start = (row - rows.lowerBound) * plan.shape.recordLength
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
