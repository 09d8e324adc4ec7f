/// Which rows of a block are meant: 1 or 0 a row, so that a test of a column is one loop that the compiler can do many
/// rows at a time.
package struct RowMask: Sendable {
    var bytes: [UInt8]

    /// All rows.
    package init(count: Int) { bytes = [UInt8](repeating: 1, count: count) }

    package var count: Int { bytes.count }
    package var isEmpty: Bool { meant == 0 }
    /// Rows that are meant.
    package var meant: Int {
        // In parts whose sum fits an octet's neighbour: a sum of 64-bit words would be eight times as slow.
        let span = bytes.span
        var total = 0, start = 0
        while start < span.count {
            let end = min(start + 128 * 256, span.count)
            var sum: UInt32 = 0
            for row in start..<end { sum &+= UInt32(span[row]) }
            total += Int(sum)
            start = end
        }
        return total
    }

    /// Keeps those rows for which `holds` says yes. It is called for all, so it must be cheap.
    @inline(__always)
    mutating func keep(_ holds: (Int) -> Bool) {
        var span = bytes.mutableSpan
        for row in 0..<span.count { span[row] &= holds(row) ? 1 : 0 }
    }
    /// As `keep`, for what is dear: called only for rows that are meant so far.
    @inline(__always)
    mutating func keepDear(_ holds: (Int) -> Bool) {
        var span = bytes.mutableSpan
        for row in 0..<span.count where span[row] != 0 { span[row] = holds(row) ? 1 : 0 }
    }
    mutating func clear() {
        var span = bytes.mutableSpan
        for row in 0..<span.count { span[row] = 0 }
    }
    mutating func formUnion(_ other: RowMask) {
        let others = other.bytes
        let from = others.span
        var span = bytes.mutableSpan
        precondition(from.count == span.count, "masks of one block")
        for row in 0..<span.count { span[row] |= from[row] }
    }
    mutating func subtract(_ other: RowMask) {
        let others = other.bytes
        let from = others.span
        var span = bytes.mutableSpan
        precondition(from.count == span.count, "masks of one block")
        for row in 0..<span.count { span[row] &= ~from[row] }
    }

    /// `count` rows, rising.
    package static func allRows(_ count: Int) -> [Int32] {
        var rows = [Int32](repeating: 0, count: count)
        var span = rows.mutableSpan
        for row in 0..<span.count { span[row] = Int32(truncatingIfNeeded: row) }
        return rows
    }

    /// The rows that are meant, rising.
    package var rows: [Int32] {
        let span = bytes.span
        let wanted = meant
        guard wanted > 0 else { return [] }
        // One place more than rows: each row is written, and stays only when it is meant. No branch to guess.
        var rows = [Int32](repeating: 0, count: wanted + 1)
        var out = rows.mutableSpan, place = 0
        for row in 0..<span.count {
            out[place] = Int32(truncatingIfNeeded: row)
            place &+= Int(span[row])
        }
        rows.removeLast()
        return rows
    }
}
