internal import FlowModel
internal import WireBytes

/// The order of a segment's rows: by service (the lower of both ports), so that a question for a port meets few blocks;
/// then by client and server, so that addresses come in runs and both ways of a conversation lie side by side.
///
///     key := service :16 | client :e | server :e | protocol :2 | client's port :rest       e bits hold all endpoints
///
/// What of the client's port does not fit is left out: rows then lie near each other, not side by side. What is
/// sorted are conversations, fewer than rows, as batches have them; their rows follow, in the order of arrival.
struct RowOrder {
    /// Which row of the columns comes where; there may be room for more.
    private(set) var rows: [UInt32] = []
    /// Of conversations in their order: the key, the tail in `RowWords`, and which row is the first behind it.
    private(set) var keys: [UInt64] = [], tails: [UInt32] = [], ends: [UInt32] = []
    private var conversations: [UInt32] = []
    /// Of the endpoints' numbers in a key.
    private(set) var endpointBits: UInt64 = 1
    private var otherNumbers: [UInt32] = [], otherKeys: [UInt64] = []

    private var restBits: UInt64 { 48 - 2 * endpointBits }
    private var mask: UInt64 { (1 &<< endpointBits) &- 1 }
    func service(_ key: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: key &>> 48) }
    func client(_ key: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: (key &>> (48 &- endpointBits)) & mask) }
    func server(_ key: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: (key &>> restBits) & mask) }

    /// - Parameter words: gives its keys away.
    mutating func sort(_ words: inout RowWords, _ ranks: EndpointRanks) {
        endpointBits = UInt64(
            max(UInt64.bitWidth - UInt64(max(ranks.endpoints.count, 2) - 1).leadingZeroBitCount, 1))
        swap(&keys, &words.keys)
        let count = keys.count
        otherKeys.grow(to: count)
        conversations.grow(to: count)
        otherNumbers.grow(to: count)
        makeKeys(words.conversations, ranks.ranks)
        let bits = keys.span.commonBits()
        let differing = count == 0 ? 0 : bits.any ^ bits.all
        var isFirst = true
        var starts = Self.starts(keys)
        for digit in 0..<8 where differing &>> UInt64(8 * digit) & 0xFF != 0 {
            Self.pass(digit, &starts, keys, isFirst ? nil : conversations, &otherKeys, &otherNumbers)
            swap(&keys, &otherKeys)
            swap(&conversations, &otherNumbers)
            isFirst = false
        }
        if isFirst { for index in 0..<count { conversations[index] = UInt32(truncatingIfNeeded: index) } }
        placeRows(words.conversations, words.count)
    }

    /// Puts the rows behind one another, conversation by conversation.
    private mutating func placeRows(_ foundArray: [SIMD4<UInt32>], _ rowCount: Int) {
        let numberArray = conversations, numbers = numberArray.span, found = foundArray.span
        tails.grow(to: numbers.count)
        ends.grow(to: numbers.count)
        // Some are written ahead of the next conversation's.
        rows.grow(to: rowCount + Self.rowsAtOnce)
        var (tailArray, endArray, rowArray) = (self.tails, self.ends, self.rows)
        (self.tails, self.ends, self.rows) = ([], [], [])  // theirs alone for now
        var tails = tailArray.mutableSpan, ends = endArray.mutableSpan, rows = rowArray.mutableSpan
        var takenArray = [SIMD4<UInt32>](repeating: .zero, count: Self.conversationsAtOnce)
        var taken = takenArray.mutableSpan, end = 0
        for start in stride(from: 0, to: numbers.count, by: Self.conversationsAtOnce) {
            let group = start..<min(start + Self.conversationsAtOnce, numbers.count)
            // A loop so short that many loads wait for memory at once.
            for index in group { taken[index &- start] = found[Int(numbers[index])] }
            for index in group {
                let conversation = taken[index &- start], first = conversation.x, count = Int(conversation.y)
                // Most have no more than these, and how many is nothing that anybody could foretell.
                for row in 0..<Self.rowsAtOnce { rows[end &+ row] = first &+ UInt32(truncatingIfNeeded: row) }
                if count > Self.rowsAtOnce {
                    for row in Self.rowsAtOnce..<count { rows[end &+ row] = first &+ UInt32(truncatingIfNeeded: row) }
                }
                end &+= count
                ends[index] = UInt32(truncatingIfNeeded: end)
                tails[index] = conversation.z
            }
        }
        (self.tails, self.ends, self.rows) = (tailArray, endArray, rowArray)
    }
    private static let rowsAtOnce = 4, conversationsAtOnce = 512

    /// Of a conversation's numbers and tail its key.
    private mutating func makeKeys(_ foundArray: [SIMD4<UInt32>], _ rankArray: [UInt32]) {
        let found = foundArray.span, ranks = rankArray.span
        let bits = endpointBits, rest = restBits, portShift = rest < 18 ? 18 - rest : 0
        var keys = self.keys.mutableSpan
        for index in keys.indices {
            let word = keys[index]
            let client = UInt64(ranks[Int(truncatingIfNeeded: word &>> 24 & 0xFF_FFFF)])
            let server = UInt64(ranks[Int(truncatingIfNeeded: word & 0xFF_FFFF)])
            let ends = client &<< (48 &- bits) | server &<< rest
            keys[index] = word & 0xFFFF &<< 48 | ends | UInt64(found[index].z & 0x3_FFFF) &>> portShift
        }
    }

    /// Of each octet of the keys and each of its values, where the first such key goes: counted in one turn over the
    /// keys. Octets, because a processor keeps the ends of 256 lists at hand, and not of more.
    private static func starts(_ keyArray: [UInt64]) -> [UInt32] {
        var startArray = [UInt32](repeating: 0, count: 8 * 256)
        var starts = startArray.mutableSpan
        let keys = keyArray.span
        for index in keys.indices {
            let key = keys[index]
            starts[Int(key & 0xFF)] &+= 1
            starts[256 &+ Int(key &>> 8 & 0xFF)] &+= 1
            starts[512 &+ Int(key &>> 16 & 0xFF)] &+= 1
            starts[768 &+ Int(key &>> 24 & 0xFF)] &+= 1
            starts[1_024 &+ Int(key &>> 32 & 0xFF)] &+= 1
            starts[1_280 &+ Int(key &>> 40 & 0xFF)] &+= 1
            starts[1_536 &+ Int(key &>> 48 & 0xFF)] &+= 1
            starts[1_792 &+ Int(key &>> 56)] &+= 1
        }
        for digit in 0..<8 {
            var before: UInt32 = 0
            for place in 256 * digit..<256 * (digit + 1) { (starts[place], before) = (before, before &+ starts[place]) }
        }
        return startArray
    }

    /// Puts keys and rows in the order of one octet; those that are alike in it stay in theirs.
    /// - Parameter rows: nil: as they are numbered.
    private static func pass(
        _ digit: Int, _ startArray: inout [UInt32], _ keys: [UInt64], _ rows: [UInt32]?, _ toKeys: inout [UInt64],
        _ toRows: inout [UInt32]
    ) {
        let first = 256 * digit, shift = UInt64(8 * digit), keys = keys.span
        var starts = startArray.mutableSpan, toKeys = toKeys.mutableSpan, toRows = toRows.mutableSpan
        guard let rows = rows?.span else {
            for index in keys.indices {
                let key = keys[index], value = first &+ Int(key &>> shift & 0xFF), place = Int(starts[value])
                starts[value] &+= 1
                toKeys[place] = key
                toRows[place] = UInt32(truncatingIfNeeded: index)
            }
            return
        }
        for index in keys.indices {
            let key = keys[index], value = first &+ Int(key &>> shift & 0xFF), place = Int(starts[value])
            starts[value] &+= 1
            toKeys[place] = key
            toRows[place] = rows[index]
        }
    }
}

extension Array where Element: FixedWidthInteger {
    /// Exactly `count` words, whatever they are.
    mutating func grow(to count: Int) {
        if self.count < count {
            append(contentsOf: repeatElement(0, count: count - self.count))
        } else {
            removeLast(self.count - count)
        }
    }
}
