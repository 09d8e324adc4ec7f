import FlowModel
import WireBytes

/// Times of all the forms that exporters use, as ms since 1970 UTC.
extension FlowColumns {
    mutating func applyTime(
        _ op: FieldOp, _ rows: Range<Int>, _ data: RawSpan, _ start: Int, _ stride: Int, _ context: RecordContext
    ) {
        if op.target == .start {
            storeTime(op, &flowStartMilliseconds, rows, data, start, stride, context)
        } else {
            storeTime(op, &flowEndMilliseconds, rows, data, start, stride, context)
        }
    }

    /// Start and end since the exporter's start, of which nobody told when that was: how long the flow took is known,
    /// so it ends with the export and says that this is an estimate.
    mutating func estimateTimes(
        _ pair: FieldOp, _ rows: Range<Int>, _ data: RawSpan, _ stride: Int, _ context: RecordContext
    ) {
        guard context.uptime == nil, context.systemInitMilliseconds == 0 else { return }
        var offset = 0
        for row in rows {
            let first = data.beInteger(at: offset &+ pair.place.offset, width: pair.place.width)
            let last = data.beInteger(at: offset &+ pair.second.offset, width: pair.second.width)
            offset &+= stride
            let length = Int32(truncatingIfNeeded: last &- first)
            flowStartMilliseconds[row] = context.exportMilliseconds &- Int64(max(length, 0))
            flowEndMilliseconds[row] = context.exportMilliseconds
            flags[row] |= RecordFlags.timesEstimated.rawValue
        }
    }

    /// Fills in what a record lacks: of start and end one stands for both; without either the export time stands for
    /// both, and the record says so. Times before 1970 or after the year 9999 count as missing.
    mutating func repairTimes(_ rows: Range<Int>) {
        let exported = exportMilliseconds  // a reference, so that the other columns may be written meanwhile
        repair(rows, &flowStartMilliseconds, &flowEndMilliseconds, exported, &flags)
    }
}

private func repair(
    _ rows: Range<Int>, _ start: inout [Int64], _ end: inout [Int64], _ export: [Int64], _ flags: inout [UInt8]
) {
    let latest = UInt64(253_402_300_799_999)
    var starts = start.mutableSpan, ends = end.mutableSpan, marks = flags.mutableSpan
    let exports = export.span
    for row in rows {
        // Both in 1...latest: zero wraps around to the largest number.
        let hasStart = UInt64(bitPattern: starts[row]) &- 1 < latest
        let hasEnd = UInt64(bitPattern: ends[row]) &- 1 < latest
        if hasStart && hasEnd { continue }
        if hasStart {
            ends[row] = starts[row]
        } else if hasEnd {
            starts[row] = ends[row]
        } else {
            (starts[row], ends[row]) = (exports[row], exports[row])
            marks[row] |= RecordFlags.timesEstimated.rawValue
        }
    }
}

private func storeTime(
    _ op: FieldOp, _ column: inout [Int64], _ rows: Range<Int>, _ data: RawSpan, _ start: Int, _ stride: Int,
    _ context: RecordContext
) {
    let at = start &+ op.place.offset, width = op.place.width
    switch op.form {
    case .milliseconds: store(&column, rows, data, at, stride) { Int64(bitPattern: $0.be64(at: $1)) }
    case .seconds: store(&column, rows, data, at, stride) { Int64($0.be32(at: $1)) * 1_000 }
    case .ntpNanoseconds:
        store(&column, rows, data, at, stride) { RecordContext.milliseconds(ntp: $0.be64(at: $1)) }
    //= RFC 7011 §6.1.9
    case .ntpMicroseconds:  // The low 11 bits of the fraction say nothing.
        store(&column, rows, data, at, stride) { RecordContext.milliseconds(ntp: $0.be64(at: $1) & ~0x7FF) }
    case .deltaMicroseconds:
        let export = context.exportMilliseconds &* 1_000
        store(&column, rows, data, at, stride) {
            (export &- Int64(bitPattern: $0.beInteger(at: $1, width: width))) / 1_000
        }
    case .uptime where op.second.width == 8 && context.uptime == nil:
        let distance = op.second.offset &- op.place.offset
        store(&column, rows, data, at, stride) {
            let start = $0.be64(at: $1 &+ distance)
            return start == 0 ? 0 : Int64(bitPattern: start &+ $0.beInteger(at: $1, width: width))
        }
    case .uptime where width == 4 && context.uptime != nil:  // as every NetFlow exporter has it
        let export = context.exportMilliseconds, uptime = context.uptime ?? 0
        store(&column, rows, data, at, stride) {
            RecordContext.moment(atUptime: $0.be32(at: $1), export: export, uptime: uptime)
        }
    case .uptime:
        store(&column, rows, data, at, stride) {
            context.moment(atUptime: UInt32(truncatingIfNeeded: $0.beInteger(at: $1, width: width)))
        }
    default: break
    }
}
