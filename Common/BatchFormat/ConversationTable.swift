internal import FlowModel
internal import WireBytes

/// Finds what a batch's rows share. An endpoint is an address with its AS number and prefix length; a conversation is
/// two endpoints with their ports and a protocol, whichever way it goes. Each is written once; a row then says which
/// conversation it belongs to, counted back from the newest, and whether the other way round.
///
/// Invariants: endpoints and conversations are numbered in order of first use. Addresses, AS numbers, prefix lengths,
/// ports and protocols of all rows follow exactly.
/// Not here: the loops over rows (`SharedRows`).
struct ConversationTable {
    typealias Endpoint = SharedRows.Endpoint
    typealias Ends = SharedRows.Ends

    /// Numbered from 1; place 0 is nobody's.
    private(set) var endpoints: [Endpoint] = [], ends: [Ends] = []
    private(set) var endpointCount = 0, conversationCount = 0
    private var endpointSlots: [UInt32] = [], endpointMask = 0, endsSlots: [UInt32] = [], endsMask = 0
    /// Of the rows at hand: the endpoint's number, with `SharedRows.newBit` where it is used for the first time.
    private var sourceNumbers: [UInt32] = [], destinationNumbers: [UInt32] = []

    /// One a row: 0 the first of its conversation, 1 the same way as that, 2 the other way.
    private(set) var turns: [UInt8] = []
    /// One for each row that is not a conversation's first, `backCount` of them: how many conversations are newer than
    /// its own.
    private(set) var backs: [UInt32] = []
    /// Goes with `backs`: the row, and the place of its conversation << 1 | 1 if it goes the other way.
    private(set) var backRows: [UInt32] = [], backPlaces: [UInt32] = []
    /// One a conversation: which row was its first.
    private(set) var firstRows: [UInt32] = []
    /// One a conversation: an endpoint's number, or 0 if it was not seen before.
    private(set) var sourceWords: [UInt32] = [], destinationWords: [UInt32] = []
    private(set) var rowCount = 0
    var backCount: Int { rowCount - conversationCount }

    /// Fewer rows share too little to be worth it.
    static let rowsMin = 128
    /// Between two looks at whether the tables have room.
    private static let chunkRows = 4_096
    /// After so many rows it is known whether they share endpoints: of small batches, and of large ones.
    private static let trialRows = (small: 4_096, large: 16_384)

    /// Goes through `rows`.
    /// - Returns: false, and nothing of use in here, if most rows have endpoints of their own, as under a flood from
    ///   invented addresses: then the search costs more than it saves.
    mutating func fill(_ columns: FlowColumns, _ rows: Range<Int>) -> Bool {
        guard rows.count >= Self.rowsMin else { return false }
        start(rows.count)
        let trialRows = rows.count <= Self.trialRows.large ? Self.trialRows.small : Self.trialRows.large
        var next = rows.lowerBound
        while next < rows.upperBound {
            let chunk = next..<min(next + Self.chunkRows, rows.upperBound)
            makeRoom(forRows: chunk.count)
            numberEndpoints(columns, chunk)
            numberConversations(columns, chunk)
            next = chunk.upperBound
            rowCount += chunk.count
            if rowCount == trialRows, endpointCount * 3 > 2 * 2 * rowCount { return false }
        }
        return true
    }

    private mutating func start(_ rowsMax: Int) {
        (endpointCount, conversationCount, rowCount) = (0, 0, 0)
        turns.grow(to: rowsMax)
        // One more than there may be: what is written of a row that is none.
        backs.grow(to: rowsMax + 1)
        backRows.grow(to: rowsMax + 1)
        backPlaces.grow(to: rowsMax + 1)
        firstRows.grow(to: rowsMax + 1)
        sourceWords.grow(to: rowsMax + 1)
        destinationWords.grow(to: rowsMax + 1)
        sourceNumbers.grow(to: Self.chunkRows)
        destinationNumbers.grow(to: Self.chunkRows)
        let missing = rowsMax + 2 - ends.count
        if missing > 0 { ends.append(contentsOf: repeatElement(Ends(source: 0, destination: 0), count: missing)) }
        endpointMask = Self.clear(&endpointSlots, entries: min(rowsMax, 2 * Self.chunkRows))
        endsMask = Self.clear(&endsSlots, entries: rowsMax * 5 / 8)
    }
    /// Empties as many slots as twice the entries need, a power of two; returns the mask.
    private static func clear(_ slots: inout [UInt32], entries: Int) -> Int {
        var count = 256
        while count < 2 * entries { count *= 2 }
        slots.grow(to: count)
        var span = slots.mutableSpan
        span.set(0..<count, to: 0)
        return count - 1
    }
    private mutating func makeRoom(forRows rows: Int) {
        let needed = endpointCount + 2 * rows
        let missing = needed + 2 - endpoints.count
        if missing > 0 {
            let none = Endpoint(high: 0, low: 0, network: 0)
            endpoints.append(contentsOf: repeatElement(none, count: max(missing, endpoints.count)))
        }
        // Three quarters if all are new, which is rare.
        guard 4 * needed > 3 * (endpointMask + 1) else { return }
        endpointMask = Self.clear(&endpointSlots, entries: needed)
        for number in 0..<endpointCount {
            var slot = Int(truncatingIfNeeded: endpoints[number + 1].hash) & endpointMask, probes = 0
            while endpointSlots[slot] != 0, probes < SharedRows.probesMax {
                (slot, probes) = ((slot + 1) & endpointMask, probes + 1)
            }
            endpointSlots[slot] = UInt32(number + 1)
        }
    }

