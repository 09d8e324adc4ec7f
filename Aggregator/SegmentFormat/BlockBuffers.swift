internal import FlowModel
internal import WireBytes

/// What follows from one block's rows in their order: conversations, arrivals, bounds. Reused from block to block.
struct BlockBuffers {
    /// The words of the block's rows, by their number in `RowWords.Record`; of 6 and 7 if there are any.
    private(set) var words = [[UInt64]](repeating: [], count: 8)
    /// One a row.
    private(set) var turns: [UInt8] = [], arrivals: [UInt64] = []
    /// One a conversation: client :32 | server :32, and service :16 | client's port :16 | protocol :8.
    private(set) var ends: [UInt64] = [], services: [UInt64] = []
    private(set) var conversationCount = 0
    /// Of the rows: numbers of endpoints; ports.
    private(set) var source = Bounds(), destination = Bounds(), sourcePort = Bounds(), destinationPort = Bounds()

    struct Bounds {
        var min = UInt32.max, max: UInt32 = 0
        @inline(__always) mutating func note(_ value: UInt32) {
            min = Swift.min(min, value)
            max = Swift.max(max, value)
        }
    }

    mutating func fill(_ order: RowOrder, _ all: RowWords, _ rows: Range<Int>) {
        take(all.records, order.rows, rows)
        if all.hasSides { takeSides(all.records, order.rows, rows) }
        findConversations(order, rows)
    }

    /// Each row's line is fetched once, for all that is in it.
    private mutating func take(_ recordArray: [RowWords.Record], _ orderArray: [UInt32], _ rows: Range<Int>) {
        let records = recordArray.span, order = orderArray.span.extracting(rows)
        var (a, b, c, d, e, f) = (words[0], words[1], words[2], words[3], words[4], words[5])
        for word in 0..<6 { words[word] = [] }  // theirs alone for now
        a.grow(to: rows.count)
        b.grow(to: rows.count)
        c.grow(to: rows.count)
        d.grow(to: rows.count)
        e.grow(to: rows.count)
        f.grow(to: rows.count)
        var ones = a.mutableSpan, twos = b.mutableSpan, threes = c.mutableSpan
        var fours = d.mutableSpan, fives = e.mutableSpan, sixes = f.mutableSpan
        for index in order.indices {
            let record = records[Int(order[index])]
            ones[index] = record[0]
            twos[index] = record[1]
            threes[index] = record[2]
            fours[index] = record[3]
            fives[index] = record[4]
            sixes[index] = record[5]
        }
        (words[0], words[1], words[2], words[3], words[4], words[5]) = (a, b, c, d, e, f)
    }
    private mutating func takeSides(_ recordArray: [RowWords.Record], _ orderArray: [UInt32], _ rows: Range<Int>) {
        let records = recordArray.span, order = orderArray.span.extracting(rows)
        var (a, b) = (words[6], words[7])
        (words[6], words[7]) = ([], [])  // theirs alone for now
        a.grow(to: rows.count)
        b.grow(to: rows.count)
        var ones = a.mutableSpan, twos = b.mutableSpan
        for index in order.indices {
            let record = records[Int(order[index])]
            ones[index] = record[6]
            twos[index] = record[7]
        }
        (words[6], words[7]) = (a, b)
    }

    private mutating func findConversations(_ order: RowOrder, _ rows: Range<Int>) {
        let keys = order.keys.span
        var (turnArray, arrivalArray, endsArray, serviceArray) = (turns, arrivals, ends, services)
        (turns, arrivals, ends, services) = ([], [], [], [])  // theirs alone for now
        turnArray.grow(to: rows.count)
        arrivalArray.grow(to: rows.count)
        endsArray.grow(to: rows.count)
        serviceArray.grow(to: rows.count)
        var turns = turnArray.mutableSpan, arrivals = arrivalArray.mutableSpan
        var ends = endsArray.mutableSpan, services = serviceArray.mutableSpan
        var count = 0, previousArrival: Int64 = 0, lastEnds: UInt64 = 0, lastService = UInt64.max
        var (source, destination, sourcePort, destinationPort) = (Bounds(), Bounds(), Bounds(), Bounds())
        let placeArray = words[0], places = placeArray.span
        for index in 0..<rows.count {
            let key = keys[rows.lowerBound &+ index]
            let place = places[index]
            let client = order.client(key)
            let server = order.server(key)
            let service = order.service(key)
            let port = UInt32(RowWords.clientPort(place))
            let isBack = RowWords.isFromServer(place)
            let pair = UInt64(client) | UInt64(server) << 32
            let kind =
                UInt64(service) | UInt64(port) << 16 | UInt64(RowWords.protocolIdentifier(place)) << 32
            let isFirst = pair != lastEnds || kind != lastService
            ends[count] = pair
            services[count] = kind
            (lastEnds, lastService) = (pair, kind)
            count &+= isFirst ? 1 : 0
            // The row after writes over what is no conversation's first.
            turns[index] = (isFirst ? 1 : 0) | (isBack ? 2 : 0)
            let arrival = Int64(RowWords.arrival(place))
            arrivals[index] = zigzag(arrival &- previousArrival)
            previousArrival = arrival
            source.note(isBack ? server : client)
            destination.note(isBack ? client : server)
            sourcePort.note(isBack ? service : port)
            destinationPort.note(isBack ? port : service)
        }
        (self.turns, self.arrivals, self.ends, self.services) = (turnArray, arrivalArray, endsArray, serviceArray)
        (self.source, self.destination) = (source, destination)
        (self.sourcePort, self.destinationPort, conversationCount) = (sourcePort, destinationPort, count)
    }
}
