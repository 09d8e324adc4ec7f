import CGather
import FlowModel

/// Where a field lies in each of many records of one length.
struct RecordField: Sendable, Equatable {
    /// Counted from the record's first octet.
    var offset: Int32 = 0
    /// In octets; 0: the records don't have it.
    var width: Int32 = 0

    init() {}
    init(at offset: Int, width: Int) {
        (self.offset, self.width) = (Int32(clamping: offset), Int32(clamping: width))
    }
    @inline(__always) var isThere: Bool { width > 0 }
    @inline(__always) var at: Int { Int(offset) }
    var end: Int { Int(offset) + Int(width) }
}

/// Records of one length that lie one behind the other, on their way into as many rows of columns: the inner loops of
/// the flow decoders, one field or two at a time.
///
/// Bounds are checked once, for all fields of all records: sets have a handful of records each, so what comes before a
/// loop is what counts. Columns are given by their memory, with which the caller has made sure that the rows are there.
@safe struct RecordRows: ~Escapable {
    private let first: UnsafePointer<UInt8>?
    let stride: Int
    /// The rows that the records fill.
    let rows: Range<Int>

    /// The whole records of `stride` octets that `data` holds, as rows from `columns.count` on, which are added.
    /// - Parameter reach: no field that is asked for ends behind it; at most `stride`.
    @_lifetime(copy data)
    init(_ data: RawSpan, stride: Int, reach: Int, addedTo columns: inout FlowColumns) {
        precondition(stride > 0 && reach <= stride, "fields of \(reach) octets in records of \(stride)")
        rows = columns.extend(by: data.byteCount / stride)
        precondition(rows.upperBound <= columns.memory.capacity, "\(rows) of columns that are not secured")
        self.stride = stride
        unsafe first = data.withUnsafeBytes { unsafe $0.baseAddress?.assumingMemoryBound(to: UInt8.self) }
    }
    private var start: Int { rows.lowerBound }
    private var end: Int { rows.upperBound }

    /// The widths for which there are loops, by column: fields of others are not common.
    static func widths(of target: Target) -> Set<Int> {
        switch target {
        case .octets, .packets: [4, 8]
        case .ingressInterface, .egressInterface, .sourceAS, .destinationAS: [2, 4]
        case .sourcePort, .destinationPort, .tcpControlBits, .vlan: [1, 2]
        default: [1]
        }
    }

    /// Sets the rows of a column to the field's values, of one of its `widths`. Records without the field change
    /// nothing.
    @inline(__always)
    func gather(_ field: RecordField, into column: UnsafeMutablePointer<UInt8>?) {
        switch field.width {
        case 0: return
        case 1: unsafe weirGather8From8(column, first, field.at, stride, start, end)
        default: return
        }
    }
    /// The same for two columns, in one loop where their fields are equally wide.
    @inline(__always)
    func gather(
        _ one: RecordField, into a: UnsafeMutablePointer<UInt8>?, _ other: RecordField,
        into b: UnsafeMutablePointer<UInt8>?
    ) {
        switch (one.width == other.width, one.width) {
        case (true, 0): return
        case (true, 1):
            unsafe weirGatherPair8From8(a, b, first, one.at, other.at, stride, start, end)
        default:
            unsafe gather(one, into: a)
            unsafe gather(other, into: b)
        }
    }

    @inline(__always)
    func gather(_ field: RecordField, into column: UnsafeMutablePointer<UInt16>?) {
        switch field.width {
        case 0: return
        case 2: unsafe weirGather16From16(column, first, field.at, stride, start, end)
        case 1: unsafe weirGather16From8(column, first, field.at, stride, start, end)
        default: return
        }
    }
    @inline(__always)
    func gather(
        _ one: RecordField, into a: UnsafeMutablePointer<UInt16>?, _ other: RecordField,
        into b: UnsafeMutablePointer<UInt16>?
    ) {
        switch (one.width == other.width, one.width) {
        case (true, 0): return
        case (true, 2):
            unsafe weirGatherPair16From16(a, b, first, one.at, other.at, stride, start, end)
        case (true, 1):
            unsafe weirGatherPair16From8(a, b, first, one.at, other.at, stride, start, end)
        default:
            unsafe gather(one, into: a)
            unsafe gather(other, into: b)
        }
    }

