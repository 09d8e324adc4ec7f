package import BatchFormat
package import FlowModel
internal import WireBytes

/// The endpoints in the order of their addresses: so they take least, a search finds one fast, and a block's bounds are
/// those of its numbers.
struct EndpointRanks {
    /// Sorted by address.
    private(set) var endpoints: [Endpoint] = []
    /// By number of first use.
    private(set) var ranks: [UInt32] = []

    init(_ table: EndpointTable) {
        let count = table.count
        var order = (0..<UInt32(truncatingIfNeeded: count)).map { $0 }
        var other = order
        let all = table.endpoints.span
        var words = [UInt64](repeating: 0, count: count)
        // By the least significant part first; the order of equal ones stays.
        for part in 0..<3 {
            for index in 0..<count {
                words[index] = part == 0 ? all[index].network : part == 1 ? all[index].low : all[index].high
            }
            Self.sort(&order, &other, by: words)
        }
        ranks = other
        endpoints.reserveCapacity(count)
        for (rank, number) in order.enumerated() {
            ranks[Int(number)] = UInt32(truncatingIfNeeded: rank)
            endpoints.append(all[Int(number)])
        }
    }

    /// Sixteen bits at a time, those that all words share left out.
    private static func sort(_ order: inout [UInt32], _ other: inout [UInt32], by words: [UInt64]) {
        let words = words.span, bits = words.commonBits(), differing = words.isEmpty ? 0 : bits.any ^ bits.all
        for shift in stride(from: UInt64(0), to: 64, by: 16) where differing >> shift & 0xFFFF != 0 {
            var startArray = [UInt32](repeating: 0, count: 65_537)
            var starts = startArray.mutableSpan, to = other.mutableSpan
            let held = order, from = held.span
            for index in words.indices { starts[Int(words[index] >> shift & 0xFFFF) &+ 1] &+= 1 }
            for digit in 1..<65_537 { starts[digit] &+= starts[digit &- 1] }
            for index in from.indices {
                let number = from[index], digit = Int(words[Int(number)] >> shift & 0xFFFF)
                to[Int(starts[digit])] = number
                starts[digit] &+= 1
            }
            swap(&order, &other)
        }
    }
}

/// The addresses at a segment's ends, each once, rising: for who sums by address while the segment is made.
package struct SegmentHosts {
    private let ranks: [UInt32]
    /// By rank.
    private var places: [UInt32] = []
    private(set) var addresses: [IPAddress] = []

    init(_ table: EndpointRanks) {
        ranks = table.ranks
        places.reserveCapacity(ranks.count)
        addresses.reserveCapacity(ranks.count)
        for endpoint in table.endpoints {
            if addresses.last != endpoint.address { addresses.append(endpoint.address) }
            places.append(UInt32(truncatingIfNeeded: addresses.count &- 1))
        }
    }
    /// The place of the address of an end that `SegmentEnds` gave this number; places rise with addresses.
    package func place(ofEnd number: UInt32) -> UInt32 {
        let number = Int(number)
        return number < ranks.count ? places[Int(ranks[number])] : 0
    }
    /// Whether no two ends have one address.
    package var areUnique: Bool { addresses.count == ranks.count }
    package func address(at place: UInt32) -> IPAddress {
        Int(place) < addresses.count ? addresses[Int(place)] : .absent
    }
}

/// Numbers of some rows' ends. Those of one address may be several: see `SegmentHosts`.
package enum SegmentEnds {
    /// In the order of the rows.
    case rows(sources: [UInt32], destinations: [UInt32])
    /// Of all rows of a batch that says what they share: the columns do not have that. `numbers` are those of the
    /// batch's endpoints, by the batch's numbers.
    case shared(BatchSharing, numbers: [UInt32])
}
