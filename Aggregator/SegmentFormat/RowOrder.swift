internal import FlowModel
internal import WireBytes

/// The order of a segment's rows: by service (the lower of both ports), so that a question for a port meets few blocks;
/// then by client and server, so that addresses come in runs and both ways of a conversation lie side by side.
///
///     key := service :16 | client :e | server :e | protocol :2 | client's port :rest       e bits hold all endpoints
///
/// What of the client's port does not fit is left out: rows then lie near each other, not side by side.
struct RowOrder {
    /// Which row of the columns comes where.
    private(set) var rows: [UInt32] = [], keys: [UInt64] = []
    /// Of the endpoints' numbers in a key.
    private(set) var endpointBits: UInt64 = 1
    private var otherRows: [UInt32] = [], otherKeys: [UInt64] = []

    private var restBits: UInt64 { 48 - 2 * endpointBits }
    private var mask: UInt64 { (1 &<< endpointBits) &- 1 }
    func service(_ key: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: key &>> 48) }
    func client(_ key: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: (key &>> (48 &- endpointBits)) & mask) }
    func server(_ key: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: (key &>> restBits) & mask) }

    /// - Parameter words: gives its keys away.
    mutating func sort(_ words: inout RowWords, _ ranks: EndpointRanks) {
        let count = words.count
        endpointBits = UInt64(
            max(UInt64.bitWidth - UInt64(max(ranks.endpoints.count, 2) - 1).leadingZeroBitCount, 1))
        swap(&keys, &words.keys)
        otherKeys.grow(to: count)
        rows.grow(to: count)
        otherRows.grow(to: count)
        makeKeys(words.tails, ranks.ranks)
        let bits = keys.span.commonBits()
        let differing = count == 0 ? 0 : bits.any ^ bits.all
        var isFirst = true
        for shift in stride(from: UInt64(0), to: 64, by: 11) where differing &>> shift & 0x7FF != 0 {
            Self.pass(shift, keys, isFirst ? nil : rows, &otherKeys, &otherRows)
            swap(&keys, &otherKeys)
            swap(&rows, &otherRows)
            isFirst = false
        }
        if isFirst { for row in 0..<count { rows[row] = UInt32(truncatingIfNeeded: row) } }
    }

    /// Of a row's numbers and tail its key.
    private mutating func makeKeys(_ tailArray: [UInt32], _ rankArray: [UInt32]) {
        let tails = tailArray.span, ranks = rankArray.span
        let bits = endpointBits, rest = restBits, portShift = rest < 18 ? 18 - rest : 0
        var keys = self.keys.mutableSpan
        for row in keys.indices {
            let word = keys[row]
            let client = UInt64(ranks[Int(truncatingIfNeeded: word &>> 24 & 0xFF_FFFF)])
            let server = UInt64(ranks[Int(truncatingIfNeeded: word & 0xFF_FFFF)])
            let ends = client &<< (48 &- bits) | server &<< rest
            keys[row] = word & 0xFFFF &<< 48 | ends | UInt64(tails[row]) &>> portShift
        }
    }

    /// - Parameter rows: nil: as they are numbered.
    private static func pass(
        _ shift: UInt64, _ keys: [UInt64], _ rows: [UInt32]?, _ toKeys: inout [UInt64],
        _ toRows: inout [UInt32]
    ) {
        var startArray = [UInt32](repeating: 0, count: 2_049)
        var starts = startArray.mutableSpan
        var toKeys = toKeys.mutableSpan
        var toRows = toRows.mutableSpan
        let keys = keys.span
        for index in keys.indices { starts[Int(keys[index] &>> shift & 0x7FF) &+ 1] &+= 1 }
        for digit in 1..<2_049 { starts[digit] &+= starts[digit &- 1] }
        guard let rows = rows?.span else {
            for index in keys.indices {
                let key = keys[index]
                let digit = Int(key &>> shift & 0x7FF)
                let place = Int(starts[digit])
                starts[digit] &+= 1
                toKeys[place] = key
                toRows[place] = UInt32(truncatingIfNeeded: index)
            }
            return
        }
        for index in keys.indices {
            let key = keys[index], digit = Int(key &>> shift & 0x7FF), place = Int(starts[digit])
            starts[digit] &+= 1
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
