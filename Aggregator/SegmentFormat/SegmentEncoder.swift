package import BatchFormat
package import FlowModel
package import Identity
internal import WireBytes

/// Makes segments: takes the rows of batches until there are enough, sorts and encodes them. Holds what it fills (about
/// 110 octets a row) from segment to segment, since memory that is used again costs nothing and fresh memory a page
/// fault every 4 KiB: keep one a thread, and drop it when there is nothing to do.
package struct SegmentEncoder: ~Copyable {
    /// Rows of the batch at hand. What they lead to, exporters and side stores, is the segment's.
    var batch = FlowColumns()
    var endpoints = EndpointTable(), ends = SharedEnds(), arrivals = ArrivalTable(), wide = WideBounds(),
        words = RowWords()
    var order = RowOrder(), parts = PartWriter(), block = BlockBuffers()
    var details = BatchEncoder(), side = FlowColumns()
    private var origins: [SegmentOrigin] = [], logOffsets: ClosedRange<Int64>?, tally = Tally()
    /// Whether the rows in `batch` have their ends in the decoder's `sharing`, and nothing of them in their columns.
    private var isShared = false
    private let rowsMax: Int
    let blockRows: Int, listBlock: Int

    /// - Parameters:
    ///   - rowsMax: of a segment, at most `SegmentLimit.rowsMax`.
    ///   - blockRows: of a block, at most `SegmentLimit.blockRows`.
    ///   - listBlock: endpoints of a block of their list.
    package init(
        rowsMax: Int = SegmentLimit.rowsMax, blockRows: Int = SegmentLimit.blockRows,
        listBlock: Int = SegmentLimit.listBlock
    ) {
        self.rowsMax = min(max(rowsMax, 1), SegmentLimit.rowsMax)
        self.blockRows = min(max(blockRows, 1), SegmentLimit.blockRows)
        self.listBlock = min(max(listBlock, 1), SegmentLimit.endpointsMax)
    }

    /// Makes room for so many rows at once, if it is known that they will come.
    /// - Parameter batchRows: of the largest batch.
    package mutating func reserve(_ rows: Int, batchRows: Int) {
        words.reserve(min(max(rows, 0), rowsMax))
        arrivals.reserve(min(max(rows, 0), rowsMax) / 2)
        guard batch.count == 0, batch.exporters.isEmpty, batch.capacity < batchRows else { return }
        batch = FlowColumns(capacity: min(batchRows, rowsMax))
    }

    /// Rows taken since the last segment was made.
    package var rows: Int { words.count }

    /// Takes the rows of a sealed batch.
    /// - Parameters:
    ///   - body: as it was when it was checked on arrival, or its checksums say otherwise.
    ///   - decoder: the caller's, so that it can be used for other things.
    ///   - logOffset: where the batch was in its log: only the least and the greatest are kept.
    ///   - see: is shown the rows as they were decoded, some at a time, or all at once where they share, with the
    ///     numbers of their ends.
    /// - Returns: false, and nothing taken, when the batch does not fit this segment: `finish` it and come again.
    /// - Throws: why the batch is refused; nothing of it is taken. What fits no segment at all is refused, too.
    package mutating func add(
        _ body: [UInt8], sensor: SensorIdentity, logOffset: Int64, decoder: inout BatchDecoder,
        see: (_ columns: FlowColumns, _ rows: Range<Int>, _ ends: SegmentEnds) -> Void = { _, _, _ in }
    ) throws(BatchError) -> Bool {
        let summary = try body.withBytes { span throws(BatchError) in try BatchSummary(span) }
        guard rows + summary.rows <= rowsMax else {
            guard rows > 0 else { throw .tooManyRows(summary.rows, max: rowsMax) }
            return false
        }
        guard let origin = place(of: SegmentOrigin(sensor: sensor, fidelity: summary.fidelity)) else {
            return false
        }
        do throws(BatchError) {
            try body.withBytes { span throws(BatchError) in
                try decoder.decodeShared(
                    span, inPlaceOfRowsIn: &batch, isShared: &isShared, wasChecked: true)
            }
        } catch {
            guard rows > 0, error == .exportersFull || error == .sideStoreFull else { throw error }
            return false
        }
        if isShared {
            note(decoder.sharing, origin, see)
        } else {
            note(origin, see)
        }
        count(summary.tally, logOffset)
        return true
    }

    /// Takes rows that are decoded already: the slow way, row by row.
    /// - Returns: false, and nothing taken, when they do not fit this segment.
    package mutating func add(_ rows: FlowColumns, origin: SegmentOrigin, logOffset: Int64) -> Bool {
        batch.truncate(to: 0, areEndsZero: isShared)
        isShared = false
        guard self.rows + rows.count <= rowsMax, let place = place(of: origin),
            batch.append(contentsOf: rows)
        else {
            return false
        }
        note(place) { _, _, _ in }
        count(rows.tally, logOffset)
        return true
    }

    private mutating func place(of origin: SegmentOrigin) -> Int? {
        if let known = origins.lastIndex(of: origin) { return known }
        guard origins.count < SegmentLimit.originsMax else { return nil }
        origins.append(origin)
        return origins.count - 1
    }
    /// Takes what is in `batch`.
    private mutating func note(
        _ origin: Int, _ see: (_ columns: FlowColumns, _ rows: Range<Int>, _ ends: SegmentEnds) -> Void
    ) {
        for first in stride(from: 0, to: batch.count, by: EndpointTable.chunkRows) {
            let rows = first..<min(first + EndpointTable.chunkRows, batch.count)
            arrivals.note(batch, rows, origin: origin)
            wide.note(batch, rows)
            endpoints.note(batch, rows)
            words.note(batch, rows, endpoints, arrivals)
            see(batch, rows, .rows(sources: endpoints.sources, destinations: endpoints.destinations))
        }
    }
    /// Takes what is in `batch` and in `sharing`.
    private mutating func note(
        _ sharing: BatchSharing, _ origin: Int,
        _ see: (_ columns: FlowColumns, _ rows: Range<Int>, _ ends: SegmentEnds) -> Void
    ) {
        endpoints.note(sharing, &ends)
        words.noteConversations(sharing, ends.numbers, rows: batch.count)
        for start in stride(from: 0, to: batch.count, by: EndpointTable.chunkRows) {
            let rows = start..<min(start + EndpointTable.chunkRows, batch.count)
            arrivals.note(batch, rows, origin: origin)
            wide.note(batch, rows)
            endpoints.note(batch, rows, sharing, &ends)
            words.note(batch, rows, endpoints, arrivals, sharing)
        }
        see(batch, batch.rows, .shared(sharing, numbers: ends.numbers))
    }
    private mutating func count(_ tally: Tally, _ logOffset: Int64) {
        self.tally += tally
        let offsets = logOffsets ?? logOffset...logOffset
        logOffsets = min(offsets.lowerBound, logOffset)...max(offsets.upperBound, logOffset)
    }

    /// Makes a segment of the rows taken, and forgets them.
    /// - Parameter see: is shown whose the ends are, all of them known by now.
    package mutating func finish(see: (SegmentHosts) -> Void = { _ in }) -> EncodedSegment {
        var head = SegmentHead()
        var segment = EncodedSegment()
        (head.rows, head.blockRows, head.tally) = (rows, blockRows, tally)
        (head.endpointCount, head.arrivalCount) = (endpoints.count, arrivals.count)
        (head.flowStartMin, head.flowEndMax) = (wide.flowStart.min, wide.flowEnd.max)
        (head.receiveMin, head.receiveMax) = wide.receive
        (head.logOffsetMin, head.logOffsetMax) = (
            logOffsets?.lowerBound ?? 0, logOffsets?.upperBound ?? 0
        )
        (head.exporters, head.origins) = (batch.exporters, origins)
        let ranks = EndpointRanks(endpoints)
        see(SegmentHosts(ranks))
        writeBlocks(head, ranks)
        writeTables(head, ranks)
        head.parts = parts.parts
        segment.columns = parts.takeColumns()
        segment.bloom = BloomMaker.bytes(of: ranks.endpoints)
        head.bloomBytes = segment.bloom.count
        head.bloomChecksum = segment.bloom.withBytes { Checksum.of($0) }
        segment.head = head.bytes
        forget()
        return segment
    }
    /// Forgets all that was taken, and what refused batches left: the next segment may be another tenant's.
    package mutating func forget() {
        // Shared no more, so that the batch's are emptied in place.
        (side.extras, side.observerSets, side.sketches) = (ExtraElements(), ObserverSets(), DistinctCounts())
        side.removeAll()
        batch.removeAll()
        endpoints.removeAll()
        arrivals.removeAll()
        words.removeAll()
        (origins, logOffsets, wide, tally) = ([], nil, WideBounds(), Tally())
    }
}