    @inline(__always)
    func gather(_ field: RecordField, into column: UnsafeMutablePointer<UInt32>?) {
        switch field.width {
        case 0: return
        case 4: unsafe weirGather32From32(column, first, field.at, stride, start, end)
        case 2: unsafe weirGather32From16(column, first, field.at, stride, start, end)
        default: return
        }
    }
    @inline(__always)
    func gather(
        _ one: RecordField, into a: UnsafeMutablePointer<UInt32>?, _ other: RecordField,
        into b: UnsafeMutablePointer<UInt32>?
    ) {
        switch (one.width == other.width, one.width) {
        case (true, 0): return
        case (true, 4):
            unsafe weirGatherPair32From32(a, b, first, one.at, other.at, stride, start, end)
        case (true, 2):
            unsafe weirGatherPair32From16(a, b, first, one.at, other.at, stride, start, end)
        default:
            unsafe gather(one, into: a)
            unsafe gather(other, into: b)
        }
    }

    @inline(__always)
    func gather(_ field: RecordField, into column: UnsafeMutablePointer<UInt64>?) {
        switch field.width {
        case 0: return
        case 8: unsafe weirGather64From64(column, first, field.at, stride, start, end)
        case 4: unsafe weirGather64From32(column, first, field.at, stride, start, end)
        default: return
        }
    }
    @inline(__always)
    func gather(
        _ one: RecordField, into a: UnsafeMutablePointer<UInt64>?, _ other: RecordField,
        into b: UnsafeMutablePointer<UInt64>?
    ) {
        switch (one.width == other.width, one.width) {
        case (true, 0): return
        case (true, 8):
            unsafe weirGatherPair64From64(a, b, first, one.at, other.at, stride, start, end)
        case (true, 4):
            unsafe weirGatherPair64From32(a, b, first, one.at, other.at, stride, start, end)
        default:
            unsafe gather(one, into: a)
            unsafe gather(other, into: b)
        }
    }

    /// Sets the rows of two columns to the IPv4 addresses at two fields of 4 octets, `prefix` before them.
    @inline(__always)
    func gatherAddresses(
        _ one: RecordField, into a: UnsafeMutablePointer<UInt64>?, _ other: RecordField,
        into b: UnsafeMutablePointer<UInt64>?, prefix: UInt64
    ) {
        unsafe weirGatherAddresses(a, b, first, one.at, other.at, stride, start, end, prefix)
    }
    @inline(__always)
    func gatherAddresses(_ field: RecordField, into column: UnsafeMutablePointer<UInt64>?, prefix: UInt64) {
        if field.isThere { unsafe weirGatherAddress(column, first, field.at, stride, start, end, prefix) }
    }

    /// Sets the rows of two columns to the halves of the IPv6 addresses at a field of 16 octets.
    @inline(__always)
    func gatherAddresses(
        _ field: RecordField, high: UnsafeMutablePointer<UInt64>?, low: UnsafeMutablePointer<UInt64>?
    ) {
        guard field.isThere else { return }
        unsafe weirGatherPair64From64(high, low, first, field.at, field.at &+ 8, stride, start, end)
    }

    /// Sets the rows of two columns to the times at two fields of 8 octets.
    @inline(__always)
    func gatherTimes(
        _ one: RecordField, into a: UnsafeMutablePointer<Int64>?, _ other: RecordField,
        into b: UnsafeMutablePointer<Int64>?
    ) {
        unsafe weirGatherTimes(a, b, first, one.at, other.at, stride, start, end)
    }

    /// Sets the rows of two columns to times, in ms, of a clock of 32 bits that shows `uptime` at `moment`.
    @inline(__always)
    func gatherUptimes(
        _ one: RecordField, into a: UnsafeMutablePointer<Int64>?, _ other: RecordField,
        into b: UnsafeMutablePointer<Int64>?, moment: Int64, uptime: UInt32
    ) {
        unsafe weirGatherUptimes(a, b, first, one.at, other.at, stride, start, end, moment, uptime)
    }

    /// Sets the rows of a column to integers of one octet, plus `base` (modulo 256).
    @inline(__always)
    func gather(_ field: RecordField, into column: UnsafeMutablePointer<UInt8>?, plus base: UInt8) {
        if field.isThere { unsafe weirGather8Plus(column, first, field.at, stride, start, end, base) }
    }

    /// Sets the rows of a column to `first`, `first + step` and so on (modulo 2^32).
    @inline(__always)
    func number(_ column: UnsafeMutablePointer<UInt32>?, from first: UInt32, by step: UInt32) {
        unsafe weirNumberRows(column, first, step, start, end)
    }

    /// Sets the rows of four columns to one value each.
    @inline(__always)
    func fill(
        _ a: UnsafeMutablePointer<UInt32>?, _ one: UInt32, _ b: UnsafeMutablePointer<UInt32>?, _ two: UInt32,
        _ c: UnsafeMutablePointer<Int64>?, _ three: Int64, _ d: UnsafeMutablePointer<Int64>?, _ four: Int64
    ) {
        unsafe weirFillRows(a, one, b, two, c, three, d, four, start, end)
    }
}
