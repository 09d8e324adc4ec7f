internal import FlowModel
internal import WireBytes

/// Finds what a batch's rows share. An endpoint is an address with its AS number and prefix length; a conversation is
/// two endpoints with their ports and a protocol, whichever way it goes. Each is written once; a row then says which
/// conversation it belongs to, counted back from the newest, and whether the other way round.
///
/// Invariants: endpoints and conversations are numbered in order of first use. Addresses, AS numbers, prefix lengths,
/// ports and protocols of all rows follow exactly.
/// The tables are open addressing with linear probing, at most half full (endpoints) or four fifths; a slot holds some
/// bits of the hash over the number plus one. What is not found in `probesMax` slots counts as new, so that nobody who
/// makes hashes collide can make this slow; it only takes more octets.
struct ConversationTable {
    struct Endpoint: BitwiseCopyable {
        var high: UInt64, low: UInt64
        /// AS number << 8 | prefix length.
        var network: UInt64
    }
    /// Of each end: protocol << 56 | endpoint << 16 | port.
    struct Ends: BitwiseCopyable {
        var source: UInt64, destination: UInt64
    }

    /// The first `endpointCount` and `conversationCount` count.
    private(set) var endpoints: [Endpoint] = [], endpointCount = 0, conversationCount = 0
    private var ends: [Ends] = []
    private var endpointSlots: [UInt32] = [], endsSlots: [UInt32] = []
    /// Of the rows at hand.
    private var sourceNumbers: [UInt32] = [], destinationNumbers: [UInt32] = []

    /// One a row: 0 the first of its conversation, 1 the same way as that, 2 the other way.
    private(set) var turns: [UInt8] = []
    /// One a row: the number of its conversation << 1 | 1 if it goes the other way.
    private(set) var places: [UInt32] = []
    /// One for each row that is not a conversation's first, `backCount` of them: how many conversations are newer than
    /// its own.
    private(set) var backs: [UInt32] = []
    /// One a conversation: which row was its first.
    private(set) var firstRows: [UInt32] = []
    private(set) var rowCount = 0
    var backCount: Int { rowCount - conversationCount }

    /// Fewer rows share too little to be worth it.
    static let rowsMin = 128
    /// After that many rows it is known whether they share endpoints.
    private static let trialRows = 16_384
    /// Between two looks at whether the tables have room.
    private static let chunkRows = 4_096
    private static let numberBits: UInt32 = 20, probesMax = 24

    /// Goes through `rows`.
    /// - Returns: false, and nothing of use in here, if most rows have endpoints of their own, as under a flood from
    ///   invented addresses: then the search costs more than it saves.
    mutating func fill(_ columns: FlowColumns, _ rows: Range<Int>) -> Bool {
        guard rows.count >= Self.rowsMin else { return false }
        start(rows.count)
        var next = rows.lowerBound
        while next < rows.upperBound {
            let chunk = next..<min(next + Self.chunkRows, rows.upperBound)
            makeRoom(forRows: chunk.count)
            numberEndpoints(columns, chunk)
            numberConversations(columns, chunk)
            next = chunk.upperBound
            rowCount += chunk.count
            if rowCount == Self.trialRows, endpointCount * 3 > 2 * 2 * rowCount { return false }
        }
        return true
    }

    private mutating func start(_ rowsMax: Int) {
        (endpointCount, conversationCount, rowCount) = (0, 0, 0)
        turns.grow(to: rowsMax)
        places.grow(to: rowsMax)
        backs.grow(to: rowsMax + 1)
        firstRows.grow(to: rowsMax + 1)
        sourceNumbers.grow(to: Self.chunkRows)
        destinationNumbers.grow(to: Self.chunkRows)
        Self.clear(&endpointSlots, count: Self.slotCount(rowsMax / 4))
        Self.clear(&endsSlots, count: Self.slotCount(rowsMax * 5 / 8))
        if ends.count < rowsMax { ends = [Ends](repeating: Ends(source: 0, destination: 0), count: rowsMax) }
    }
    private static func slotCount(_ entries: Int) -> Int {
        var count = 256
        while count < 2 * entries { count *= 2 }
        return count
    }
    private static func clear(_ slots: inout [UInt32], count: Int) {
        if slots.count != count {
            slots = [UInt32](repeating: 0, count: count)
        } else {
            var span = slots.mutableSpan
            span.set(0..<count, to: 0)
        }
    }
    private mutating func makeRoom(forRows rows: Int) {
        let needed = endpointCount + 2 * rows
        if endpoints.count < needed {
            let none = Endpoint(high: 0, low: 0, network: 0)
            endpoints.append(contentsOf: repeatElement(none, count: max(needed, 2 * endpoints.count) - endpoints.count))
        }
        guard 2 * needed > endpointSlots.count else { return }
        endpointSlots = [UInt32](repeating: 0, count: Self.slotCount(needed))
        let mask = endpointSlots.count - 1
        for index in 0..<endpointCount {
            let hash = Self.hash(endpoints[index])
            var slot = Int(truncatingIfNeeded: hash) & mask, probes = 0
            while endpointSlots[slot] != 0, probes < Self.probesMax { (slot, probes) = ((slot + 1) & mask, probes + 1) }
            endpointSlots[slot] = Self.tag(hash) | UInt32(index + 1)
        }
    }