    /// Fills `sourceNumbers` and `destinationNumbers`.
    private mutating func numberEndpoints(_ columns: FlowColumns, _ rows: Range<Int>) {
        let sourceHigh = columns.sourceHigh.span.extracting(rows), sourceLow = columns.sourceLow.span.extracting(rows)
        let destinationHigh = columns.destinationHigh.span.extracting(rows)
        let destinationLow = columns.destinationLow.span.extracting(rows)
        let sourceAS = columns.bgpSourceAsNumber.span.extracting(rows)
        let destinationAS = columns.bgpDestinationAsNumber.span.extracting(rows)
        let sourcePrefix = columns.sourceIPPrefixLength.span.extracting(rows)
        let destinationPrefix = columns.destinationIPPrefixLength.span.extracting(rows)
        var (endpointArray, slotArray, count) = (endpoints, endpointSlots, endpointCount)
        var (sourceArray, destinationArray) = (sourceNumbers, destinationNumbers)
        (endpoints, endpointSlots, sourceNumbers, destinationNumbers) = ([], [], [], [])  // theirs alone for now
        var endpoints = endpointArray.mutableSpan, slots = slotArray.mutableSpan
        var sources = sourceArray.mutableSpan, destinations = destinationArray.mutableSpan
        SharedRows.numberEndpoints(
            sourceHigh: sourceHigh, sourceLow: sourceLow, sourceNumber: sourceAS, sourceLength: sourcePrefix,
            destinationHigh: destinationHigh, destinationLow: destinationLow, destinationNumber: destinationAS,
            destinationLength: destinationPrefix, &endpoints, &slots, mask: endpointMask, count: &count,
            sources: &sources, destinations: &destinations)
        (self.endpoints, endpointSlots, endpointCount) = (endpointArray, slotArray, count)
        (sourceNumbers, destinationNumbers) = (sourceArray, destinationArray)
    }
    /// Fills what there is of rows and of conversations, from the endpoints' numbers.
    private mutating func numberConversations(_ columns: FlowColumns, _ rows: Range<Int>) {
        let sourcePort = columns.sourceTransportPort.span.extracting(rows)
        let destinationPort = columns.destinationTransportPort.span.extracting(rows)
        let protocols = columns.protocolIdentifier.span.extracting(rows)
        let (sourceArray, destinationArray, before) = (sourceNumbers, destinationNumbers, rowCount)
        let sources = sourceArray.span.extracting(0..<rows.count)
        let destinations = destinationArray.span.extracting(0..<rows.count)
        var (endsArray, slotArray, count) = (ends, endsSlots, conversationCount)
        var (turnArray, backArray, firstArray) = (turns, backs, firstRows)
        var (backRowArray, backPlaceArray) = (backRows, backPlaces)
        var (sourceWordArray, destinationWordArray) = (sourceWords, destinationWords)
        (ends, endsSlots, turns, backs, firstRows, backRows, backPlaces) = ([], [], [], [], [], [], [])
        (sourceWords, destinationWords) = ([], [])  // theirs alone for now
        var ends = endsArray.mutableSpan, slots = slotArray.mutableSpan, firstRows = firstArray.mutableSpan
        var turns = turnArray.mutableSpan, backs = backArray.mutableSpan
        var backRows = backRowArray.mutableSpan, backPlaces = backPlaceArray.mutableSpan
        var sourceWords = sourceWordArray.mutableSpan, destinationWords = destinationWordArray.mutableSpan
        SharedRows.numberConversations(
            sources: sources, destinations: destinations, sourcePorts: sourcePort, destinationPorts: destinationPort,
            protocols: protocols, before: before, &ends, &slots, mask: endsMask, count: &count, firstRows: &firstRows,
            sourceWords: &sourceWords, destinationWords: &destinationWords, turns: &turns, backs: &backs,
            backRows: &backRows, backPlaces: &backPlaces)
        (self.ends, endsSlots, conversationCount) = (endsArray, slotArray, count)
        (self.turns, self.backs, self.firstRows) = (turnArray, backArray, firstArray)
        (self.backRows, self.backPlaces) = (backRowArray, backPlaceArray)
        (self.sourceWords, self.destinationWords) = (sourceWordArray, destinationWordArray)
    }
}

/// At each place, one of two columns.
func interleave(_ ahead: Span<UInt32>, _ mirrored: Span<UInt32>, count: Int, into both: inout [UInt32]) {
    both.grow(to: 2 * count)
    var both = both.mutableSpan
    for index in 0..<count {
        both[2 &* index] = ahead[index]
        both[2 &* index &+ 1] = mirrored[index]
    }
}
