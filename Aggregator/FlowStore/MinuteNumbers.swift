/// Minutes, numbered by first use. Rows are of few minutes and go back and forth between them: these are found without
/// a hash.
struct MinuteNumbers {
    /// By number: when each begins, ms since 1970 UTC.
    private(set) var starts: [Int64] = []
    private var numbers: [Int64: UInt32] = [:]
    /// The minute asked for last of those that share a place, and its number.
    private var nearStarts = [Int64](repeating: .max, count: nearMinutes)
    private var nearNumbers = [UInt32](repeating: 0, count: nearMinutes)
    private static let nearMinutes = 64

    /// Forgets all and keeps the storage.
    mutating func removeAll() {
        starts.removeAll(keepingCapacity: true)
        numbers.removeAll(keepingCapacity: true)
        // No minute begins then.
        for place in nearStarts.indices { nearStarts[place] = .max }
    }
    @inline(__always)
    mutating func number(of start: Int64) -> UInt32 {
        let place = Int(truncatingIfNeeded: start / RollupPeriod.minute.rawValue) & (Self.nearMinutes - 1)
        if nearStarts[place] == start { return nearNumbers[place] }
        let number = find(start)
        (nearStarts[place], nearNumbers[place]) = (start, number)
        return number
    }
    @inline(never)
    private mutating func find(_ start: Int64) -> UInt32 {
        if let known = numbers[start] { return known }
        let number = UInt32(truncatingIfNeeded: starts.count)
        numbers[start] = number
        starts.append(start)
        return number
    }
}
