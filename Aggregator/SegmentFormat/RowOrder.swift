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

    /// - Parameter places: of each row, the client's port and whether it goes from the server (see `RowPacks`).
    mutating func sort(_ columns: FlowColumns, _ table: EndpointTable, _ ranks: [UInt32], _ places: Span<UInt64>) {
        endpointBits = UInt64(max(UInt64.bitWidth - UInt64(max(table.count, 2) - 1).leadingZeroBitCount, 1))
        makeKeys(columns, table, ranks, places)
        let bits = keys.span.commonBits(), differing = bits.any ^ bits.all
        for shift in stride(from: UInt64(0), to: 64, by: 11) where differing &>> shift & 0x7FF != 0 {
            Self.pass(shift, keys, rows, &otherKeys, &otherRows)
            swap(&keys, &otherKeys)
            swap(&rows, &otherRows)
        }
    }

    private mutating func makeKeys(
        _ columns: FlowColumns, _ table: EndpointTable, _ rankArray: [UInt32], _ places: Span<UInt64>
    ) {
        let count = columns.count
        keys.grow(to: count)
        otherKeys.grow(to: count)
        rows.grow(to: count)
        otherRows.grow(to: count)
        let sourcePorts = columns.sourceTransportPort.span, destinationPorts = columns.destinationTransportPort.span
        let sources = table.sources.span, destinations = table.destinations.span, ranks = rankArray.span
        let bits = endpointBits, rest = restBits, portShift = rest < 18 ? 18 - rest : 0
        var (keyArray, rowArray) = (self.keys, self.rows)
        (self.keys, self.rows) = ([], [])  // theirs alone for now
        var keys = keyArray.mutableSpan, rows = rowArray.mutableSpan
        for row in 0..<count {
            let source = ranks[Int(sources[row])], destination = ranks[Int(destinations[row])]
            let place = places[row], isBack = RowPacks.isFromServer(place)
            let service = min(sourcePorts[row], destinationPorts[row])
            let client = UInt64(isBack ? destination : source), server = UInt64(isBack ? source : destination)
            let protocolBits = UInt64(RowPacks.protocolIdentifier(place) & 0b11)
            let tail = (protocolBits << 16 | UInt64(RowPacks.clientPort(place))) &>> portShift
            keys[row] = UInt64(service) &<< 48 | client &<< (48 &- bits) | server &<< rest | tail
            rows[row] = UInt32(truncatingIfNeeded: row)
        }
        (self.keys, self.rows) = (keyArray, rowArray)
    }

    private static func pass(
        _ shift: UInt64, _ keys: [UInt64], _ rows: [UInt32], _ toKeys: inout [UInt64], _ toRows: inout [UInt32]
    ) {
        var startArray = [UInt32](repeating: 0, count: 2_049)
        var starts = startArray.mutableSpan, toKeys = toKeys.mutableSpan, toRows = toRows.mutableSpan
        let keys = keys.span, rows = rows.span
        for index in keys.indices { starts[Int(keys[index] &>> shift & 0x7FF) &+ 1] &+= 1 }
        for digit in 1..<2_049 { starts[digit] &+= starts[digit &- 1] }
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
