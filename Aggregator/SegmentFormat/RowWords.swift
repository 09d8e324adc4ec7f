internal import BatchFormat
internal import FlowModel
internal import WireBytes

/// What is kept of each row until its segment is made: 64 octets, where columns would take 200. What most rows have
/// lies together in one line of a processor's cache, since bringing a million rows into another order costs a cache
/// miss for each thing that lies elsewhere. Rows of a batch lie conversation by conversation, in these in the order of
/// arrival: so it is conversations, not rows, that are looked for when the segment is made.
struct RowWords {
    /// Of a row, each from bit 0 on:
    ///
    ///     0 leads to      way :1 (1 from the server) and 0 :31 | arrival :32
    ///     1 times         start, counted back from the end :32 | end, counted back from receive :32
    ///     2 counters      octets :32 | packets :32
    ///     3 narrow        TCP bits :16 | class :8 | direction :8 | VLAN :16 | flags :8
    ///     4 interfaces    in what they differ from those of the ends: ingress :32 | egress :32
    ///     5 counts        flows :32 | sampling interval :32
    ///     6 sides         places of extra elements :32 | observers :32
    ///     7 sketch        place
    typealias Record = SIMD8<UInt64>

    /// Rows.
    private(set) var count = 0
    /// Of a conversation of some rows: service :16 | client's number :24 | server's number :24. One may be here several
    /// times.
    var keys: [UInt64] = []
    /// Of a conversation: where its rows begin, how many they are, protocol :8 | client's port :16, and 0.
    private(set) var conversations: [SIMD4<UInt32>] = []
    /// Of the first `count`; there may be room for more.
    private(set) var records: [Record] = []
    /// Of a batch's conversations: 1 if the first row comes from the server; where the next row goes.
    private var mirrors: [UInt32] = [], nexts: [UInt32] = []
    /// The upper halves of words 1 and 2, and next hops' differences: hardly a site has any.
    private(set) var timesAbove = WordColumn(), countersAbove = WordColumn()
    private(set) var nextHopHighs = WordColumn(), nextHopLows = WordColumn()
    /// Whether any row has words 6 and 7.
    private(set) var hasSides = false
    private var words = [UInt64](repeating: 0, count: EndpointTable.chunkRows)
    private var others = [UInt64](repeating: 0, count: EndpointTable.chunkRows)
    /// Where the chunk's rows go.
    private var places = [UInt32](repeating: 0, count: EndpointTable.chunkRows)
    /// 1 for each row of the chunk that comes from the server.
    private var ways = [UInt32](repeating: 0, count: EndpointTable.chunkRows)
    private var recordsOfChunk = [Record](repeating: .zero, count: EndpointTable.chunkRows)

