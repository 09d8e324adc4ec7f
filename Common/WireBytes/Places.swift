/// Words looked up by number, many at a time: what a batch's rows share is written once and told by its place. Numbers
/// that lead outside the table read its last word, so a loop needs no way out; whoever made them has checked them.
extension MutableSpan where Element: BitwiseCopyable {
    /// Sets word n of `rows` to `table[places[n] ^ flip]`. The rows must lie within the span, `places` must be as many
    /// or more, and `table` must have a word.
    @inlinable
    package mutating func look(_ rows: Range<Int>, in table: Span<Element>, at places: Span<UInt32>, flip: UInt32 = 0) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= count, "rows \(rows) of \(count)")
        precondition(rows.count <= places.count, "\(rows.count) of \(places.count)")
        guard !rows.isEmpty else { return }
        precondition(!table.isEmpty, "no table")
        let last = table.count &- 1, first = rows.lowerBound
        for row in 0..<rows.count {
            let place = unsafe Int(places[unchecked: row] ^ flip)
            unsafe self[unchecked: first &+ row] = table[unchecked: place < last ? place : last]
        }
    }
}

extension MutableSpan where Element: FixedWidthInteger & UnsignedInteger & BitwiseCopyable {
    /// As `look`, for a table of 32-bit words of which the lower bits count.
    @inlinable
    package mutating func lookShort(
        _ rows: Range<Int>, in table: Span<UInt32>, at places: Span<UInt32>, flip: UInt32 = 0
    ) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= count, "rows \(rows) of \(count)")
        precondition(rows.count <= places.count, "\(rows.count) of \(places.count)")
        guard !rows.isEmpty else { return }
        precondition(!table.isEmpty, "no table")
        let last = table.count &- 1, first = rows.lowerBound
        for row in 0..<rows.count {
            let place = unsafe Int(places[unchecked: row] ^ flip)
            unsafe self[unchecked: first &+ row] = Element(
                truncatingIfNeeded: table[unchecked: place < last ? place : last])
        }
    }
    /// Joins the next of `changes` by exclusive or to each word of `rows` whose mark is not 0. The rows must lie within
    /// the span, `marks` must be as many or more.
    /// - Parameter changes: one more than there are marks.
    @inlinable
    package mutating func change(_ rows: Range<Int>, by changes: Span<UInt32>, where marks: Span<UInt8>) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= count, "rows \(rows) of \(count)")
        precondition(rows.count <= marks.count && !changes.isEmpty, "\(rows.count) of \(marks.count)")
        let last = changes.count &- 1, first = rows.lowerBound
        var next = 0
        for row in 0..<rows.count {
            // 1 or 0, by arithmetic: a branch could not be foretold.
            let mark = unsafe (UInt32(marks[unchecked: row]) &+ 255) &>> 8
            let change = unsafe changes[unchecked: next < last ? next : last] & (0 &- mark)
            unsafe self[unchecked: first &+ row] ^= Element(truncatingIfNeeded: change)
            next &+= Int(mark)
        }
    }

    /// Undone by `change`: writes from the start of the span, for each word of `column` whose mark is not 0, in what it
    /// differs by exclusive or from `table[places[n] ^ flip]`. The span must have room for one more than there are
    /// marks, `marks` and `places` must be as many as `column` or more, and `table` must have a word.
    @inlinable
    package mutating func takeChanges<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        of column: Span<Word>, from table: Span<UInt32>, at places: Span<UInt32>, flip: UInt32,
        where marks: Span<UInt8>
    ) where Element == UInt32 {
        precondition(column.count < count && column.count <= places.count && column.count <= marks.count, "no room")
        precondition(!table.isEmpty, "no table")
        let last = table.count &- 1
        var next = 0
        for row in 0..<column.count {
            let place = unsafe Int(places[unchecked: row] ^ flip)
            let expected = unsafe table[unchecked: place < last ? place : last]
            unsafe self[unchecked: next] = UInt32(truncatingIfNeeded: column[unchecked: row]) ^ expected
            next &+= unsafe marks[unchecked: row] == 0 ? 0 : 1
        }
    }
}
