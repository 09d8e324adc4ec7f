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
        let head = reader.head, before = candidates.count, rowsBefore = Self.rows(candidates, head)
        // So many networks of so few endpoints are not worth the search.
        guard !networks.isEmpty, networks.count <= 32 || networks.count <= head.endpointCount else { return }
        let ranges = networks.map { $0.address...$0.last }
        try await reader.loadEndpoints(in: ranges)
        let wanted = EndpointMarks(try reader.numbers(in: ranges), of: head.endpointCount)
        guard !wanted.areMost else { return }
        var left: [Candidate] = [], rest = wanted.isEmpty ? [] : candidates[...]
        while !rest.isEmpty, try hasTime() {
            let some = rest.prefix(Self.blocksMax)
            rest = rest.dropFirst(Self.blocksMax)
            left += try await known(some, wanted, &reader)
        }
        candidates = left
        effort.blocksSkipped += before - left.count
        effort.rows -= rowsBefore - Self.rows(left, head)
    }
    /// Blocks whose ends are read at once.
    private static var blocksMax: Int { 4 }

    /// Those of some candidates that have a wanted endpoint.
    private func known(
        _ candidates: ArraySlice<Candidate>, _ wanted: EndpointMarks, _ reader: inout SegmentReader
    ) async throws -> [Candidate] {
        let may = candidates.map { (candidate: $0, ends: reader.head.mayHave(wanted.ranges, block: $0.block)) }
        try await reader.loadEnds(
            clients: may.filter(\.ends.client).map(\.candidate.block),
            servers: may.filter(\.ends.server).map(\.candidate.block))
        return try may.filter { candidate, ends in
            if ends.client, wanted.hasAny(of: try reader.clients(ofBlock: candidate.block)) { return true }
            return ends.server ? wanted.hasAny(of: try reader.servers(ofBlock: candidate.block)) : false
        }.map(\.candidate)
    }
    /// What the segment's endpoints' numbers stand for; addresses must have been loaded.
    static func addresses(_ reader: inout SegmentReader) throws(SegmentError) -> EndpointAddresses {
        let (highs, lows) = try reader.endpointAddresses()
        return EndpointAddresses(count: reader.head.endpointCount, highs: highs, lows: lows)
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
        try consumer.add(sums, try Self.addresses(&reader))
        return isWhole
    }
}

/// Which of a segment's endpoints are in one of some networks.
private struct EndpointMarks {
    /// The numbers of each network's endpoints, none empty.
    let ranges: [Range<UInt32>]
    /// Of each endpoint, when there are many ranges.
    private var marks: [Bool] = []
    /// So many that hardly any block has none.
    let areMost: Bool
    var isEmpty: Bool { ranges.isEmpty }

    private static let fewMax = 8

    init(_ numbers: [Range<UInt32>], of count: Int) {
        ranges = numbers.filter { !$0.isEmpty }
        areMost = 16 * ranges.reduce(0) { $0 + $1.count } > count
        guard ranges.count > Self.fewMax, !areMost else { return }
        marks = [Bool](repeating: false, count: count)
        for range in ranges { for number in range { marks[Int(number)] = true } }
    }

    func hasAny(of ends: [UInt32]) -> Bool {
        let ends = ends.span
        guard marks.isEmpty else {
            let marks = marks.span
            for index in ends.indices {
                // Numbers that lead nowhere are found out when the block is read.
                let number = Int(ends[index])
                if number >= marks.count || marks[number] { return true }
            }
            return false
        }
        return ranges.contains { range in
            let (low, high) = (range.lowerBound, range.upperBound)
            // Numbers are below 2^31: the highest bit says that one is not below `low`, and below `high`. All are
            // looked at, many at a time, as a loop with comparisons would not be.
            var found: UInt32 = 0
            for index in 0..<ends.count { found |= ~(ends[index] &- low) & (ends[index] &- high) }
            return found >> 31 != 0
        }
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
