internal import FlowModel
internal import WireBytes

/// What follows from one block's rows in their order: conversations, arrivals, bounds. Reused from block to block.
struct BlockBuffers {
    /// The places of the block's rows (see `RowPacks`), then words of a pack.
    private(set) var places: [UInt64] = []
    var words: [UInt64] = []
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

    mutating func fill(_ order: RowOrder, _ all: Span<UInt64>, _ rows: Range<Int>) {
        let orderRows = order.rows  // no copy
        places.grow(to: rows.count)
        words.grow(to: rows.count)
        var span = places.mutableSpan
        span.look(0..<rows.count, in: all, at: orderRows.span.extracting(rows))
        findConversations(order, rows)
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
        let placeArray = self.places, places = placeArray.span
        for index in 0..<rows.count {
            let key = keys[rows.lowerBound &+ index], place = places[index]
            let client = order.client(key), server = order.server(key), service = order.service(key)
            let port = UInt32(RowPacks.clientPort(place)), isBack = RowPacks.isFromServer(place)
            let pair = UInt64(client) | UInt64(server) << 32
            let kind = UInt64(service) | UInt64(port) << 16 | UInt64(RowPacks.protocolIdentifier(place)) << 32
            let isFirst = pair != lastEnds || kind != lastService
            ends[count] = pair
            services[count] = kind
            (lastEnds, lastService) = (pair, kind)
            count &+= isFirst ? 1 : 0
            // The row after writes over what is no conversation's first.
            turns[index] = (isFirst ? 1 : 0) | (isBack ? 2 : 0)
            let arrival = Int64(RowPacks.arrival(place))
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

    /// Widens bounds by the AS numbers and prefix lengths of all ends.
    func noteNetworks(_ endpoints: Span<Endpoint>, _ number: inout Bounds, _ length: inout Bounds) {
        let ends = self.ends.span
        for index in 0..<conversationCount {
            for end in [ends[index] & 0xFFFF_FFFF, ends[index] >> 32] {
                let network = endpoints[Int(end)].network
                number.note(UInt32(truncatingIfNeeded: network >> 8))
                length.note(UInt32(truncatingIfNeeded: network & 0xFF))
            }
        }
    }
}
