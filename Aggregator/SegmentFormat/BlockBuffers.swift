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
    /// Which of all conversations, in their order, the next block begins with.
    private var next = 0
    /// One a conversation: 1 if a row comes from the client, + 2 if one comes from the server.
    private var ways: [UInt8] = []
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
        if rows.lowerBound == 0 { next = 0 }
        if all.hasSides {
            takeAll(all.records, order.rows, rows)
        } else {
            take(all.records, order.rows, rows)
        }
        let last = findTurns(order, rows)
        findConversations(order, next...last)
        next = last < order.ends.count && Int(order.ends[last]) <= rows.upperBound ? last + 1 : last
    }

    /// Rows whose lines a processor's nearest cache holds together.
    private static let linesAtOnce = 256

    /// Each row's octets are fetched once, for all that is in them: those of some rows by a loop so short that many
    /// loads wait for memory at once. Its first and last word, since an array's elements need not begin where lines do.
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
        for first in stride(from: 0, to: order.count, by: Self.linesAtOnce) {
            let group = first..<min(first + Self.linesAtOnce, order.count)
            for index in group {
                let row = Int(order[index])
                ones[index] = records[row][0]
                sixes[index] = records[row][5]
            }
            for index in group {
                let record = records[Int(order[index])]
                twos[index] = record[1]
                threes[index] = record[2]
                fours[index] = record[3]
                fives[index] = record[4]
            }
        }
        (words[0], words[1], words[2], words[3], words[4], words[5]) = (a, b, c, d, e, f)
    }
    private mutating func takeAll(_ recordArray: [RowWords.Record], _ orderArray: [UInt32], _ rows: Range<Int>) {
        let records = recordArray.span, order = orderArray.span.extracting(rows)
        var (a, b, c, d, e, f) = (words[0], words[1], words[2], words[3], words[4], words[5])
        var (g, h) = (words[6], words[7])
        for word in 0..<8 { words[word] = [] }  // theirs alone for now
        a.grow(to: rows.count)
        b.grow(to: rows.count)
        c.grow(to: rows.count)
        d.grow(to: rows.count)
        e.grow(to: rows.count)
        f.grow(to: rows.count)
        g.grow(to: rows.count)
        h.grow(to: rows.count)
        var ones = a.mutableSpan, twos = b.mutableSpan, threes = c.mutableSpan, fours = d.mutableSpan
        var fives = e.mutableSpan, sixes = f.mutableSpan, sevens = g.mutableSpan, eights = h.mutableSpan
        for first in stride(from: 0, to: order.count, by: Self.linesAtOnce) {
            let group = first..<min(first + Self.linesAtOnce, order.count)
            for index in group {
                let row = Int(order[index])
                ones[index] = records[row][0]
                eights[index] = records[row][7]
            }
            for index in group {
                let record = records[Int(order[index])]
                twos[index] = record[1]
                threes[index] = record[2]
                fours[index] = record[3]
                fives[index] = record[4]
                sixes[index] = record[5]
                sevens[index] = record[6]
            }
        }
        (words[0], words[1], words[2], words[3], words[4], words[5]) = (a, b, c, d, e, f)
        (words[6], words[7]) = (g, h)
    }

    /// What rows have. Without branches that nobody could foretell: conversations are of one or a few rows.
    /// - Returns: the last row's conversation.
    private mutating func findTurns(_ order: RowOrder, _ rows: Range<Int>) -> Int {
        let (keyArray, tailArray, behindArray) = (order.keys, order.tails, order.ends)  // no copies
        let keys = keyArray.span, tails = tailArray.span, behind = behindArray.span
        let placeArray = words[0], places = placeArray.span
        var (turnArray, arrivalArray, wayArray) = (turns, arrivals, ways)
        (turns, arrivals, ways) = ([], [], [])  // theirs alone for now
        turnArray.grow(to: rows.count)
        arrivalArray.grow(to: rows.count)
        wayArray.grow(to: rows.count + 1)  // one more is made ready than there may be
        var turns = turnArray.mutableSpan, arrivals = arrivalArray.mutableSpan, ways = wayArray.mutableSpan
        var previousArrival: Int64 = 0, number = next, last = next, isStart = true
        ways[0] = 0
        for index in 0..<rows.count {
            let place = places[index], arrival = Int64(RowWords.arrival(place))
            let way = UInt8(truncatingIfNeeded: place & 1)
            let before = max(number &- 1, 0)
            // One may come several times, from several batches.
            let isOther = keys[number] != keys[before] || tails[number] != tails[before] || number == next
            turns[index] = (isStart && isOther ? 1 : 0) | way << 1
            ways[number &- next] |= 1 << way
            arrivals[index] = zigzag(arrival &- previousArrival)
            previousArrival = arrival
            last = number
            isStart = Int(behind[number]) == rows.lowerBound &+ index &+ 1
            number &+= isStart ? 1 : 0
            ways[number &- next] = isStart ? 0 : ways[number &- next]
        }
        (self.turns, self.arrivals, self.ways) = (turnArray, arrivalArray, wayArray)
        return last
    }
    private mutating func findConversations(_ order: RowOrder, _ numbers: ClosedRange<Int>) {
        let (keyArray, tailArray, wayArray) = (order.keys, order.tails, ways)  // no copies
        let keys = keyArray.span, tails = tailArray.span, ways = wayArray.span
        var (endsArray, serviceArray) = (ends, services)
        (ends, services) = ([], [])  // theirs alone for now
        endsArray.grow(to: turns.count)
        serviceArray.grow(to: turns.count)
        var ends = endsArray.mutableSpan, services = serviceArray.mutableSpan
        var count = 0, lastEnds: UInt64 = 0, lastService = UInt64.max
        var (source, destination, sourcePort, destinationPort) = (Bounds(), Bounds(), Bounds(), Bounds())
        for number in numbers where !turns.isEmpty {
            let key = keys[number], tail = tails[number], way = ways[number &- numbers.lowerBound]
            let client = order.client(key), server = order.server(key), service = order.service(key)
            let port = tail & 0xFFFF, pair = UInt64(client) | UInt64(server) << 32
            let kind = UInt64(service) | UInt64(port) << 16 | UInt64(tail &>> 16) << 32
            let isFirst = pair != lastEnds || kind != lastService
            count &+= isFirst ? 1 : 0
            ends[count &- 1] = pair
            services[count &- 1] = kind
            (lastEnds, lastService) = (pair, kind)
            if way & 1 != 0 {
                source.note(client)
                destination.note(server)
                sourcePort.note(port)
                destinationPort.note(service)
            }
            if way & 2 != 0 {
                source.note(server)
                destination.note(client)
                sourcePort.note(service)
                destinationPort.note(port)
            }
        }
        (self.ends, self.services) = (endsArray, serviceArray)
        (self.source, self.destination) = (source, destination)
        (self.sourcePort, self.destinationPort, conversationCount) = (sourcePort, destinationPort, count)
    }
}
