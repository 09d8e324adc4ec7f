package import FlowModel
internal import WireBytes

/// Opens bodies. Never stops on what is in them, and allocates no more than `BatchLimit` says. Holds a zstd context and
/// a buffer that it reuses, so keep one a thread.
package struct BatchDecoder: ~Copyable {
    private var zstd = ZstdDecompressor()
    private var planes: [UInt8] = []

    package init() {}

    /// Appends a batch's rows to `columns`; fields that are not wanted, or not in the body, are zero.
    /// - Parameters:
    ///   - body: a whole sealed batch, unchecked.
    ///   - columns: must hold fewer exporters than would keep the batch's from fitting; cleared by the caller if the
    ///     rows in it are not wanted.
    ///   - fields: only these are decompressed and checked.
    /// - Throws: why the body is refused; `columns` then has the rows it had before.
    package mutating func decode(
        _ body: RawSpan, into columns: inout FlowColumns, fields: FieldSet = .all
    ) throws(BatchError) {
        let head = try BatchHead(body), first = columns.count
        let numbers = try intern(head.exporters, in: &columns)
        let rows = columns.extend(by: head.summary.rows)
        do {
            for entry in head.columns where fields.holds(entry.id) {
                try fillPlanes(entry, body, rows: rows.count)
                read(entry, into: &columns, rows)
            }
            try check(columns, rows, against: head.summary, fields)
            if fields.holds(.exporter) { try translate(&columns.exporter, rows, numbers) }
        } catch {
            columns.truncate(to: first)
            throw error
        }
    }

    /// What each of a batch's exporters is called in `columns`.
    private func intern(_ exporters: [ExporterKey], in columns: inout FlowColumns) throws(BatchError) -> [UInt32] {
        var numbers: [UInt32] = []
        numbers.reserveCapacity(exporters.count)
        for exporter in exporters {
            guard let number = columns.intern(exporter) else { throw .exportersFull }
            numbers.append(number)
        }
        return numbers
    }

    private mutating func fillPlanes(_ entry: ColumnEntry, _ body: RawSpan, rows: Int) throws(BatchError) {
        guard !entry.frame.isEmpty else { return }
        let rawBytes = rows * entry.shape.width
        if planes.count < rawBytes { planes.append(contentsOf: repeatElement(0, count: rawBytes - planes.count)) }
        guard zstd.decompress(body.extracting(entry.frame), into: &planes, count: rawBytes) else {
            throw .badFrame(column: entry.id.rawValue)
        }
    }

    private func read(_ entry: ColumnEntry, into columns: inout FlowColumns, _ rows: Range<Int>) {
        switch entry.id {
        case .flowStartMilliseconds: readTimes(entry, &columns.flowStartMilliseconds, rows)
        case .flowEndMilliseconds:
            let starts = columns.flowStartMilliseconds
            readTimes(entry, &columns.flowEndMilliseconds, rows, starts: starts.span)
        case .exportMilliseconds: readTimes(entry, &columns.exportMilliseconds, rows)
        case .receiveMilliseconds: readTimes(entry, &columns.receiveMilliseconds, rows)
        case .sourceHigh: readWords(entry, &columns.sourceHigh, rows)
        case .sourceLow: readWords(entry, &columns.sourceLow, rows)
        case .destinationHigh: readWords(entry, &columns.destinationHigh, rows)
        case .destinationLow: readWords(entry, &columns.destinationLow, rows)
        case .nextHopHigh: readWords(entry, &columns.nextHopHigh, rows)
        case .nextHopLow: readWords(entry, &columns.nextHopLow, rows)
        case .octetDeltaCount: readWords(entry, &columns.octetDeltaCount, rows)
        case .packetDeltaCount: readWords(entry, &columns.packetDeltaCount, rows)
        case .deltaFlowCount: readWords(entry, &columns.deltaFlowCount, rows)
        case .protocolIdentifier: readWords(entry, &columns.protocolIdentifier, rows)
        case .sourceTransportPort: readWords(entry, &columns.sourceTransportPort, rows)
        case .destinationTransportPort: readWords(entry, &columns.destinationTransportPort, rows)
        case .tcpControlBits: readWords(entry, &columns.tcpControlBits, rows)
        case .ipClassOfService: readWords(entry, &columns.ipClassOfService, rows)
        case .ingressInterface: readWords(entry, &columns.ingressInterface, rows)
        case .egressInterface: readWords(entry, &columns.egressInterface, rows)
        case .bgpSourceAsNumber: readWords(entry, &columns.bgpSourceAsNumber, rows)
        case .bgpDestinationAsNumber: readWords(entry, &columns.bgpDestinationAsNumber, rows)
        case .sourceIPPrefixLength: readWords(entry, &columns.sourceIPPrefixLength, rows)
        case .destinationIPPrefixLength: readWords(entry, &columns.destinationIPPrefixLength, rows)
        case .vlanId: readWords(entry, &columns.vlanId, rows)
        case .flowDirection: readWords(entry, &columns.flowDirection, rows)
        case .samplingInterval: readIntervals(entry, &columns.samplingInterval, rows)
        case .flags: readWords(entry, &columns.flags, rows)
        case .exporter: readWords(entry, &columns.exporter, rows)
        }
    }

    private func readWords<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ entry: ColumnEntry, _ column: inout [Word], _ rows: Range<Int>
    ) {
        var words = column.mutableSpan
        BytePlanes.read(planes.span, width: entry.shape.width, base: entry.shape.base, into: &words, rows: rows)
    }
    private func words(_ entry: ColumnEntry, _ rows: Range<Int>) -> [UInt64] {
        var words = [UInt64](repeating: 0, count: rows.count)
        readWords(entry, &words, words.indices)
        return words
    }
    private func readTimes(
        _ entry: ColumnEntry, _ column: inout [Int64], _ rows: Range<Int>, starts: Span<Int64> = Span()
    ) {
        let words = self.words(entry, rows), differences = words.span
        var times = column.mutableSpan, previous: Int64 = 0
        let first = rows.lowerBound
        switch entry.encoding {
        case .planes: for row in 0..<rows.count { times[first &+ row] = Int64(bitPattern: differences[row]) }
        case .deltas:
            for row in 0..<rows.count {
                previous &+= BytePlanes.unzigzag(differences[row])
                times[first &+ row] = previous
            }
        case .sinceStart:
            for row in 0..<rows.count {
                times[first &+ row] = starts[first &+ row] &+ BytePlanes.unzigzag(differences[row])
            }
        }
    }
    private func readIntervals(_ entry: ColumnEntry, _ column: inout [Float], _ rows: Range<Int>) {
        let words = self.words(entry, rows)
        var intervals = column.mutableSpan
        for row in 0..<rows.count {
            intervals[rows.lowerBound &+ row] = Float(bitPattern: UInt32(truncatingIfNeeded: words[row]))
        }
    }

    /// From the batch's numbers to those of the columns.
    private func translate(
        _ column: inout [UInt32], _ rows: Range<Int>, _ numbers: [UInt32]
    ) throws(BatchError) {
        var exporters = column.mutableSpan
        for row in rows {
            let number = exporters[row]
            guard number < numbers.count else { throw .unknownExporter(number) }
            exporters[row] = numbers[Int(number)]
        }
    }

    /// A head that says other than its columns would hide rows from whoever prunes or counts by the head.
    private func check(
        _ columns: FlowColumns, _ rows: Range<Int>, against said: BatchSummary, _ fields: FieldSet
    ) throws(BatchError) {
        if fields.holds(.samplingInterval) {
            let intervals = columns.samplingInterval.span
            for row in rows where !(intervals[row].isFinite && intervals[row] >= 0) { throw .badSamplingInterval }
        }
        let found = BatchSummary(columns, rows: rows, fidelity: said.fidelity)
        let agrees =
            (!fields.holds(.deltaFlowCount) || found.tally.flows == said.tally.flows)
            && (!fields.holds(.octetDeltaCount) || found.tally.octets == said.tally.octets)
            && (!fields.holds(.packetDeltaCount) || found.tally.packets == said.tally.packets)
            && (!fields.holds(.flowStartMilliseconds) || found.flowStartMin == said.flowStartMin)
            && (!fields.holds(.flowEndMilliseconds) || found.flowEndMax == said.flowEndMax)
            && (!fields.holds(.receiveMilliseconds)
                || (found.receiveMin, found.receiveMax) == (said.receiveMin, said.receiveMax))
        guard agrees else { throw .sumMismatch }
    }
}