    /// Fills `sourceNumbers` and `destinationNumbers`.
    private mutating func numberEndpoints(_ columns: FlowColumns, _ rows: Range<Int>) {
        let sourceHigh = columns.sourceHigh.span, sourceLow = columns.sourceLow.span
        let destinationHigh = columns.destinationHigh.span, destinationLow = columns.destinationLow.span
        let sourceAS = columns.bgpSourceAsNumber.span, destinationAS = columns.bgpDestinationAsNumber.span
        let sourcePrefix = columns.sourceIPPrefixLength.span
        let destinationPrefix = columns.destinationIPPrefixLength.span
        var (endpointArray, slotArray, count) = (endpoints, endpointSlots, endpointCount)
        var (sourceArray, destinationArray) = (sourceNumbers, destinationNumbers)
        (endpoints, endpointSlots, sourceNumbers, destinationNumbers) = ([], [], [], [])  // theirs alone for now
        var endpoints = endpointArray.mutableSpan, slots = slotArray.mutableSpan
        var sources = sourceArray.mutableSpan, destinations = destinationArray.mutableSpan
        for index in 0..<rows.count {
            let row = rows.lowerBound &+ index
            let source = Endpoint(
                high: sourceHigh[row], low: sourceLow[row],
                network: UInt64(sourceAS[row]) << 8 | UInt64(sourcePrefix[row]))
            sources[index] = Self.number(source, &endpoints, &slots, &count)
            let destination = Endpoint(
                high: destinationHigh[row], low: destinationLow[row],
                network: UInt64(destinationAS[row]) << 8 | UInt64(destinationPrefix[row]))
            destinations[index] = Self.number(destination, &endpoints, &slots, &count)
        }
        (self.endpoints, endpointSlots, endpointCount) = (endpointArray, slotArray, count)
        (sourceNumbers, destinationNumbers) = (sourceArray, destinationArray)
    }
    /// The number of an endpoint, a new one if there is none yet.
    @inline(__always)
    private static func number(
        _ endpoint: Endpoint, _ endpoints: inout MutableSpan<Endpoint>, _ slots: inout MutableSpan<UInt32>,
        _ count: inout Int
    ) -> UInt32 {
        let hash = hash(endpoint), mask = slots.count &- 1, tag = tag(hash)
        var slot = Int(truncatingIfNeeded: hash) & mask, probes = 0
        while true {  // ends: after at most `probesMax` turns
            let held = slots[slot]
            if held == 0 || probes == probesMax { break }
            if held & ~numberMask == tag {
                let index = Int(held & numberMask) &- 1, found = endpoints[index]
                if found.low == endpoint.low, found.high == endpoint.high, found.network == endpoint.network {
                    return UInt32(truncatingIfNeeded: index)
                }
            }
            slot = (slot &+ 1) & mask
            probes &+= 1
        }
        endpoints[count] = endpoint
        count &+= 1
        slots[slot] = tag | UInt32(truncatingIfNeeded: count)
        return UInt32(truncatingIfNeeded: count &- 1)
    }

