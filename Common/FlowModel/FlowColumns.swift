/// Many flow records, column by column: what decoders fill, the flow table empties into, batches hold and queries read.
///
/// Invariants: every column's storage has `capacity` elements; those from `count` on are zero, so appending rows
/// costs nothing and a decoder writes only the fields its template has. (`flowDirection` is stored as 0 for "not in
/// the record": see `directionBase`.) Columns are named as in `FlowRecord`; addresses are two words. Write through
/// `mutableSpan` in the hot path, a column at a time.
/// Not here: how columns are encoded (`BatchFormat`).
package struct FlowColumns: Sendable {
    /// Rows in use.
    package private(set) var count = 0
    package private(set) var capacity: Int
    /// What the `exporter` column's numbers mean. At most `exportersMax`.
    package private(set) var exporters: [ExporterKey] = []
    private var exporterIndex: [ExporterKey: UInt32] = [:]
    /// The number given out last: the next question is usually for the same exporter.
    private var lastInterned = 0
    /// What few rows have: elements without a column of their own, other observers, counts of distinct values. The
    /// columns `extra`, `observers` and `sketch` hold places in these; 0 is none.
    package var extras = ExtraElements()
    package var observerSets = ObserverSets()
    package var sketches = DistinctCounts()

    package var sourceHigh, sourceLow, destinationHigh, destinationLow, nextHopHigh, nextHopLow, octetDeltaCount,
        packetDeltaCount: [UInt64]
    package var flowStartMilliseconds, flowEndMilliseconds, exportMilliseconds, receiveMilliseconds: [Int64]
    package var deltaFlowCount, ingressInterface, egressInterface, bgpSourceAsNumber, bgpDestinationAsNumber,
        exporter, extra, observers, sketch: [UInt32]
    package var samplingInterval: [Float]
    package var sourceTransportPort, destinationTransportPort, tcpControlBits, vlanId: [UInt16]
    package var protocolIdentifier, ipClassOfService, sourceIPPrefixLength, destinationIPPrefixLength, flowDirection,
        flags: [UInt8]

    /// Where the columns are: see `secureMemory`.
    package internal(set) var memory = ColumnMemory()
    var memoryOwner: MemoryOwner?

    package static let exportersMax = 65_536
    /// `flowDirection` is held one higher than IPFIX has it, so that zeroed storage means "not in the record".
    package static let directionBase: UInt8 = 1

    package init(capacity: Int = 0) {
        self.capacity = capacity
        sourceHigh = [UInt64](repeating: 0, count: capacity)
        sourceLow = [UInt64](repeating: 0, count: capacity)
        destinationHigh = [UInt64](repeating: 0, count: capacity)
        destinationLow = [UInt64](repeating: 0, count: capacity)
        nextHopHigh = [UInt64](repeating: 0, count: capacity)
        nextHopLow = [UInt64](repeating: 0, count: capacity)
        octetDeltaCount = [UInt64](repeating: 0, count: capacity)
        packetDeltaCount = [UInt64](repeating: 0, count: capacity)
        flowStartMilliseconds = [Int64](repeating: 0, count: capacity)
        flowEndMilliseconds = [Int64](repeating: 0, count: capacity)
        exportMilliseconds = [Int64](repeating: 0, count: capacity)
        receiveMilliseconds = [Int64](repeating: 0, count: capacity)
        deltaFlowCount = [UInt32](repeating: 0, count: capacity)
        ingressInterface = [UInt32](repeating: 0, count: capacity)
        egressInterface = [UInt32](repeating: 0, count: capacity)
        bgpSourceAsNumber = [UInt32](repeating: 0, count: capacity)
        bgpDestinationAsNumber = [UInt32](repeating: 0, count: capacity)
        exporter = [UInt32](repeating: 0, count: capacity)
        extra = [UInt32](repeating: 0, count: capacity)
        observers = [UInt32](repeating: 0, count: capacity)
        sketch = [UInt32](repeating: 0, count: capacity)
        samplingInterval = [Float](repeating: 0, count: capacity)
        sourceTransportPort = [UInt16](repeating: 0, count: capacity)
        destinationTransportPort = [UInt16](repeating: 0, count: capacity)
        tcpControlBits = [UInt16](repeating: 0, count: capacity)
        vlanId = [UInt16](repeating: 0, count: capacity)
        protocolIdentifier = [UInt8](repeating: 0, count: capacity)
        ipClassOfService = [UInt8](repeating: 0, count: capacity)
        sourceIPPrefixLength = [UInt8](repeating: 0, count: capacity)
        destinationIPPrefixLength = [UInt8](repeating: 0, count: capacity)
        flowDirection = [UInt8](repeating: 0, count: capacity)
        flags = [UInt8](repeating: 0, count: capacity)
    }

    package var rows: Range<Int> { 0..<count }

    /// Takes `rowCount` zeroed rows into use and returns their range. Amortized O(1) a row.
    @inline(__always)
    package mutating func extend(by rowCount: Int) -> Range<Int> {
        if count + rowCount > capacity { grow(to: Swift.max(count + rowCount, 2 * capacity, 256)) }
        defer { count += rowCount }
        return count..<(count + rowCount)
    }

    /// Drops all rows from `rowCount` on: undoes an `extend`.
    /// - Parameter areEndsZero: whether nothing was written to the dropped rows' addresses, AS numbers, prefix lengths,
    ///   ports and protocols.
    package mutating func truncate(to rowCount: Int, areEndsZero: Bool = false) {
        guard rowCount < count else { return }
        if !areEndsZero { clearEnds(rowCount..<count) }
        clear(rowCount..<count)
        count = rowCount
    }

    /// Columns that are written together, and whole, where a batch has them.
    package struct Groups: OptionSet, Sendable {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }
        /// The four times; octets and packets; interfaces; both halves of next hops.
        package static let times = Groups(rawValue: 1), counters = Groups(rawValue: 2),
            interfaces = Groups(rawValue: 4), nextHops = Groups(rawValue: 8)
        /// One column each.
        package static let flowCounts = Groups(rawValue: 16), intervals = Groups(rawValue: 32),
            exporters = Groups(rawValue: 64), tcpBits = Groups(rawValue: 128), classes = Groups(rawValue: 256),
            directions = Groups(rawValue: 512), flags = Groups(rawValue: 1_024)
    }
    /// Drops all rows and takes `rowCount` into use, zeroed but for some columns: for who writes those whole.
    /// - Parameters:
    ///   - areEndsZero: as in `truncate`, of the rows that are dropped.
    ///   - groups: have whatever they had.
    package mutating func replaceRows(
        by rowCount: Int, areEndsZero: Bool, leaving groups: Groups
    ) -> Range<Int> {
        if !areEndsZero { clearEnds(rows) }
        clear(rows, but: groups)
        if rowCount < count { clear(rowCount..<count) }
        if rowCount > capacity { grow(to: Swift.max(rowCount, 2 * capacity, 256)) }
        count = rowCount
        return rows
    }

    /// Drops all rows and exporters, and keeps the storage.
    package mutating func removeAll() {
        truncate(to: 0)
        removeExporters()
    }
    /// Drops all exporters and side stores; the rows, which mean nothing without them, are to be replaced.
    package mutating func removeExporters() {
        exporters.removeAll(keepingCapacity: true)
        exporterIndex.removeAll(keepingCapacity: true)
        extras.removeAll()
        observerSets.removeAll()
        sketches.removeAll()
    }

    /// The number that stands for `key` in the `exporter` column, given out in order of first use; nil when there is
    /// no room for one more.
    package mutating func intern(_ key: ExporterKey) -> UInt32? {
        if lastInterned < exporters.count, exporters[lastInterned] == key { return UInt32(lastInterned) }
        if let known = exporterIndex[key] {
            lastInterned = Int(known)
            return known
        }
        guard exporters.count < Self.exportersMax else { return nil }
        let index = UInt32(exporters.count)
        exporters.append(key)
        exporterIndex[key] = index
        return index
    }

    @inline(never)
    private mutating func grow(to newCapacity: Int) {
        let more = newCapacity - capacity
        sourceHigh.append(contentsOf: repeatElement(0, count: more))
        sourceLow.append(contentsOf: repeatElement(0, count: more))
        destinationHigh.append(contentsOf: repeatElement(0, count: more))
        destinationLow.append(contentsOf: repeatElement(0, count: more))
        nextHopHigh.append(contentsOf: repeatElement(0, count: more))
        nextHopLow.append(contentsOf: repeatElement(0, count: more))
        octetDeltaCount.append(contentsOf: repeatElement(0, count: more))
        packetDeltaCount.append(contentsOf: repeatElement(0, count: more))
        flowStartMilliseconds.append(contentsOf: repeatElement(0, count: more))
        flowEndMilliseconds.append(contentsOf: repeatElement(0, count: more))
        exportMilliseconds.append(contentsOf: repeatElement(0, count: more))
        receiveMilliseconds.append(contentsOf: repeatElement(0, count: more))
        deltaFlowCount.append(contentsOf: repeatElement(0, count: more))
        ingressInterface.append(contentsOf: repeatElement(0, count: more))
        egressInterface.append(contentsOf: repeatElement(0, count: more))
        bgpSourceAsNumber.append(contentsOf: repeatElement(0, count: more))
        bgpDestinationAsNumber.append(contentsOf: repeatElement(0, count: more))
        exporter.append(contentsOf: repeatElement(0, count: more))
        extra.append(contentsOf: repeatElement(0, count: more))
        observers.append(contentsOf: repeatElement(0, count: more))
        sketch.append(contentsOf: repeatElement(0, count: more))
        samplingInterval.append(contentsOf: repeatElement(0, count: more))
        sourceTransportPort.append(contentsOf: repeatElement(0, count: more))
        destinationTransportPort.append(contentsOf: repeatElement(0, count: more))
        tcpControlBits.append(contentsOf: repeatElement(0, count: more))
        vlanId.append(contentsOf: repeatElement(0, count: more))
        protocolIdentifier.append(contentsOf: repeatElement(0, count: more))
        ipClassOfService.append(contentsOf: repeatElement(0, count: more))
        sourceIPPrefixLength.append(contentsOf: repeatElement(0, count: more))
        destinationIPPrefixLength.append(contentsOf: repeatElement(0, count: more))
        flowDirection.append(contentsOf: repeatElement(0, count: more))
        flags.append(contentsOf: repeatElement(0, count: more))
        capacity = newCapacity
        if memoryOwner != nil { secureMemory() }
    }

    private mutating func clearEnds(_ rows: Range<Int>) {
        zero(&sourceHigh, rows)
        zero(&sourceLow, rows)
        zero(&destinationHigh, rows)
        zero(&destinationLow, rows)
        zero(&bgpSourceAsNumber, rows)
        zero(&bgpDestinationAsNumber, rows)
        zero(&sourceIPPrefixLength, rows)
        zero(&destinationIPPrefixLength, rows)
        zero(&sourceTransportPort, rows)
        zero(&destinationTransportPort, rows)
        zero(&protocolIdentifier, rows)
    }
    /// All but `clearEnds` does.
    private mutating func clear(_ rows: Range<Int>, but groups: Groups = []) {
        if !groups.contains(.nextHops) {
            zero(&nextHopHigh, rows)
            zero(&nextHopLow, rows)
        }
        if !groups.contains(.counters) {
            zero(&octetDeltaCount, rows)
            zero(&packetDeltaCount, rows)
        }
        if !groups.contains(.times) {
            zero(&flowStartMilliseconds, rows)
            zero(&flowEndMilliseconds, rows)
            zero(&exportMilliseconds, rows)
            zero(&receiveMilliseconds, rows)
        }
        if !groups.contains(.interfaces) {
            zero(&ingressInterface, rows)
            zero(&egressInterface, rows)
        }
        if !groups.contains(.flowCounts) { zero(&deltaFlowCount, rows) }
        if !groups.contains(.intervals) { zero(&samplingInterval, rows) }
        if !groups.contains(.exporters) { zero(&exporter, rows) }
        if !groups.contains(.tcpBits) { zero(&tcpControlBits, rows) }
        if !groups.contains(.classes) { zero(&ipClassOfService, rows) }
        if !groups.contains(.directions) { zero(&flowDirection, rows) }
        if !groups.contains(.flags) { zero(&flags, rows) }
        zero(&extra, rows)
        zero(&observers, rows)
        zero(&sketch, rows)
        zero(&vlanId, rows)
    }
}

private func zero<Element: ExpressibleByIntegerLiteral>(_ column: inout [Element], _ rows: Range<Int>) {
    var span = column.mutableSpan
    precondition(rows.lowerBound >= 0 && rows.upperBound <= span.count, "rows \(rows) of \(span.count)")  // once
    for row in rows { span[row] = 0 }
}
