internal import FlowModel

/// Sums of one segment's rows by the number of an endpoint: adding to an array takes a fraction of the time that a
/// search in a table takes. At the segment's end `GroupSums` takes them over, an entry for each endpoint.
package struct EndpointSums: Sendable {
    /// Flows, octets, packets and rows of each endpoint.
    private(set) var tallies: [SIMD4<UInt64>] = []
    private(set) var count = 0

    package init() {}

    /// Forgets everything and makes room for `count` endpoints.
    package mutating func start(_ count: Int) {
        self.count = count
        if tallies.count < count {
            tallies = [SIMD4<UInt64>](repeating: .zero, count: count)
        } else {
            var span = tallies.mutableSpan
            for number in 0..<count { span[number] = .zero }
        }
    }

    /// Adds rows of a block.
    /// - Parameters:
    ///   - rows: of the block, whose counters are decoded.
    ///   - places: a word a row: the place in `ends` of its source; that of its destination differs in the lowest bit.
    ///   - ends: numbers of endpoints, below the `count` that `start` was given.
    package mutating func add(
        _ block: RowBlock, rows: [Int32], of end: BlockAddress, places: [UInt32], ends: [UInt32]
    ) {
        let flowArray = block.columns.deltaFlowCount, octetArray = block.columns.octetDeltaCount
        let packetArray = block.columns.packetDeltaCount
        let flows = flowArray.span, octets = octetArray.span, packets = packetArray.span
        let places = places.span, ends = ends.span, rows = rows.span
        let flip: UInt32 = end == .destination ? 1 : 0
        var span = tallies.mutableSpan
        for index in rows.indices {
            let row = Int(rows[index])
            let number = Int(ends[Int(places[row] ^ flip)])
            span[number] &+= SIMD4(UInt64(flows[row]), octets[row], packets[row], 1)
        }
    }
}

extension GroupSums {
    /// Which end's address decides by itself what group a row is of; nil when other fields do. Then rows may be
    /// summed by endpoint before.
    package var endpoint: BlockAddress? {
        guard keys.count == 1, !hasTimes else { return nil }
        return switch keys[0].address?.end {
        case .source: .source
        case .destination: .destination
        case .nextHop, nil: nil
        }
    }

    /// Adds sums by endpoint.
    /// - Parameters:
    ///   - addresses: what the endpoints' numbers stand for.
    package mutating func add(_ sums: EndpointSums, _ addresses: EndpointAddresses) throws(EngineError) {
        precondition(sums.count <= addresses.count, "an address for each endpoint")
        guard let end = endpoint else { return }
        var next = 0
        while next < sums.count {
            var block = RowBlock(columns: FlowColumns(), sensors: .each([], []))
            var tallies: [SIMD4<UInt64>] = [], someHighs: [UInt64] = [], someLows: [UInt64] = []
            while next < sums.count, tallies.count < 8 * EntryWriter.chunkRows {
                let tally = sums.tallies[next]
                if tally.w > 0 {
                    tallies.append(tally)
                    someHighs.append(addresses.high(next))
                    someLows.append(addresses.low(next))
                }
                next += 1
            }
            if end == .source {
                (block.columns.sourceHigh, block.columns.sourceLow) = (someHighs, someLows)
            } else {
                (block.columns.destinationHigh, block.columns.destinationLow) = (someHighs, someLows)
            }
            try add(block, tallies: tallies)
        }
    }
    /// - Parameter tallies: of each row of the block: flows, octets, packets, rows.
    private mutating func add(_ block: RowBlock, tallies: [SIMD4<UInt64>]) throws(EngineError) {
        let numbers = BlockNumbers(block, keys, &names)
        var chunks = RowChunks(keys, tallies.indices.map { Int32(truncatingIfNeeded: $0) })
        while let chunk = chunks.next(block) {
            if chunk.isNarrow || wide == nil {
                try narrow.add(block, chunk.rows, numbers, tallies, &total)
            } else {
                try wide?.add(block, chunk.rows, numbers, tallies, &total)
            }
        }
    }
}

extension GroupSide {
    fileprivate mutating func add(
        _ block: RowBlock, _ rows: [Int32], _ numbers: BlockNumbers, _ tallies: [SIMD4<UInt64>],
        _ total: inout Tally
    ) throws(EngineError) {
        writer.writeKeys(block, rows.span, numbers)
        var at = writer.shape.keys
        for row in rows {
            let tally = tallies[Int(row)]
            for word in 0..<4 { writer.entries[at + word] = tally[word] }
            total += Tally(flows: tally.x, octets: tally.y, packets: tally.z)
            at += writer.shape.stride
        }
        let left = writer.mergeNeighbours(count: rows.count)
        let entries = writer.entries
        try sums.add(entries.span, number: left)
    }
}
