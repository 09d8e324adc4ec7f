/// A set of rows of some columns: one bit a row.
package struct RowMarks: Sendable {
    private var words: [UInt64] = []
    /// Rows in the set.
    package private(set) var count = 0

    package init() {}

    /// Empties the set and makes room for rows 0 ..< `rowCount`.
    package mutating func reset(rowCount: Int) {
        words.removeAll(keepingCapacity: true)
        words.append(contentsOf: repeatElement(0, count: (Swift.max(rowCount, 0) + 63) / 64))
        count = 0
    }
    /// Adds a row below the `rowCount` of the last `reset`.
    /// - Returns: whether it was not in the set before.
    @discardableResult
    package mutating func insert(_ row: Int) -> Bool {
        let bit: UInt64 = 1 << UInt64(row & 63)
        guard words[row >> 6] & bit == 0 else { return false }
        words[row >> 6] |= bit
        count += 1
        return true
    }
    /// The rows of the set that are less than `end`, in order.
    package func rows(below end: Int) -> [Int] {
        var rows: [Int] = []
        for (place, word) in words.enumerated() where word != 0 {
            var rest = word
            while rest != 0 {  // ends: each turn clears a bit
                let row = place << 6 + rest.trailingZeroBitCount
                if row >= end { return rows }
                rows.append(row)
                rest &= rest &- 1
            }
        }
        return rows
    }
    package func contains(_ row: Int) -> Bool {
        row >= 0 && row >> 6 < words.count && words[row >> 6] >> UInt64(row & 63) & 1 == 1
    }
}

extension FlowColumns {
    /// Removes the marked rows. The rows that stay keep their content, not their order: holes are filled from the end,
    /// which moves only as many rows as are removed. Side stores keep what removed rows had in them.
    /// - Parameter marks: must mark no row from `count` on.
    package mutating func removeRows(_ marks: RowMarks) {
        guard marks.count > 0 else { return }
        let kept = count - marks.count
        var moves: [Move] = [], filler = kept
        for hole in marks.rows(below: kept) {
            while marks.contains(filler) { filler += 1 }
            moves.append(Move(from: UInt32(filler), to: UInt32(hole)))
            filler += 1
        }
        precondition(filler <= count, "\(marks.count) rows marked of \(count), some of them beyond")
        move(moves)
        truncate(to: kept)
    }

    private mutating func move(_ moves: [Move]) {
        fill(&sourceHigh, moves)
        fill(&sourceLow, moves)
        fill(&destinationHigh, moves)
        fill(&destinationLow, moves)
        fill(&nextHopHigh, moves)
        fill(&nextHopLow, moves)
        fill(&octetDeltaCount, moves)
        fill(&packetDeltaCount, moves)
        fill(&flowStartMilliseconds, moves)
        fill(&flowEndMilliseconds, moves)
        fill(&exportMilliseconds, moves)
        fill(&receiveMilliseconds, moves)
        fill(&deltaFlowCount, moves)
        fill(&ingressInterface, moves)
        fill(&egressInterface, moves)
        fill(&bgpSourceAsNumber, moves)
        fill(&bgpDestinationAsNumber, moves)
        fill(&exporter, moves)
        fill(&extra, moves)
        fill(&observers, moves)
        fill(&sketch, moves)
        fill(&samplingInterval, moves)
        fill(&sourceTransportPort, moves)
        fill(&destinationTransportPort, moves)
        fill(&tcpControlBits, moves)
        fill(&vlanId, moves)
        fill(&protocolIdentifier, moves)
        fill(&ipClassOfService, moves)
        fill(&sourceIPPrefixLength, moves)
        fill(&destinationIPPrefixLength, moves)
        fill(&flowDirection, moves)
        fill(&flags, moves)
    }
}

private struct Move: BitwiseCopyable {
    let from: UInt32, to: UInt32
}

private func fill<Element: BitwiseCopyable>(_ column: inout [Element], _ moves: [Move]) {
    let moves = moves.span
    var column = column.mutableSpan
    for index in moves.indices {
        let move = moves[index]
        column[Int(move.to)] = column[Int(move.from)]
    }
}