    /// Fills `turns`, `places` and `firstRows` from the endpoints' numbers.
    private mutating func numberConversations(_ columns: FlowColumns, _ rows: Range<Int>) {
        let sourcePort = columns.sourceTransportPort.span
        let destinationPort = columns.destinationTransportPort.span, protocols = columns.protocolIdentifier.span
        let (sourceArray, destinationArray, before) = (sourceNumbers, destinationNumbers, rowCount)
        let sources = sourceArray.span, destinations = destinationArray.span
        var (endsArray, slotArray, count) = (ends, endsSlots, conversationCount)
        var (turnArray, placeArray, backArray, firstArray) = (turns, places, backs, firstRows)
        (ends, endsSlots, turns, places, backs, firstRows) = ([], [], [], [], [], [])  // theirs alone for now
        var ends = endsArray.mutableSpan, slots = slotArray.mutableSpan, firstRows = firstArray.mutableSpan
        var turns = turnArray.mutableSpan, places = placeArray.mutableSpan, backs = backArray.mutableSpan
        for index in 0..<rows.count {
            let row = rows.lowerBound &+ index, top = UInt64(protocols[row]) << 56
            let pair = Ends(
                source: top | UInt64(sources[index]) << 16 | UInt64(sourcePort[row]),
                destination: top | UInt64(destinations[index]) << 16 | UInt64(destinationPort[row]))
            firstRows[count] = UInt32(truncatingIfNeeded: before &+ index)
            let next = before &+ index &- count  // how many backs there are
            let found = Self.number(pair, &ends, &slots, &count)
            turns[before &+ index] = found.turn
            places[before &+ index] = found.place
            // Overwritten by the next row if this one is a first.
            backs[next] = UInt32(truncatingIfNeeded: count) &- 1 &- found.place >> 1
        }
        (self.ends, endsSlots, conversationCount) = (endsArray, slotArray, count)
        (self.turns, self.places, self.backs, self.firstRows) = (turnArray, placeArray, backArray, firstArray)
    }
    @inline(__always)
    private static func number(
        _ pair: Ends, _ ends: inout MutableSpan<Ends>, _ slots: inout MutableSpan<UInt32>, _ count: inout Int
    ) -> (turn: UInt8, place: UInt32) {
        let low = min(pair.source, pair.destination), high = max(pair.source, pair.destination)
        let hash = fold(low ^ secret1, high ^ secret2), mask = slots.count &- 1, tag = tag(hash)
        var slot = Int(truncatingIfNeeded: hash) & mask, probes = 0
        while true {  // ends: after at most `probesMax` turns
            let held = slots[slot]
            if held == 0 || probes == probesMax { break }
            if held & ~numberMask == tag {
                let number = (held & numberMask) &- 1, found = ends[Int(number)]
                if found.source == pair.source, found.destination == pair.destination { return (1, number << 1) }
                if found.source == pair.destination, found.destination == pair.source { return (2, number << 1 | 1) }
            }
            slot = (slot &+ 1) & mask
            probes &+= 1
        }
        ends[count] = pair
        count &+= 1
        slots[slot] = tag | UInt32(truncatingIfNeeded: count)
        return (0, UInt32(truncatingIfNeeded: count &- 1) << 1)
    }

    private static let numberMask: UInt32 = (1 << numberBits) - 1
    private static let secret1: UInt64 = 0xA076_1D64_78BD_642F, secret2: UInt64 = 0xE703_7ED1_A0B4_28DB
    @inline(__always) private static func tag(_ hash: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: hash >> 32) & ~numberMask
    }
    @inline(__always) private static func hash(_ endpoint: Endpoint) -> UInt64 {
        fold(endpoint.low ^ secret1, endpoint.high ^ endpoint.network << 20 ^ endpoint.network ^ secret2)
    }
    @inline(__always) private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    // MARK: what is written

    /// One a conversation: an endpoint's number plus 1, or 0 if it was not seen before.
    /// - Parameters: to be filled.
    func endpointWords(sources: inout [UInt32], destinations: inout [UInt32]) {
        var seen: UInt64 = 0
        func word(_ end: UInt64) -> UInt32 {
            let number = end >> 16 & 0xFFFF_FFFF
            guard number == seen else { return UInt32(truncatingIfNeeded: number) &+ 1 }
            seen &+= 1
            return 0
        }
        sources.grow(to: conversationCount)
        destinations.grow(to: conversationCount)
        var sourceWords = sources.mutableSpan, destinationWords = destinations.mutableSpan
        let ends = self.ends.span
        for index in 0..<conversationCount {
            sourceWords[index] = word(ends[index].source)
            destinationWords[index] = word(ends[index].destination)
        }
    }
    /// Of the pairs that conversations are, one part of each.
    func fillEnds(_ words: inout [UInt32], _ part: (Ends) -> UInt64) {
        words.grow(to: conversationCount)
        var words = words.mutableSpan
        let ends = self.ends.span
        for index in 0..<conversationCount { words[index] = UInt32(truncatingIfNeeded: part(ends[index])) }
    }
    /// What each conversation's first row has.
    func first<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        of column: Span<Word>, into words: inout [UInt32]
    ) {
        words.grow(to: conversationCount)
        var words = words.mutableSpan
        let firstRows = self.firstRows.span
        for index in 0..<conversationCount {
            words[index] = UInt32(truncatingIfNeeded: column[Int(firstRows[index])])
        }
    }
    /// What each other row has otherwise than is expected: what `expected` says at its place, or at that of the other
    /// way if `isOther`.
    func differences<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        of column: Span<Word>, from expected: Span<UInt32>, isOther: Bool, into words: inout [UInt32]
    ) {
        words.grow(to: rowCount + 1)
        var words = words.mutableSpan
        words.takeChanges(
            of: column, from: expected, at: places.span, flip: isOther ? 1 : 0, where: turns.span)
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

extension [UInt32] {
    /// At least `count` words, whatever they are.
    mutating func grow(to count: Int) {
        if self.count < count { append(contentsOf: repeatElement(0, count: count - self.count)) }
    }
}
