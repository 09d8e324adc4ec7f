internal import FlowModel
internal import WireBytes

/// What leads from one block's rows to conversations, endpoints and arrivals. What it reads is checked: each number
/// leads to something. Kept for the block that was asked for last.
struct BlockPlaces {
    /// One a row: its conversation's number << 1 | 1 if it goes from the server.
    private(set) var places: [UInt32] = [], conversationCount = 0
    /// Two a conversation: client and server.
    private(set) var ends: [UInt32] = []
    /// One a row: its arrival.
    private(set) var arrivals: [UInt32] = []
    private var block = -1, hasPlaces = false, hasEnds = false, hasArrivals = false
    private var octets: [UInt8] = [], words: [UInt32] = [], others: [UInt32] = []

    mutating func forget() { start(-1) }

    private mutating func start(_ block: Int) {
        guard block != self.block else { return }
        (self.block, hasPlaces, hasEnds, hasArrivals) = (block, false, false, false)
    }

    mutating func readPlaces(
        _ block: Int, _ head: SegmentHead, _ loaded: LoadedParts, _ reader: inout FrameReader
    ) throws(SegmentError) {
        start(block)
        guard !hasPlaces else { return }
        let count = head.rows(ofBlock: block).count
        try reader.list(.turns, block, count, head, loaded, into: &octets)
        guard let count = Self.places(octets, into: &places) else {
            throw .badReference(part: SegmentPart.turns.rawValue, block: block)
        }
        (conversationCount, hasPlaces) = (count, true)
    }
    /// - Returns: how many conversations there are; nil when the turns say what can't be.
    private static func places(_ turns: [UInt8], into places: inout [UInt32]) -> Int? {
        places.grow(to: turns.count)
        let turns = turns.span
        var places = places.mutableSpan, known: UInt32 = 0, all: UInt8 = 0
        for row in turns.indices {
            let turn = turns[row]
            all |= turn
            known &+= UInt32(turn & 1)
            places[row] = (known &- 1) << 1 | UInt32(turn >> 1 & 1)
        }
        return all <= 3 && (turns.isEmpty || turns[0] & 1 == 1) ? Int(known) : nil
    }

    mutating func readEnds(
        _ block: Int, _ head: SegmentHead, _ loaded: LoadedParts, _ reader: inout FrameReader
    ) throws(SegmentError) {
        try readPlaces(block, head, loaded, &reader)
        guard !hasEnds else { return }
        var ends = self.ends
        self.ends = []
        defer { self.ends = ends }
        try readPairs(.clients, .servers, block, head, loaded, &reader, into: &ends)
        let numbers = ends.span
        var greatest: UInt32 = 0
        for index in numbers.indices { greatest = max(greatest, numbers[index]) }
        guard Int(greatest) < head.endpointCount || numbers.isEmpty else {
            throw .badReference(part: SegmentPart.clients.rawValue, block: block)
        }
        hasEnds = true
    }

    /// The numbers of one end of each conversation, by the head's count of them.
    mutating func readEnd(
        _ part: SegmentPart, _ block: Int, _ head: SegmentHead, _ loaded: LoadedParts, _ reader: inout FrameReader
    ) throws(SegmentError) -> [UInt32] {
        let count = head.entry(part)?.blocks[block].words ?? 0
        try reader.list(part, block, count, head, loaded, into: &words)
        return words
    }

    /// Two words a conversation: what the client has and what the server has.
    mutating func readPairs(
        _ client: SegmentPart, _ server: SegmentPart, _ block: Int, _ head: SegmentHead, _ loaded: LoadedParts,
        _ reader: inout FrameReader, into pairs: inout [UInt32]
    ) throws(SegmentError) {
        try reader.list(client, block, conversationCount, head, loaded, into: &words)
        try reader.list(server, block, conversationCount, head, loaded, into: &others)
        Self.pair(words, others, into: &pairs)
    }
    static func pair(_ clients: [UInt32], _ servers: [UInt32], into pairs: inout [UInt32]) {
        pairs.grow(to: 2 * clients.count)
        var pairs = pairs.mutableSpan
        let clients = clients.span, servers = servers.span
        for index in clients.indices {
            pairs[2 &* index] = clients[index]
            pairs[2 &* index &+ 1] = servers[index]
        }
    }

    mutating func readArrivals(
        _ block: Int, _ head: SegmentHead, _ loaded: LoadedParts, _ reader: inout FrameReader
    ) throws(SegmentError) {
        start(block)
        guard !hasArrivals else { return }
        let count = head.rows(ofBlock: block).count
        try reader.list(.arrivals, block, count, head, loaded, into: &arrivals)
        var span = arrivals.mutableSpan, previous: UInt32 = 0, greatest: UInt32 = 0
        for row in span.indices {
            let word = span[row]
            previous &+= word &>> 1 ^ (0 &- (word & 1))
            span[row] = previous
            greatest = max(greatest, previous)
        }
        guard Int(greatest) < head.arrivalCount || span.isEmpty else {
            throw .badReference(part: SegmentPart.arrivals.rawValue, block: block)
        }
        hasArrivals = true
    }
}