/// Bounds over all rows, of what is not bounded block by block; zeros when there are no rows.
struct WideBounds {
    var flowStart: (min: Int64, max: Int64) = (0, 0), flowEnd: (min: Int64, max: Int64) = (0, 0)
    var receive: (min: Int64, max: Int64) = (0, 0), export: (min: Int64, max: Int64) = (0, 0)
    var ingress: (min: UInt32, max: UInt32) = (0, 0), egress: (min: UInt32, max: UInt32) = (0, 0)
    var nextHop: (min: IPAddress, max: IPAddress) = (.absent, .absent)
    private var isEmpty = true

    /// Those of interfaces and next hops are by the bits that any or all rows have: wider, and found in a fraction of
    /// the time.
    mutating func note(_ columns: FlowColumns, _ rows: Range<Int>) {
        guard !rows.isEmpty else { return }
        Self.widen(&flowStart, columns.flowStartMilliseconds.span, rows, isEmpty)
        Self.widen(&flowEnd, columns.flowEndMilliseconds.span, rows, isEmpty)
        Self.widen(&receive, columns.receiveMilliseconds.span, rows, isEmpty)
        Self.widen(&export, columns.exportMilliseconds.span, rows, isEmpty)
        Self.widen(&ingress, columns.ingressInterface.span.extracting(rows).commonBits(), isEmpty)
        Self.widen(&egress, columns.egressInterface.span.extracting(rows).commonBits(), isEmpty)
        let high = columns.nextHopHigh.span.extracting(rows).commonBits()
        let low = columns.nextHopLow.span.extracting(rows).commonBits()
        let least = IPAddress(high: high.all, low: low.all), most = IPAddress(high: high.any, low: low.any)
        nextHop = isEmpty ? (least, most) : (min(nextHop.min, least), max(nextHop.max, most))
        isEmpty = false
    }
    private static func widen(
        _ bounds: inout (min: UInt32, max: UInt32), _ bits: (any: UInt32, all: UInt32), _ isEmpty: Bool
    ) {
        bounds = isEmpty ? (bits.all, bits.any) : (min(bounds.min, bits.all), max(bounds.max, bits.any))
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
