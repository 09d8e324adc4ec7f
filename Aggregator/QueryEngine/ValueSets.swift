internal import FilterLanguage
internal import FlowModel

/// A set of numbers, ready to be asked a block at a time.
struct WordSet: Sendable {
    let ranges: [ClosedRange<UInt64>]
    /// For columns of 8 or 16 bits and sets of many ranges: 1 for each number that is in the set.
    private let table: [UInt8]

    /// - Parameter bits: of the column.
    init(_ ranges: [ClosedRange<UInt64>], bits: Int) {
        self.ranges = ranges
        guard ranges.count > 1, bits <= 16 else {
            table = []
            return
        }
        var table = [UInt8](repeating: 0, count: 1 << bits)
        for range in ranges where range.lowerBound < UInt64(table.count) {
            let upper = min(range.upperBound, UInt64(table.count - 1))
            for number in range.lowerBound...upper { table[Int(number)] = 1 }
        }
        self.table = table
    }

    /// Keeps the rows whose value is in the set.
    @inline(__always)
    func keep<Word: FixedWidthInteger & UnsignedInteger>(_ mask: inout RowMask, _ column: [Word]) {
        let words = column.span
        precondition(mask.count <= words.count, "a column for each row")
        if ranges.count == 1, let range = ranges.first {
            guard range.lowerBound <= UInt64(Word.max) else { return mask.clear() }
            let low = Word(truncatingIfNeeded: range.lowerBound)
            let width = Word(truncatingIfNeeded: min(range.upperBound, UInt64(Word.max))) &- low
            mask.keep { words[$0] &- low <= width }
        } else if !table.isEmpty {
            let inSet = table.span
            mask.keep { inSet[Int(words[$0])] != 0 }
        } else {
            mask.keepDear { contains(UInt64(words[$0])) }
        }
    }
    func contains(_ value: UInt64) -> Bool {
        if !table.isEmpty { return value < UInt64(table.count) && table[Int(value)] != 0 }
        var low = 0, high = ranges.count
        while low < high {  // ends: the distance halves
            let middle = (low + high) / 2
            if ranges[middle].upperBound < value { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].lowerBound <= value
    }

    func verdict(_ bounds: ClosedRange<UInt64>) -> Verdict {
        if ranges.contains(where: { $0.lowerBound <= bounds.lowerBound && bounds.upperBound <= $0.upperBound }) {
            return .all
        }
        return ranges.contains { $0.overlaps(bounds) } ? .some : .none
    }
}

/// A set of addresses, ready to be asked a block at a time.
struct AddressRanges: Sendable {
    let ranges: [ClosedRange<IPAddress>]
    /// Where the ranges begin that can hold an IPv4 address, by its upper 16 bits: 65 537 places, or none when there
    /// are few ranges.
    private let starts: [Int32]

    init(_ ranges: [ClosedRange<IPAddress>]) {
        self.ranges = ranges
        guard ranges.count > 8 else {
            starts = []
            return
        }
        var starts: [Int32] = [], place = 0
        starts.reserveCapacity(65_537)
        for upper in 0..<65_536 {
            let first = IPAddress(v4: UInt32(upper) << 16)
            while place < ranges.count, ranges[place].upperBound < first { place += 1 }
            starts.append(Int32(place))
        }
        let end = IPAddress(high: 0, low: IPAddress.mappedPrefix + (1 << 32))
        while place < ranges.count, ranges[place].lowerBound < end { place += 1 }
        starts.append(Int32(place))
        self.starts = starts
    }

    @inline(__always)
    func keep(_ mask: inout RowMask, high: [UInt64], low: [UInt64]) {
        let highs = high.span, lows = low.span
        precondition(mask.count <= highs.count && mask.count <= lows.count, "a column for each row")
        if ranges.count == 1, let range = ranges.first {
            let (least, most) = (range.lowerBound, range.upperBound)
            if least.high == most.high {
                let width = most.low - least.low
                mask.keep { highs[$0] == least.high && lows[$0] &- least.low <= width }
            } else {
                mask.keep { row in
                    let address = IPAddress(high: highs[row], low: lows[row])
                    return least <= address && address <= most
                }
            }
        } else {
            mask.keepDear { contains(IPAddress(high: highs[$0], low: lows[$0])) }
        }
    }
    @inline(__always)
    func contains(_ address: IPAddress) -> Bool {
        var low = 0, high = ranges.count
        if !starts.isEmpty, address.isV4 {
            let upper = Int(address.v4 >> 16)
            (low, high) = (Int(starts[upper]), min(Int(starts[upper + 1]) + 1, ranges.count))
        }
        while low < high {  // ends: the distance halves
            let middle = (low + high) / 2
            if ranges[middle].upperBound < address { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].lowerBound <= address
    }

    func verdict(_ bounds: ClosedRange<IPAddress>) -> Verdict {
        var low = 0, high = ranges.count
        while low < high {  // ends: the distance halves
            let middle = (low + high) / 2
            if ranges[middle].upperBound < bounds.lowerBound { low = middle + 1 } else { high = middle }
        }
        guard low < ranges.count, ranges[low].lowerBound <= bounds.upperBound else { return .none }
        return ranges[low].lowerBound <= bounds.lowerBound && bounds.upperBound <= ranges[low].upperBound
            ? .all : .some
    }
}
