package import BatchFormat
package import FlowModel

/// The addresses of a segment's endpoints, rising, so that those of a network have neighbouring numbers.
package struct EndpointAddresses: Sendable {
    package let count: Int
    /// None when all are 0.
    private let highs: [UInt64]
    private let lows: [UInt64]

    /// The first `count` of `lows` and `highs`; no `highs`: they are all 0.
    package init(count: Int, highs: [UInt64], lows: [UInt64]) {
        precondition(count <= lows.count && (highs.isEmpty || count <= highs.count), "a word for each endpoint")
        (self.count, self.highs, self.lows) = (count, highs, lows)
    }

    @inline(__always)
    package func high(_ number: Int) -> UInt64 { highs.isEmpty ? 0 : highs[number] }
    @inline(__always)
    package func low(_ number: Int) -> UInt64 { lows[number] }
    private func address(_ number: Int) -> IPAddress { IPAddress(high: high(number), low: low(number)) }

    /// The numbers of all addresses in a range.
    package func numbers(in range: ClosedRange<IPAddress>) -> Range<UInt32> {
        let first = self.first { $0 >= range.lowerBound }, end = self.first { $0 > range.upperBound }
        return UInt32(truncatingIfNeeded: first)..<UInt32(truncatingIfNeeded: max(first, end))
    }
    /// The first of which `isBehind` is true; it is of all that follow.
    private func first(_ isBehind: (IPAddress) -> Bool) -> Int {
        var low = 0, high = count
        while low < high {  // ends: the distance halves
            let middle = (low + high) / 2
            if isBehind(address(middle)) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

/// The two ends of each row of a block as numbers of endpoints: to test a number takes less time than to test an
/// address, and needs no column of addresses.
package struct RowEnds: Sendable {
    /// A word a row: where in `numbers` that of its source is; its destination's is there with the lowest bit turned.
    let places: [UInt32]
    let numbers: [UInt32]
    let addresses: EndpointAddresses

    package init(places: [UInt32], numbers: [UInt32], addresses: EndpointAddresses) {
        (self.places, self.numbers, self.addresses) = (places, numbers, addresses)
    }

    /// Keeps the rows whose source (`flip` 0) or destination (`flip` 1) is in `ranges`.
    func keep(_ mask: inout RowMask, _ ranges: [ClosedRange<IPAddress>], flip: UInt32) {
        let wanted = ranges.map { addresses.numbers(in: $0) }.filter { !$0.isEmpty }
        let places = places.span, numbers = numbers.span
        precondition(mask.count <= places.count, "a place for each row")
        guard let first = wanted.first else { return mask.clear() }
        if wanted.count == 1 {
            let (low, width) = (first.lowerBound, first.upperBound &- first.lowerBound)
            mask.keep { numbers[Int(places[$0] ^ flip)] &- low < width }
        } else {
            mask.keepDear { row in
                let number = numbers[Int(places[row] ^ flip)]
                return wanted.contains { $0.contains(number) }
            }
        }
    }
}

extension Condition {
    /// More ranges than these are not looked for one by one.
    private static let rangesMax = 16

    /// Whether it has a test that a block's `ends` answer.
    package var testsEnds: Bool {
        switch self {
        case .all, .none: false
        case .and(let members), .or(let members): members.contains { $0.testsEnds }
        case .not(let inner): inner.testsEnds
        case .test(let test): test.column.testsEnds
        }
    }
    /// What must be decoded before `keep` when the block has `ends`.
    package var fieldsBesideEnds: FieldSet {
        switch self {
        case .all, .none: []
        case .and(let members), .or(let members): members.reduce(into: []) { $0.formUnion($1.fieldsBesideEnds) }
        case .not(let inner): inner.fieldsBesideEnds
        case .test(let test): test.column.testsEnds ? [] : test.column.fields
        }
    }

    fileprivate static func areFew(_ ranges: AddressRanges) -> Bool { ranges.ranges.count <= rangesMax }
}

extension ColumnTest {
    /// Whether it is answered by the numbers of a row's ends, if there are any.
    var testsEnds: Bool {
        switch self {
        case .address(.source, let ranges), .address(.destination, let ranges): Condition.areFew(ranges)
        default: false
        }
    }
}
