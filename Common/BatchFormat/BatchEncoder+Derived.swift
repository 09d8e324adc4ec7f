internal import FlowModel
internal import WireBytes

/// The columns that are not written as they are: times from each other, and what follows from conversations.
extension BatchEncoder {
    mutating func addTimes(_ columns: FlowColumns, _ rows: Range<Int>, receiveMin: Int64) {
        let starts = columns.flowStartMilliseconds.span.extracting(rows)
        let ends = columns.flowEndMilliseconds.span.extracting(rows)
        let exports = columns.exportMilliseconds.span.extracting(rows)
        let receives = columns.receiveMilliseconds.span.extracting(rows)
        addDifferences(.flowStartMilliseconds, .beforeEnd, of: starts, from: ends)
        addDifferences(.flowEndMilliseconds, .beforeReceive, of: ends, from: receives)
        if Self.stepsAreFewer(exports, receives) {
            addSteps(.exportMilliseconds, exports, from: receiveMin)
        } else {
            addDifferences(.exportMilliseconds, .beforeReceive, of: exports, from: receives)
        }
        addSteps(.receiveMilliseconds, receives, from: receiveMin)
    }
    private mutating func addDifferences(
        _ id: ColumnID, _ encoding: ColumnEncoding, of times: Span<Int64>, from others: Span<Int64>
    ) {
        words.grow(to: times.count)
        var span = words.mutableSpan
        span.takeDifferences(of: times, from: others)
        writer.add(id, words, count: times.count, encoding)
    }
    private mutating func addSteps(_ id: ColumnID, _ times: Span<Int64>, from first: Int64) {
        words.grow(to: times.count)
        var span = words.mutableSpan
        span.takeSteps(of: times, from: first)
        writer.add(id, words, count: times.count, .steps)
    }
    /// Whether the first `times` change less often than their distance from `others`.
    private static func stepsAreFewer(_ times: Span<Int64>, _ others: Span<Int64>) -> Bool {
        var steps = 0, moves = 0
        for row in 1..<max(min(times.count, 1_024), 1) {
            let step = times[row] &- times[row &- 1]
            steps &+= step == 0 ? 0 : 1
            moves &+= step == others[row] &- others[row &- 1] ? 0 : 1
        }
        return steps <= moves
    }

    /// What each conversation's first row has, of ports and protocol.
    mutating func addConversationPorts() {
        let count = conversations.conversationCount
        Self.split(conversations.ends, count, &octets, &ports, &otherPorts)
        writer.add(.protocolIdentifier, octets, count: count, .perConversation)
        writer.add(.sourceTransportPort, ports, count: count, .perConversation)
        writer.add(.destinationTransportPort, otherPorts, count: count, .perConversation)
    }
    private static func split(
        _ ends: [ConversationTable.Ends], _ count: Int, _ protocols: inout [UInt8], _ sources: inout [UInt16],
        _ destinations: inout [UInt16]
    ) {
        protocols.grow(to: count)
        sources.grow(to: count)
        destinations.grow(to: count)
        var protocols = protocols.mutableSpan, sources = sources.mutableSpan, destinations = destinations.mutableSpan
        let ends = ends.span.extracting(1..<(count + 1))
        for index in 0..<count {
            let pair = ends[index]
            protocols[index] = UInt8(truncatingIfNeeded: pair.source >> 56)
            sources[index] = UInt16(truncatingIfNeeded: pair.source)
            destinations[index] = UInt16(truncatingIfNeeded: pair.destination)
        }
    }

