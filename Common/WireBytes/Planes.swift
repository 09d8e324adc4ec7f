/// One byte of each of many words at a time: the inner loops of the batch format. Each checks its bounds once, before
/// the loop, so that the loop itself can run on vectors; with a check at every byte it takes four times as long.
extension MutableSpan where Element == UInt8 {
    /// Writes the byte of each word that `shift` (a multiple of 8 below the word's width) brings lowest, from `start`
    /// on. `start + words.count` must lie within the span.
    @inlinable
    package mutating func setPlane<Word: FixedWidthInteger & UnsignedInteger>(
        at start: Int, of words: Span<Word>, shift: Word
    ) {
        precondition(start >= 0 && words.count <= count - start, "a plane of \(words.count) at \(start) of \(count)")
        for row in 0..<words.count {
            unsafe self[unchecked: start &+ row] = UInt8(truncatingIfNeeded: words[unchecked: row] &>> shift)
        }
    }
}

extension MutableSpan where Element: FixedWidthInteger & UnsignedInteger & BitwiseCopyable {
    /// Joins a plane to words that have no bits there yet: byte `start + n` goes to word `rows.lowerBound + n`, shifted
    /// up by `shift`. Both ranges must lie within their spans.
    @inlinable
    package mutating func joinPlane(_ bytes: Span<UInt8>, at start: Int, to rows: Range<Int>, shift: Element) {
        precondition(start >= 0 && rows.count <= bytes.count - start, "\(rows.count) at \(start) of \(bytes.count)")
        precondition(rows.lowerBound >= 0 && rows.upperBound <= count, "rows \(rows) of \(count)")
        let first = rows.lowerBound
        for row in 0..<rows.count {
            unsafe self[unchecked: first &+ row] |=
                Element(truncatingIfNeeded: bytes[unchecked: start &+ row]) &<< shift
        }
    }
    /// As `joinPlane`, to words that have nothing yet: they get `base` and the byte.
    @inlinable
    package mutating func joinFirstPlane(_ bytes: Span<UInt8>, to rows: Range<Int>, shift: Element, over base: Element)
    {
        precondition(rows.count <= bytes.count, "\(rows.count) of \(bytes.count)")
        precondition(rows.lowerBound >= 0 && rows.upperBound <= count, "rows \(rows) of \(count)")
        let first = rows.lowerBound
        for row in 0..<rows.count {
            unsafe self[unchecked: first &+ row] = base | Element(truncatingIfNeeded: bytes[unchecked: row]) &<< shift
        }
    }
    /// Sets words to one value. The rows must lie within the span.
    @inlinable
    package mutating func set(_ rows: Range<Int>, to value: Element) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= count, "rows \(rows) of \(count)")
        for row in rows { unsafe self[unchecked: row] = value }
    }
}

extension Span where Element: FixedWidthInteger & UnsignedInteger & BitwiseCopyable {
    /// The bits that some word has, and those that all have; 0 and all ones of none.
    @inlinable
    package func commonBits() -> (any: Element, all: Element) {
        var anySet: Element = 0, allSet = Element.max
        for row in 0..<count {
            let word = unsafe self[unchecked: row]
            anySet |= word
            allSet &= word
        }
        return (anySet, allSet)
    }
}
