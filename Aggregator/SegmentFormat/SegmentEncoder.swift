package import BatchFormat
package import FlowModel
package import Identity
internal import WireBytes

/// Makes segments: takes the rows of batches until there are enough, sorts and encodes them. Holds the columns that it
/// fills (about 200 octets a row) from segment to segment, so keep one a thread, and drop it when there is nothing to
/// do.
package struct SegmentEncoder: ~Copyable {
    var columns: FlowColumns, endpoints = EndpointTable(), arrivals = ArrivalTable(), wide = WideBounds()
    var order = RowOrder(), packs = RowPacks(), parts = PartWriter(), details = BatchEncoder()
    var places: [UInt64] = [], block = BlockBuffers()
    private var origins: [SegmentOrigin] = [], logOffsets: ClosedRange<Int64>?
    private let rowsMax: Int
    let blockRows: Int

    /// - Parameters:
    ///   - rowsMax: of a segment, at most `SegmentLimit.rowsMax`.
    ///   - blockRows: of a block, at most `SegmentLimit.blockRows`.
    ///   - expected: rows that will come, if that is known: room for so many is made at once.
    package init(
        rowsMax: Int = SegmentLimit.rowsMax, blockRows: Int = SegmentLimit.blockRows, expected: Int = 0
    ) {
        self.rowsMax = min(max(rowsMax, 1), SegmentLimit.rowsMax)
        self.blockRows = min(max(blockRows, 1), SegmentLimit.blockRows)
        columns = FlowColumns(capacity: min(max(expected, 0), self.rowsMax))
    }

    /// Rows taken since the last segment was made.
    package var rows: Int { columns.count }

    /// Takes the rows of a sealed batch.
    /// - Parameters:
    ///   - decoder: the caller's, so that it can be used for other things.
    ///   - logOffset: where the batch was in its log: only the least and the greatest are kept.
    ///   - see: is shown the rows as they were decoded, among columns whose other rows are not.
    /// - Returns: false, and nothing taken, when the batch does not fit this segment: `finish` it and come again.
    /// - Throws: why the batch is refused; nothing of it is taken. What fits no segment at all is refused, too.
    package mutating func add(
        _ body: [UInt8], sensor: SensorIdentity, logOffset: Int64, decoder: inout BatchDecoder,
        see: (_ columns: FlowColumns, _ rows: Range<Int>) -> Void = { _, _ in }
    ) throws(BatchError) -> Bool {
        let first = columns.count
        let summary = try body.withBytes { span throws(BatchError) in try BatchSummary(span) }
        guard first + summary.rows <= rowsMax else {
            guard first > 0 else { throw .tooManyRows(summary.rows, max: rowsMax) }
            return false
        }
        guard let origin = place(of: SegmentOrigin(sensor: sensor, fidelity: summary.fidelity)) else { return false }
        do throws(BatchError) {
            try body.withBytes { span throws(BatchError) in try decoder.decode(span, into: &columns) }
        } catch {
            guard first > 0, error == .exportersFull || error == .sideStoreFull else { throw error }
            return false
        }
        see(columns, first..<columns.count)
        note(first..<columns.count, origin, logOffset)
        return true
    }

    /// Takes rows that are decoded already: the slow way, row by row.
    /// - Returns: false, and nothing taken, when they do not fit this segment.
    package mutating func add(_ rows: FlowColumns, origin: SegmentOrigin, logOffset: Int64) -> Bool {
        let first = columns.count
        guard first + rows.count <= rowsMax, let place = place(of: origin), columns.append(contentsOf: rows) else {
            return false
        }
        note(first..<columns.count, place, logOffset)
        return true
    }

    private mutating func place(of origin: SegmentOrigin) -> Int? {
        if let known = origins.lastIndex(of: origin) { return known }
        guard origins.count < SegmentLimit.originsMax else { return nil }
        origins.append(origin)
        return origins.count - 1
    }
    private mutating func note(_ rows: Range<Int>, _ origin: Int, _ logOffset: Int64) {
        arrivals.note(columns, rows, origin: origin)
        wide.note(columns, rows)
        endpoints.note(&columns, rows)
        let offsets = logOffsets ?? logOffset...logOffset
        logOffsets = min(offsets.lowerBound, logOffset)...max(offsets.upperBound, logOffset)
    }

    /// Makes a segment of the rows taken, and forgets them.
    package mutating func finish() -> EncodedSegment {
        var head = SegmentHead(), segment = EncodedSegment()
        (head.rows, head.blockRows, head.tally) = (columns.count, blockRows, columns.tally)
        (head.endpointCount, head.arrivalCount) = (endpoints.count, arrivals.count)
        (head.flowStartMin, head.flowEndMax) = (wide.flowStart.min, wide.flowEnd.max)
        (head.receiveMin, head.receiveMax) = wide.receive
        (head.logOffsetMin, head.logOffsetMax) = (logOffsets?.lowerBound ?? 0, logOffsets?.upperBound ?? 0)
        (head.exporters, head.origins) = (columns.exporters, origins)
        let ranks = EndpointRanks(endpoints)
        writeBlocks(head, ranks)
        writeTables(head, ranks)
        head.parts = parts.parts
        segment.columns = parts.takeColumns()
        segment.bloom = SegmentBloom(ranks.endpoints).bytes
        head.bloomBytes = segment.bloom.count
        head.bloomChecksum = segment.bloom.withBytes { Checksum.of($0) }
        segment.head = head.bytes
        forget()
        return segment
    }
    private mutating func forget() {
        columns.removeAll()
        endpoints.removeAll()
        arrivals.removeAll()
        (origins, logOffsets, wide) = ([], nil, WideBounds())
    }
}

