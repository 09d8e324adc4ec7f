internal import BatchFormat
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
    /// By the parts' numbers.
    private var opened = [Bool](repeating: false, count: 256)
    private var knownDirectory: EndpointDirectory?
    /// Blocks of the list of endpoints that were opened.
    var listBlocks = 0

    mutating func forget() {
        opened = [Bool](repeating: false, count: 256)
        knownDirectory = nil
        listBlocks = 0
    }

    /// Opens a table and what it counts from.
    mutating func open(
        _ part: SegmentPart, _ head: SegmentHead, _ loaded: LoadedParts, _ reader: inout FrameReader
    ) throws(SegmentError) {
        guard !opened[Int(part.rawValue)] else { return }
        let arrivals = head.arrivalCount
        switch part {
        case .endpointHigh, .endpointLow, .endpointASNumber, .endpointPrefixLength, .endpointInterface,
            .endpointNextHopHigh, .endpointNextHopLow:
            try openList(part, try directory(head, loaded), loaded, &reader)
        case .arrivalExporter: try reader.list(part, 0, arrivals, head, loaded, into: &exporters)
        case .arrivalOrigin: try reader.list(part, 0, arrivals, head, loaded, into: &origins)
        case .arrivalReceive: try openReceives(head, loaded, &reader)
        case .arrivalExport:
            try open(.arrivalReceive, head, loaded, &reader)
            try openExports(head, loaded, &reader)
        default: break  // no table
        }
        opened[Int(part.rawValue)] = true
    }

    // MARK: The list of endpoints

    /// A table of 64-bit words that is open.
    func wide(_ part: SegmentPart) -> [UInt64] {
        switch part {
        case .endpointHigh: highs
        case .endpointLow: lows
        case .endpointNextHopHigh: nextHopHighs
        default: nextHopLows
        }
    }
    /// Where the list's blocks are.
    mutating func directory(_ head: SegmentHead, _ loaded: LoadedParts) throws(SegmentError) -> EndpointDirectory {
        if let knownDirectory { return knownDirectory }
        let directory: EndpointDirectory
        if head.version < 3 || head.endpointCount == 0 {
            directory = EndpointDirectory(head)
        } else {
            guard let entry = head.entry(.endpointBlocks) else {
                throw .badPart(SegmentPart.endpointBlocks.rawValue)
            }
            let bytes = try loaded.frame(of: entry, 0)
            directory = try bytes.bytes.withBytes { span throws(SegmentError) in
                let frame = span.extracting(bytes.range)
                guard Checksum.of(frame) == entry.blocks[0].checksum else {
                    throw .badFrame(part: SegmentPart.endpointBlocks.rawValue, block: 0)
                }
                return try EndpointDirectory(head, frame)
            }
        }
        knownDirectory = directory
        return directory
    }

    private mutating func openList(
        _ part: SegmentPart, _ directory: EndpointDirectory, _ loaded: LoadedParts, _ reader: inout FrameReader
    ) throws(SegmentError) {
        if directory.entry(part) != nil { listBlocks += directory.blockCount }
        switch part {
        case .endpointHigh:
            areHighsZero = directory.areHighsZero
            guard !areHighsZero else { return }
            try Self.read(part, directory, loaded, &reader, &highs)
            Self.sum(&highs, directory, from: directory.highs)
        case .endpointLow:
            try Self.read(part, directory, loaded, &reader, &lows)
            Self.sum(&lows, directory, from: directory.lows)
        case .endpointASNumber: try Self.read(part, directory, loaded, &reader, &asNumbers)
        case .endpointPrefixLength: try Self.read(part, directory, loaded, &reader, &prefixLengths)
        case .endpointInterface: try Self.read(part, directory, loaded, &reader, &interfaces)
        case .endpointNextHopHigh: try Self.read(part, directory, loaded, &reader, &nextHopHighs)
        default: try Self.read(part, directory, loaded, &reader, &nextHopLows)
        }
    }
    private static func read<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ part: SegmentPart, _ directory: EndpointDirectory, _ loaded: LoadedParts, _ reader: inout FrameReader,
        _ words: inout [Word]
    ) throws(SegmentError) {
        // A little more, so that the next segment's may fit.
        if words.count < directory.count { words.makeRoom(for: directory.count + directory.count / 8) }
        guard let entry = directory.entry(part) else {
            var span = words.mutableSpan
            return span.set(0..<directory.count, to: 0)
        }
        for block in 0..<directory.blockCount {
            try reader.read(entry, block, loaded, &words, directory.numbers(ofBlock: block))
        }
    }
    private static func sum(_ words: inout [UInt64], _ directory: EndpointDirectory, from firsts: [UInt64]) {
        for block in 0..<directory.blockCount { words.sum(directory.numbers(ofBlock: block), from: firsts[block]) }
    }

    // MARK: Arrivals

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

extension [UInt64] {
    /// From steps to what they lead to, from `first` on.
    mutating func sum(_ range: Range<Int>, from first: UInt64) {
        var span = mutableSpan, previous = first
        for index in range {
            previous &+= span[index]
            span[index] = previous
        }
    }
}
