internal import FlowModel
internal import WireBytes

/// Some blocks of the list of endpoints, opened one by one: for who needs few endpoints. `SegmentTables` has the whole
/// list.
struct EndpointBlocks {
    /// Of each part, the words of the blocks that were opened, one block behind another, and where each block begins.
    private struct Opened {
        var words: [UInt64] = []
        /// -1 for a block that is not open.
        var starts: [Int] = []
    }
    /// By the parts' numbers, from that of `endpointHigh` on.
    private var parts = [Opened](repeating: Opened(), count: partCount)
    private static let partCount = Int(SegmentPart.endpointNextHopLow.rawValue - SegmentPart.endpointHigh.rawValue) + 1

    mutating func forget() { parts = [Opened](repeating: Opened(), count: Self.partCount) }
    private static func place(_ part: SegmentPart) -> Int {
        Int(part.rawValue) - Int(SegmentPart.endpointHigh.rawValue)
    }

    /// What goes along with every call.
    struct Source {
        let directory: EndpointDirectory, loaded: LoadedParts
    }

    /// The words of some endpoints, whose blocks are loaded.
    /// - Parameter numbers: below the directory's count.
    mutating func look<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ part: SegmentPart, _ numbers: [UInt32], _ source: Source, _ reader: inout FrameReader,
        _ opened: inout Int, into words: inout [Word]
    ) throws(SegmentError) {
        words.grow(to: numbers.count)
        for (place, number) in numbers.enumerated() {
            let block = Int(number) / source.directory.blockWords
            let start = try open(part, block, source, &reader, &opened)
            let at = start + Int(number) - block * source.directory.blockWords
            words[place] = Word(truncatingIfNeeded: parts[Self.place(part)].words[at])
        }
    }

    /// The numbers of all endpoints whose addresses are in a range.
    mutating func numbers(
        in range: ClosedRange<IPAddress>, _ source: Source, _ reader: inout FrameReader, _ opened: inout Int
    ) throws(SegmentError) -> Range<UInt32> {
        let first = try number(from: range.lowerBound, orBehind: false, source, &reader, &opened)
        let end = try number(from: range.upperBound, orBehind: true, source, &reader, &opened)
        return UInt32(truncatingIfNeeded: first)..<UInt32(truncatingIfNeeded: max(first, end))
    }
    /// The first endpoint whose address is not below `address`, or, if `orBehind` says so, above it.
    private mutating func number(
        from address: IPAddress, orBehind: Bool, _ source: Source, _ reader: inout FrameReader, _ opened: inout Int
    ) throws(SegmentError) -> Int {
        guard let block = source.directory.block(before: address, orWith: orBehind) else { return 0 }
        let numbers = source.directory.numbers(ofBlock: block)
        let highStart = try open(.endpointHigh, block, source, &reader, &opened)
        let lowStart = try open(.endpointLow, block, source, &reader, &opened)
        let highs = parts[Self.place(.endpointHigh)].words, lows = parts[Self.place(.endpointLow)].words
        var low = 0, high = numbers.count
        while low < high {  // ends: the distance halves
            let middle = (low + high) / 2
            let found = IPAddress(high: highs[highStart + middle], low: lows[lowStart + middle])
            if found < address || orBehind && found == address { low = middle + 1 } else { high = middle }
        }
        return numbers.lowerBound + low
    }

    /// - Returns: where the block begins.
    private mutating func open(
        _ part: SegmentPart, _ block: Int, _ source: Source, _ reader: inout FrameReader, _ opened: inout Int
    ) throws(SegmentError) -> Int {
        let place = Self.place(part), directory = source.directory
        if parts[place].starts.isEmpty {
            parts[place].starts = [Int](repeating: -1, count: directory.blockCount)
        } else if parts[place].starts[block] >= 0 {
            return parts[place].starts[block]
        }
        var list = parts[place]
        parts[place] = Opened()
        defer { parts[place] = list }
        let start = list.words.count, count = directory.numbers(ofBlock: block).count
        list.words.append(contentsOf: repeatElement(0, count: count))
        if let entry = directory.entry(part) {
            do throws(SegmentError) {
                try reader.read(entry, block, source.loaded, &list.words, start..<(start + count))
            } catch {
                list.words.removeLast(count)
                throw error
            }
            opened += 1
        }
        switch part {
        case .endpointHigh: list.words.sum(start..<(start + count), from: directory.highs[block])
        case .endpointLow: list.words.sum(start..<(start + count), from: directory.lows[block])
        default: break
        }
        list.starts[block] = start
        return start
    }
}