/// Bounds over all rows, of what is not bounded block by block; zeros when there are no rows.
struct WideBounds {
    var flowStart: (min: Int64, max: Int64) = (0, 0), flowEnd: (min: Int64, max: Int64) = (0, 0)
    var receive: (min: Int64, max: Int64) = (0, 0), export: (min: Int64, max: Int64) = (0, 0)
    var ingress: (min: UInt32, max: UInt32) = (0, 0), egress: (min: UInt32, max: UInt32) = (0, 0)
    var nextHop: (min: IPAddress, max: IPAddress) = (.absent, .absent)
    private var isEmpty = true

    mutating func note(_ columns: FlowColumns, _ rows: Range<Int>) {
        guard !rows.isEmpty else { return }
        Self.widen(&flowStart, columns.flowStartMilliseconds.span, rows, isEmpty)
        Self.widen(&flowEnd, columns.flowEndMilliseconds.span, rows, isEmpty)
        Self.widen(&receive, columns.receiveMilliseconds.span, rows, isEmpty)
        Self.widen(&export, columns.exportMilliseconds.span, rows, isEmpty)
        Self.widen(&ingress, columns.ingressInterface.span, rows, isEmpty)
        Self.widen(&egress, columns.egressInterface.span, rows, isEmpty)
        let highs = columns.nextHopHigh.span, lows = columns.nextHopLow.span
        let first = IPAddress(high: highs[rows.lowerBound], low: lows[rows.lowerBound])
        var (low, high) = isEmpty ? (first, first) : nextHop
        for row in rows {
            let address = IPAddress(high: highs[row], low: lows[row])
            low = min(low, address)
            high = max(high, address)
        }
        nextHop = (low, high)
        isEmpty = false
    }
    private static func widen<Value: FixedWidthInteger>(
        _ bounds: inout (min: Value, max: Value), _ column: Span<Value>, _ rows: Range<Int>, _ isEmpty: Bool
    ) {
        var (low, high) = isEmpty ? (Value.max, Value.min) : bounds
        for row in rows {
            low = min(low, column[row])
            high = max(high, column[row])
        }
        bounds = (low, high)
    }
}
