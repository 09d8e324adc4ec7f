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
    /// both, and the record says so. What can't be is clamped and flagged: see `TimeRepair`. Returns in how many rows.
    mutating func repairTimes(_ rows: Range<Int>, _ context: RecordContext) -> Int {
        let repair = TimeRepair(context)
        if repair.isSound(rows, &flowStartMilliseconds, &flowEndMilliseconds) { return 0 }
        return repairSlowly(rows, repair)
    }

    private mutating func repairSlowly(_ rows: Range<Int>, _ repair: TimeRepair) -> Int {
        var clamped = 0
        for row in rows {
            let (start, end, flags) = repair.times(flowStartMilliseconds[row], flowEndMilliseconds[row])
            (flowStartMilliseconds[row], flowEndMilliseconds[row]) = (start, end)
            self.flags[row] |= flags.rawValue
            if flags.contains(.timesClamped) { clamped += 1 }
        }
        return clamped
    }
}

/// What is done about times that are missing or can't be.
///
/// Missing (0, before 1970, after the year 9999): the other one, or the export time and `timesEstimated`. An end before
/// its start: the end stands for both. A start longer than `spanMaxMilliseconds` before its end: that long before it.
/// An end later than `futureMaxMilliseconds` after both clocks: the export time. Each but plain absence is flagged.
struct TimeRepair {
    let exportMilliseconds: Int64
    private let latest: Int64
    /// Active timeouts are minutes; counters of a flow that are older than this are an overflow of the exporter's
    /// clock.
    static let spanMaxMilliseconds: Int64 = 7 * 86_400_000
    static let futureMaxMilliseconds: Int64 = 86_400_000
    static let lastMillisecond: Int64 = 253_402_300_799_999

    init(_ context: RecordContext) {
        exportMilliseconds = context.exportMilliseconds
        let now = max(context.exportMilliseconds, context.receiveMilliseconds)
        latest = min(now, Self.lastMillisecond) &+ Self.futureMaxMilliseconds
    }

    /// Whether all rows are as they should be, which is the rule. Changes nothing: `inout` costs no reference count.
    func isSound(_ rows: Range<Int>, _ starts: inout [Int64], _ ends: inout [Int64]) -> Bool {
        areOrdered(starts.span, ends.span, rows, latest: latest, span: Self.spanMaxMilliseconds)
    }

    func times(_ start: Int64, _ end: Int64) -> (start: Int64, end: Int64, flags: RecordFlags) {
        let hasStart = start > 0 && start <= Self.lastMillisecond, hasEnd = end > 0 && end <= Self.lastMillisecond
        // No literal of a set: it would be made by the library's generic code, which is dear.
        var flags = (hasStart || start == 0) && (hasEnd || end == 0) ? RecordFlags() : .timesClamped
        guard hasStart || hasEnd else { return (exportMilliseconds, exportMilliseconds, flags.union(.timesEstimated)) }
        var (first, last) = (hasStart ? start : end, hasEnd ? end : start)
        if last > latest {
            (first, last) = (min(first, exportMilliseconds), exportMilliseconds)
            flags.insert(.timesClamped)
        }
        if first > last || last - first > Self.spanMaxMilliseconds {
            first = first > last ? last : last - Self.spanMaxMilliseconds
            flags.insert(.timesClamped)
        }
        return (first, last, flags)
    }
}

private func storeTime(
    _ op: FieldOp, _ column: inout [Int64], _ rows: Range<Int>, _ data: RawSpan, _ start: Int, _ stride: Int,
    _ context: RecordContext
) {
    let at = start &+ op.place.offset, width = op.place.width
    switch op.form {
    case .milliseconds: storeMilliseconds(&column, rows, data, at, stride)
    case .seconds: store(&column, rows, data, at, stride) { (value: UInt32) in Int64(value) &* 1_000 }
    case .ntpNanoseconds:
        store(&column, rows, data, at, stride) { (value: UInt64) in RecordContext.milliseconds(ntp: value) }
    //= RFC 7011 §6.1.9
    case .ntpMicroseconds:  // The low 11 bits of the fraction say nothing.
        store(&column, rows, data, at, stride) { (value: UInt64) in RecordContext.milliseconds(ntp: value & ~0x7FF) }
    case .deltaMicroseconds:
        let export = context.exportMilliseconds &* 1_000
        storeEach(&column, rows, data, at, stride) {
            (export &- Int64(bitPattern: $0.beInteger(at: $1, width: width))) / 1_000
        }
    case .uptime where op.second.width == 8 && context.uptime == nil:
        let distance = op.second.offset &- op.place.offset
        storeEach(&column, rows, data, at, stride) {
            let start = $0.be64(at: $1 &+ distance)
            return start == 0 ? 0 : Int64(bitPattern: start &+ $0.beInteger(at: $1, width: width))
        }
    case .uptime where width == 4 && context.uptime != nil:
        storeUptime(&column, rows, data, at, stride, context)
    case .uptime:
        storeEach(&column, rows, data, at, stride) {
            context.moment(atUptime: UInt32(truncatingIfNeeded: $0.beInteger(at: $1, width: width)))
        }
    default: break
    }
}
