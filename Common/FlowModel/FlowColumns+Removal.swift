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
        var holes: [UInt32] = [], fillers: [UInt32] = []
        for row in 0..<kept where marks.contains(row) { holes.append(UInt32(row)) }
        for row in kept..<count where !marks.contains(row) { fillers.append(UInt32(row)) }
        precondition(holes.count == fillers.count, "\(marks.count) rows marked of \(count), some of them beyond")
        move(fillers, to: holes)
        truncate(to: kept)
    }

    private mutating func move(_ fillers: [UInt32], to holes: [UInt32]) {
        fill(&sourceHigh, holes, fillers)
        fill(&sourceLow, holes, fillers)
        fill(&destinationHigh, holes, fillers)
        fill(&destinationLow, holes, fillers)
        fill(&nextHopHigh, holes, fillers)
        fill(&nextHopLow, holes, fillers)
        fill(&octetDeltaCount, holes, fillers)
        fill(&packetDeltaCount, holes, fillers)
        fill(&flowStartMilliseconds, holes, fillers)
        fill(&flowEndMilliseconds, holes, fillers)
        fill(&exportMilliseconds, holes, fillers)
        fill(&receiveMilliseconds, holes, fillers)
        fill(&deltaFlowCount, holes, fillers)
        fill(&ingressInterface, holes, fillers)
        fill(&egressInterface, holes, fillers)
        fill(&bgpSourceAsNumber, holes, fillers)
        fill(&bgpDestinationAsNumber, holes, fillers)
        fill(&exporter, holes, fillers)
        fill(&extra, holes, fillers)
        fill(&observers, holes, fillers)
        fill(&sketch, holes, fillers)
        fill(&samplingInterval, holes, fillers)
        fill(&sourceTransportPort, holes, fillers)
        fill(&destinationTransportPort, holes, fillers)
        fill(&tcpControlBits, holes, fillers)
        fill(&vlanId, holes, fillers)
        fill(&protocolIdentifier, holes, fillers)
        fill(&ipClassOfService, holes, fillers)
        fill(&sourceIPPrefixLength, holes, fillers)
        fill(&destinationIPPrefixLength, holes, fillers)
        fill(&flowDirection, holes, fillers)
        fill(&flags, holes, fillers)
    }
}

private func fill<Element: BitwiseCopyable>(_ column: inout [Element], _ holes: [UInt32], _ fillers: [UInt32]) {
    var span = column.mutableSpan
    for index in holes.indices { span[Int(holes[index])] = span[Int(fillers[index])] }
}
