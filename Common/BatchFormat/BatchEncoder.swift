package import FlowModel
internal import WireBytes

/// Seals rows of `FlowColumns` into bodies. Holds a zstd context and buffers that it reuses, so keep one a thread.
package struct BatchEncoder: ~Copyable {
    private var zstd: ZstdCompressor
    /// Differences of the column at hand, its planes, and what is finished of the body.
    private var words: [UInt64] = [], planes: [UInt8] = [], directory: [UInt8] = [], frames: [UInt8] = []
    private var columnCount: UInt8 = 0

    /// - Parameter level: zstd's compression level; higher ones than 1 gain about 1 %.
    package init(level: Int32 = 1) {
        zstd = ZstdCompressor(level: level)
    }

    /// Seals all rows of `columns` as one body.
    /// - Throws: `.tooManyRows` or `.bodyTooLarge`; never for `BatchLimit.rowsAlwaysFit` rows or fewer, so a caller
    ///   that halves the rows until they fit comes to an end.
    package mutating func encode(_ columns: FlowColumns, fidelity: Fidelity) throws(BatchError) -> [UInt8] {
        try encode(columns, rows: columns.rows, fidelity: fidelity)
    }

    /// As above, for some rows; the body's exporters are those of `columns`, used or not.
    package mutating func encode(
        _ columns: FlowColumns, rows: Range<Int>, fidelity: Fidelity
    ) throws(BatchError) -> [UInt8] {
        guard rows.count <= BatchLimit.rowsMax else { throw .tooManyRows(rows.count, max: BatchLimit.rowsMax) }
        directory.removeAll(keepingCapacity: true)
        frames.removeAll(keepingCapacity: true)
        columnCount = 0
        let missing = max(0, rows.count * 8 - planes.count)
        planes.append(contentsOf: repeatElement(0, count: missing))
        addTimes(columns, rows)
        addKeys(columns, rows)
        addRest(columns, rows)
        let body = assemble(BatchSummary(columns, rows: rows, fidelity: fidelity), columns.exporters)
        guard body.count <= BatchLimit.bodyBytesMax else {
            throw .bodyTooLarge(body.count, max: BatchLimit.bodyBytesMax)
        }
        return body
    }

    private mutating func addTimes(_ columns: FlowColumns, _ rows: Range<Int>) {
        let starts = columns.flowStartMilliseconds.span.extracting(rows)
        addDeltas(.flowStartMilliseconds, starts)
        let ends = columns.flowEndMilliseconds.span.extracting(rows)
        words.removeAll(keepingCapacity: true)
        words.append(addingCapacity: rows.count) { words in
            for row in ends.indices { words.append(BytePlanes.zigzag(ends[row] &- starts[row])) }
        }
        addWords(.flowEndMilliseconds, .sinceStart)
        addDeltas(.exportMilliseconds, columns.exportMilliseconds.span.extracting(rows))
        addDeltas(.receiveMilliseconds, columns.receiveMilliseconds.span.extracting(rows))
    }
    private mutating func addKeys(_ columns: FlowColumns, _ rows: Range<Int>) {
        add(.sourceHigh, columns.sourceHigh.span.extracting(rows))
        add(.sourceLow, columns.sourceLow.span.extracting(rows))
        add(.destinationHigh, columns.destinationHigh.span.extracting(rows))
        add(.destinationLow, columns.destinationLow.span.extracting(rows))
        add(.nextHopHigh, columns.nextHopHigh.span.extracting(rows))
        add(.nextHopLow, columns.nextHopLow.span.extracting(rows))
        add(.octetDeltaCount, columns.octetDeltaCount.span.extracting(rows))
        add(.packetDeltaCount, columns.packetDeltaCount.span.extracting(rows))
        add(.deltaFlowCount, columns.deltaFlowCount.span.extracting(rows))
        add(.protocolIdentifier, columns.protocolIdentifier.span.extracting(rows))
        add(.sourceTransportPort, columns.sourceTransportPort.span.extracting(rows))
        add(.destinationTransportPort, columns.destinationTransportPort.span.extracting(rows))
    }
    private mutating func addRest(_ columns: FlowColumns, _ rows: Range<Int>) {
        add(.tcpControlBits, columns.tcpControlBits.span.extracting(rows))
        add(.ipClassOfService, columns.ipClassOfService.span.extracting(rows))
        add(.ingressInterface, columns.ingressInterface.span.extracting(rows))
        add(.egressInterface, columns.egressInterface.span.extracting(rows))
        add(.bgpSourceAsNumber, columns.bgpSourceAsNumber.span.extracting(rows))
        add(.bgpDestinationAsNumber, columns.bgpDestinationAsNumber.span.extracting(rows))
        add(.sourceIPPrefixLength, columns.sourceIPPrefixLength.span.extracting(rows))
        add(.destinationIPPrefixLength, columns.destinationIPPrefixLength.span.extracting(rows))
        add(.vlanId, columns.vlanId.span.extracting(rows))
        add(.flowDirection, columns.flowDirection.span.extracting(rows))
        addSampling(columns.samplingInterval.span.extracting(rows))
        add(.flags, columns.flags.span.extracting(rows))
        add(.exporter, columns.exporter.span.extracting(rows))
    }

    private mutating func addDeltas(_ id: ColumnID, _ values: Span<Int64>) {
        words.removeAll(keepingCapacity: true)
        words.append(addingCapacity: values.count) { words in
            var previous: Int64 = 0
            for row in values.indices {
                words.append(BytePlanes.zigzag(values[row] &- previous))
                previous = values[row]
            }
        }
        addWords(id, .deltas)
    }
    /// What no reader would take, such as an exporter's "not a number", is written as 0: unknown.
    private mutating func addSampling(_ values: Span<Float>) {
        words.removeAll(keepingCapacity: true)
        words.append(addingCapacity: values.count) { words in
            for row in values.indices {
                let value = values[row]
                words.append(value.isFinite && value >= 0 ? UInt64(value.bitPattern) : 0)
            }
        }
        addWords(.samplingInterval, .planes)
    }
    private mutating func addWords(_ id: ColumnID, _ encoding: ColumnEncoding) {
        let words = self.words  // no copy: given back before they change again
        let shape = BytePlanes.shape(of: words.span)
        BytePlanes.write(words.span, width: shape.width, into: &planes)
        addFrame(id, encoding, shape, rows: words.count)
    }
    private mutating func add<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ id: ColumnID, _ words: Span<Word>
    ) {
        let shape = BytePlanes.shape(of: words)
        BytePlanes.write(words, width: shape.width, into: &planes)
        addFrame(id, .planes, shape, rows: words.count)
    }

    /// Compresses what is in `planes` and notes it in the directory.
    private mutating func addFrame(_ id: ColumnID, _ encoding: ColumnEncoding, _ shape: BytePlanes.Shape, rows: Int) {
        // A column that is absent reads as zeros. That is not what zero means for ends, which count from their starts.
        if shape.isZero, encoding != .sinceStart { return }
        let rawBytes = rows * shape.width
        let frameBytes = rawBytes == 0 ? 0 : zstd.compress(planes, count: rawBytes, to: &frames)
        addEntry(id.rawValue, encoding, rawBytes: rawBytes, frameBytes: frameBytes, base: shape.base)
    }
    private mutating func addEntry(
        _ number: UInt8, _ encoding: ColumnEncoding, rawBytes: Int, frameBytes: Int, base: UInt64
    ) {
        directory.append(number)
        directory.append(encoding.rawValue)
        directory.appendLE(UInt16(0))
        directory.appendLE(UInt32(rawBytes))
        directory.appendLE(UInt32(frameBytes))
        directory.appendLE(base)
        columnCount += 1
    }

    private mutating func assemble(_ summary: BatchSummary, _ exporters: [ExporterKey]) -> [UInt8] {
        let headBytes = BatchLayout.headBytes(exporters: exporters.count, columns: Int(columnCount))
        let missing = BatchLimit.bodyBytesMin(rows: summary.rows) - headBytes - frames.count
        if missing > 0 {
            addEntry(ColumnID.paddingNumber, .planes, rawBytes: missing, frameBytes: missing, base: 0)
            frames.append(contentsOf: repeatElement(0, count: missing))
        }
        var body: [UInt8] = []
        body.reserveCapacity(headBytes + BatchLayout.columnBytes + frames.count)
        body.appendFixed(summary, exporters: exporters.count, columns: columnCount)
        for exporter in exporters { body.append(exporter) }
        body.append(contentsOf: directory)
        body.appendLE(body.withBytes { CRC32C.checksum($0) })
        body.append(contentsOf: frames)
        return body
    }
}

extension [UInt8] {
    fileprivate mutating func appendFixed(_ summary: BatchSummary, exporters: Int, columns: UInt8) {
        appendLE(BatchLayout.magic)
        appendLE(BatchLayout.version)
        append(summary.fidelity.rawValue)
        append(columns)
        appendLE(UInt32(summary.rows))
        appendLE(UInt32(exporters))
        for sum in [summary.tally.flows, summary.tally.octets, summary.tally.packets] { appendLE(sum) }
        for time in [summary.flowStartMin, summary.flowEndMax, summary.receiveMin, summary.receiveMax] {
            appendLE(UInt64(bitPattern: time))
        }
    }
    fileprivate mutating func append(_ exporter: ExporterKey) {
        appendLE(exporter.address.high)
        appendLE(exporter.address.low)
        appendLE(exporter.observationDomain)
        append(exporter.exportProtocol.rawValue)
        append(contentsOf: [0, 0, 0])
    }
}
