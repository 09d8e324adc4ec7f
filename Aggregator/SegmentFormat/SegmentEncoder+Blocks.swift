internal import BatchFormat
internal import FlowModel
internal import WireBytes

/// Blocks, one after another, each with all its parts: what belongs to a block's rows stays in the cache.
extension SegmentEncoder {
    mutating func writeBlocks(_ head: SegmentHead, _ ranks: EndpointRanks) {
        RowPacks.places(columns, arrivals, into: &places)
        let places = self.places  // no copy
        order.sort(columns, endpoints, ranks.ranks, places.span)
        packs.fill(columns)
        let hasDetails =
            !columns.extras.isEmpty || !columns.observerSets.sets.isEmpty || !columns.sketches.pairs.isEmpty
        for number in 0..<head.blockCount {
            let rows = head.rows(ofBlock: number)
            block.fill(order, places.span, rows)
            writeConversations()
            writeBounds(ranks)
            writeLanes(rows, head)
            if hasDetails { writeDetails(rows) }
        }
    }

    private mutating func writeConversations() {
        let (turns, arrivals) = (block.turns, block.arrivals), count = block.conversationCount
        parts.add(.turns, turns.span, turns.span.commonBits())
        parts.add(.arrivals, arrivals.span, arrivals.span.commonBits())
        let (endArray, serviceArray) = (block.ends, block.services)
        let ends = endArray.span.extracting(0..<count), endBits = ends.commonBits()
        parts.add(.clients, ends, endBits)
        parts.add(.servers, ends, endBits, shift: 32)
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
    private mutating func writeBounds(_ ranks: EndpointRanks) {
        let (source, destination) = (block.source, block.destination)
        add(.sourceHigh, .sourceLow, ranks.endpoints[Int(source.min)].address, ranks.endpoints[Int(source.max)].address)
        add(
            .destinationHigh, .destinationLow, ranks.endpoints[Int(destination.min)].address,
            ranks.endpoints[Int(destination.max)].address)
        parts.addBounds(.sourceTransportPort, UInt64(block.sourcePort.min), UInt64(block.sourcePort.max))
        parts.addBounds(.destinationTransportPort, UInt64(block.destinationPort.min), UInt64(block.destinationPort.max))
        addNetworkBounds(ranks)
        parts.addBounds(.exporter, 0, UInt64(max(columns.exporters.count, 1) - 1))
    }
    private mutating func add(_ high: SegmentPart, _ low: SegmentPart, _ least: IPAddress, _ greatest: IPAddress) {
        parts.addBounds(high, least.high, greatest.high)
        parts.addBounds(low, least.low, greatest.low)
    }
    /// AS numbers and prefix lengths of either end.
    private mutating func addNetworkBounds(_ ranks: EndpointRanks) {
        var number = BlockBuffers.Bounds(), length = BlockBuffers.Bounds()
        block.noteNetworks(ranks.endpoints.span, &number, &length)
        for part in [SegmentPart.bgpSourceAsNumber, .bgpDestinationAsNumber] {
            parts.addBounds(part, UInt64(number.min), UInt64(number.max))
        }
        for part in [SegmentPart.sourceIPPrefixLength, .destinationIPPrefixLength] {
            parts.addBounds(part, UInt64(length.min), UInt64(length.max))
        }
    }

    /// What each row has of its own.
    private mutating func writeLanes(_ rows: Range<Int>, _ head: SegmentHead) {
        let orderRows = order.rows, lanes = packs.lanes, packs = packs.packs  // no copies
        var words = block.words
        block.words = []
        words.grow(to: rows.count)
        let receive = receiveBounds(), isTogether = lanes.first?.width == 4
        parts.addBounds(.receiveMilliseconds, UInt64(bitPattern: receive.min), UInt64(bitPattern: receive.max))
        parts.addBounds(
            .exportMilliseconds, UInt64(bitPattern: wide.export.min), UInt64(bitPattern: wide.export.max))
        for (number, pack) in packs.enumerated() {
            var span = words.mutableSpan
            span.look(0..<rows.count, in: pack.span, at: orderRows.span.extracting(rows))
            let bits = words.span.commonBits(), times = number == 0 && isTogether ? timeBounds(words) : nil
            for lane in lanes where lane.pack == number {
                let known = bounds(of: lane.part, times)
                parts.add(lane.part, words.span, bits, shift: lane.shift, width: lane.width, bounds: known)
            }
        }
        block.words = words
    }
    /// Where the words are not the values: those of the block if they are known, else those of all rows.
    private func bounds(
        of part: SegmentPart, _ times: (start: (UInt64, UInt64), end: (UInt64, UInt64))?
    ) -> (min: UInt64, max: UInt64)? {
        func wideTimes(_ bounds: (min: Int64, max: Int64)) -> (UInt64, UInt64) {
            (UInt64(bitPattern: bounds.min), UInt64(bitPattern: bounds.max))
        }
        return switch part {
        case .flowStartMilliseconds: times?.start ?? wideTimes(wide.flowStart)
        case .flowEndMilliseconds: times?.end ?? wideTimes(wide.flowEnd)
        case .ingressInterface: (UInt64(wide.ingress.min), UInt64(wide.ingress.max))
        case .egressInterface: (UInt64(wide.egress.min), UInt64(wide.egress.max))
        case .nextHopHigh: (wide.nextHop.min.high, wide.nextHop.max.high)
        case .nextHopLow: (wide.nextHop.min.low, wide.nextHop.max.low)
        default: nil
        }
    }
    private func receiveBounds() -> (min: Int64, max: Int64) {
        let receives = arrivals.receives.span, places = block.places.span
        var low = Int64.max, high = Int64.min
        for index in places.indices {
            let receive = Int64(bitPattern: receives[Int(RowPacks.arrival(places[index]))])
            low = min(low, receive)
            high = max(high, receive)
        }
        return (low, high)
    }
    /// Of words that hold start and end, counted back.
    private func timeBounds(_ wordArray: [UInt64]) -> (start: (UInt64, UInt64), end: (UInt64, UInt64)) {
        let receives = arrivals.receives.span, places = block.places.span, words = wordArray.span
        var startMin = Int64.max, startMax = Int64.min, endMin = Int64.max, endMax = Int64.min
        for index in places.indices {
            let receive = Int64(bitPattern: receives[Int(RowPacks.arrival(places[index]))])
            let end = receive &- unzigzag(words[index] &>> 32), start = end &- unzigzag(words[index] & 0xFFFF_FFFF)
            startMin = min(startMin, start)
            startMax = max(startMax, start)
            endMin = min(endMin, end)
            endMax = max(endMax, end)
        }
        return (
            (UInt64(bitPattern: startMin), UInt64(bitPattern: startMax)),
            (UInt64(bitPattern: endMin), UInt64(bitPattern: endMax))
        )
    }
}

/// What is written once a segment.
extension SegmentEncoder {
    mutating func writeTables(_ head: SegmentHead, _ ranks: EndpointRanks) {
        guard head.rows > 0 else { return }
        addTable(.arrivalReceive, differences(arrivals.receives, from: UInt64(bitPattern: head.receiveMin)))
        var exports: [UInt64] = []
        for index in 0..<arrivals.count {
            exports.append(zigzag(Int64(bitPattern: arrivals.receives[index] &- arrivals.exports[index])))
        }
        addTable(.arrivalExport, exports)
        addTable(.arrivalExporter, arrivals.exporters)
        addTable(.arrivalOrigin, arrivals.origins)
        parts.addOrigins(head)
        addTable(.endpointHigh, steps(ranks.endpoints.map(\.high)))
        addTable(.endpointLow, steps(ranks.endpoints.map(\.low)))
        addTable(.endpointASNumber, ranks.endpoints.map { UInt32(truncatingIfNeeded: $0.network >> 8) })
        addTable(.endpointPrefixLength, ranks.endpoints.map { UInt8(truncatingIfNeeded: $0.network) })
        addTable(.endpointInterface, ranks.interfaces)
        addTable(.endpointNextHopHigh, ranks.nextHopHighs)
        addTable(.endpointNextHopLow, ranks.nextHopLows)
    }
    private mutating func addTable<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ part: SegmentPart, _ words: [Word]
    ) {
        parts.add(part, words.span, words.span.commonBits())
    }
    private func differences(_ words: [UInt64], from first: UInt64) -> [UInt64] {
        var previous = first
        return words.map { word in
            defer { previous = word }
            return zigzag(Int64(bitPattern: word &- previous))
        }
    }
    private func steps(_ words: [UInt64]) -> [UInt64] {
        var previous: UInt64 = 0
        return words.map { word in
            defer { previous = word }
            return word &- previous
        }
    }
}

extension PartWriter {
    fileprivate mutating func addOrigins(_ head: SegmentHead) {
        for _ in 0..<head.blockCount { addBounds(.origin, 0, UInt64(max(head.origins.count, 1) - 1)) }
    }
}
