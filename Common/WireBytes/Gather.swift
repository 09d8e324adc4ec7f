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

/// Two columns in one loop: the same as `gather` for each, from two places of the same records.
@inlinable @inline(__always)
package func gatherPair<Element: BitwiseCopyable, Wire: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ first: inout MutableSpan<Element>, _ second: inout MutableSpan<Element>, _ rows: Range<Int>, from data: RawSpan,
    at offsets: (Int, Int), stride: Int, _ value: (Wire) -> Element
) {
    guard !rows.isEmpty else { return }
    precondition(rows.lowerBound >= 0 && rows.upperBound <= min(first.count, second.count), "rows \(rows)")
    let last = max(offsets.0, offsets.1) + (rows.count - 1) * stride
    precondition(
        min(offsets.0, offsets.1) >= 0 && stride >= 0 && last + MemoryLayout<Wire>.size <= data.byteCount,
        "\(offsets)...\(last) of \(data.byteCount)")
    var (a, b) = offsets
    for row in rows {
        let one = unsafe data.unsafeLoadUnaligned(fromUncheckedByteOffset: a, as: Wire.self)
        let other = unsafe data.unsafeLoadUnaligned(fromUncheckedByteOffset: b, as: Wire.self)
        unsafe first[unchecked: row] = value(Wire(bigEndian: one))
        unsafe second[unchecked: row] = value(Wire(bigEndian: other))
        a &+= stride
        b &+= stride
    }
}

/// Sets `rows` of two columns to one value each. The rows must lie within both spans.
@inlinable @inline(__always)
package func fillPair<Element: BitwiseCopyable>(
    _ first: inout MutableSpan<Element>, _ one: Element, _ second: inout MutableSpan<Element>, _ other: Element,
    _ rows: Range<Int>
) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= min(first.count, second.count), "rows \(rows)")
    for row in rows {
        unsafe first[unchecked: row] = one
        unsafe second[unchecked: row] = other
    }
}

/// Two columns of unsigned integers of the same `width` in one loop: the same as `gatherUnsigned` for each.
@inlinable @inline(__always)
package func gatherUnsignedPair<Element: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ first: inout MutableSpan<Element>, _ second: inout MutableSpan<Element>, _ rows: Range<Int>, from data: RawSpan,
    at offsets: (Int, Int), width: Int, stride: Int
) {
    typealias Column = MutableSpan<Element>
    switch width {
    case 1:
        gatherPair(&first, &second, rows, from: data, at: offsets, stride: stride) { (wire: UInt8) in
            Column.fitting(wire)
        }
    case 2:
        gatherPair(&first, &second, rows, from: data, at: offsets, stride: stride) { (wire: UInt16) in
            Column.fitting(wire)
        }
    case 4:
        gatherPair(&first, &second, rows, from: data, at: offsets, stride: stride) { (wire: UInt32) in
            Column.fitting(wire)
        }
    case 8:
        gatherPair(&first, &second, rows, from: data, at: offsets, stride: stride) { (wire: UInt64) in
            Column.fitting(wire)
        }
    default:
        first.gatherUnsigned(rows, from: data, at: offsets.0, width: width, stride: stride)
        second.gatherUnsigned(rows, from: data, at: offsets.1, width: width, stride: stride)
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

    /// Sets `rows` to `first`, `first + step` and so on, modulo the element's width. The rows must lie within the span.
    @inlinable @inline(__always)
    package mutating func count(_ rows: Range<Int>, from first: Element, by step: Element) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= count, "rows \(rows) of \(count)")
        var value = first
        for row in rows {
            unsafe self[unchecked: row] = value
            value &+= step
        }
    }
}

extension MutableSpan where Element == UInt8 {
    /// Copies `length` octets from `offset` of `data` to `start` of the span, from `offset + stride` to
    /// `start + step` and so on, `times` times. All must lie within their spans.
    @inlinable
    package mutating func copyRuns(
        _ times: Int, of length: Int, from data: RawSpan, at offset: Int, stride: Int, to start: Int, step: Int
    ) {
        guard times > 0, length > 0 else { return }
        let lastIn = offset + (times - 1) * stride, lastOut = start + (times - 1) * step
        precondition(offset >= 0 && stride >= 0 && lastIn + length <= data.byteCount, "\(lastIn) of \(data.byteCount)")
        precondition(start >= 0 && step >= 0 && lastOut + length <= count, "\(lastOut) of \(count)")
        switch length {
        case 1: copyWords(UInt8.self, times, data, offset, stride, start, step)
        case 2: copyWords(UInt16.self, times, data, offset, stride, start, step)
        case 4: copyWords(UInt32.self, times, data, offset, stride, start, step)
        case 8: copyWords(UInt64.self, times, data, offset, stride, start, step)
        default:
            for turn in 0..<times {
                let (from, to) = (offset &+ turn &* stride, start &+ turn &* step)
                for octet in 0..<length {
                    unsafe self[unchecked: to &+ octet] = data.unsafeLoad(
                        fromUncheckedByteOffset: from &+ octet, as: UInt8.self)
                }
            }
        }
    }

    /// The same for words; the caller has checked the bounds.
    @inlinable @inline(__always)
    mutating func copyWords<Word: FixedWidthInteger & BitwiseCopyable>(
        _: Word.Type, _ times: Int, _ data: RawSpan, _ offset: Int, _ stride: Int, _ start: Int, _ step: Int
    ) {
        unsafe withUnsafeMutableBytes { octets in
            for turn in 0..<times {
                let word = unsafe data.unsafeLoadUnaligned(
                    fromUncheckedByteOffset: offset &+ turn &* stride, as: Word.self)
                unsafe octets.storeBytes(of: word, toByteOffset: start &+ turn &* step, as: Word.self)
            }
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
