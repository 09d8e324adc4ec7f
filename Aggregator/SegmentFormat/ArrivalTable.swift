internal import FlowModel

/// What rows of one datagram, or of one moment, share.
struct Arrival: BitwiseCopyable {
    var receive: Int64 = 0, export: Int64 = 0, exporter: UInt32 = 0, origin: UInt16 = 0
}

/// Arrivals, numbered by first use among neighbours. Rows come in the order of arrival, so neighbours are all that need
/// be looked at.
struct ArrivalTable {
    private(set) var arrivals: [Arrival] = []
    /// Of each row of the chunk that was noted last.
    private(set) var numbers = [UInt32](repeating: 0, count: EndpointTable.chunkRows)
    var count: Int { arrivals.count }

    mutating func reserve(_ count: Int) { arrivals.reserveCapacity(count) }
    mutating func removeAll() { arrivals.removeAll(keepingCapacity: true) }

    /// Numbers `rows`, at most `EndpointTable.chunkRows` of them.
    mutating func note(_ columns: FlowColumns, _ rows: Range<Int>, origin: Int) {
        let receives = columns.receiveMilliseconds.span
        let exports = columns.exportMilliseconds.span
        let exporters = columns.exporter.span
        let origin = UInt16(truncatingIfNeeded: origin)
        var last = arrivals.last ?? Arrival()
        var isKnown = !arrivals.isEmpty && last.origin == origin
        last.origin = origin
        var (numberArray, arrivals) = (self.numbers, self.arrivals)
        (self.numbers, self.arrivals) = ([], [])  // theirs alone for now
        var numbers = numberArray.mutableSpan
        for index in 0..<rows.count {
            let row = rows.lowerBound &+ index
            let isSame =
                isKnown && receives[row] == last.receive && exports[row] == last.export
                && exporters[row] == last.exporter
            if !isSame {
                (last.receive, last.export, last.exporter) = (receives[row], exports[row], exporters[row])
                arrivals.append(last)
                isKnown = true
            }
            numbers[index] = UInt32(truncatingIfNeeded: arrivals.count &- 1)
        }
        (self.numbers, self.arrivals) = (numberArray, arrivals)
    }
}