    /// The same of interfaces and VLAN; what the other rows have otherwise, `addDifferences` writes.
    mutating func addConversationInterfaces(_ columns: FlowColumns, _ rows: Range<Int>) {
        let count = conversations.conversationCount, firstRows = conversations.firstRows
        ingress.take(firstRows, count, of: columns.ingressInterface.span.extracting(rows))
        egress.take(firstRows, count, of: columns.egressInterface.span.extracting(rows))
        vlans.take(firstRows, count, of: columns.vlanId.span.extracting(rows))
        writer.add(.ingressInterface, ingress, count: count, .perConversation)
        writer.add(.egressInterface, egress, count: count, .perConversation)
        writer.add(.vlanId, vlans, count: count, .perConversation)
    }
    mutating func addConversations() {
        writer.add(.turns, conversations.turns, count: conversations.rowCount)
        writer.add(.backs, conversations.backs, count: conversations.backCount)
        let count = conversations.endpointCount
        Self.split(conversations.endpoints, count, &words, &otherWords, &networks, &octets)
        writer.add(.endpointHigh, words, count: count)
        writer.add(.endpointLow, otherWords, count: count)
        writer.add(.endpointASNumber, networks, count: count)
        writer.add(.endpointPrefixLength, octets, count: count)
        writer.add(.conversationSource, conversations.sourceWords, count: conversations.conversationCount)
        writer.add(.conversationDestination, conversations.destinationWords, count: conversations.conversationCount)
    }
    private static func split(
        _ endpoints: [ConversationTable.Endpoint], _ count: Int, _ highs: inout [UInt64], _ lows: inout [UInt64],
        _ numbers: inout [UInt32], _ lengths: inout [UInt8]
    ) {
        highs.grow(to: count)
        lows.grow(to: count)
        numbers.grow(to: count)
        lengths.grow(to: count)
        var highs = highs.mutableSpan, lows = lows.mutableSpan
        var numbers = numbers.mutableSpan, lengths = lengths.mutableSpan
        let endpoints = endpoints.span.extracting(1..<(count + 1))
        for index in 0..<count {
            let endpoint = endpoints[index]
            highs[index] = endpoint.high
            lows[index] = endpoint.low
            numbers[index] = UInt32(truncatingIfNeeded: endpoint.network >> 8)
            lengths[index] = UInt8(truncatingIfNeeded: endpoint.network)
        }
    }

    /// What rows of a known conversation have otherwise than its first row, whose interfaces a mirrored one swaps.
    mutating func addDifferences(_ columns: FlowColumns, _ rows: Range<Int>) {
        let count = conversations.backCount, (backRows, places) = (conversations.backRows, conversations.backPlaces)
        Self.differ(
            (columns.ingressInterface, columns.egressInterface), rows.lowerBound, (ingress, egress), backRows, places,
            count, &ingressChanges, &egressChanges)
        writer.add(.ingressDifference, ingressChanges, count: count)
        writer.add(.egressDifference, egressChanges, count: count)
        vlanChanges.grow(to: count)
        let firsts = vlans, column = columns.vlanId.span.extracting(rows)
        var changes = vlanChanges.mutableSpan
        for index in 0..<count {
            changes[index] = column[Int(backRows[index])] ^ firsts[Int(places[index] >> 1)]
        }
        writer.add(.vlanDifference, vlanChanges, count: count)
    }
    private static func differ(
        _ columns: (ingress: [UInt32], egress: [UInt32]), _ firstRow: Int,
        _ firsts: (ingress: [UInt32], egress: [UInt32]), _ backRows: [UInt32], _ places: [UInt32], _ count: Int,
        _ ingressChanges: inout [UInt32], _ egressChanges: inout [UInt32]
    ) {
        ingressChanges.grow(to: count)
        egressChanges.grow(to: count)
        var ingressChanges = ingressChanges.mutableSpan, egressChanges = egressChanges.mutableSpan
        let backRows = backRows.span.extracting(0..<count), places = places.span.extracting(0..<count)
        let ingress = columns.ingress.span, egress = columns.egress.span
        let ingressFirsts = firsts.ingress.span, egressFirsts = firsts.egress.span
        for index in 0..<count {
            let row = firstRow &+ Int(backRows[index]), first = Int(places[index] >> 1)
            let isMirrored = places[index] & 1 == 1, ahead = ingressFirsts[first], back = egressFirsts[first]
            ingressChanges[index] = ingress[row] ^ (isMirrored ? back : ahead)
            egressChanges[index] = egress[row] ^ (isMirrored ? ahead : back)
        }
    }
}

extension Array where Element: FixedWidthInteger & UnsignedInteger & BitwiseCopyable {
    /// Sets the first `count` elements to those of `column` at the first of `rows`.
    fileprivate mutating func take(_ rows: [UInt32], _ count: Int, of column: Span<Element>) {
        grow(to: count)
        let rows = rows.span.extracting(0..<count)
        var span = mutableSpan
        for index in 0..<count { span[index] = column[Int(rows[index])] }
    }
}

/// Undoes the zigzag of `MutableSpan.takeDifferences`: 0, 1, 2, 3 … stand for 0, -1, 1, -2 …
@inline(__always) func unzigzag(_ word: UInt64) -> Int64 {
    Int64(bitPattern: (word &>> 1) ^ (0 &- (word & 1)))
}
