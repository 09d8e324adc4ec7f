internal import BatchFormat
internal import FlowModel
internal import WireBytes

/// Blocks, one after another, each with all its parts: what belongs to a block's rows stays in the cache.
extension SegmentEncoder {
    mutating func writeBlocks(_ head: SegmentHead, _ ranks: EndpointRanks) {
        order.sort(&words, ranks)
        let networks = NetworkBounds(ranks.endpoints)
        if words.hasSides { startDetails() }
        for number in 0..<head.blockCount {
            let rows = head.rows(ofBlock: number)
            block.fill(order, words, rows)
            writeConversations()
            writeBounds(ranks, networks)
            writeLanes(rows)
            if words.hasSides { writeDetails(rows) }
        }
    }

    private mutating func writeConversations() {
        let (turns, arrivals) = (block.turns, block.arrivals), count = block.conversationCount
        parts.add(.turns, turns.span, turns.span.commonBits())
        parts.add(.arrivals, arrivals.span, arrivals.span.commonBits())
        let (endArray, serviceArray) = (block.ends, block.services)
        let ends = endArray.span.extracting(0..<count), endBits = ends.commonBits()
        var clients = BlockBuffers.Bounds(), servers = BlockBuffers.Bounds()
        for index in ends.indices {
            clients.note(UInt32(truncatingIfNeeded: ends[index]))
            servers.note(UInt32(truncatingIfNeeded: ends[index] >> 32))
        }
        parts.add(.clients, ends, endBits, bounds: (UInt64(clients.min), UInt64(clients.max)))
        parts.add(.servers, ends, endBits, shift: 32, bounds: (UInt64(servers.min), UInt64(servers.max)))
        let services = serviceArray.span.extracting(0..<count), serviceBits = services.commonBits()
        parts.add(.services, services, serviceBits)
        parts.add(.clientPorts, services, serviceBits, shift: 16)
        var (low, high) = (UInt64.max, UInt64(0))
        for index in services.indices {
            low = min(low, services[index] >> 32)
            high = max(high, services[index] >> 32)
        }
        parts.add(.protocolIdentifier, services, serviceBits, shift: 32, bounds: (low, high))
    }

    /// Bounds of what has no words of its own.
    private mutating func writeBounds(_ ranks: EndpointRanks, _ networks: NetworkBounds) {
        let (source, destination) = (block.source, block.destination)
        add(.sourceHigh, .sourceLow, ranks.endpoints[Int(source.min)].address, ranks.endpoints[Int(source.max)].address)
        add(
            .destinationHigh, .destinationLow, ranks.endpoints[Int(destination.min)].address,
            ranks.endpoints[Int(destination.max)].address)
        parts.addBounds(
            .sourceTransportPort, UInt64(block.sourcePort.min), UInt64(block.sourcePort.max))
        parts.addBounds(
            .destinationTransportPort, UInt64(block.destinationPort.min),
            UInt64(block.destinationPort.max))
        addNetworkBounds(networks)
        parts.addBounds(.exporter, 0, UInt64(max(batch.exporters.count, 1) - 1))
        parts.addBounds(
            .receiveMilliseconds, UInt64(bitPattern: wide.receive.min),
            UInt64(bitPattern: wide.receive.max))
        parts.addBounds(
            .exportMilliseconds, UInt64(bitPattern: wide.export.min), UInt64(bitPattern: wide.export.max))
    }
    private mutating func add(_ high: SegmentPart, _ low: SegmentPart, _ least: IPAddress, _ greatest: IPAddress) {
        parts.addBounds(high, least.high, greatest.high)
        parts.addBounds(low, least.low, greatest.low)
    }
    /// AS numbers and prefix lengths of either end: those of all rows.
    private mutating func addNetworkBounds(_ networks: NetworkBounds) {
        for part in [SegmentPart.bgpSourceAsNumber, .bgpDestinationAsNumber] {
            parts.addBounds(part, UInt64(networks.number.min), UInt64(networks.number.max))
        }
        for part in [SegmentPart.sourceIPPrefixLength, .destinationIPPrefixLength] {
            parts.addBounds(part, UInt64(networks.length.min), UInt64(networks.length.max))
        }
    }

