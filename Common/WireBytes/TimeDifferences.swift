/// Times of rows from each other, as words: zigzagged, so that small differences of either sign are small, and the same
/// modulo 2^64.
extension MutableSpan where Element == UInt64 {
    /// Writes how much the first of `others` is later than the first of `times`, and so on, to the start of the span.
    /// Both must be as many, and fit.
    @inlinable
    package mutating func takeDifferences(of times: Span<Int64>, from others: Span<Int64>) {
        precondition(times.count == others.count && times.count <= count, "\(times.count) of \(count)")
        for row in 0..<times.count {
            unsafe self[unchecked: row] = Self.zigzag(others[unchecked: row] &- times[unchecked: row])
        }
    }
    /// Writes how much each of `times` is later than the one before, the first than `first`, to the start of the span.
    @inlinable
    package mutating func takeSteps(of times: Span<Int64>, from first: Int64) {
        precondition(times.count <= count, "\(times.count) of \(count)")
        guard times.count > 0 else { return }
        unsafe self[unchecked: 0] = Self.zigzag(times[unchecked: 0] &- first)
        for row in 1..<times.count {
            unsafe self[unchecked: row] = Self.zigzag(times[unchecked: row] &- times[unchecked: row &- 1])
        }
    }
    @inlinable @inline(__always)
    static func zigzag(_ difference: Int64) -> UInt64 {
        UInt64(bitPattern: (difference &<< 1) ^ (difference &>> 63))
    }
}
