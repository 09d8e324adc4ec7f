/// A set of whole numbers as ranges.
/// Invariant: ranges rise, and a gap of at least one number is between any two, so equal sets are equal values.
package struct NumberSet: Hashable, Sendable {
    package let ranges: [ClosedRange<UInt64>]

    package init(_ ranges: some Sequence<ClosedRange<UInt64>>) {
        var merged: [ClosedRange<UInt64>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            guard let last = merged.last, last.upperBound == .max || range.lowerBound <= last.upperBound + 1 else {
                merged.append(range)
                continue
            }
            merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
        }
        self.ranges = merged
    }
    package init(_ value: UInt64) { ranges = [value...value] }
    package static let empty = NumberSet([])

    package var isEmpty: Bool { ranges.isEmpty }

    package func contains(_ value: UInt64) -> Bool {
        var low = 0, high = ranges.count
        while low < high {  // ends: the distance halves
            let middle = (low + high) / 2
            if ranges[middle].upperBound < value { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].lowerBound <= value
    }
}