    /// What each row has of its own.
    private mutating func writeLanes(_ rows: Range<Int>) {
        write(.flowStartMilliseconds, .flowEndMilliseconds, block.words[1], words.timesAbove, rows)
        write(.octetDeltaCount, .packetDeltaCount, block.words[2], words.countersAbove, rows)
        let narrow = block.words[3], bits = narrow.span.commonBits()  // no copy
        write(.tcpControlBits, narrow, bits, shift: 0, width: 2)
        write(.ipClassOfService, narrow, bits, shift: 16, width: 1)
        write(.flowDirection, narrow, bits, shift: 24, width: 1)
        write(.vlanId, narrow, bits, shift: 32, width: 2)
        write(.flags, narrow, bits, shift: 48, width: 1)
        write(.ingressInterface, .egressInterface, block.words[4], nil, rows)
        write(.deltaFlowCount, .samplingInterval, block.words[5], nil, rows)
        write(.nextHopHigh, words.nextHopHighs, rows)
        write(.nextHopLow, words.nextHopLows, rows)
    }
    /// Two parts of 32 bits each, or of 64 if `above` has the upper halves of both.
    private mutating func write(
        _ low: SegmentPart, _ high: SegmentPart, _ halves: [UInt64], _ above: WordColumn?, _ rows: Range<Int>
    ) {
        guard let above, above.constant != 0 else {
            let bits = halves.span.commonBits()
            write(low, halves, bits, shift: 0, width: 4)
            return write(high, halves, bits, shift: 32, width: 4)
        }
        let tops = gathered(above, rows)
        let lows = zip(halves, tops).map { $0 & 0xFFFF_FFFF | $1 << 32 }
        write(low, lows, lows.span.commonBits(), shift: 0, width: 8)
        let highs = zip(halves, tops).map { $0 >> 32 | $1 & ~0xFFFF_FFFF }
        write(high, highs, highs.span.commonBits(), shift: 0, width: 8)
    }
    private mutating func write(_ part: SegmentPart, _ column: WordColumn, _ rows: Range<Int>) {
        let words = gathered(column, rows)
        write(part, words, words.span.commonBits(), shift: 0, width: 8)
    }
    private mutating func write(
        _ part: SegmentPart, _ words: [UInt64], _ bits: (any: UInt64, all: UInt64), shift: UInt64, width: Int
    ) {
        parts.add(part, words.span, bits, shift: shift, width: width, bounds: bounds(of: part))
    }
    private func gathered(_ column: WordColumn, _ rows: Range<Int>) -> [UInt64] {
        var gathered = [UInt64](repeating: column.constant ?? 0, count: rows.count)
        if column.constant == nil {
            let words = column.words, order = order.rows  // no copies
            var span = gathered.mutableSpan
            span.look(0..<rows.count, in: words.span, at: order.span.extracting(rows))
        }
        return gathered
    }
    /// Where the words are not the values: those of all rows. Times are in no order that would make a block's narrower.
    private func bounds(of part: SegmentPart) -> (min: UInt64, max: UInt64)? {
        func times(_ bounds: (min: Int64, max: Int64)) -> (UInt64, UInt64) {
            (UInt64(bitPattern: bounds.min), UInt64(bitPattern: bounds.max))
        }
        return switch part {
        case .flowStartMilliseconds: times(wide.flowStart)
        case .flowEndMilliseconds: times(wide.flowEnd)
        case .ingressInterface: (UInt64(wide.ingress.min), UInt64(wide.ingress.max))
        case .egressInterface: (UInt64(wide.egress.min), UInt64(wide.egress.max))
        case .nextHopHigh: (wide.nextHop.min.high, wide.nextHop.max.high)
        case .nextHopLow: (wide.nextHop.min.low, wide.nextHop.max.low)
        default: nil
        }
    }
}

/// What is written once a segment.
extension SegmentEncoder {
    mutating func writeTables(_ head: SegmentHead, _ ranks: EndpointRanks) {
        guard head.rows > 0 else { return }
        let arrivals = arrivals.arrivals
        let endpoints = ranks.endpoints, hops = self.endpoints.hops  // no copies
        var previous = head.receiveMin
        addTable(
            .arrivalReceive,
            arrivals.map { arrival in
                defer { previous = arrival.receive }
                return zigzag(arrival.receive &- previous)
            })
        addTable(.arrivalExport, arrivals.map { zigzag($0.receive &- $0.export) })
        addTable(.arrivalExporter, arrivals.map(\.exporter))
        addTable(.arrivalOrigin, arrivals.map(\.origin))
        parts.addOrigins(head)
        parts.addListOfSteps(.endpointHigh, endpoints.map(\.high), listBlock)
        parts.addListOfSteps(.endpointLow, endpoints.map(\.low), listBlock)
        parts.addList(.endpointASNumber, endpoints.map { UInt32(truncatingIfNeeded: $0.network >> 8) }, listBlock)
        parts.addList(.endpointPrefixLength, endpoints.map { UInt8(truncatingIfNeeded: $0.network) }, listBlock)
        parts.addList(.endpointInterface, endpoints.map(\.interface), listBlock)
        parts.addList(.endpointNextHopHigh, endpoints.map { hops[Int($0.hop)].high }, listBlock)
        parts.addList(.endpointNextHopLow, endpoints.map { hops[Int($0.hop)].low }, listBlock)
        parts.addDirectory(of: endpoints, listBlock)
    }
    private mutating func addTable<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ part: SegmentPart, _ words: [Word]
    ) {
        parts.add(part, words.span, words.span.commonBits())
    }
}

extension PartWriter {
    fileprivate mutating func addOrigins(_ head: SegmentHead) {
        for _ in 0..<head.blockCount { addBounds(.origin, 0, UInt64(max(head.origins.count, 1) - 1)) }
    }
}

/// Bounds of the AS numbers and prefix lengths of all endpoints.
private struct NetworkBounds {
    var number = BlockBuffers.Bounds(), length = BlockBuffers.Bounds()

    init(_ endpoints: [Endpoint]) {
        for endpoint in endpoints {
            number.note(UInt32(truncatingIfNeeded: endpoint.network >> 8))
            length.note(UInt32(truncatingIfNeeded: endpoint.network & 0xFF))
        }
    }
}
