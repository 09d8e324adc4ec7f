package import FlowModel
internal import WireBytes

/// Seals rows of `FlowColumns` into bodies. Holds buffers that it reuses, so keep one a thread.
package struct BatchEncoder: ~Copyable {
    var writer = ColumnWriter()
    var conversations = ConversationTable()
    var words: [UInt64] = [], otherWords: [UInt64] = [], shorts: [UInt32] = [], networks: [UInt32] = []
    var octets: [UInt8] = [], ports: [UInt16] = [], otherPorts: [UInt16] = []
    /// Of each conversation's first row.
    var ingress: [UInt32] = [], egress: [UInt32] = [], vlans: [UInt16] = []
    var ingressChanges: [UInt32] = [], egressChanges: [UInt32] = [], vlanChanges: [UInt16] = []
    var extras = ExtrasWriter(), sideOctets: [UInt8] = [], sketchOctets: [UInt8] = [], leftOutHere: UInt64 = 0
    /// Entries of side stores that did not fit a body together with its rows, since the encoder was made: of few rows
    /// with very much beside their columns. The rows are sealed without them.
    package private(set) var entriesLeftOut: UInt64 = 0

    package init() {}

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
        try fit(rows) { encoder, octetsMax in encoder.seal(columns, rows, fidelity, sideOctetsMax: octetsMax) }
    }

    /// As above, for rows that are zero but for their places in side stores: nothing is looked for in them.
    package mutating func encodeSides(_ columns: FlowColumns, rows: Range<Int>) throws(BatchError) -> [UInt8] {
        try fit(rows) { encoder, octetsMax in encoder.sealSides(columns, rows, octetsMax: octetsMax) }
    }

    /// A body that is not too large: where rows are few enough that their columns fit, less of the side stores goes in.
    private mutating func fit(
        _ rows: Range<Int>, _ seal: (_ encoder: inout BatchEncoder, _ sideOctetsMax: Int) -> [UInt8]
    ) throws(BatchError) -> [UInt8] {
        guard rows.count <= BatchLimit.rowsMax else { throw .tooManyRows(rows.count, max: BatchLimit.rowsMax) }
        var body = seal(&self, BatchLimit.bodyBytesMax * 4)
        if body.count > BatchLimit.bodyBytesMax, rows.count <= BatchLimit.rowsAlwaysFit {
            body = seal(&self, BatchLimit.sideBytesAlwaysFit)
        }
        guard body.count <= BatchLimit.bodyBytesMax else {
            throw .bodyTooLarge(body.count, max: BatchLimit.bodyBytesMax)
        }
        entriesLeftOut &+= leftOutHere
        return body
    }

    private mutating func sealSides(_ columns: FlowColumns, _ rows: Range<Int>, octetsMax: Int) -> [UInt8] {
        writer.start()
        addSideColumns(columns, rows, octetsMax: octetsMax)
        addSideStores()
        let summary = BatchSummary(
            fidelity: .full, rows: rows.count, tally: Tally(), start: 0, end: 0, receive: (0, 0))
        return assemble(summary, columns.exporters)
    }

    private mutating func seal(
        _ columns: FlowColumns, _ rows: Range<Int>, _ fidelity: Fidelity, sideOctetsMax: Int
    ) -> [UInt8] {
        writer.start()
        let summary = BatchSummary(columns, rows: rows, fidelity: fidelity)
        let isShared = conversations.fill(columns, rows)
        addTimes(columns, rows, receiveMin: summary.receiveMin)
        if !isShared { addEnds(columns, rows) }
        addCounters(columns, rows)
        if isShared { addConversationPorts() } else { addPorts(columns, rows) }
        addRest(columns, rows, isShared: isShared)
        addSideColumns(columns, rows, octetsMax: sideOctetsMax)
        if isShared { addConversations() }
        addSideStores()
        if isShared { addDifferences(columns, rows) }
        return assemble(summary, columns.exporters)
    }

    private mutating func addCounters(_ columns: FlowColumns, _ rows: Range<Int>) {
        writer.add(.nextHopHigh, columns.nextHopHigh.span.extracting(rows))
        writer.add(.nextHopLow, columns.nextHopLow.span.extracting(rows))
        writer.add(.octetDeltaCount, columns.octetDeltaCount.span.extracting(rows))
        writer.add(.packetDeltaCount, columns.packetDeltaCount.span.extracting(rows))
        writer.add(.deltaFlowCount, columns.deltaFlowCount.span.extracting(rows))
    }
    private mutating func addEnds(_ columns: FlowColumns, _ rows: Range<Int>) {
        writer.add(.sourceHigh, columns.sourceHigh.span.extracting(rows))
        writer.add(.sourceLow, columns.sourceLow.span.extracting(rows))
        writer.add(.destinationHigh, columns.destinationHigh.span.extracting(rows))
        writer.add(.destinationLow, columns.destinationLow.span.extracting(rows))
    }
    private mutating func addPorts(_ columns: FlowColumns, _ rows: Range<Int>) {
        writer.add(.protocolIdentifier, columns.protocolIdentifier.span.extracting(rows))
        writer.add(.sourceTransportPort, columns.sourceTransportPort.span.extracting(rows))
        writer.add(.destinationTransportPort, columns.destinationTransportPort.span.extracting(rows))
    }
    private mutating func addRest(_ columns: FlowColumns, _ rows: Range<Int>, isShared: Bool) {
        writer.add(.tcpControlBits, columns.tcpControlBits.span.extracting(rows))
        writer.add(.ipClassOfService, columns.ipClassOfService.span.extracting(rows))
        if isShared {
            addConversationInterfaces(columns, rows)
        } else {
            writer.add(.ingressInterface, columns.ingressInterface.span.extracting(rows))
            writer.add(.egressInterface, columns.egressInterface.span.extracting(rows))
            writer.add(.bgpSourceAsNumber, columns.bgpSourceAsNumber.span.extracting(rows))
            writer.add(.bgpDestinationAsNumber, columns.bgpDestinationAsNumber.span.extracting(rows))
            writer.add(.sourceIPPrefixLength, columns.sourceIPPrefixLength.span.extracting(rows))
            writer.add(.destinationIPPrefixLength, columns.destinationIPPrefixLength.span.extracting(rows))
            writer.add(.vlanId, columns.vlanId.span.extracting(rows))
        }
        writer.add(.flowDirection, columns.flowDirection.span.extracting(rows))
        addSampling(columns.samplingInterval.span.extracting(rows))
        writer.add(.flags, columns.flags.span.extracting(rows))
        writer.add(.exporter, columns.exporter.span.extracting(rows))
    }
    /// What no reader would take, such as an exporter's "not a number", is written as 0: unknown.
    private mutating func addSampling(_ values: Span<Float>) {
        shorts.grow(to: values.count)
        var span = shorts.mutableSpan
        for row in 0..<values.count {
            let value = values[row]
            span[row] = value.isFinite && value >= 0 ? value.bitPattern : 0
        }
        writer.add(.samplingInterval, shorts, count: values.count)
    }

    private mutating func assemble(_ summary: BatchSummary, _ exporters: [ExporterKey]) -> [UInt8] {
        let headBytes = BatchLayout.headBytes(
            version: BatchLayout.version, exporters: exporters.count, columns: Int(writer.columnCount))
        let sides = max(extras.octetCount, sideOctets.count, sketchOctets.count)
        let bytesMin = max(BatchLimit.bodyBytesMin(rows: summary.rows), BatchLimit.bodyBytesMin(octets: sides))
        let missing = bytesMin - headBytes - writer.frames.count
        if missing > 0 { writer.pad(missing) }
        var body: [UInt8] = []
        body.reserveCapacity(headBytes + BatchLayout.V2.columnBytes + writer.frames.count)
        body.appendFixed(summary, exporters: exporters.count, columns: writer.columnCount)
        for exporter in exporters { body.append(exporter) }
        body.append(contentsOf: writer.directory)
        body.appendLE(body.withBytes { CRC32C.checksum($0) })
        body.append(contentsOf: writer.frames)
        return body
    }
}

