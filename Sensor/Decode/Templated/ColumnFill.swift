import FlowModel
import WireBytes

/// The loops at the bottom of the decoder: one field of many records into one column.
///
/// `rows` and the records' places must fit their spans; both are the caller's arithmetic, and a bounds check of the
/// standard library stands behind it. Private to this module so that the compiler specializes them.

/// Stores `value(data, offset)` for each row, with `offset` moving on by `stride`.
@inline(__always)
func store<T>(
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

/// Stores unsigned integers of `width` octets (1...8), the width decided once for all rows. A value too large for
/// the column becomes 0, "not in the record".
@inline(__always)
func storeUnsigned<T: FixedWidthInteger & UnsignedInteger>(
    _ column: inout [T], _ rows: Range<Int>, _ data: RawSpan, _ offset: Int, _ width: Int, _ stride: Int
) {
    switch width {
    case 1: store(&column, rows, data, offset, stride) { T(exactly: $0.u8(at: $1)) ?? 0 }
    case 2: store(&column, rows, data, offset, stride) { T(exactly: $0.be16(at: $1)) ?? 0 }
    case 4: store(&column, rows, data, offset, stride) { T(exactly: $0.be32(at: $1)) ?? 0 }
    case 8: store(&column, rows, data, offset, stride) { T(exactly: $0.be64(at: $1)) ?? 0 }
    default:
        store(&column, rows, data, offset, stride) { T(exactly: $0.beInteger(at: $1, width: width)) ?? 0 }
    }
}

/// Stores one value in all rows.
@inline(__always)
func storeConstant<T>(_ column: inout [T], _ rows: Range<Int>, _ value: T) {
    var span = column.mutableSpan
    for row in rows { span[row] = value }
}
