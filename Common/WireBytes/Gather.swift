internal import CGather

/// One field of many records at a time: the inner loops of the flow decoders. Each checks its bounds once, before the
/// loop; with a check at every load it takes twice as long.
extension MutableSpan where Element: BitwiseCopyable {
    /// Sets `rows` to what `value` makes of the big-endian integers at `offset` of `data`, `offset + stride` and so on.
    /// The rows must lie within the span and all integers within `data`.
    @inlinable @inline(__always)
    package mutating func gather<Wire: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ rows: Range<Int>, from data: RawSpan, at offset: Int, stride: Int, _ value: (Wire) -> Element
    ) {
        guard !rows.isEmpty else { return }
        precondition(rows.lowerBound >= 0 && rows.upperBound <= count, "rows \(rows) of \(count)")
        let last = offset + (rows.count - 1) * stride
        precondition(
            offset >= 0 && stride >= 0 && last + MemoryLayout<Wire>.size <= data.byteCount,
            "\(offset)...\(last) of \(data.byteCount)")
        var at = offset
        for row in rows {
            let wire = unsafe data.unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: Wire.self)
            unsafe self[unchecked: row] = value(Wire(bigEndian: wire))
            at &+= stride
        }
    }

    /// Sets `rows` to one value. The rows must lie within the span.
    @inlinable @inline(__always)
    package mutating func fill(_ rows: Range<Int>, with value: Element) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= count, "rows \(rows) of \(count)")
        for row in rows { unsafe self[unchecked: row] = value }
    }
}

extension MutableSpan where Element: FixedWidthInteger & UnsignedInteger & BitwiseCopyable {
    /// Sets `rows` to the unsigned integers of `width` octets (1...8) at `offset` of `data`, `offset + stride` and so
    /// on; to 0 where one is too large. The rows must lie within the span and all integers within `data`.
    @inlinable @inline(__always)
    package mutating func gatherUnsigned(
        _ rows: Range<Int>, from data: RawSpan, at offset: Int, width: Int, stride: Int
    ) {
        switch width {
        case 1: gather(rows, from: data, at: offset, stride: stride) { (wire: UInt8) in Self.fitting(wire) }
        case 2: gather(rows, from: data, at: offset, stride: stride) { (wire: UInt16) in Self.fitting(wire) }
        case 4: gather(rows, from: data, at: offset, stride: stride) { (wire: UInt32) in Self.fitting(wire) }
        case 8: gather(rows, from: data, at: offset, stride: stride) { (wire: UInt64) in Self.fitting(wire) }
        default:
            var at = offset
            for row in rows {
                self[row] = Self.fitting(data.beInteger(at: at, width: width))
                at &+= stride
            }
        }
    }

    @inlinable @inline(__always)
    static func fitting<Wire: FixedWidthInteger & UnsignedInteger>(_ wire: Wire) -> Element {
        if Wire.bitWidth <= Element.bitWidth { return Element(truncatingIfNeeded: wire) }
        return wire <= Wire(truncatingIfNeeded: Element.max) ? Element(truncatingIfNeeded: wire) : 0
    }
}

extension MutableSpan where Element == UInt8 {
    /// Copies `length` octets from `offset` of `data` to `start` of the span, from `offset + stride` to
    /// `start + step` and so on, `times` times. All must lie within their spans.
    package mutating func copyRuns(
        _ times: Int, of length: Int, from data: RawSpan, at offset: Int, stride: Int, to start: Int, step: Int
    ) {
        guard times > 0, length > 0 else { return }
        checkRuns(times, length, data, offset, stride, start, step)
        unsafe withUnsafeMutableBufferPointer { to in
            unsafe data.withUnsafeBytes { from in
                unsafe weirCopyRuns(to.baseAddress, start, step, from.baseAddress, offset, stride, length, times)
            }
        }
    }

    /// The same with `stamp`, its more significant octet first, before each copy: at `start`, `start + step` and so on.
    package mutating func copyRuns(
        _ times: Int, of length: Int, from data: RawSpan, at offset: Int, stride: Int, to start: Int, step: Int,
        stamp: UInt16
    ) {
        guard times > 0 else { return }
        checkRuns(times, length, data, offset, stride, start + 2, step)
        unsafe withUnsafeMutableBufferPointer { to in
            unsafe data.withUnsafeBytes { from in
                unsafe weirStampAndCopyRuns(
                    to.baseAddress, start, step, stamp.bigEndian, from.baseAddress, offset, stride, length, times)
            }
        }
    }
    @inline(__always)
    private func checkRuns(
        _ times: Int, _ length: Int, _ data: RawSpan, _ offset: Int, _ stride: Int, _ start: Int, _ step: Int
    ) {
        let lastIn = offset + (times - 1) * stride, lastOut = start + (times - 1) * step
        precondition(offset >= 0 && stride >= 0 && lastIn + length <= data.byteCount, "\(lastIn) of \(data.byteCount)")
        precondition(start >= 0 && step >= 0 && lastOut + length <= count, "\(lastOut) of \(count)")
    }
}

extension OutputSpan where Element == UInt8 {
    /// Appends `stamp`, its more significant octet first, and `length` octets from `offset` of `data`, then the same
    /// with those from `offset + stride`, and so on, `times` times. There must be room for all, and all must lie within
    /// `data`.
    package mutating func appendRuns(
        _ times: Int, of length: Int, from data: RawSpan, at offset: Int, stride: Int, stamp: UInt16
    ) {
        guard times > 0 else { return }
        let last = offset + (times - 1) * stride, step = 2 + length
        precondition(offset >= 0 && stride >= 0 && length >= 0 && last + length <= data.byteCount, "\(last)")
        precondition(times * step <= freeCapacity, "\(times) of \(step) in \(freeCapacity)")
        unsafe withUnsafeMutableBufferPointer { to, filled in
            unsafe data.withUnsafeBytes { from in
                unsafe weirStampAndCopyRuns(
                    to.baseAddress, filled, step, stamp.bigEndian, from.baseAddress, offset, stride, length, times)
            }
            filled += times * step
        }
    }
}

/// Whether in all `rows` the first column has at least 1, the second at most `latest`, and the second is at least the
/// first and at most `span` more. The rows must lie within both spans.
@inlinable @inline(__always)
package func areOrdered(
    _ starts: Span<Int64>, _ ends: Span<Int64>, _ rows: Range<Int>, latest: Int64, span: Int64
) -> Bool {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= min(starts.count, ends.count), "rows \(rows)")
    var signs: Int64 = 0
    for row in rows {
        let (start, end) = unsafe (starts[unchecked: row], ends[unchecked: row])
        let length = end &- start
        // One of them is negative when something is wrong, however the differences wrap.
        signs |= (start &- 1) | (latest &- end) | length | (span &- length)
    }
    return signs >= 0
}