/// Writes columns and their lines of the directory.
struct ColumnWriter: ~Copyable {
    private(set) var directory: [UInt8] = [], frames: [UInt8] = []
    private(set) var columnCount: UInt8 = 0
    private var planes = BatchPlaneWriter(), plane: [UInt8] = []

    mutating func start() {
        directory.removeAll(keepingCapacity: true)
        frames.removeAll(keepingCapacity: true)
        columnCount = 0
    }

    mutating func add<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ id: ColumnID, _ words: [Word], count: Int, _ encoding: ColumnEncoding = .values
    ) {
        add(id, words.span.extracting(0..<count), encoding)
    }
    /// Columns must come by ascending number.
    mutating func add<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ id: ColumnID, _ words: Span<Word>, _ encoding: ColumnEncoding = .values
    ) {
        let bits = words.isEmpty ? (any: 0, all: 0) : words.commonBits()
        let differing = UInt64(bits.any ^ bits.all), start = frames.count
        var octets: UInt8 = 0
        plane.grow(to: words.count + BatchPlaneWriter.roomBeyond)
        for octet in 0..<(Word.bitWidth / 8) where differing >> UInt64(8 * octet) & 0xFF != 0 {
            octets |= 1 << UInt8(octet)
            var bytes = plane.mutableSpan
            bytes.setPlane(at: 0, of: words, shift: Word(truncatingIfNeeded: 8 * octet))
            for index in words.count..<(words.count + BatchPlaneWriter.roomBeyond) { bytes[index] = 0 }
            planes.write(
                plane, count: words.count, place: PlanePlace(id, octet: octet),
                varying: UInt8(truncatingIfNeeded: differing >> UInt64(8 * octet)), to: &frames)
        }
        let base = UInt64(bits.any) & ~Directory.bits(octets)
        // What is absent reads as zeros. That is not what zero means for times, which count from others; turns tell
        // that there are conversations, and of values of varying length nobody else says how many octets there are.
        let isTold = id == .turns || id == .extraValues
        if octets == 0, base == 0, encoding == .values || encoding == .perConversation, !isTold { return }
        addEntry(id, encoding, octets: octets, words: words.count, base: base, frameStart: start)
    }

    private mutating func addEntry(
        _ id: ColumnID, _ encoding: ColumnEncoding, octets: UInt8, words: Int, base: UInt64, frameStart: Int
    ) {
        let checksum = frames.withBytes { Checksum.of($0.extracting(frameStart..<$0.byteCount)) }
        addLine(id.rawValue, encoding, octets, words, frames.count - frameStart, checksum, base)
    }
    private mutating func addLine(
        _ number: UInt8, _ encoding: ColumnEncoding, _ octets: UInt8, _ words: Int, _ frameBytes: Int,
        _ checksum: UInt32, _ base: UInt64
    ) {
        directory.append(contentsOf: [number, encoding.rawValue, octets, 0])
        directory.appendLE(UInt32(words))
        directory.appendLE(UInt32(frameBytes))
        directory.appendLE(checksum)
        directory.appendLE(base)
        columnCount += 1
    }

    /// Appends zeros that no reader looks at.
    mutating func pad(_ count: Int) {
        addLine(ColumnID.paddingNumber, .values, 0, 0, count, 0, 0)
        frames.append(contentsOf: repeatElement(0, count: count))
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
