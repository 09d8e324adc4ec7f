import FlowModel
import WireBytes

/// The loops for fields that are not common, of which one comes after the other, and for records of variable length,
/// one at a time: one field into one column, with bounds checked once a loop (`WireBytes`, "Gather"). `rows` and the
/// records' places must fit their spans: both are the caller's arithmetic.

/// Stores `value(data, offset)` for each row, with `offset` moving on by `stride`: for what is not one integer.
@inline(__always)
func storeEach<T>(
    _ column: inout [T], _ rows: Range<Int>, _ data: RawSpan, _ offset: Int, _ stride: Int,
    _ value: (RawSpan, Int) -> T
) {
    var span = column.mutableSpan
    var at = offset
    for row in rows {
        span[row] = value(data, at)
        at &+= stride
    }
}

/// Stores `value` of the big-endian integers that the records have at `offset`, `offset + stride` and so on.
@inline(__always)
func store<T: BitwiseCopyable, Wire: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ column: inout [T], _ rows: Range<Int>, _ data: RawSpan, _ offset: Int, _ stride: Int, _ value: (Wire) -> T
) {
    var span = column.mutableSpan
    span.gather(rows, from: data, at: offset, stride: stride, value)
}

/// Stores unsigned integers of `width` octets (1...8). A value too large for the column becomes 0, "not in the record".
@inline(never)
func storeUnsigned<T: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ column: inout [T], _ rows: Range<Int>, _ data: RawSpan, _ offset: Int, _ width: Int, _ stride: Int
) {
    var span = column.mutableSpan
    span.gatherUnsigned(rows, from: data, at: offset, width: width, stride: stride)
}

/// Stores one value in all rows.
@inline(__always)
func storeConstant<T: BitwiseCopyable>(_ column: inout [T], _ rows: Range<Int>, _ value: T) {
    var span = column.mutableSpan
    span.fill(rows, with: value)
}

@inline(never)
func storeV4(_ low: inout [UInt64], _ rows: Range<Int>, _ data: RawSpan, _ at: Int, _ stride: Int) {
    let prefix = IPAddress.mappedPrefix
    store(&low, rows, data, at, stride) { (bits: UInt32) in prefix | UInt64(bits) }
}

@inline(never)
func storeV6(
    _ high: inout [UInt64], _ low: inout [UInt64], _ rows: Range<Int>, _ data: RawSpan, _ at: Int, _ stride: Int
) {
    store(&high, rows, data, at, stride) { (bits: UInt64) in bits }
    store(&low, rows, data, at &+ 8, stride) { (bits: UInt64) in bits }
}

@inline(never)
func storeDirection(_ column: inout [UInt8], _ rows: Range<Int>, _ data: RawSpan, _ at: Int, _ stride: Int) {
    store(&column, rows, data, at, stride) { (value: UInt8) in value &+ FlowColumns.directionBase }
}

@inline(never)
func storeMilliseconds(_ column: inout [Int64], _ rows: Range<Int>, _ data: RawSpan, _ at: Int, _ stride: Int) {
    store(&column, rows, data, at, stride) { (value: UInt64) in Int64(bitPattern: value) }
}
/// Times since the exporter's start, of which the header says how long ago that was: as every NetFlow exporter has it.
@inline(never)
func storeUptime(
    _ column: inout [Int64], _ rows: Range<Int>, _ data: RawSpan, _ at: Int, _ stride: Int, _ context: RecordContext
) {
    let export = context.exportMilliseconds, uptime = context.uptime ?? 0
    store(&column, rows, data, at, stride) { (value: UInt32) in
        RecordContext.moment(atUptime: value, export: export, uptime: uptime)
    }
}
