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
    /// Those of the chunk at hand that are new.
    private var made = [Arrival](repeating: Arrival(), count: EndpointTable.chunkRows + 1)
    var count: Int { arrivals.count }

    mutating func reserve(_ count: Int) { arrivals.reserveCapacity(count) }
    mutating func removeAll() { arrivals.removeAll(keepingCapacity: true) }

    /// Numbers `rows`, at most `EndpointTable.chunkRows` of them. Without a branch on what nobody could foretell: one
    /// row of three comes at another moment than the one before.
    mutating func note(_ columns: FlowColumns, _ rows: Range<Int>, origin: Int) {
        guard let first = rows.first else { return }
        let receives = columns.receiveMilliseconds.span.extracting(rows)
        let exports = columns.exportMilliseconds.span.extracting(rows)
        let exporters = columns.exporter.span.extracting(rows), origin = UInt16(truncatingIfNeeded: origin)
        var last = arrivals.last ?? Arrival()
        // One that is none of the first row's.
        if arrivals.isEmpty || last.origin != origin { last.receive = ~columns.receiveMilliseconds[first] }
        last.origin = origin
        let before = UInt32(truncatingIfNeeded: arrivals.count &- 1)
        var (numberArray, madeArray, count) = (self.numbers, self.made, 0)
        (self.numbers, self.made) = ([], [])  // theirs alone for now
        var numbers = numberArray.mutableSpan, made = madeArray.mutableSpan
        for index in receives.indices {
            let receive = receives[index], export = exports[index], exporter = exporters[index]
            let isSame = receive == last.receive && export == last.export && exporter == last.exporter
            (last.receive, last.export, last.exporter) = (receive, export, exporter)
            made[count] = last
            count &+= isSame ? 0 : 1
            numbers[index] = before &+ UInt32(truncatingIfNeeded: count)
        }
        arrivals.append(contentsOf: madeArray[..<count])
        (self.numbers, self.made) = (numberArray, madeArray)
    }
}
