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
        words.removeAll(keepingCapacity: true)
        words.append(addingCapacity: times.count) { words in
            for row in times.indices { words.append(zigzag(others[row] &- times[row])) }
        }
        writer.add(id, words, count: times.count, encoding)
    }
    private mutating func addSteps(_ id: ColumnID, _ times: Span<Int64>, from first: Int64) {
        words.removeAll(keepingCapacity: true)
        words.append(addingCapacity: times.count) { words in
            var previous = first
            for row in times.indices {
                words.append(zigzag(times[row] &- previous))
                previous = times[row]
            }
        }
        writer.add(id, words, count: times.count, .steps)
    }
    /// Whether the first `times` change less often than their distance from `others`.
    private static func stepsAreFewer(_ times: Span<Int64>, _ others: Span<Int64>) -> Bool {
        var steps = 0, moves = 0
        for row in 1..<max(min(times.count, 4_096), 1) {
            let step = times[row] &- times[row &- 1]
            steps &+= step == 0 ? 0 : 1
            moves &+= step == others[row] &- others[row &- 1] ? 0 : 1
        }
        return steps <= moves
    }

    /// What each conversation's first row has.
    mutating func addFirst<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ id: ColumnID, _ column: Span<Word>
    ) {
        conversations.first(of: column, into: &shorts)
        writer.add(id, shorts, count: conversations.conversationCount, .perConversation)
    }
    mutating func addConversations() {
        writer.add(.turns, conversations.turns, count: conversations.rowCount)
        writer.add(.backs, conversations.backs, count: conversations.backCount)
        let count = conversations.endpointCount
        fillWords { $0.high }
        writer.add(.endpointHigh, words, count: count)
        fillWords { $0.low }
        writer.add(.endpointLow, words, count: count)
        fillWords { $0.network >> 8 }
        writer.add(.endpointASNumber, words, count: count)
        fillWords { $0.network & 0xFF }
        writer.add(.endpointPrefixLength, words, count: count)
        conversations.endpointWords(sources: &shorts, destinations: &others)
        writer.add(.conversationSource, shorts, count: conversations.conversationCount)
        writer.add(.conversationDestination, others, count: conversations.conversationCount)
    }
    private mutating func fillWords(_ word: (ConversationTable.Endpoint) -> UInt64) {
        let endpoints = conversations.endpoints, count = conversations.endpointCount
        words.removeAll(keepingCapacity: true)
        words.append(addingCapacity: count) { words in
            let endpoints = endpoints.span
            for index in 0..<count { words.append(word(endpoints[index])) }
        }
    }

    /// What rows of a known conversation have otherwise than its first row, whose interfaces a mirrored one swaps.
    mutating func addDifferences(_ columns: FlowColumns, _ rows: Range<Int>) {
        let ingress = columns.ingressInterface.span.extracting(rows)
        let egress = columns.egressInterface.span.extracting(rows)
        let vlans = columns.vlanId.span.extracting(rows)
        let count = conversations.conversationCount
        conversations.first(of: ingress, into: &shorts)
        conversations.first(of: egress, into: &others)
        addDifference(.ingressDifference, ingress, shorts, others, count)
        addDifference(.egressDifference, egress, shorts, others, count, isOther: true)
        conversations.first(of: vlans, into: &shorts)
        addDifference(.vlanDifference, vlans, shorts, shorts, count)
    }
    private mutating func addDifference<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ id: ColumnID, _ column: Span<Word>, _ ahead: [UInt32], _ mirrored: [UInt32], _ count: Int,
        isOther: Bool = false
    ) {
        guard !column.isConstant else { return }
        interleave(ahead.span, mirrored.span, count: count, into: &both)
        let expected = both
        conversations.differences(of: column, from: expected.span, isOther: isOther, into: &changes)
        writer.add(id, changes, count: conversations.backCount)
    }
}

extension Span where Element: FixedWidthInteger & UnsignedInteger & BitwiseCopyable {
    fileprivate var isConstant: Bool {
        let bits = commonBits()
        return isEmpty || bits.any == bits.all
    }
}

/// Maps small differences of either sign to small words: 0, -1, 1, -2 … to 0, 1, 2, 3 …
@inline(__always) func zigzag(_ difference: Int64) -> UInt64 {
    UInt64(bitPattern: (difference &<< 1) ^ (difference &>> 63))
}
@inline(__always) func unzigzag(_ word: UInt64) -> Int64 {
    Int64(bitPattern: (word &>> 1) ^ (0 &- (word & 1)))
}
