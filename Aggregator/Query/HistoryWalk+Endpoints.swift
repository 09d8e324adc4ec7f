internal import BatchFormat
internal import FlowModel
internal import QueryEngine
internal import SegmentFormat

/// A segment's addresses have numbers, in their order. What follows from numbers alone needs no addresses a row: which
/// blocks can have an address, and sums by address.
extension HistoryWalk {
    static func rows(_ candidates: [Candidate], _ head: SegmentHead) -> Int {
        candidates.reduce(0) { $0 + head.rows(ofBlock: $1.block).count }
    }

    /// Drops the blocks without any address that is asked for: a Bloom filter's yes is for a whole segment, and may be
    /// wrong.
    mutating func dropStrangers(
        _ candidates: inout [Candidate], _ reader: inout SegmentReader, _ consumer: some BlockConsumer
    ) async throws {
        let networks = asked(consumer)
        guard !networks.isEmpty else { return }
        let head = reader.head, before = candidates.count, rowsBefore = Self.rows(candidates, head)
        try await reader.load([.sourceIPAddress, .destinationIPAddress], blocks: candidates.map(\.block))
        let (highs, lows) = try reader.endpointAddresses()
        guard let wanted = EndpointMarks(networks, highs, lows), !wanted.areMost else { return }
        var left: [Candidate] = []
        for candidate in candidates where !wanted.isEmpty {
            guard try hasTime() else { break }
            let ends = try reader.endpointNumbers(ofBlock: candidate.block).ends
            if wanted.hasAny(of: ends) { left.append(candidate) }
        }
        candidates = left
        effort.blocksSkipped += before - left.count
        effort.rows -= rowsBefore - Self.rows(left, head)
    }
    /// Networks of which a row must meet one to matter; none when it need not.
    private func asked(_ consumer: some BlockConsumer) -> [IPNetwork] {
        var networks: [IPNetwork] = []
        func note(_ network: IPNetwork) -> Bool {
            networks.append(network)
            return false
        }
        if !condition.canMatch(note) { return networks }
        networks = []
        return consumer.canMatch(note) ? [] : networks
    }

    /// Whether there are enough rows for an array of all the segment's endpoints.
    func isWorthSumming(_ candidates: [Candidate], _ head: SegmentHead) -> Bool {
        let rows = candidates.reduce(0) { $0 + ($1.mask?.meant ?? head.rows(ofBlock: $1.block).count) }
        return 2 * rows > head.endpointCount
    }

    /// Shows what is left of the candidates to the consumer as sums by endpoint.
    /// - Returns: false when the budget ended on the way.
    mutating func showSums(
        by end: BlockAddress, _ candidates: [Candidate], _ reader: inout SegmentReader, _ block: inout SegmentBlock,
        _ consumer: inout some BlockConsumer
    ) async throws -> Bool {
        let head = reader.head
        try await reader.load(consumer.fields, blocks: candidates.map(\.block), origins: !block.isOfOne)
        let (highs, lows) = try reader.endpointAddresses()
        sums.start(head.endpointCount)
        var isWhole = true
        for candidate in candidates {
            isWhole = try hasTime()
            guard isWhole else { break }
            let rows = candidate.rows(head)
            effort.matched += rows.count
            try block.decode(candidate.block, .counters, &reader)
            let (places, ends) = try reader.endpointNumbers(ofBlock: candidate.block)
            sums.add(block.rows, rows: rows, of: end, places: places, ends: ends)
        }
        try consumer.add(sums, highs: highs, lows: lows)
        return isWhole
    }
}

/// Which of a segment's endpoints are in one of some networks.
private struct EndpointMarks {
    private var marks: [Bool]
    private var marked = 0
    var isEmpty: Bool { marked == 0 }
    /// So many that hardly any block has none.
    var areMost: Bool { 16 * marked > marks.count }

    /// - Returns: nil when there are so many networks of so few endpoints that it is not worth the search.
    init?(_ networks: [IPNetwork], _ highs: [UInt64], _ lows: [UInt64]) {
        guard networks.count <= 32 || networks.count <= highs.count else { return nil }
        marks = [Bool](repeating: false, count: highs.count)
        for network in networks {
            let last = network.last
            var number = Self.first(notBelow: network.address, highs, lows)
            while number < marks.count {
                let address = IPAddress(high: highs[number], low: lows[number])
                guard address <= last else { break }
                if !marks[number], network.contains(address) {
                    marks[number] = true
                    marked += 1
                }
                number += 1
            }
        }
    }
    private static func first(notBelow address: IPAddress, _ highs: [UInt64], _ lows: [UInt64]) -> Int {
        var low = 0, high = highs.count
        while low < high {
            let middle = (low + high) / 2
            if IPAddress(high: highs[middle], low: lows[middle]) < address { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func hasAny(of ends: [UInt32]) -> Bool {
        guard !isEmpty else { return false }
        let ends = ends.span, marks = marks.span
        for index in ends.indices where marks[Int(ends[index])] { return true }
        return false
    }
}

extension IPNetwork {
    /// The greatest address.
    fileprivate var last: IPAddress {
        let bits = address.isV4 ? length + 96 : length
        return IPAddress(
            high: bits >= 64 ? address.high : address.high | .max >> UInt64(max(bits, 0)),
            low: bits >= 128 ? address.low : address.low | (bits <= 64 ? .max : .max >> UInt64(bits - 64)))
    }
}
