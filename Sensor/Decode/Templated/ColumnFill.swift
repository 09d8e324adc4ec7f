import FlowModel
import WireBytes

/// The loops at the bottom of the decoder: one field of many records into one column, or two fields into two, with
/// bounds checked once a loop (`WireBytes`, "Gather"). `rows` and the records' places must fit their spans: both are
/// the caller's arithmetic. Functions of their own, so that the code of all loops together stays small.

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

@inline(__always)
private func storePair<T: BitwiseCopyable, Wire: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ a: inout [T], _ b: inout [T], _ rows: Range<Int>, _ data: RawSpan, _ at: (Int, Int), _ stride: Int,
    _ value: (Wire) -> T
) {
    var first = a.mutableSpan, second = b.mutableSpan
    gatherPair(&first, &second, rows, from: data, at: at, stride: stride, value)
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

// MARK: Columns in pairs

@inline(never)
func storeConstants<T: BitwiseCopyable>(
    _ a: inout [T], _ one: T, _ b: inout [T], _ other: T, _ rows: Range<Int>
) {
    var first = a.mutableSpan, second = b.mutableSpan
    fillPair(&first, one, &second, other, rows)
}

/// Two columns of unsigned integers; in one loop when both are there and equally wide.
@inline(never)
func storeUnsigned<T: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ a: inout [T], _ b: inout [T], _ rows: Range<Int>, _ data: RawSpan, _ one: CommonPlaces.Place,
    _ other: CommonPlaces.Place, _ stride: Int
) {
    guard one.width == other.width, one.isThere else {
        if one.isThere { storeUnsigned(&a, rows, data, one.at, one.octets, stride) }
        if other.isThere { storeUnsigned(&b, rows, data, other.at, other.octets, stride) }
        return
    }
    var first = a.mutableSpan, second = b.mutableSpan
    gatherUnsignedPair(
        &first, &second, rows, from: data, at: (one.at, other.at), width: one.octets, stride: stride)
}

@inline(never)
func storeV4(
    _ a: inout [UInt64], _ b: inout [UInt64], _ rows: Range<Int>, _ data: RawSpan, _ at: (Int, Int), _ stride: Int
) {
    let prefix = IPAddress.mappedPrefix
    storePair(&a, &b, rows, data, at, stride) { (bits: UInt32) in prefix | UInt64(bits) }
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
    storePair(&high, &low, rows, data, (at, at &+ 8), stride) { (bits: UInt64) in bits }
}

@inline(never)
func storeDirection(_ column: inout [UInt8], _ rows: Range<Int>, _ data: RawSpan, _ at: Int, _ stride: Int) {
    store(&column, rows, data, at, stride) { (value: UInt8) in value &+ FlowColumns.directionBase }
}

@inline(never)
func storeMilliseconds(_ column: inout [Int64], _ rows: Range<Int>, _ data: RawSpan, _ at: Int, _ stride: Int) {
    store(&column, rows, data, at, stride) { (value: UInt64) in Int64(bitPattern: value) }
}
@inline(never)
func storeMilliseconds(
    _ a: inout [Int64], _ b: inout [Int64], _ rows: Range<Int>, _ data: RawSpan, _ at: (Int, Int), _ stride: Int
) {
    storePair(&a, &b, rows, data, at, stride) { (value: UInt64) in Int64(bitPattern: value) }
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
@inline(never)
func storeUptime(
    _ a: inout [Int64], _ b: inout [Int64], _ rows: Range<Int>, _ data: RawSpan, _ at: (Int, Int), _ stride: Int,
    _ context: RecordContext
) {
    let export = context.exportMilliseconds, uptime = context.uptime ?? 0
    storePair(&a, &b, rows, data, at, stride) { (value: UInt32) in
        RecordContext.moment(atUptime: value, export: export, uptime: uptime)
    }
}
