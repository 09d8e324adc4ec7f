internal import BatchFormat
internal import FlowModel
internal import WireBytes

/// What is written of each row, several values to a word: bringing a word of a million rows into another order costs a
/// cache miss a row whatever is in it.
struct RowPacks {
    /// Where a part's words are.
    struct Lane {
        let part: SegmentPart
        /// Which pack, and how far up in it.
        let pack: Int, shift: UInt64
        /// Octets.
        let width: Int
    }
    private(set) var packs: [[UInt64]] = [], lanes: [Lane] = []

    /// What leads to other things: arrival :32 | client's port :16 | protocol :8 | 0 :7 | whether from the server :1
    static func isFromServer(_ place: UInt64) -> Bool { place & 1 == 1 }
    static func protocolIdentifier(_ place: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: place &>> 8) }
    static func clientPort(_ place: UInt64) -> UInt16 { UInt16(truncatingIfNeeded: place &>> 16) }
    static func arrival(_ place: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: place &>> 32) }

    static func places(_ columns: FlowColumns, _ arrivals: ArrivalTable, into places: inout [UInt64]) {
        places.grow(to: columns.count)
        let sourcePorts = columns.sourceTransportPort.span, destinationPorts = columns.destinationTransportPort.span
        let protocols = columns.protocolIdentifier.span, numbers = arrivals.numbers.span
        var places = places.mutableSpan
        for row in 0..<columns.count {
            let source = sourcePorts[row], destination = destinationPorts[row]
            let way: UInt64 = source < destination ? 1 : 0
            places[row] =
                UInt64(numbers[row]) << 32 | UInt64(max(source, destination)) << 16 | UInt64(protocols[row]) << 8 | way
        }
    }

    /// Fills all packs but the places.
    mutating func fill(_ columns: FlowColumns) {
        packs.removeAll(keepingCapacity: true)
        lanes.removeAll(keepingCapacity: true)
        addTimes(columns)
        let octets = columns.octetDeltaCount.span, packets = columns.packetDeltaCount.span
        addPair(.octetDeltaCount, octets, .packetDeltaCount, packets, columns)
        add(.nextHopHigh, columns.nextHopHigh.span, columns)
        add(.nextHopLow, columns.nextHopLow.span, columns)
        addCounts(columns)
        addInterfaces(columns)
        addNarrow(columns)
    }

    private mutating func add(_ part: SegmentPart, _ words: Span<UInt64>, _ columns: FlowColumns) {
        lanes.append(Lane(part: part, pack: packs.count, shift: 0, width: 8))
        var pack: [UInt64] = []
        pack.append(addingCapacity: columns.count) { pack in
            for row in 0..<columns.count { pack.append(words[row]) }
        }
        packs.append(pack)
    }
    /// Two columns in one pack if both fit.
    private mutating func addPair(
        _ part: SegmentPart, _ words: Span<UInt64>, _ other: SegmentPart, _ otherWords: Span<UInt64>,
        _ columns: FlowColumns
    ) {
        var bits: UInt64 = 0
        for row in 0..<columns.count { bits |= words[row] | otherWords[row] }
        guard bits >> 32 == 0 else {
            add(part, words, columns)
            return add(other, otherWords, columns)
        }
        addHalves(part, other, columns) { words[$0] | otherWords[$0] &<< 32 }
    }
    @inline(__always)
    private mutating func addHalves(
        _ low: SegmentPart, _ high: SegmentPart, _ columns: FlowColumns, _ word: (Int) -> UInt64
    ) {
        lanes.append(Lane(part: low, pack: packs.count, shift: 0, width: 4))
        lanes.append(Lane(part: high, pack: packs.count, shift: 32, width: 4))
        var pack: [UInt64] = []
        pack.append(addingCapacity: columns.count) { pack in
            for row in 0..<columns.count { pack.append(word(row)) }
        }
        packs.append(pack)
    }
    private mutating func addTimes(_ columns: FlowColumns) {
        let starts = columns.flowStartMilliseconds.span, ends = columns.flowEndMilliseconds.span
        let receives = columns.receiveMilliseconds.span
        var startWords: [UInt64] = [], endWords: [UInt64] = []
        startWords.append(addingCapacity: columns.count) { words in
            for row in 0..<columns.count { words.append(zigzag(ends[row] &- starts[row])) }
        }
        endWords.append(addingCapacity: columns.count) { words in
            for row in 0..<columns.count { words.append(zigzag(receives[row] &- ends[row])) }
        }
        addPair(.flowStartMilliseconds, startWords.span, .flowEndMilliseconds, endWords.span, columns)
    }
    /// What no reader would take, such as an exporter's "not a number", is written as 0: unknown.
    private mutating func addCounts(_ columns: FlowColumns) {
        let flows = columns.deltaFlowCount.span, intervals = columns.samplingInterval.span
        addHalves(.deltaFlowCount, .samplingInterval, columns) { row in
            let value = intervals[row]
            return UInt64(flows[row]) | UInt64(value.isFinite && value >= 0 ? value.bitPattern : 0) << 32
        }
    }
    private mutating func addInterfaces(_ columns: FlowColumns) {
        let ingress = columns.ingressInterface.span, egress = columns.egressInterface.span
        addHalves(.ingressInterface, .egressInterface, columns) { UInt64(ingress[$0]) | UInt64(egress[$0]) << 32 }
    }
    private mutating func addNarrow(_ columns: FlowColumns) {
        let bits = columns.tcpControlBits.span, classes = columns.ipClassOfService.span
        let directions = columns.flowDirection.span, vlans = columns.vlanId.span, flags = columns.flags.span
        let pack = packs.count
        for (part, shift, width) in [
            (SegmentPart.tcpControlBits, UInt64(0), 2), (.ipClassOfService, 16, 1), (.flowDirection, 24, 1),
            (.vlanId, 32, 2), (.flags, 48, 1),
        ] {
            lanes.append(Lane(part: part, pack: pack, shift: shift, width: width))
        }
        var words: [UInt64] = []
        words.append(addingCapacity: columns.count) { words in
            for row in 0..<columns.count {
                let low = UInt64(bits[row]) | UInt64(classes[row]) << 16 | UInt64(directions[row]) << 24
                words.append(low | UInt64(vlans[row]) << 32 | UInt64(flags[row]) << 48)
            }
        }
        packs.append(words)
    }
}

/// Maps small differences of either sign to small words: 0, -1, 1, -2 … to 0, 1, 2, 3 …
@inline(__always) func zigzag(_ difference: Int64) -> UInt64 {
    UInt64(bitPattern: (difference &<< 1) ^ (difference &>> 63))
}
@inline(__always) func unzigzag(_ word: UInt64) -> Int64 {
    Int64(bitPattern: (word &>> 1) ^ (0 &- (word & 1)))
}
