internal import BatchFormat
internal import FlowModel
internal import WireBytes

/// The ends of a batch that says itself which rows have the same: one search for each of its endpoints, where rows
/// would need two each.
struct SharedEnds {
    /// Of each endpoint of the batch: its number here, the interface that it is behind, and its next hop's number.
    fileprivate(set) var numbers: [UInt32] = []
    fileprivate var interfaces: [UInt32] = [], hops: [UInt32] = []
    fileprivate var count = 0
    /// Of rows at hand.
    fileprivate var found: [UInt32] = []
    /// No row of the batch had a next hop, and all its endpoints are settled to have none.
    fileprivate var isWithoutHops = false
}

extension EndpointTable {
    /// Numbers all endpoints of a batch.
    mutating func note(_ sharing: BatchSharing, _ ends: inout SharedEnds) {
        let count = sharing.endpointCount
        (ends.count, ends.isWithoutHops) = (count, false)
        ends.interfaces.grow(to: count)
        Self.findInterfaces(sharing, &ends.interfaces)
        ends.numbers.grow(to: count)
        ends.hops.grow(to: count)
        let side = Side(
            high: sharing.highs, low: sharing.lows, asNumbers: sharing.asNumbers, lengths: sharing.lengths,
            interfaces: ends.interfaces)
        for first in stride(from: 0, to: count, by: Self.chunkRows) {
            note(side, first..<min(first + Self.chunkRows, count), &ends.numbers)
        }
        var (interfaceArray, hopArray) = (ends.interfaces, ends.hops)
        (ends.interfaces, ends.hops) = ([], [])  // theirs alone for now
        let numberArray = ends.numbers, all = endpoints.span, numbers = numberArray.span
        var interfaces = interfaceArray.mutableSpan, hops = hopArray.mutableSpan
        for index in 0..<count {
            let endpoint = all[Int(numbers[index])]
            interfaces[index] = endpoint.interface
            hops[index] = endpoint.hop
        }
        (ends.interfaces, ends.hops) = (interfaceArray, hopArray)
    }
    /// Of each endpoint the interface of its first conversation.
    private static func findInterfaces(_ sharing: BatchSharing, _ found: inout [UInt32]) {
        let ends = sharing.ends.span, interfaces = sharing.interfaces.span
        var found = found.mutableSpan, known = 0
        for place in 0..<(2 * sharing.conversationCount) where Int(ends[place]) == known {
            // Endpoints are numbered by first use.
            found[known] = interfaces[place]
            known &+= 1
        }
    }

    /// Of `rows`, at most `chunkRows` of them, in what they differ from their ends, which were noted.
    mutating func note(
        _ columns: FlowColumns, _ rows: Range<Int>, _ sharing: BatchSharing, _ ends: inout SharedEnds
    ) {
        noteInterfaces(columns, rows, sharing, ends)
        let hopHighs = columns.nextHopHigh.span.extracting(rows), hopLows = columns.nextHopLow.span.extracting(rows)
        if !hasHops, hopHighs.commonBits().any | hopLows.commonBits().any == 0 {
            settleWithoutHops(&ends)
            clearHops(rows.count)
        } else {
            noteHops(hopHighs, hopLows, rows, sharing, &ends)
        }
    }
    private mutating func noteInterfaces(
        _ columns: FlowColumns, _ rows: Range<Int>, _ sharing: BatchSharing, _ ends: SharedEnds
    ) {
        let places = sharing.places.span.extracting(rows), endpoints = sharing.ends.span
        let ingress = columns.ingressInterface.span.extracting(rows)
        let egress = columns.egressInterface.span.extracting(rows), known = ends.interfaces.span
        var interfaceArray = self.interfaces
        self.interfaces = []  // its alone for now
        var differences = interfaceArray.mutableSpan
        for index in places.indices {
            let place = Int(places[index])
            let source = Int(endpoints[place]), destination = Int(endpoints[place ^ 1])
            differences[index] =
                UInt64(ingress[index] ^ known[source]) | UInt64(egress[index] ^ known[destination]) &<< 32
        }
        self.interfaces = interfaceArray
    }
    private mutating func settleWithoutHops(_ ends: inout SharedEnds) {
        guard !ends.isWithoutHops else { return }
        for index in 0..<ends.count { ends.hops[index] = setHop(.absent, of: ends.numbers[index]) }
        ends.isWithoutHops = true
    }
    private mutating func clearHops(_ count: Int) {
        var (highArray, lowArray) = (nextHopHighs, nextHopLows)
        (nextHopHighs, nextHopLows) = ([], [])  // theirs alone for now
        var highs = highArray.mutableSpan, lows = lowArray.mutableSpan
        highs.set(0..<count, to: 0)
        lows.set(0..<count, to: 0)
        (nextHopHighs, nextHopLows) = (highArray, lowArray)
    }
    private mutating func noteHops(
        _ hopHighs: Span<UInt64>, _ hopLows: Span<UInt64>, _ rows: Range<Int>, _ sharing: BatchSharing,
        _ ends: inout SharedEnds
    ) {
        findHops(hopHighs, hopLows, rows, sharing, &ends)
        let (foundArray, hopArray) = (ends.found, self.hops)  // no copies
        let found = foundArray.span, hops = hopArray.span
        var (highArray, lowArray) = (nextHopHighs, nextHopLows)
        (nextHopHighs, nextHopLows) = ([], [])  // theirs alone for now
        var highs = highArray.mutableSpan, lows = lowArray.mutableSpan
        for index in hopHighs.indices {
            let hop = hops[Int(found[index])]
            highs[index] = hopHighs[index] ^ hop.high
            lows[index] = hopLows[index] ^ hop.low
        }
        (nextHopHighs, nextHopLows) = (highArray, lowArray)
    }
    /// Of each row the number of its destination's next hop, in `ends.found`.
    private mutating func findHops(
        _ hopHighs: Span<UInt64>, _ hopLows: Span<UInt64>, _ rows: Range<Int>, _ sharing: BatchSharing,
        _ ends: inout SharedEnds
    ) {
        let places = sharing.places.span.extracting(rows), endpoints = sharing.ends.span
        ends.found.grow(to: rows.count)
        var foundArray = ends.found, isAll = true
        ends.found = []  // its alone for now
        var found = foundArray.mutableSpan
        do {
            let hopArray = ends.hops, hops = hopArray.span  // no copy
            for index in places.indices {
                let number = hops[Int(endpoints[Int(places[index] ^ 1)])]
                found[index] = number
                isAll = isAll && number != 0
            }
        }
        // Of each end of a batch at most once.
        for index in places.indices where !isAll && found[index] == 0 {
            let destination = Int(endpoints[Int(places[index] ^ 1)])
            if ends.hops[destination] == 0 {
                let hop = IPAddress(high: hopHighs[index], low: hopLows[index])
                ends.hops[destination] = setHop(hop, of: ends.numbers[destination])
            }
            found[index] = ends.hops[destination]
        }
        ends.found = foundArray
    }
}
