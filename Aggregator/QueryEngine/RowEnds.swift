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
}

/// The two ends of each row of a block as numbers of endpoints: to test a number takes less time than to test an
/// address, and needs no column of addresses.
package struct RowEnds: Sendable {
    /// A word a row: where in `numbers` that of its source is; its destination's is there with the lowest bit turned.
    let places: [UInt32]
    let numbers: [UInt32]
    private let ranges: [ClosedRange<IPAddress>], known: [Range<UInt32>]

    /// - Parameters:
    ///   - ranges: all `endRanges` of what will be tested.
    ///   - known: of each of them the numbers of the endpoints in it.
    package init(
        places: [UInt32], numbers: [UInt32], ranges: [ClosedRange<IPAddress>], known: [Range<UInt32>]
    ) {
        precondition(ranges.count == known.count, "numbers of each range")
        (self.places, self.numbers, self.ranges, self.known) = (places, numbers, ranges, known)
    }
    private func number(_ range: ClosedRange<IPAddress>) -> Range<UInt32>? {
        // Few: a table would take longer.
        ranges.firstIndex(of: range).map { known[$0] }
    }

    /// Keeps the rows whose source (`flip` 0) or destination (`flip` 1) is in `ranges`.
    func keep(_ mask: inout RowMask, _ ranges: [ClosedRange<IPAddress>], flip: UInt32) {
        let wanted = ranges.compactMap { number($0) }
        precondition(wanted.count == ranges.count, "numbers of each range")
        keep(&mask, wanted.filter { !$0.isEmpty }, flip)
    }
    private func keep(_ mask: inout RowMask, _ wanted: [Range<UInt32>], _ flip: UInt32) {
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
    /// The ranges of addresses whose numbers a block's `ends` must know.
    package var endRanges: [ClosedRange<IPAddress>] {
        switch self {
        case .all, .none: []
        case .and(let members), .or(let members): members.flatMap(\.endRanges)
        case .not(let inner): inner.endRanges
        case .test(let test): test.column.endRanges
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
    var endRanges: [ClosedRange<IPAddress>] {
        switch self {
        case .address(.source, let ranges), .address(.destination, let ranges):
            Condition.areFew(ranges) ? ranges.ranges : []
        default: []
        }
    }
}
