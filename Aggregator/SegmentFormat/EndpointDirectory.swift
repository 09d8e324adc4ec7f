internal import BatchFormat
internal import FlowModel
internal import WireBytes

/// Where the blocks of a segment's list of endpoints lie, and with which address each begins: so an address is looked
/// for in one block, and an endpoint is read with its block alone. Segments of the versions before 3 have a list of one
/// block.
///
///     directory := blockWords :4 | (high :8 | low :8) * blocks | list * (parts of endpoints that the head has)
///     list      := id :1 | 0 :3 | (frameBytes :4 | checksum :4 | octets :1 | 0 :3 | base :8) * blocks
struct EndpointDirectory {
    /// Endpoints of all blocks, and of each but the last.
    let count: Int, blockWords: Int
    /// The first address of each block; the steps of a block count from it.
    private(set) var highs: [UInt64] = [0], lows: [UInt64] = [0]
    private var lists: [PartEntry] = []

    private static let fixedBytes = 4, firstBytes = 16, listBytes = 4, entryBytes = 20

    var blockCount: Int { (count + blockWords - 1) / blockWords }
    func numbers(ofBlock block: Int) -> Range<Int> { (block * blockWords)..<min((block + 1) * blockWords, count) }
    /// A part of the list with its frames; nil when all its words are 0.
    func entry(_ part: SegmentPart) -> PartEntry? { lists.first { $0.part == part } }
    /// Whether all endpoints' upper 64 bits are 0, as those of IPv4 are.
    var areHighsZero: Bool { entry(.endpointHigh) == nil && highs.allSatisfy { $0 == 0 } }

    /// The last block that begins before an address, or with it if `orWith` says so; nil when none does. The first
    /// endpoint from the address on, or beyond it, is in this block or right after it.
    func block(before address: IPAddress, orWith: Bool) -> Int? {
        var low = 0, high = blockCount
        while low < high {  // ends: the distance halves
            let middle = (low + high) / 2, first = IPAddress(high: highs[middle], low: lows[middle])
            if first < address || orWith && first == address { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? low - 1 : nil
    }

    /// Of a segment whose list is one block.
    init(_ head: SegmentHead) {
        (count, blockWords) = (head.endpointCount, max(head.endpointCount, 1))
        lists = head.parts.filter { $0.part.level == .endpoint }
    }

    // MARK: As octets

    init(_ head: SegmentHead, _ frame: RawSpan) throws(SegmentError) {
        let parts = head.parts.filter { $0.part.level == .endpoint }, damage = Self.damage
        count = head.endpointCount
        blockWords = frame.byteCount >= Self.fixedBytes ? Int(frame.le32(at: 0)) : 0
        guard blockWords > 0, blockWords <= SegmentLimit.endpointsMax else { throw damage }
        let blocks = (count + blockWords - 1) / blockWords, listBytes = Self.listBytes + blocks * Self.entryBytes
        guard frame.byteCount == Self.fixedBytes + blocks * Self.firstBytes + parts.count * listBytes else {
            throw damage
        }
        (highs, lows) = ([], [])
        for block in 0..<blocks {
            let at = Self.fixedBytes + block * Self.firstBytes
            highs.append(frame.le64(at: at))
            lows.append(frame.le64(at: at + 8))
        }
        for (place, part) in parts.enumerated() {
            let at = Self.fixedBytes + blocks * Self.firstBytes + place * listBytes
            guard frame.u8(at: at) == part.part.rawValue else { throw damage }
            lists.append(try list(part, frame, at + Self.listBytes, blocks))
        }
    }
    private func list(_ part: PartEntry, _ frame: RawSpan, _ start: Int, _ blocks: Int) throws(SegmentError)
        -> PartEntry
    {
        var list = PartEntry(part: part.part), end = 0
        for number in 0..<blocks {
            let at = start + number * Self.entryBytes
            var block = BlockEntry()
            block.words = numbers(ofBlock: number).count
            let bytes = Int(frame.le32(at: at))
            guard bytes <= part.byteCount - end else { throw Self.damage }
            block.frame = end..<(end + bytes)
            end += bytes
            block.checksum = frame.le32(at: at + 4)
            block.octets = frame.u8(at: at + 8)
            block.base = frame.le64(at: at + 12)
            guard part.part.allows(block) else { throw Self.damage }
            list.blocks.append(block)
        }
        guard end == part.byteCount else { throw Self.damage }
        return list
    }
    private static var damage: SegmentError { .badPart(SegmentPart.endpointBlocks.rawValue) }

    /// The directory's frame.
    /// - Parameters:
    ///   - endpoints: sorted by address.
    ///   - lists: those that say anything, ascending.
    static func bytes(of endpoints: [Endpoint], _ blockWords: Int, _ lists: [PartEntry]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendLE(UInt32(blockWords))
        for first in stride(from: 0, to: endpoints.count, by: blockWords) {
            bytes.appendLE(endpoints[first].high)
            bytes.appendLE(endpoints[first].low)
        }
        for list in lists {
            bytes += [list.part.rawValue, 0, 0, 0]
            for block in list.blocks {
                bytes.appendLE(UInt32(block.frame.count))
                bytes.appendLE(block.checksum)
                bytes += [block.octets, 0, 0, 0]
                bytes.appendLE(block.base)
            }
        }
        return bytes
    }
}

extension PartWriter {
    /// Adds a part of the list of endpoints, block by block.
    mutating func addList<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ part: SegmentPart, _ words: [Word], _ blockWords: Int
    ) {
        let span = words.span
        for first in stride(from: 0, to: words.count, by: blockWords) {
            let block = span.extracting(first..<min(first + blockWords, words.count))
            add(part, block, block.commonBits())
        }
    }
    /// Adds a part of addresses: steps from one to the next, in each block from its first one on.
    mutating func addListOfSteps(_ part: SegmentPart, _ words: [UInt64], _ blockWords: Int) {
        var steps = words, first = 0
        for index in words.indices.dropFirst() { steps[index] = words[index] &- words[index - 1] }
        while first < steps.count {  // ends: each turn goes a block on
            steps[first] = 0
            first += blockWords
        }
        addList(part, steps, blockWords)
    }
}
