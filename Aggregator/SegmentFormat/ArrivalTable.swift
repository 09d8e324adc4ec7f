internal import FlowModel

/// What rows of one datagram, or of one moment, share: numbered by first use among neighbours. Rows come in the order
/// of arrival, so neighbours are all that need be looked at.
struct ArrivalTable {
    private(set) var receives: [UInt64] = [], exports: [UInt64] = [], exporters: [UInt32] = [], origins: [UInt16] = []
    /// Of each row.
    private(set) var numbers: [UInt32] = []
    var count: Int { receives.count }

    mutating func removeAll() {
        receives.removeAll(keepingCapacity: true)
        exports.removeAll(keepingCapacity: true)
        exporters.removeAll(keepingCapacity: true)
        origins.removeAll(keepingCapacity: true)
        numbers.removeAll(keepingCapacity: true)
    }

    mutating func note(_ columns: FlowColumns, _ rows: Range<Int>, origin: Int) {
        let receive = columns.receiveMilliseconds.span, export = columns.exportMilliseconds.span
        let exporter = columns.exporter.span, origin = UInt16(truncatingIfNeeded: origin)
        var previous = -1, number = UInt32(truncatingIfNeeded: count)
        let first = numbers.count
        var numberArray = numbers
        numbers = []  // its alone for now
        numberArray.append(contentsOf: repeatElement(0, count: rows.count))
        var numbers = numberArray.mutableSpan
        for row in rows {
            let isSame =
                previous >= 0 && receive[row] == receive[previous] && export[row] == export[previous]
                && exporter[row] == exporter[previous]
            if !isSame {
                receives.append(UInt64(bitPattern: receive[row]))
                exports.append(UInt64(bitPattern: export[row]))
                exporters.append(exporter[row])
                origins.append(origin)
                number = UInt32(truncatingIfNeeded: receives.count &- 1)
            }
            numbers[first &+ row &- rows.lowerBound] = number
            previous = row
        }
        self.numbers = numberArray
    }
}