    static func isFromServer(_ place: UInt64) -> Bool { place & 1 == 1 }
    static func arrival(_ place: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: place &>> 32) }

    /// Drops all rows and keeps the storage.
    mutating func removeAll() {
        count = 0
        keys.removeAll(keepingCapacity: true)
        conversations.removeAll(keepingCapacity: true)
        timesAbove.removeAll()
        countersAbove.removeAll()
        nextHopHighs.removeAll()
        nextHopLows.removeAll()
        hasSides = false
    }
    mutating func reserve(_ rows: Int) {
        keys.reserveCapacity(rows)
        records.reserveCapacity(rows)
        conversations.reserveCapacity(rows)
    }
    /// Makes room for `more` rows, whatever is in it.
    private mutating func grow(by more: Int) {
        let missing = count + more - records.count
        if missing > 0 { records.append(contentsOf: repeatElement(.zero, count: missing)) }
    }

    /// Adds rows that both tables have just noted, each as a conversation of its own.
    mutating func note(
        _ columns: FlowColumns, _ rows: Range<Int>, _ endpoints: EndpointTable, _ arrivals: ArrivalTable
    ) {
        grow(by: rows.count)
        noteKeys(columns, rows, endpoints)
        count += rows.count
        noteRecords(columns, rows, endpoints, arrivals)
    }
    /// Adds rows that both tables have just noted, of a batch whose conversations were noted.
    mutating func note(
        _ columns: FlowColumns, _ rows: Range<Int>, _ endpoints: EndpointTable, _ arrivals: ArrivalTable,
        _ sharing: BatchSharing
    ) {
        let rowPlaces = sharing.places.span.extracting(rows), mirrorArray = mirrors, mirrors = mirrorArray.span
        var (placeArray, wayArray, nextArray) = (self.places, self.ways, self.nexts)
        (self.places, self.ways, self.nexts) = ([], [], [])  // theirs alone for now
        var places = placeArray.mutableSpan, ways = wayArray.mutableSpan, nexts = nextArray.mutableSpan
        for index in rowPlaces.indices {
            let number = Int(rowPlaces[index] &>> 1), place = nexts[number]
            places[index] = place
            nexts[number] = place &+ 1
            ways[index] = mirrors[number] ^ (rowPlaces[index] & 1)
        }
        (self.places, self.ways, self.nexts) = (placeArray, wayArray, nextArray)
        noteRecords(columns, rows, endpoints, arrivals)
    }
    /// Puts rows where `places` says.
    private mutating func noteRecords(
        _ columns: FlowColumns, _ rows: Range<Int>, _ endpoints: EndpointTable, _ arrivals: ArrivalTable
    ) {
        noteFlows(columns, rows, arrivals.numbers, endpoints.interfaces)
        noteRest(columns, rows)
        let (madeArray, placeArray) = (recordsOfChunk, places)  // no copies
        let made = madeArray.span.extracting(0..<rows.count), places = placeArray.span
        var recordArray = self.records
        self.records = []  // its alone for now
        var records = recordArray.mutableSpan
        for index in made.indices { records[Int(places[index])] = made[index] }
        self.records = recordArray
        nextHopHighs.put(endpoints.nextHopHighs, rows.count, at: placeArray, below: count)
        nextHopLows.put(endpoints.nextHopLows, rows.count, at: placeArray, below: count)
    }

    /// Notes a batch's conversations, and makes room for its rows.
    /// - Parameters:
    ///   - numbers: of its endpoints, by their numbers in the batch.
    ///   - rows: how many it has.
    mutating func noteConversations(_ sharing: BatchSharing, _ numbers: [UInt32], rows: Int) {
        let count = sharing.conversationCount
        grow(by: rows)
        countRows(sharing, rows)
        let ends = sharing.ends.span, ports = sharing.ports.span, protocols = sharing.protocols.span
        let numbers = numbers.span
        mirrors.grow(to: count)
        var (mirrorArray, nextArray) = (mirrors, nexts)
        (mirrors, nexts) = ([], [])  // theirs alone for now
        var mirrors = mirrorArray.mutableSpan, nexts = nextArray.mutableSpan
        keys.append(addingCapacity: count) { keys in
            for index in 0..<count {
                let port = ports[2 &* index], other = ports[2 &* index &+ 1]
                let one = UInt64(numbers[Int(ends[2 &* index])])
                let two = UInt64(numbers[Int(ends[2 &* index &+ 1])])
                let isMirrored = port < other
                keys.append(UInt64(min(port, other)) &<< 48 | (isMirrored ? two &<< 24 | one : one &<< 24 | two))
                mirrors[index] = isMirrored ? 1 : 0
            }
        }
        var first = UInt32(truncatingIfNeeded: self.count)
        conversations.append(addingCapacity: count) { conversations in
            for index in 0..<count {
                let rows = nexts[index]
                let tail = UInt32(protocols[index]) << 16 | max(ports[2 &* index], ports[2 &* index &+ 1])
                conversations.append(SIMD4(first, rows, tail, 0))
                nexts[index] = first
                first &+= rows
            }
        }
        (self.mirrors, self.nexts) = (mirrorArray, nextArray)
        self.count += rows
    }
    /// Of each conversation of a batch its rows, in `nexts`.
    private mutating func countRows(_ sharing: BatchSharing, _ rows: Int) {
        let places = sharing.places.span.extracting(0..<rows)
        nexts.grow(to: sharing.conversationCount)
        var nexts = nexts.mutableSpan
        for index in nexts.indices { nexts[index] = 0 }
        for index in places.indices { nexts[Int(places[index] &>> 1)] &+= 1 }
    }

    private mutating func noteKeys(_ columns: FlowColumns, _ rows: Range<Int>, _ endpoints: EndpointTable) {
        let sourcePorts = columns.sourceTransportPort.span, destinationPorts = columns.destinationTransportPort.span
        let sources = endpoints.sources.span, destinations = endpoints.destinations.span
        let protocols = columns.protocolIdentifier.span, first = UInt32(truncatingIfNeeded: count)
        var (wordArray, placeArray, wayArray) = (self.words, self.places, self.ways)
        (self.words, self.places, self.ways) = ([], [], [])  // theirs alone for now
        var words = wordArray.mutableSpan, places = placeArray.mutableSpan, ways = wayArray.mutableSpan
        conversations.append(addingCapacity: rows.count) { conversations in
            for index in 0..<rows.count {
                let row = rows.lowerBound &+ index, port = sourcePorts[row], other = destinationPorts[row]
                let source = UInt64(sources[index]), destination = UInt64(destinations[index])
                let ends = port < other ? destination &<< 24 | source : source &<< 24 | destination
                words[index] = UInt64(min(port, other)) &<< 48 | ends
                let place = first &+ UInt32(truncatingIfNeeded: index)
                let tail = UInt32(protocols[row]) << 16 | UInt32(max(port, other))
                conversations.append(SIMD4(place, 1, tail, 0))
                places[index] = place
                ways[index] = port < other ? 1 : 0
            }
        }
        (self.words, self.places, self.ways) = (wordArray, placeArray, wayArray)
        keys.append(contentsOf: wordArray[..<rows.count])
    }
    /// Words 0, 1, 2 and 4.
    private mutating func noteFlows(
        _ columns: FlowColumns, _ rows: Range<Int>, _ arrivals: [UInt32], _ interfaces: [UInt64]
    ) {
        let wayArray = ways, ways = wayArray.span, arrivals = arrivals.span, interfaces = interfaces.span
        let starts = columns.flowStartMilliseconds.span, ends = columns.flowEndMilliseconds.span
        let receives = columns.receiveMilliseconds.span
        let octets = columns.octetDeltaCount.span, packets = columns.packetDeltaCount.span
        var (recordArray, wordArray, otherArray) = (recordsOfChunk, words, others)
        (recordsOfChunk, words, others) = ([], [], [])  // theirs alone for now
        var records = recordArray.mutableSpan, words = wordArray.mutableSpan, others = otherArray.mutableSpan
        for index in 0..<rows.count {
            let row = rows.lowerBound &+ index
            let place = UInt64(arrivals[index]) << 32 | UInt64(ways[index])
            let end = ends[row], since = zigzag(end &- starts[row]), before = zigzag(receives[row] &- end)
            let octet = octets[row], packet = packets[row]
            words[index] = since &>> 32 | before & ~0xFFFF_FFFF
            others[index] = octet &>> 32 | packet & ~0xFFFF_FFFF
            let times = since & 0xFFFF_FFFF | before &<< 32, counters = octet & 0xFFFF_FFFF | packet &<< 32
            records[index] = Record(place, times, counters, 0, interfaces[index], 0, 0, 0)
        }
        (recordsOfChunk, self.words, self.others) = (recordArray, wordArray, otherArray)
        timesAbove.put(wordArray, rows.count, at: places, below: count)
        countersAbove.put(otherArray, rows.count, at: places, below: count)
    }
    /// Words 3 and 5 to 7. What no reader would take as a sampling interval, such as an exporter's "not a number", is
    /// written as 0: unknown.
    private mutating func noteRest(_ columns: FlowColumns, _ rows: Range<Int>) {
        let bits = columns.tcpControlBits.span, classes = columns.ipClassOfService.span
        let directions = columns.flowDirection.span, vlans = columns.vlanId.span, flags = columns.flags.span
        let flows = columns.deltaFlowCount.span, intervals = columns.samplingInterval.span
        let extras = columns.extra.span, observers = columns.observers.span, sketches = columns.sketch.span
        var recordArray = recordsOfChunk, anySide: UInt64 = 0
        recordsOfChunk = []  // its alone for now
        var records = recordArray.mutableSpan
        for index in 0..<rows.count {
            let row = rows.lowerBound &+ index, interval = intervals[row]
            let low = UInt64(bits[row]) | UInt64(classes[row]) << 16 | UInt64(directions[row]) << 24
            let sides = UInt64(extras[row]) | UInt64(observers[row]) << 32, sketch = UInt64(sketches[row])
            let known = interval.isFinite && interval >= 0 ? interval.bitPattern : 0
            anySide |= sides | sketch
            var record = records[index]
            record[3] = low | UInt64(vlans[row]) << 32 | UInt64(flags[row]) << 48
            record[5] = UInt64(flows[row]) | UInt64(known) << 32
            record[6] = sides
            record[7] = sketch
            records[index] = record
        }
        recordsOfChunk = recordArray
        hasSides = hasSides || anySide != 0
    }
}

/// Maps small differences of either sign to small words: 0, -1, 1, -2 … to 0, 1, 2, 3 …
@inline(__always) func zigzag(_ difference: Int64) -> UInt64 {
    UInt64(bitPattern: (difference &<< 1) ^ (difference &>> 63))
}
@inline(__always) func unzigzag(_ word: UInt64) -> Int64 {
    Int64(bitPattern: (word &>> 1) ^ (0 &- (word & 1)))
}
