internal import FlowModel
internal import WireBytes

/// What is written once a segment, opened when it is first asked for.
struct SegmentTables {
    /// By endpoint, in the order of addresses; `highs` only when not all are 0, as those of IPv4 are. These two can
    /// have room for more endpoints than there are.
    private(set) var highs: [UInt64] = [], lows: [UInt64] = []
    private(set) var areHighsZero = false
    private(set) var nextHopHighs: [UInt64] = [], nextHopLows: [UInt64] = []
    private(set) var asNumbers: [UInt32] = [], interfaces: [UInt32] = [], prefixLengths: [UInt8] = []
    /// By arrival.
    private(set) var receives: [Int64] = [], exports: [Int64] = [], exporters: [UInt32] = [], origins: [UInt16] = []
    private var opened: Set<SegmentPart> = []

    mutating func forget() { opened = [] }

    /// Opens a table and what it counts from.
    mutating func open(
        _ part: SegmentPart, _ head: SegmentHead, _ loaded: LoadedParts, _ reader: inout FrameReader
    ) throws(SegmentError) {
        guard !opened.contains(part) else { return }
        let ends = head.endpointCount, arrivals = head.arrivalCount
        switch part {
        case .endpointHigh:
            areHighsZero = head.entry(part).map { $0.blocks[0].frame.isEmpty && $0.blocks[0].base == 0 } ?? true
            if !areHighsZero { try openSteps(part, head, loaded, &reader, &highs) }
        case .endpointLow: try openSteps(part, head, loaded, &reader, &lows)
        case .endpointASNumber: try reader.list(part, 0, ends, head, loaded, into: &asNumbers)
        case .endpointPrefixLength: try reader.list(part, 0, ends, head, loaded, into: &prefixLengths)
        case .endpointInterface: try reader.list(part, 0, ends, head, loaded, into: &interfaces)
        case .endpointNextHopHigh: try reader.list(part, 0, ends, head, loaded, into: &nextHopHighs)
        case .endpointNextHopLow: try reader.list(part, 0, ends, head, loaded, into: &nextHopLows)
        case .arrivalExporter: try reader.list(part, 0, arrivals, head, loaded, into: &exporters)
        case .arrivalOrigin: try reader.list(part, 0, arrivals, head, loaded, into: &origins)
        case .arrivalReceive: try openReceives(head, loaded, &reader)
        case .arrivalExport:
            try open(.arrivalReceive, head, loaded, &reader)
            try openExports(head, loaded, &reader)
        default: break  // no table
        }
        opened.insert(part)
    }

    private func openSteps(
        _ part: SegmentPart, _ head: SegmentHead, _ loaded: LoadedParts, _ reader: inout FrameReader,
        _ words: inout [UInt64]
    ) throws(SegmentError) {
        let count = head.endpointCount
        // A little more, so that the next segment's may fit.
        if words.count < count { words.makeRoom(for: count + count / 8) }
        guard let entry = head.entry(part) else {
            var span = words.mutableSpan
            return span.set(0..<count, to: 0)
        }
        try reader.read(entry, 0, loaded, &words, 0..<count)
        var span = words.mutableSpan, previous: UInt64 = 0
        for index in 0..<count {
            previous &+= span[index]
            span[index] = previous
        }
    }
    private mutating func openReceives(
        _ head: SegmentHead, _ loaded: LoadedParts, _ reader: inout FrameReader
    ) throws(SegmentError) {
        var words: [UInt64] = [], previous = head.receiveMin
        try reader.list(.arrivalReceive, 0, head.arrivalCount, head, loaded, into: &words)
        receives = words.map { word in
            previous &+= unzigzag(word)
            return previous
        }
    }
    private mutating func openExports(
        _ head: SegmentHead, _ loaded: LoadedParts, _ reader: inout FrameReader
    ) throws(SegmentError) {
        var words: [UInt64] = []
        try reader.list(.arrivalExport, 0, head.arrivalCount, head, loaded, into: &words)
        exports = words.indices.map { receives[$0] &- unzigzag(words[$0]) }
    }
}
